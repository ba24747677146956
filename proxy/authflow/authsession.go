package authflow

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
)

const (
	authSessionLife = 10 * time.Minute
	// maxAuthSessions bounds the records that strangers can leave.
	maxAuthSessions = 10_000
	concludeTimeout = 5 * time.Second
)

// SignInStatus is how a sign-in that a client waits for stands.
type SignInStatus string

// A sign-in is pending, then completed or failed, and collected once the client has the session token. Expired is one
// that nothing is known of any more.
const (
	SignInPending   SignInStatus = "pending"
	SignInCompleted SignInStatus = "completed"
	SignInCollected SignInStatus = "collected"
	SignInFailed    SignInStatus = "failed"
	SignInExpired   SignInStatus = "expired"
)

// PendingRequest asks for a sign-in to wait for.
type PendingRequest struct {
	Platform crmgate.Platform
	Hostname string // as the client sent it
	// RCToken, if not empty, proves the account that the sign-in belongs to.
	RCToken         crmgate.Secret
	HashedExtension string
}

// PendingSignIn is a sign-in that a client waits for.
type PendingSignIn struct {
	ID string
	// LoginSecret is what the client polls with.
	LoginSecret crmgate.Secret
	// BrowserSecret is what the browser must hold that signs in. It goes into a cookie, and is never in a link: what is
	// in a link, whoever made it could give to somebody else.
	BrowserSecret crmgate.Secret
	Life          time.Duration
}

// pendingSignIn is the record of one. The store seals it.
type pendingSignIn struct {
	id              string
	Platform        crmgate.Platform       `json:"p"`
	Hostname        string                 `json:"h,omitempty"`
	Who             identity.Identity      `json:"a,omitzero"` // who proved to be that
	HashedExtension string                 `json:"x,omitempty"`
	SecretHash      []byte                 `json:"s"`
	BrowserHash     []byte                 `json:"b"`
	Status          SignInStatus           `json:"t"`
	Token           string                 `json:"j,omitempty"` // until it is collected
	Name            string                 `json:"n,omitempty"`
	Message         *crmgate.ReturnMessage `json:"m,omitempty"`
}

// OpenPending begins a sign-in that a browser carries out on /connect, and that a client waits for. A platform that
// nobody can sign in to, or a host name that it does not allow, is a Refusal.
func (f *Flows) OpenPending(ctx context.Context, r PendingRequest) (PendingSignIn, error) {
	m, err := f.Connectors.Connectable(r.Platform)
	if err != nil {
		return PendingSignIn{}, err
	}
	s := pendingSignIn{Platform: r.Platform, HashedExtension: r.HashedExtension, Status: SignInPending}
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

// Polled is what a client that waits is told.
type Polled struct {
	Status  SignInStatus
	Token   crmgate.Secret // of SignInCompleted, once
	Name    string
	Message *crmgate.ReturnMessage
}

// PollPending says how a sign-in stands. While it is pending, PollPending waits until patience is closed or the next poll
// for the same sign-in comes. It gives the session token out once; later polls see that it was collected. It is a Refusal
// if secret is not the sign-in's, or if too many polls wait. A sign-in that another process concludes is seen when
// patience ends.
func (f *Flows) PollPending(ctx context.Context, id string, secret crmgate.Secret, patience <-chan struct{}) (Polled, error) {
	return f.pending.poll(ctx, id, secret, patience)
}

// Polling returns how many polls wait.
func (f *Flows) Polling() int { return f.pending.waiters.count() }

// pendings are the sign-ins that clients wait for. Safe for concurrent use.
type pendings struct {
	db      *storage.DB
	waiters *waiters
}

// poll is PollPending.
func (p *pendings) poll(ctx context.Context, id string, secret crmgate.Secret, patience <-chan struct{}) (Polled, error) {
	out, err := p.collect(ctx, id, secret)
	if err != nil || out.Status != SignInPending {
		return out, err
	}
	woken, leave, err := p.waiters.join(id)
	if err != nil {
		return out, err
	}
	defer leave()
	// Once more: it may have been concluded before this poll was to be woken.
	if out, err = p.collect(ctx, id, secret); err != nil || out.Status != SignInPending {
		return out, err
	}
	select {
	case <-woken:
	case <-patience:
	case <-ctx.Done():
		return out, ctx.Err()
	}
	return p.collect(ctx, id, secret)
}

// collect reads how a sign-in stands, and takes the session token out if it is there.
func (p *pendings) collect(ctx context.Context, id string, secret crmgate.Secret) (Polled, error) {
	s, err := p.read(ctx, id)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return Polled{Status: SignInExpired}, nil
	case err != nil:
		return Polled{}, err
	case !hashes(secret, s.SecretHash):
		return Polled{}, &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "The X-Crmgate-Login header is not that of this sign-in."}
	case s.Status != SignInCompleted:
		return Polled{Status: s.Status, Message: s.Message}, nil
	}
	var out Polled
	err = p.change(ctx, id, func(s *pendingSignIn) error {
		out = Polled{Status: s.Status}
		if s.Status != SignInCompleted { // another poll was first
			return nil
		}
		out.Token, out.Name, out.Message = crmgate.NewSecret(s.Token), s.Name, s.Message
		*s = pendingSignIn{Platform: s.Platform, SecretHash: s.SecretHash, BrowserHash: s.BrowserHash, Status: SignInCollected}
		return nil
	})
	return out, err
}

