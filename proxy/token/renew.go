package token

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// errSuperseded says that the grant which was refreshed is no longer the one that is stored: somebody signed in or out meanwhile.
var errSuperseded = errors.New("superseded")

// writeTimeout bounds the write of what the CRM has answered. It is generous: what is not written is lost.
const writeTimeout = 30 * time.Second

// renew refreshes what is stored now, if it is still due, and stores what comes of it. What says that the CRM need not
// be asked comes first: a grant that rests after a failure, an application that is paused, a CRM that is down, and
// another process that is at it.
func (e *Engine) renew(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return p, err
	}
	if due, err := e.due(p); err != nil || !due {
		return p, err
	}
	if err := e.rested(ctx, key); err != nil {
		return p, err
	}
	conn, err := e.Connector(key.Platform)
	if err != nil {
		return p, err
	}
	if ok, err := e.current(ctx, key, p.Grant.App); err != nil || !ok {
		return p, cmp.Or(err, signInAgain("the organisation has replaced its application"))
	}
	c, err := e.issuer(ctx, conn, p)
	if err == nil && !conn.Implements("checkAndRefreshAccessToken") {
		c, err = c.refreshing()
	}
	if err != nil {
		return p, err
	}
	if err := e.paused(ctx, c, false); err != nil {
		return p, err
	}
	if wait := e.hosts.refuses(hostOf(c.TokenURL)); wait > 0 { // before the lease, which is a write
		return p, inTrouble(wait)
	}
	held, p, due, err := e.hold(ctx, key)
	if err != nil || !due {
		return p, err
	}
	e.reach("leased")
	// Whoever had it before may have been told to wait, or that the application is rejected.
	if err = resting(held, e.Now()); err == nil {
		err = e.paused(ctx, c, true)
	}
	if err != nil {
		return p, errors.Join(err, e.DB.ReleaseLease(context.WithoutCancel(ctx), key, held))
	}
	p, journaled, err := e.renewHeld(ctx, conn, c, p, held)
	if err == nil && journaled {
		return e.renew(ctx, key) // an answer that lay there may have ended meanwhile
	}
	return p, err
}

// renewHeld is renew once the lease is held. Whatever happens, the lease is given back: with what is stored, or alone.
// journaled says that the CRM was not asked, for it had answered already.
func (e *Engine) renewHeld(ctx context.Context, conn connector.Connector, c Client, p crmgate.Person, held storage.Lease) (_ crmgate.Person, journaled bool, _ error) {
	key := p.User.Key
	t, journaled, err := e.obtain(ctx, conn, c, p, held)
	// The CRM has answered, and may have rotated the token: however late it is, that is written down.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if errors.Is(err, crmgate.ErrUserDead) {
		e.accepted(ctx, c) // it knows the application, or would have said so; if not, the next refresh hears it
	}
	for errors.Is(err, crmgate.ErrUserDead) {
		// Somebody else may have had an answer to the same token, and not have stored it.
		seen, unread := e.DB.JournalOf(ctx, key)
		other, found := Tokens{}, false
		if unread == nil {
			other, found, unread = e.journaled(ctx, conn, p)
		}
		switch {
		case unread != nil:
			err = unread
		case found:
			t, journaled, err = other, true, nil
		default:
			var buried crmgate.Person
			if buried, err = e.bury(ctx, key, p.Grant, e.rest(held, err), err, seen); !errors.Is(err, storage.ErrAnswered) {
				return buried, false, err
			}
		}
	}
	held = e.rest(held, err)
	switch {
	case errors.Is(err, crmgate.ErrAppDead):
		err = errors.Join(err, e.pause(ctx, c, err))
		e.recordAppDead(ctx, p)
	case err == nil:
		e.accepted(ctx, c)
		p, err = e.keep(ctx, p, t, t.Grant(c, p.Grant), held)
		return p, journaled, err
	}
	return p, false, errors.Join(err, e.DB.ReleaseLease(ctx, key, held))
}

