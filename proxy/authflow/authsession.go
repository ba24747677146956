package authflow

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
)

const (
	authSessionLife = 10 * time.Minute
	// maxAuthSessions bounds the records that strangers can leave.
	maxAuthSessions = 10_000
	concludeTimeout = 5 * time.Second
)

// AuthStatus is how a sign-in that a client waits for stands.
type AuthStatus string

// A sign-in is pending, then completed or failed, and collected once the client has the session token. Expired is one
// that nothing is known of any more.
const (
	AuthPending   AuthStatus = "pending"
	AuthCompleted AuthStatus = "completed"
	AuthCollected AuthStatus = "collected"
	AuthFailed    AuthStatus = "failed"
	AuthExpired   AuthStatus = "expired"
)

// AuthSessionRequest asks for a sign-in to wait for.
type AuthSessionRequest struct {
	Platform crmgate.Platform
	Hostname string // as the client sent it
	// RCToken, if not empty, proves the account that the sign-in belongs to.
	RCToken         crmgate.Secret
	HashedExtension string
}

// AuthSession is a sign-in that a client waits for.
type AuthSession struct {
	ID string
	// LoginSecret is what the client polls with.
	LoginSecret crmgate.Secret
	// BrowserSecret is what the browser must hold that signs in. It goes into a cookie, and is never in a link: what is
	// in a link, whoever made it could give to somebody else.
	BrowserSecret crmgate.Secret
	Life          time.Duration
}

// authSession is the record of one. The store seals it.
type authSession struct {
	id              string
	Platform        crmgate.Platform       `json:"p"`
	Hostname        string                 `json:"h,omitempty"`
	Who             identity.Identity      `json:"a,omitzero"` // who proved to be that
	HashedExtension string                 `json:"x,omitempty"`
	SecretHash      []byte                 `json:"s"`
	BrowserHash     []byte                 `json:"b"`
	Status          AuthStatus             `json:"t"`
	Token           string                 `json:"j,omitempty"` // until it is collected
	Name            string                 `json:"n,omitempty"`
	Message         *crmgate.ReturnMessage `json:"m,omitempty"`
}

// OpenAuthSession begins a sign-in that a browser carries out on /connect, and that a client waits for. A platform that
// nobody can sign in to, or a host name that it does not allow, is a Refusal.
func (f *Flows) OpenAuthSession(ctx context.Context, r AuthSessionRequest) (AuthSession, error) {
	m, err := f.Connectors.Connectable(r.Platform)
	if err != nil {
		return AuthSession{}, err
	}
	s := authSession{Platform: r.Platform, HashedExtension: r.HashedExtension, Status: AuthPending}
	if s.Hostname, err = m.CheckHostname(r.Hostname); err != nil {
		return AuthSession{}, err
	}
	if !r.RCToken.IsZero() {
		if s.Who, err = f.Verify(ctx, r.RCToken); err != nil {
			return AuthSession{}, err
		}
	}
	out := AuthSession{ID: random(16), LoginSecret: crmgate.NewSecret(random(32)), BrowserSecret: crmgate.NewSecret(random(32)), Life: authSessionLife}
	s.SecretHash, s.BrowserHash = hashOf(out.LoginSecret), hashOf(out.BrowserSecret)
	b, err := json.Marshal(s)
	if err != nil {
		return AuthSession{}, err
	}
	return out, tooManySignIns(f.DB.PutAuthSession(ctx, out.ID, b, authSessionLife, maxAuthSessions))
}

// Polled is what a client that waits is told.
type Polled struct {
	Status  AuthStatus
	Token   crmgate.Secret // of AuthCompleted, once
	Name    string
	Message *crmgate.ReturnMessage
}

// PollAuthSession says how a sign-in stands, and waits while it is pending, until patience is closed or the next poll for
// the same one comes. The session token is given out once: who comes later is told that it was collected. It is a Refusal if
// secret is not the session's, or if too many wait. A sign-in that this process does not conclude itself is seen when patience ends.
func (f *Flows) PollAuthSession(ctx context.Context, id string, secret crmgate.Secret, patience <-chan struct{}) (Polled, error) {
	p, err := f.collect(ctx, id, secret)
	if err != nil || p.Status != AuthPending {
		return p, err
	}
	woken, leave, err := f.waiters.join(id)
	if err != nil {
		return p, err
	}
	defer leave()
	// Once more: it may have been concluded before this poll was to be woken.
	if p, err = f.collect(ctx, id, secret); err != nil || p.Status != AuthPending {
		return p, err
	}
	select {
	case <-woken:
	case <-patience:
	case <-ctx.Done():
		return p, ctx.Err()
	}
	return f.collect(ctx, id, secret)
}

// Polling returns how many polls wait.
func (f *Flows) Polling() int { return f.waiters.count() }

// collect reads how a sign-in stands, and takes the session token out if it is there.
func (f *Flows) collect(ctx context.Context, id string, secret crmgate.Secret) (Polled, error) {
	s, err := f.authSession(ctx, id)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return Polled{Status: AuthExpired}, nil
	case err != nil:
		return Polled{}, err
	case !hashes(secret, s.SecretHash):
		return Polled{}, &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "The X-Crmgate-Login header is not that of this sign-in."}
	case s.Status != AuthCompleted:
		return Polled{Status: s.Status, Message: s.Message}, nil
	}
	var out Polled
	err = f.changeAuthSession(ctx, id, func(s *authSession) error {
		out = Polled{Status: s.Status}
		if s.Status != AuthCompleted { // another poll was first
			return nil
		}
		out.Token, out.Name, out.Message = crmgate.NewSecret(s.Token), s.Name, s.Message
		*s = authSession{Platform: s.Platform, SecretHash: s.SecretHash, BrowserHash: s.BrowserHash, Status: AuthCollected}
		return nil
	})
	return out, err
}

// concluded tells whoever waits how a sign-in ended, if it ended here.
func (f *Flows) concluded(ctx context.Context, id string, in SignedIn, failure error) error {
	if errors.Is(failure, crmgate.ErrConflict) {
		return nil // the callback came twice, and the first one concludes it
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), concludeTimeout) // also of browsers that have gone
	defer cancel()
	err := f.changeAuthSession(ctx, id, func(s *authSession) error {
		switch {
		case s.Status != AuthPending:
			return sessionOver()
		case failure != nil:
			s.Status, s.Message = AuthFailed, failureMessage(failure)
		case in.Token.IsZero():
			s.Status, s.Message = AuthFailed, in.Message
		default:
			s.Status, s.Token, s.Name, s.Message = AuthCompleted, in.Token.Reveal(), in.Name, in.Message
		}
		return nil
	})
	f.waiters.wake(id)
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

// authSession reads a record; crmgate.ErrNotFound if there is none any more.
func (f *Flows) authSession(ctx context.Context, id string) (*authSession, error) {
	b, err := f.DB.AuthSession(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &authSession{id: id}
	return s, json.Unmarshal(b, s)
}

func (f *Flows) changeAuthSession(ctx context.Context, id string, change func(*authSession) error) error {
	return f.DB.UpdateAuthSession(ctx, id, func(b []byte) ([]byte, error) {
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

// tooManySignIns says so in words fit for a person.
func tooManySignIns(err error) error {
	if errors.Is(err, crmgate.ErrTransient) {
		return &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many sign-ins are under way. Please try again in a few minutes.", Err: err}
	}
	return err
}
