package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// errSuperseded says that the grant which was refreshed is no longer the one that is stored: somebody signed in or out meanwhile.
var errSuperseded = errors.New("superseded")

// writeTimeout bounds the write of what the CRM has answered. It is generous: what is not written is lost.
const writeTimeout = 30 * time.Second

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
	// The CRM has answered, and may have rotated the token: however late it is, that is written down.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	switch {
	case errors.Is(err, crmgate.ErrUserDead):
		return e.bury(ctx, key, p.Grant, err)
	case err != nil:
		return p, err
	}
	return e.keep(ctx, key, p.Grant, t.Grant(c, p.Grant), info)
}

// issuer is the client that issued the person's grant: no other may refresh it.
func (e *Engine) issuer(ctx context.Context, conn crmgate.Connector, p crmgate.Person) (Client, error) {
	app := p.Grant.App
	c, err := e.Client(ctx, conn, crmgate.OAuthInfoRequest{Hostname: p.User.Hostname, TokenURL: app.TokenURL, Account: p.User.Account})
	var fail *FailMessage
	if errors.As(err, &fail) {
		return c, &Error{Kind: crmgate.ErrAppDead, Message: fail.Message, Err: errors.New("the connector names no application")}
	}
	if err != nil {
		return c, err
	}
	if c.ID != app.ClientID {
		return c, &Error{
			Kind: crmgate.ErrAppDead, Message: "The application that signed you in is no longer the one in use. Please connect again.",
			Err: fmt.Errorf("the grant is of client %q, the connector names %q", app.ClientID, c.ID),
		}
	}
	return c, nil
}

// renewed gets new tokens, from the connector if it has its own way, else by the standard refresh. info is what the
// connector wants to have changed about the person.
func (e *Engine) renewed(ctx context.Context, conn crmgate.Connector, c Client, p crmgate.Person) (t Tokens, info json.RawMessage, err error) {
	if !conn.Implements("checkAndRefreshAccessToken") {
		t, err = e.refresh(ctx, c, p.Grant.RefreshToken)
		return t, nil, err
	}
	user, err := UserRequest(ctx, conn, p)
	if err != nil {
		return t, nil, err
	}
	a, err := conn.RefreshAccessToken(ctx, crmgate.RefreshRequest{UserRequest: user, OAuth: c.Info, RefreshToken: p.Grant.RefreshToken})
	if err != nil {
		return t, nil, err
	}
	t = Tokens{Access: a.AccessToken, Refresh: a.RefreshToken, Issued: e.Now()}
	life := time.Duration(min(a.ExpiresIn, longestLife)) * time.Second
	if life <= 0 {
		life = time.Duration(c.manifest.Token.Lifetime) * time.Second
	}
	if life > 0 {
		t.Expiry = t.Issued.Add(life)
	}
	return t, a.AdditionalInfo, nil
}

// keep stores a refreshed grant, unless the grant that it came from is no longer the person's. What counts is the refresh
// token: somebody who signed in meanwhile, and got no new one, has the old one, which the CRM may just have rotated.
func (e *Engine) keep(ctx context.Context, key crmgate.UserKey, from, fresh crmgate.Grant, info json.RawMessage) (crmgate.Person, error) {
	p, err := e.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		if !now.Grant.RefreshToken.Equal(from.RefreshToken) || from.RefreshToken.IsZero() && !now.Grant.AccessToken.Equal(from.AccessToken) {
			return errSuperseded
		}
		fresh.App = now.Grant.App // an organisation's app stays named, revision and all: the session hangs on it
		now.Grant = fresh
		now.User.AdditionalInfo = e.merged(ctx, key, now.User.AdditionalInfo, info)
		return nil
	})
	if errors.Is(err, errSuperseded) {
		return e.stored(ctx, key)
	}
	return p, err
}

// merged lays the connector's changes over the person's additional info. Changes that are not fit for it are left out:
// the tokens that came with them must not be lost over them.
func (e *Engine) merged(ctx context.Context, key crmgate.UserKey, old, over json.RawMessage) json.RawMessage {
	if len(over) == 0 {
		return old
	}
	const longest = 64 << 10 // it grows with what a connector keeps adding
	all := map[string]json.RawMessage{}
	if len(old) > 0 && json.Unmarshal(old, &all) != nil {
		return old
	}
	err := json.Unmarshal(over, &all)
	b, _ := json.Marshal(all) // what was read encodes
	if err != nil || all == nil || len(b) > longest {
		e.Logger.WarnContext(ctx, "additional info of checkAndRefreshAccessToken is no object, or too large", "platform", key.Platform)
		return old
	}
	return b
}

// bury marks a grant dead that the CRM has refused, if it is still the one that is stored, to the last token; if
// somebody else has stored a newer one meanwhile, that is used, and nothing is changed.
func (e *Engine) bury(ctx context.Context, key crmgate.UserKey, refused crmgate.Grant, cause error) (crmgate.Person, error) {
	_, err := e.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		if !now.Grant.RefreshToken.Equal(refused.RefreshToken) || !now.Grant.AccessToken.Equal(refused.AccessToken) {
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
	if err != nil {
		return p, err
	}
	if _, err = e.due(p); err != nil {
		return p, err
	}
	if p.Grant.APIKey.IsZero() && !e.alive(p.Grant) {
		return p, &Error{Kind: crmgate.ErrTransient, RetryAfter: time.Second, Message: "This sign-in has just been changed. Please try again."}
	}
	return p, nil
}
