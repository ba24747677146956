package authflow

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

const (
	authSessionLife  = 10 * time.Minute
	authSessionLabel = "auth session"
	concludeTimeout  = 5 * time.Second
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

// authSession is a sign-in that a client waits for. Anyone can open one, so it is sealed into the id that the client gets, and
// not stored.
type authSession struct {
	ID              string            `json:"i,omitempty"` // of its record
	Platform        crmgate.Platform  `json:"p"`
	Hostname        string            `json:"h,omitempty"`
	Who             identity.Identity `json:"a,omitzero"` // verified
	HashedExtension string            `json:"x,omitempty"`
	SecretHash      []byte            `json:"s"`
	BrowserHash     []byte            `json:"b"`
	Expires         int64             `json:"e,omitempty"` // Unix seconds
}

// authSessionRecord is the result of a sign-in that a client waits for. A pending sign-in has no record. In the store, it is
// sealed.
type authSessionRecord struct {
	authSession                        // in records of earlier versions, which stored a sign-in that was pending
	Status      SignInStatus           `json:"t"`
	Token       string                 `json:"j,omitempty"` // until it is collected
	Name        string                 `json:"n,omitempty"`
	Message     *crmgate.ReturnMessage `json:"m,omitempty"`
}

// OpenPending begins a sign-in that a browser completes on /connect while a client waits. A platform without sign-ins, or a
// host name that it does not allow, is a Refusal.
func (f *Flows) OpenPending(ctx context.Context, r PendingRequest) (PendingSignIn, error) {
	m, err := f.Connectors.Connectable(ctx, r.Platform)
	if err != nil {
		return PendingSignIn{}, err
	}
	s := authSession{ID: random(16), Platform: r.Platform, HashedExtension: r.HashedExtension, Expires: f.Now().Add(authSessionLife).Unix()}
	if s.Hostname, err = m.CheckHostname(r.Hostname); err != nil {
		return PendingSignIn{}, err
	}
	if !r.RCToken.IsZero() {
		if s.Who, err = f.Verify(ctx, r.RCToken); err != nil {
			return PendingSignIn{}, err
		}
	}
	out := PendingSignIn{LoginSecret: crmgate.NewSecret(random(32)), BrowserSecret: crmgate.NewSecret(random(32)), Life: authSessionLife}
	s.SecretHash, s.BrowserHash = hashOf(out.LoginSecret), hashOf(out.BrowserSecret)
	out.ID, err = sealedText(f.DB, authSessionLabel, s)
	return out, err
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
	now   func() time.Time
	polls *polls
	// failures limits the records of sign-ins that failed: anyone can begin one and have it fail.
	failures *limit.Rates[limit.Client]
}

// A client may have this many failed sign-ins recorded at once, and one more in every failureEvery.
const (
	maxFailures  = 600
	failureEvery = time.Second
)

// poll implements PollPending.
func (ss *authSessions) poll(ctx context.Context, handle string, secret crmgate.Secret, patience <-chan struct{}) (Polled, error) {
	s, err := ss.open(ctx, handle)
	switch {
	case errors.Is(err, crmgate.ErrExpired):
		return Polled{Status: SignInExpired}, nil
	case err != nil:
		return Polled{}, err
	case !hashes(secret, s.SecretHash):
		return Polled{}, &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "The X-Crmgate-Login header does not match this sign-in."}
	}
	out, err := ss.collect(ctx, s)
	if err != nil || out.Status != SignInPending {
		return out, err
	}
	woken, leave, err := ss.polls.join(s.ID, limit.ClientOf(ctx, s.Who.Account))
	if err != nil {
		return out, err
	}
	defer leave()
	// Again: it may have been concluded before this poll joined.
	if out, err = ss.collect(ctx, s); err != nil || out.Status != SignInPending {
		return out, err
	}
	select {
	case <-woken:
	case <-patience:
	case <-ctx.Done():
		return out, ctx.Err()
	}
	return ss.collect(ctx, s)
}

// collect returns the status of a sign-in, and removes its session token if there is one.
func (ss *authSessions) collect(ctx context.Context, s authSession) (Polled, error) {
	r, err := ss.read(ctx, s.ID)
	if err != nil || r.Status != SignInCompleted {
		return Polled{Status: r.Status, Message: r.Message}, err
	}
	var out Polled
	err = ss.change(ctx, s.ID, func(r *authSessionRecord) error {
		out = Polled{Status: r.Status}
		if r.Status != SignInCompleted { // another poll was first
			return nil
		}
		out.Token, out.Name, out.Message = crmgate.NewSecret(r.Token), r.Name, r.Message
		*r = authSessionRecord{authSession: r.authSession, Status: SignInCollected}
		return nil
	})
	return out, err
}

