package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// flight is one refresh of one person, shared by all who need it. Its fields are set before done is closed.
type flight struct {
	done   chan struct{}
	person crmgate.Person
	err    error
}

// Live returns a person whose credential can be used now: an API key, or an access token that was refreshed if it was
// due. It is the one place that refreshes. However many callers wait, the CRM sees one request, and none of them ends
// it by leaving. Errors are *Error, the caller's context's, a connector's, or the store's (crmgate.ErrNotFound).
func (e *Engine) Live(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return p, err
	}
	due, err := e.due(p)
	if err != nil || !due {
		return p, err
	}
	fresh, err := e.join(ctx, key)
	if err == nil || !e.alive(p.Grant) || errors.Is(err, crmgate.ErrUserDead) || ctx.Err() != nil {
		return fresh, err
	}
	// The refresh came early; the token that we have is good for what is asked now.
	e.Logger.WarnContext(ctx, "refresh put off", "platform", key.Platform, "err", err)
	return p, nil
}

// Refresh margins: no less than this, nor a tenth of the lifetime; never more than half the lifetime.
const leastMargin = 2 * time.Minute

// due reports whether the access token must be refreshed before it is used. The error says that the person must sign in again.
func (e *Engine) due(p crmgate.Person) (bool, error) {
	g := p.Grant
	switch {
	case !g.APIKey.IsZero():
		return false, nil
	case g.Dead != "":
		return false, dead(g.Dead)
	case g.Empty():
		return false, dead("logged out")
	case g.Expiry.IsZero():
		return false, nil
	}
	left := g.Expiry.Sub(e.Now())
	if g.RefreshToken.IsZero() && !e.ownRefresh(p.User.Key.Platform) {
		if left <= 0 {
			return false, dead("the access token has expired, and the CRM gave no refresh token")
		}
		return false, nil
	}
	life := g.Expiry.Sub(g.Issued)
	return left < min(max(leastMargin, life/10), life/2), nil
}

func (e *Engine) ownRefresh(p crmgate.Platform) bool {
	conn, err := e.Connector(p)
	return err == nil && conn.Implements("checkAndRefreshAccessToken")
}

func (e *Engine) alive(g crmgate.Grant) bool {
	return g.Expiry.IsZero() || e.Now().Before(g.Expiry)
}

func dead(why string) error {
	return &Error{Kind: crmgate.ErrUserDead, Message: "User session expired. Please connect again.", Err: errors.New(why)}
}

// join waits for the person's flight, and starts it if there is none.
func (e *Engine) join(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	e.mu.Lock()
	f := e.flights[key]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		e.flights[key] = f
		e.running.Add(1)
		go e.fly(ctx, key, f)
	}
	e.mu.Unlock()
	impatience := time.NewTimer(e.Wait)
	defer impatience.Stop()
	select {
	case <-f.done:
		return f.person, f.err
	case <-ctx.Done():
		return crmgate.Person{}, ctx.Err()
	case <-impatience.C:
		return crmgate.Person{}, &Error{Kind: crmgate.ErrTransient, Message: "The CRM takes long to renew this sign-in. Please try again.", RetryAfter: 5 * time.Second}
	}
}

// fly runs a flight under the engine's own deadline; of the caller's context only the trace is kept, for the log.
func (e *Engine) fly(ctx context.Context, key crmgate.UserKey, f *flight) {
	defer e.running.Done()
	ctx = crmgate.WithTrace(e.base, crmgate.TraceOf(ctx))
	ctx, cancel := context.WithTimeout(ctx, 3*e.Timeout) // the connector, the token request, the store
	defer cancel()
	defer func() {
		e.mu.Lock()
		delete(e.flights, key)
		e.mu.Unlock()
		close(f.done)
	}()
	f.err = errors.New("the refresh did not end in order") // what callers see should it panic
	f.person, f.err = e.renew(ctx, key)
}

// errSuperseded says that the grant which was refreshed is no longer the one that is stored: somebody signed in or out meanwhile.
var errSuperseded = errors.New("superseded")

