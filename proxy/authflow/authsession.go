package authflow

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

const (
	authSessionLife = 10 * time.Minute
	// maxAuthSessions bounds the records that clients without a session can cause.
	maxAuthSessions = 10_000
	concludeTimeout = 5 * time.Second
)

// SignInStatus is the status of a sign-in that a client waits for.
type SignInStatus string

// A sign-in is pending, then completed or failed, and collected once the client has the session token. A sign-in without a
// record is expired.
const (
	SignInPending   SignInStatus = "pending"
	SignInCompleted SignInStatus = "completed"
	SignInCollected SignInStatus = "collected"
	SignInFailed    SignInStatus = "failed"
	SignInExpired   SignInStatus = "expired"
)

// PendingRequest asks for a sign-in that a client waits for.
type PendingRequest struct {
	Platform crmgate.Platform
	Hostname string // as the client sent it
	// RCToken proves the account that the sign-in belongs to; may be empty.
	RCToken         crmgate.Secret
	HashedExtension string
}

// PendingSignIn is a sign-in that a client waits for.
type PendingSignIn struct {
	ID string
	// LoginSecret is the secret that the client polls with.
	LoginSecret crmgate.Secret
	// BrowserSecret is the secret of the browser that signs in. It goes into a cookie and never into a link, which can be sent to
	// another person.
	BrowserSecret crmgate.Secret
	Life          time.Duration
}

// authSession is the record of a sign-in that a client waits for. The store seals it.
type authSession struct {
	id              string
	Platform        crmgate.Platform       `json:"p"`
	Hostname        string                 `json:"h,omitempty"`
	Who             identity.Identity      `json:"a,omitzero"` // verified
	HashedExtension string                 `json:"x,omitempty"`
	SecretHash      []byte                 `json:"s"`
	BrowserHash     []byte                 `json:"b"`
	Status          SignInStatus           `json:"t"`
	Token           string                 `json:"j,omitempty"` // until it is collected
	Name            string                 `json:"n,omitempty"`
	Message         *crmgate.ReturnMessage `json:"m,omitempty"`
}

// OpenPending begins a sign-in that a browser completes on /connect while a client waits. A platform without sign-ins, or a
// host name that it does not allow, is a Refusal.
func (f *Flows) OpenPending(ctx context.Context, r PendingRequest) (PendingSignIn, error) {
	m, err := f.Connectors.Connectable(r.Platform)
	if err != nil {
		return PendingSignIn{}, err
	}
	s := authSession{Platform: r.Platform, HashedExtension: r.HashedExtension, Status: SignInPending}
	if s.Hostname, err = m.CheckHostname(r.Hostname); err != nil {
		return PendingSignIn{}, err
	}
	if !r.RCToken.IsZero() {
		if s.Who, err = f.Verify(ctx, r.RCToken); err != nil {
			return PendingSignIn{}, err
		}
	}
	out := PendingSignIn{ID: random(16), LoginSecret: crmgate.NewSecret(random(32)), BrowserSecret: crmgate.NewSecret(random(32)), Life: authSessionLife}
	s.SecretHash, s.BrowserHash = hashOf(out.LoginSecret), hashOf(out.BrowserSecret)
	b, err := json.Marshal(s)
	if err != nil {
		return PendingSignIn{}, err
	}
	return out, tooManySignIns(f.DB.AuthSessions().Put(ctx, out.ID, b, authSessionLife, maxAuthSessions))
}

// Polled is the answer to a poll.
type Polled struct {
	Status  SignInStatus
	Token   crmgate.Secret // of SignInCompleted, once
	Name    string
	Message *crmgate.ReturnMessage
}

// PollPending returns the status of a sign-in. While it is pending, PollPending waits until patience is closed or the next
// poll for the same sign-in comes. It returns the session token once; later polls get SignInCollected. A wrong secret and
// too many waiting polls are Refusals. If another process concludes the sign-in, PollPending notices when patience ends.
func (f *Flows) PollPending(ctx context.Context, id string, secret crmgate.Secret, patience <-chan struct{}) (Polled, error) {
	return f.sessions.poll(ctx, id, secret, patience)
}

// Polling returns how many polls wait.
func (f *Flows) Polling() int { return f.sessions.polls.count() }

// authSessions are the sign-ins that clients wait for. Safe for concurrent use.
type authSessions struct {
	db    *storage.DB
	polls *polls
}