// conclude tells the client that waits how a sign-in ended, if it ended here.
func (p *pendings) conclude(ctx context.Context, id string, in SignedIn, failure error) error {
	if errors.Is(failure, crmgate.ErrConflict) {
		return nil // the callback came twice, and the first one concludes it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), concludeTimeout) // also of browsers that have gone
	defer cancel()
	err := p.change(ctx, id, func(s *pendingSignIn) error {
		switch {
		case s.Status != SignInPending:
			return sessionOver()
		case failure != nil:
			s.Status, s.Message = SignInFailed, failureMessage(failure)
		case in.Token.IsZero():
			s.Status, s.Message = SignInFailed, in.Message
		default:
			s.Status, s.Token, s.Name, s.Message = SignInCompleted, in.Token.Reveal(), in.Name, in.Message
		}
		return nil
	})
	p.waiters.wake(id)
	if errors.Is(err, crmgate.ErrNotFound) {
		return tookTooLong()
	}
	return err
}

// failureMessage is what a client that waits is told of an error.
func failureMessage(err error) *crmgate.ReturnMessage {
	m := &crmgate.ReturnMessage{Message: "The sign-in did not work. Please try again.", MessageType: "warning", TTL: 5000}
	var refusal *crmgate.Refusal
	var connector *crmgate.ConnectorError
	if sentence, _, _, ok := TokenFailure(err); ok {
		m.Message = sentence
	} else if errors.As(err, &refusal) {
		m.Message = refusal.Message
	} else if errors.As(err, &connector) {
		m.Message = connector.Message
	}
	return m
}

// read reads a record; crmgate.ErrNotFound if there is none any more.
func (p *pendings) read(ctx context.Context, id string) (*pendingSignIn, error) {
	b, err := p.db.AuthSessions().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &pendingSignIn{id: id}
	return s, json.Unmarshal(b, s)
}

func (p *pendings) change(ctx context.Context, id string, change func(*pendingSignIn) error) error {
	return p.db.AuthSessions().Update(ctx, id, func(b []byte) ([]byte, error) {
		var s pendingSignIn
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, err
		}
		if err := change(&s); err != nil {
			return nil, err
		}
		return json.Marshal(s)
	})
}

// tooManySignIns says so in words fit for a person.
func tooManySignIns(err error) error {
	if errors.Is(err, crmgate.ErrTransient) {
		return &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many sign-ins are under way. Please try again in a few minutes.", Err: err}
	}
	return err
}