// conclude stores how a sign-in ended, and wakes the client that waits.
func (ss *authSessions) conclude(ctx context.Context, id string, signedIn SignedIn, o Outcome) error {
	switch {
	case errors.Is(o.Err, crmgate.ErrConflict):
		return nil // the callback came twice, and the first one concludes the session
	case o.Result != audit.OutcomeOK && !ss.failures.Allow(limit.ClientOf(ctx, "")):
		return nil // the client waits until its sign-in expires
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), concludeTimeout) // the browser may have disconnected
	defer cancel()
	err := ss.change(ctx, id, func(r *authSessionRecord) error {
		switch {
		case r.Status != SignInPending:
			return sessionOver()
		case o.Err != nil:
			r.Status, r.Message = SignInFailed, o.Message()
		case o.Result != audit.OutcomeOK:
			r.Status, r.Message = SignInFailed, signedIn.Message
		default:
			r.Status, r.Token, r.Name, r.Message = SignInCompleted, signedIn.Token.Reveal(), signedIn.Name, signedIn.Message
		}
		return nil
	})
	ss.polls.wake(id)
	return err
}

// open opens the id that a client got. If the sign-in has expired, or the id is made up, the error matches crmgate.ErrExpired.
func (ss *authSessions) open(ctx context.Context, handle string) (authSession, error) {
	var s authSession
	if len(handle) == base64.RawURLEncoding.EncodedLen(16) { // of an earlier version: the id of a record
		r, err := ss.read(ctx, handle)
		if s = r.authSession; err == nil && s.Platform == "" {
			err = tookTooLong()
		}
		s.ID = handle
		return s, err
	}
	err := openText(ss.db, authSessionLabel, handle, &s)
	if errors.Is(err, crmgate.ErrSealed) || err == nil && ss.now().Unix() >= s.Expires {
		err = tookTooLong()
	}
	return s, err
}

// read reads a record. Without one, the sign-in is pending.
func (ss *authSessions) read(ctx context.Context, id string) (authSessionRecord, error) {
	r := authSessionRecord{Status: SignInPending}
	b, err := ss.db.AuthSessions().Get(ctx, id)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return r, nil
	case err != nil:
		return r, err
	}
	return r, json.Unmarshal(b, &r)
}

func (ss *authSessions) change(ctx context.Context, id string, change func(*authSessionRecord) error) error {
	return ss.db.AuthSessions().Update(ctx, id, authSessionLife, func(b []byte) ([]byte, error) {
		r := authSessionRecord{Status: SignInPending}
		if b != nil {
			if err := json.Unmarshal(b, &r); err != nil {
				return nil, err
			}
		}
		if err := change(&r); err != nil {
			return nil, err
		}
		return json.Marshal(r)
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
// session may use it: otherwise the sender of a link would get the access of the person who follows it.
func (ss *authSessions) forBrowser(ctx context.Context, r ConnectRequest) (authSession, error) {
	if r.Session == "" {
		return authSession{}, nil
	}
	s, err := ss.open(ctx, r.Session)
	if err != nil {
		return s, err
	}
	switch err := ss.pending(ctx, s.ID); {
	case err != nil:
		return s, err
	case r.Browser.IsZero() || !hashes(r.Browser, s.BrowserHash):
		return s, &crmgate.Refusal{Kind: crmgate.Forbidden, Err: crmgate.ErrOtherBrowser,
			Message: "This sign-in was started in another browser, or a newer one in this browser has replaced it. If you got a link from another person, do not continue: they would get your access."}
	case s.Platform != r.Platform:
		return s, crmgate.Refuse("This sign-in was started for another CRM.")
	}
	return s, nil
}

// pending refuses an auth session that has ended.
func (ss *authSessions) pending(ctx context.Context, id string) error {
	r, err := ss.read(ctx, id)
	if err == nil && r.Status != SignInPending {
		err = sessionOver()
	}
	return err
}

func sessionOver() error {
	return &crmgate.Refusal{Kind: crmgate.Declined, Message: "This sign-in has already ended. Please start again in the application.", Err: crmgate.ErrConflict}
}