// renew refreshes what is stored now, if it is still due, and stores what comes of it.
func (e *Engine) renew(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return p, err
	}
	if due, err := e.due(p); err != nil || !due {
		return p, err
	}
	conn, err := e.Connector(key.Platform)
	if err != nil {
		return p, err
	}
	c, err := e.issuer(ctx, conn, p)
	if err != nil {
		return p, err
	}
	t, info, err := e.renewed(ctx, conn, c, p)
	e.Observe("refresh", key.Platform, outcome(err))
	if errors.Is(err, crmgate.ErrUserDead) {
		return e.bury(ctx, key, p.Grant, err)
	}
	if err != nil {
		return p, err
	}
	p, err = e.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		if !sameTokens(now.Grant, p.Grant) {
			return errSuperseded
		}
		now.Grant = t.Grant(c, now.Grant)
		if info != nil {
			now.User.AdditionalInfo = info
		}
		return nil
	})
	if errors.Is(err, errSuperseded) {
		return e.stored(ctx, key)
	}
	return p, err
}

// issuer is the client that issued the person's grant: no other may refresh it.
func (e *Engine) issuer(ctx context.Context, conn crmgate.Connector, p crmgate.Person) (Client, error) {
	app := p.Grant.App
	c, err := e.Client(ctx, conn, crmgate.OAuthInfoRequest{Hostname: p.User.Hostname, TokenURL: app.TokenURL, Account: p.User.Account})
	if err != nil {
		return c, err
	}
	if c.ID != app.ClientID {
		return c, &Error{Kind: crmgate.ErrAppDead, Message: "The application that signed you in is no longer the one in use. Please connect again.",
			Err: fmt.Errorf("the grant is of client %q, the connector names %q", app.ClientID, c.ID)}
	}
	return c, nil
}

// renewed gets new tokens, from the connector if it has its own way, else by the standard refresh.
func (e *Engine) renewed(ctx context.Context, conn crmgate.Connector, c Client, p crmgate.Person) (Tokens, []byte, error) {
	if !conn.Implements("checkAndRefreshAccessToken") {
		t, err := e.refresh(ctx, c, p.Grant.RefreshToken)
		return t, nil, err
	}
	header, err := AuthHeader(ctx, conn, p)
	if err != nil {
		return Tokens{}, nil, err
	}
	a, err := conn.RefreshAccessToken(ctx, crmgate.RefreshRequest{
		UserRequest: crmgate.UserRequest{User: p.User, AuthHeader: header}, OAuth: c.info, RefreshToken: p.Grant.RefreshToken,
	})
	if err != nil {
		return Tokens{}, nil, err
	}
	t := Tokens{Access: a.AccessToken, Refresh: a.RefreshToken, Issued: e.Now()}
	if a.ExpiresIn > 0 {
		t.Expiry = t.Issued.Add(time.Duration(a.ExpiresIn) * time.Second)
	}
	return t, a.AdditionalInfo, nil
}

// bury marks a grant dead that the CRM has refused, if it is still the one that is stored; if somebody else has stored
// a newer one meanwhile, that is used.
func (e *Engine) bury(ctx context.Context, key crmgate.UserKey, refused crmgate.Grant, cause error) (crmgate.Person, error) {
	_, err := e.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		if !sameTokens(now.Grant, refused) {
			return errSuperseded
		}
		now.Grant.Dead = "the CRM refused the refresh token"
		return nil
	})
	if errors.Is(err, errSuperseded) {
		return e.stored(ctx, key)
	}
	return crmgate.Person{}, errors.Join(cause, err)
}

// stored is the person as somebody else has just stored them.
func (e *Engine) stored(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	p, err := e.DB.Person(ctx, key)
	if err == nil {
		_, err = e.due(p)
	}
	return p, err
}

func sameTokens(a, b crmgate.Grant) bool {
	return a.RefreshToken.Equal(b.RefreshToken) && a.AccessToken.Equal(b.AccessToken)
}