// poll implements PollPending.
func (ss *authSessions) poll(ctx context.Context, id string, secret crmgate.Secret, patience <-chan struct{}) (Polled, error) {
	out, err := ss.collect(ctx, id, secret)
	if err != nil || out.Status != SignInPending {
		return out, err
	}
	woken, leave, err := ss.polls.join(id)
	if err != nil {
		return out, err
	}
	defer leave()
	// Again: it may have been concluded before this poll joined.
	if out, err = ss.collect(ctx, id, secret); err != nil || out.Status != SignInPending {
		return out, err
	}
	select {
	case <-woken:
	case <-patience:
	case <-ctx.Done():
		return out, ctx.Err()
	}
	return ss.collect(ctx, id, secret)
}

// collect returns the status of a sign-in, and removes its session token if there is one.
func (ss *authSessions) collect(ctx context.Context, id string, secret crmgate.Secret) (Polled, error) {
	s, err := ss.read(ctx, id)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return Polled{Status: SignInExpired}, nil
	case err != nil:
		return Polled{}, err
	case !hashes(secret, s.SecretHash):
		return Polled{}, &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "The X-Crmgate-Login header does not match this sign-in."}
	case s.Status != SignInCompleted:
		return Polled{Status: s.Status, Message: s.Message}, nil
	}
	var out Polled
	err = ss.change(ctx, id, func(s *authSession) error {
		out = Polled{Status: s.Status}
		if s.Status != SignInCompleted { // another poll was first
			return nil
		}
		out.Token, out.Name, out.Message = crmgate.NewSecret(s.Token), s.Name, s.Message
		*s = authSession{Platform: s.Platform, SecretHash: s.SecretHash, BrowserHash: s.BrowserHash, Status: SignInCollected}
		return nil
	})
	return out, err
}

// conclude stores how a sign-in ended, and wakes the client that waits.
func (ss *authSessions) conclude(ctx context.Context, id string, signedIn SignedIn, o Outcome) error {
	if errors.Is(o.Err, crmgate.ErrConflict) {
		return nil // the callback came twice, and the first one concludes the session
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), concludeTimeout) // the browser may have disconnected
	defer cancel()
	err := ss.change(ctx, id, func(s *authSession) error {
		switch {
		case s.Status != SignInPending:
			return sessionOver()
		case o.Result == audit.OutcomeError:
			s.Status, s.Message = SignInFailed, o.message()
		case o.Result == audit.OutcomeRefused:
			s.Status, s.Message = SignInFailed, signedIn.Message
		default:
			s.Status, s.Token, s.Name, s.Message = SignInCompleted, signedIn.Token.Reveal(), signedIn.Name, signedIn.Message
		}
		return nil
	})
	ss.polls.wake(id)
	if errors.Is(err, crmgate.ErrNotFound) {
		return tookTooLong()
	}
	return err
}

// read reads a record. It returns crmgate.ErrNotFound if there is none.
func (ss *authSessions) read(ctx context.Context, id string) (*authSession, error) {
	b, err := ss.db.AuthSessions().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &authSession{id: id}
	return s, json.Unmarshal(b, s)
}

func (ss *authSessions) change(ctx context.Context, id string, change func(*authSession) error) error {
	return ss.db.AuthSessions().Update(ctx, id, func(b []byte) ([]byte, error) {
		var s authSession
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, err
		}
		if err := change(&s); err != nil {
			return nil, err
		}
		return json.Marshal(s)
	})
}

// tooManySignIns turns an error of a full store into a Refusal.
func tooManySignIns(err error) error {
	if errors.Is(err, crmgate.ErrTransient) {
		return &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many sign-ins are under way. Please try again in a few minutes.", Err: err}
	}
	return err
}

// forBrowser returns the auth session of a request; an empty one if the request names none. Only the browser that began a
// session may use it: otherwise the sender of a link would get the access of the
// person who follows it.
func (ss *authSessions) forBrowser(ctx context.Context, r ConnectRequest) (*authSession, error) {
	if r.Session == "" {
		return &authSession{}, nil
	}
	s, err := ss.pending(ctx, r.Session)
	switch {
	case err != nil:
		return nil, err
	case r.Browser.IsZero() || !hashes(r.Browser, s.BrowserHash):
		return nil, &crmgate.Refusal{Kind: crmgate.Forbidden, Err: crmgate.ErrOtherBrowser,
			Message: "This sign-in was started in another browser. If you got a link from another person, do not continue: they would get your access."}
	case s.Platform != r.Platform:
		return nil, crmgate.Refuse("This sign-in was started for another CRM.")
	}
	return s, nil
}

// pending returns an auth session that is still pending.
func (ss *authSessions) pending(ctx context.Context, id string) (*authSession, error) {
	s, err := ss.read(ctx, id)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return nil, tookTooLong()
	case err != nil:
		return nil, err
	case s.Status != SignInPending:
		return nil, sessionOver()
	}
	return s, nil
}

func sessionOver() error {
	return &crmgate.Refusal{Message: "This sign-in has already ended. Please start again in the application.", Err: crmgate.ErrConflict}
}