// obtain gets new tokens: those that were answered already and never stored, else the CRM's, if it may be asked. It asks
// only as long as the lease lasts, by the wall clock: on a machine that slept meanwhile no deadline has passed, and another
// node may have rotated the token.
func (e *Engine) obtain(ctx context.Context, conn connector.Connector, c Client, p crmgate.Person, held storage.Lease) (t Tokens, journaled bool, err error) {
	t, found, err := e.journaled(ctx, conn, p)
	if found || err != nil {
		return t, found, err
	}
	e.reach("asking")
	left := held.Until.Round(0).Sub(e.Now().Round(0))
	if left <= 0 {
		return t, false, &Error{Kind: crmgate.ErrTransient, RetryAfter: time.Second, unasked: true, Message: "This sign-in could not be renewed in time. Please try again.", Err: errors.New("the lease ended before the CRM was asked")}
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	done, wait := e.hosts.admit(hostOf(c.TokenURL))
	if done == nil {
		return t, false, inTrouble(wait)
	}
	failed, after := true, time.Duration(0) // unless it comes to an end
	defer func() { done(failed, after) }()
	t, err = e.renewed(ctx, conn, c, p)
	failed, after = trouble(err)
	e.Observe("refresh", p.User.Key.Platform, outcome(err))
	return t, false, err
}

// inTrouble is that a CRM is left alone for a while.
func inTrouble(wait time.Duration) error {
	return &Error{Kind: crmgate.ErrTransient, RetryAfter: wait, unasked: true, Message: "The CRM is in trouble at the moment. Please try again later."}
}

// issuer is the client that issued the person's grant: no other may refresh it.
func (e *Engine) issuer(ctx context.Context, conn connector.Connector, p crmgate.Person) (Client, error) {
	app := p.Grant.App
	var managed *storage.ManagedApp
	if app.Account != "" {
		a, err := e.DB.IssuingApp(ctx, p.User.Key.Platform, app)
		if errors.Is(err, crmgate.ErrNotFound) {
			return Client{}, appChanged(err)
		}
		if err != nil {
			return Client{}, err
		}
		managed = &a
	}
	c, err := e.Client(ctx, conn, connector.OAuthInfoRequest{Hostname: p.User.Hostname, TokenURL: app.TokenURL, Account: p.User.Account}, managed)
	var fail *FailMessage
	if errors.As(err, &fail) {
		return c, &Error{Kind: crmgate.ErrAppDead, Message: fail.Message, Err: errors.New("the connector names no application")}
	}
	if err != nil {
		return c, err
	}
	if c.ID != app.ClientID {
		return c, appChanged(fmt.Errorf("the grant is of client %q, and now there is %q", app.ClientID, c.ID))
	}
	return c, nil
}

func appChanged(err error) error {
	return &Error{Kind: crmgate.ErrAppDead, Message: "The application that signed you in is no longer the one in use. Please connect again.", Err: err}
}

// current reports whether a grant's app is the one that the organisation has now. Grants of others are not refreshed: their
// people sign in again.
func (e *Engine) current(ctx context.Context, key crmgate.UserKey, app crmgate.App) (bool, error) {
	if app.Account == "" {
		return true, nil
	}
	g, err := e.DB.Generation(ctx, app.Account, key.Platform)
	return g == app.Generation, err
}

// keep stores a refreshed grant, unless the grant that it came from is no longer the person's. What counts is the refresh
// token: somebody who signed in meanwhile, and got no new one, has the old one, which the CRM may just have rotated. The
// lease is given back, and the journal entry dropped, in the same transaction. If the lease was lost, the entry is for who
// holds it now; if that one has already ended, and has not heard of it, the lease is taken anew.
func (e *Engine) keep(ctx context.Context, was crmgate.Person, t Tokens, fresh crmgate.Grant, held storage.Lease) (crmgate.Person, error) {
	key, from := was.User.Key, was.Grant
	e.reach("storing")
	p, err := e.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		if !now.Grant.RefreshToken.Equal(from.RefreshToken) || from.RefreshToken.IsZero() && !now.Grant.AccessToken.Equal(from.AccessToken) {
			return errSuperseded
		}
		if !now.Grant.AccessToken.Equal(from.AccessToken) && !t.rotated() { // a sign-in meanwhile, which brought no refresh token
			fresh.AccessToken, fresh.Issued, fresh.Expiry = now.Grant.AccessToken, now.Grant.Issued, now.Grant.Expiry
		}
		fresh.App = now.Grant.App // an organisation's app stays named, generation and all: the session hangs on it
		now.Grant = fresh
		now.User.AdditionalInfo = e.merged(ctx, key, now.User.AdditionalInfo, t.info)
		return nil
	}, storage.ReleaseLease(key, held), storage.DropEntry(t.Journal))
	switch {
	case errors.Is(err, errSuperseded), errors.Is(err, crmgate.ErrNotFound):
		e.revokeUnused(ctx, was, fresh)
		e.drop(ctx, t.Journal)
		return e.superseded(ctx, key, held)
	case errors.Is(err, crmgate.ErrConflict):
		now, err := e.DB.Person(ctx, key)
		if err == nil && t.rotated() && now.Grant.RefreshToken.Equal(from.RefreshToken) {
			if held, err := e.DB.TakeLease(ctx, key, e.node, e.Timeout, e.Alone); err == nil {
				return e.keep(ctx, was, t, fresh, held)
			}
		}
		return e.stored(ctx, key)
	}
	e.reach("stored")
	return p, err
}

// superseded gives the lease back, and returns the person as somebody else has just stored them.
func (e *Engine) superseded(ctx context.Context, key crmgate.UserKey, held storage.Lease) (crmgate.Person, error) {
	p, err := e.stored(ctx, key)
	return p, errors.Join(err, e.DB.ReleaseLease(ctx, key, held))
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
// somebody else has stored a newer one meanwhile, that is used, and nothing is changed. The error matches
// storage.ErrAnswered, and the cause, if there is an answer in the journal beside those that were seen.
func (e *Engine) bury(ctx context.Context, key crmgate.UserKey, refused crmgate.Grant, held storage.Lease, cause error, seen []storage.JournalEntry) (crmgate.Person, error) {
	e.reach("burying")
	_, err := e.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		if !now.Grant.RefreshToken.Equal(refused.RefreshToken) || !now.Grant.AccessToken.Equal(refused.AccessToken) {
			return errSuperseded
		}
		now.Grant.Dead = "the CRM refused the refresh token"
		now.Grant.DeadSince = e.Now()
		return nil
	}, storage.IfUnanswered(key, seen), storage.ReleaseLease(key, held), storage.LogEvent(buried))
	switch {
	case errors.Is(err, errSuperseded):
		return e.superseded(ctx, key, held)
	case errors.Is(err, crmgate.ErrConflict):
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
