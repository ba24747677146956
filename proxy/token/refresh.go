package token

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// errSuperseded says that the refreshed grant is no longer the stored one: a sign-in or a logout replaced it.
var errSuperseded = errors.New("superseded")

// writeTimeout bounds the write of a CRM's answer. It is generous, because an answer that is not written is lost.
const writeTimeout = 30 * time.Second

// refresh refreshes a person's grant and returns the person with it:
//
//  1. Read the person. Return if nothing is due.
//  2. Stop if the grant is in backoff.
//  3. Find the client that issued the grant. Stop if the organisation has replaced its application.
//  4. Stop if the application is paused, or the circuit breaker of the CRM's host is open.
//  5. Take the person's lease, or wait for its holder. Read the person again under it. Return if nothing is due. Start again if
//     the grant is of another application by now.
//  6. Check backoff and pause again: the lease's former holder may have set them.
//  7. Look in the journal for an answer to this refresh token. If there is none, send the token request (attempt.obtain).
//  8. Store the grant, mark it dead, or note the failure, and give the lease back (attempt.run).
//  9. After an answer from the journal, start again: its access token may have expired.
func (e *Engine) refresh(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return p, err
	}
	if due, err := e.due(ctx, p); err != nil || !due {
		return p, err
	}
	lease, err := e.DB.Lease(ctx, key)
	if err == nil {
		err = checkBackoff(lease, p.Grant, e.Now())
	}
	if err != nil {
		return p, err
	}
	conn, err := e.Connector(ctx, key.Platform)
	if err != nil {
		return p, err
	}
	c, err := e.refreshClient(ctx, conn, p)
	if err != nil {
		return p, err
	}
	if err := e.pauses.check(ctx, c.refreshes(), false); err != nil {
		return p, err
	}
	if wait := e.breaker.Wait(CRM(c.TokenURL, key)); wait > 0 { // before the lease, which is a write
		return p, breakerOpen(wait)
	}
	issuer := p.Grant.App
	lease, p, due, err := e.acquireLease(ctx, key)
	if err != nil || !due {
		return p, err
	}
	e.reach("leased")
	if !sameApp(issuer, p.Grant.App) { // the person has signed in with another application meanwhile
		if err := e.DB.ReleaseLease(context.WithoutCancel(ctx), key, lease); err != nil {
			return p, err
		}
		return e.refresh(ctx, key)
	}
	if err = checkBackoff(lease, p.Grant, e.Now()); err == nil {
		err = e.pauses.check(ctx, c.refreshes(), true)
	}
	if err != nil {
		return p, errors.Join(err, e.DB.ReleaseLease(context.WithoutCancel(ctx), key, lease))
	}
	a := attempt{engine: e, conn: conn, client: c, was: p, lease: lease}
	p, journaled, err := a.run(ctx)
	if err == nil && journaled {
		return e.refresh(ctx, key)
	}
	return p, err
}

// sameApp reports whether two grants are of the same application. The Entry of a grant goes when its account is proven.
func sameApp(a, b crmgate.ApplicationKey) bool {
	a.Entry, b.Entry = "", ""
	return a == b
}

// attempt is one refresh of a person's grant under their lease.
type attempt struct {
	engine *Engine
	conn   connector.Connector
	client Client
	was    crmgate.Person // as stored when the lease was taken
	lease  storage.Lease
}

// run refreshes and gives the lease back, in the transaction that stores the result if there is one. journaled says that the
// CRM was not asked, because it had answered already.
func (a attempt) run(ctx context.Context) (_ crmgate.Person, journaled bool, _ error) {
	key := a.was.User.Key
	t, journaled, err := a.obtain(ctx)
	// The CRM may have rotated the token, so the result is stored even if the deadline has passed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if errors.Is(err, crmgate.ErrUserDead) {
		a.engine.pauses.end(ctx, a.client.refreshes()) // a CRM that refuses the grant has accepted the application
	}
	for errors.Is(err, crmgate.ErrUserDead) {
		// Another process may have an answer to the same token that it has not stored.
		seen, findErr := a.engine.DB.JournalOf(ctx, key)
		other, found := Tokens{}, false
		if findErr == nil {
			other, found, findErr = a.engine.journal.find(ctx, a.conn, a.was)
		}
		switch {
		case findErr != nil:
			err = findErr
		case found:
			t, journaled, err = other, true, nil
		default:
			var p crmgate.Person
			if p, err = a.markDead(ctx, err, seen); !errors.Is(err, storage.ErrAnswered) {
				return p, false, err
			}
		}
	}
	a.lease = refused(afterAttempt(a.lease, err, a.engine.Now()), a.was.Grant, unknownWord(err), a.engine.Now())
	switch {
	case unknownWord(err) != "" && a.lease.Refusals.Final(a.was.Grant.Issued):
		a.engine.Logger.ErrorContext(ctx, "the CRM refuses a refresh token with a word that is not known: the person is asked to sign in, and one refresh a day tries the grant; if the word means something else, declare it in crmgate.token.errors",
			"platform", key.Platform, "word", unknownWord(err), "times", a.lease.Refusals.Times, "since", a.lease.Refusals.First)
		err = refusedOften(a.lease.Refusals)
	case errors.Is(err, crmgate.ErrAppDead):
		err = errors.Join(err, a.engine.pauses.start(ctx, a.client.refreshes(), err))
		a.auditAppDead(ctx)
	case err == nil:
		a.engine.pauses.end(ctx, a.client.refreshes())
		p, err := a.store(ctx, t, t.Grant(a.client, a.was.Grant))
		return p, journaled, err
	}
	return a.was, false, errors.Join(err, a.engine.DB.ReleaseLease(ctx, key, a.lease))
}

// obtain returns new tokens: from the journal if the CRM has answered this refresh token already, else from the CRM.
//
// It sends the request only before the lease ends by the wall clock. After a machine's sleep the deadlines, which are
// measured by a clock that slept too, lie in the future, but another process may have rotated the token.
func (a attempt) obtain(ctx context.Context) (t Tokens, journaled bool, err error) {
	t, found, err := a.engine.journal.find(ctx, a.conn, a.was)
	if found || err != nil {
		return t, found, err
	}
	a.engine.reach("asking")
	left := a.lease.Until.Round(0).Sub(a.engine.Now().Round(0))
	if left <= 0 {
		return t, false, &Error{Kind: crmgate.ErrTransient, RetryAfter: time.Second, notSent: true, Message: "This sign-in could not be renewed in time. Please try again.", Err: errors.New("the lease ended before the token request")}
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	done, wait := a.engine.breaker.Admit(CRM(a.client.TokenURL, a.was.User.Key))
	if done == nil {
		return t, false, breakerOpen(wait)
	}
	failed, after := true, time.Duration(0) // if it panics
	defer func() { done(failed, after) }()
	if a.conn.Implements("checkAndRefreshAccessToken") {
		t, err = a.connectorRefresh(ctx)
	} else {
		t, err = a.standardRefresh(ctx)
	}
	failed, after = Trouble(err)
	a.engine.Observe("refresh", a.was.User.Key.Platform, outcome(err))
	return t, false, err
}

// entry is the journal entry of an answer that is still to come.
func (a attempt) entry() storage.JournalEntry {
	u := a.was.User
	return storage.JournalEntry{User: u.Key, From: a.was.Grant.RefreshToken, App: a.client.App, Account: u.Account, Hostname: u.Key.Hostname}
}

// standardRefresh redeems the refresh token with one request (RFC 6749, 6).
func (a attempt) standardRefresh(ctx context.Context) (Tokens, error) {
	token := a.was.Grant.RefreshToken
	tr := tokenRequest{
		engine: a.engine, client: a.client, rules: a.client.manifest.Refresh, secrets: []crmgate.Secret{a.client.Secret, token}, entry: a.entry(),
	}
	return tr.do(ctx, func(ctx context.Context, conf *oauth2.Config) error {
		// The source is used once: one that is kept would refresh in memory, and store nothing.
		_, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: token.Reveal()}).Token()
		return err
	})
}

// store stores the refreshed grant, drops the journal entry and gives the lease back, in one transaction.
//
// It stores nothing if the refresh token that was sent is no longer the person's. A sign-in meanwhile that brought no refresh
// token left the old one in place, which the CRM may just have rotated, so only the refresh token is compared. If the lease
// was lost, the entry is left to its new holder; if there is no holder any more, store takes the lease again.
func (a attempt) store(ctx context.Context, t Tokens, fresh crmgate.Grant) (crmgate.Person, error) {
	key, from := a.was.User.Key, a.was.Grant
	a.engine.reach("storing")
	p, err := a.engine.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		if !now.Grant.RefreshToken.Equal(from.RefreshToken) || from.RefreshToken.IsZero() && !now.Grant.AccessToken.Equal(from.AccessToken) {
			return errSuperseded
		}
		if !now.Grant.AccessToken.Equal(from.AccessToken) && !t.rotated() { // a sign-in meanwhile, which brought no refresh token
			fresh.AccessToken, fresh.Issued, fresh.Expiry = now.Grant.AccessToken, now.Grant.Issued, now.Grant.Expiry
		}
		fresh.App = now.Grant.App // with its revision, on which the session depends
		now.Grant = fresh
		now.User.AdditionalInfo = a.engine.mergeInfo(ctx, key, now.User.AdditionalInfo, t.info)
		return nil
	}, storage.ReleaseLease(key, a.lease), storage.DropEntry(t.Journal), storage.DropFetched(storage.FetchedID(key, from.RefreshToken)))
	switch {
	case errors.Is(err, errSuperseded), errors.Is(err, crmgate.ErrNotFound):
		a.revokeUnused(ctx, fresh)
		a.engine.journal.drop(ctx, t.Journal)
		return a.superseded(ctx)
	case errors.Is(err, crmgate.ErrConflict):
		now, err := a.engine.DB.Person(ctx, key)
		if err == nil && t.rotated() && now.Grant.RefreshToken.Equal(from.RefreshToken) {
			if lease, err := a.engine.DB.TakeLease(ctx, key, a.engine.node, a.engine.Timeout, a.engine.Alone); err == nil {
				a.lease = lease
				return a.store(ctx, t, fresh)
			}
		}
		return a.engine.reread(ctx, key)
	}
	a.engine.reach("stored")
	return p, err
}

// revokeUnused queues the revocation of a refreshed grant that came after a logout or a new sign-in. If there was neither,
// another refresh has won: its tokens are of the same family, and revoking these could end them.
func (a attempt) revokeUnused(ctx context.Context, fresh crmgate.Grant) {
	now, err := a.engine.DB.Person(ctx, a.was.User.Key)
	if err == nil && !now.Grant.Empty() && now.User.SignedIn.Equal(a.was.User.SignedIn) {
		return
	}
	if err == nil || errors.Is(err, crmgate.ErrNotFound) {
		err = a.engine.DB.QueueRevocation(ctx, crmgate.Person{User: a.was.User, Grant: fresh})
	}
	if err != nil {
		a.engine.Logger.WarnContext(ctx, "could not queue the revocation of an unused grant", "platform", a.was.User.Key.Platform, "err", err)
	}
}

// markDead marks the grant dead that the CRM has refused, if both of its tokens are still stored. Otherwise it returns the
// person with the newer grant. The error matches storage.ErrAnswered, and cause, if the journal holds an answer beside seen.
func (a attempt) markDead(ctx context.Context, cause error, seen []storage.JournalEntry) (crmgate.Person, error) {
	a.engine.reach("marking dead")
	key, refused := a.was.User.Key, a.was.Grant
	a.lease = afterAttempt(a.lease, cause, a.engine.Now())
	_, err := a.engine.DB.UpdatePerson(ctx, key, func(now *crmgate.Person) error {
		if !now.Grant.RefreshToken.Equal(refused.RefreshToken) || !now.Grant.AccessToken.Equal(refused.AccessToken) {
			return errSuperseded
		}
		now.Grant.Dead = "the CRM refused the refresh token"
		now.Grant.DeadSince = a.engine.Now()
		return nil
	}, storage.IfUnanswered(key, seen), storage.ReleaseLease(key, a.lease), storage.LogEvent(refusedEvent(audit.ReasonUserDead)))
	switch {
	case errors.Is(err, errSuperseded):
		return a.superseded(ctx)
	case errors.Is(err, crmgate.ErrConflict):
		return a.engine.reread(ctx, key)
	}
	return crmgate.Person{}, errors.Join(cause, err)
}

// superseded gives the lease back, and returns the person as a sign-in, a logout or another refresh has stored them.
func (a attempt) superseded(ctx context.Context) (crmgate.Person, error) {
	p, err := a.engine.reread(ctx, a.was.User.Key)
	return p, errors.Join(err, a.engine.DB.ReleaseLease(ctx, a.was.User.Key, a.lease))
}

// refusedEvent is the audit log's event of a refresh that the CRM refused.
func refusedEvent(reason audit.Reason) audit.Event {
	return audit.Event{Kind: audit.EventRefresh, By: audit.ByServer, Outcome: audit.OutcomeRefused, Reason: reason}
}

// auditAppDead writes to the audit log that the CRM rejects the application. The grant is left as it is.
func (a attempt) auditAppDead(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.engine.Timeout)
	defer cancel()
	u, event := a.was.User, refusedEvent(audit.ReasonAppDead)
	event.Platform, event.User, event.Account = u.Key.Platform, u.Key.ID, u.Account
	if err := a.engine.DB.Audit().Record(ctx, event); err != nil {
		a.engine.Logger.WarnContext(ctx, "could not write a failed refresh to the audit log", "platform", u.Key.Platform, "err", err)
	}
}

// reread returns the person as stored now, if they can be used.
func (e *Engine) reread(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	p, err := e.DB.Person(ctx, key)
	if err != nil {
		return p, err
	}
	if _, err = e.due(ctx, p); err != nil {
		return p, err
	}
	if p.Grant.APIKey.IsZero() && !alive(p.Grant, e.Now()) {
		return p, &Error{Kind: crmgate.ErrTransient, RetryAfter: time.Second, Message: "This sign-in has just been changed. Please try again."}
	}
	return p, nil
}

// mergeInfo lays the connector's changes over the person's additional info. Invalid changes are left out, so that the tokens
// that came with them are stored.
func (e *Engine) mergeInfo(ctx context.Context, key crmgate.UserKey, old, changes json.RawMessage) json.RawMessage {
	merged, err := connector.MergeInfo(old, changes)
	if err != nil {
		e.Logger.WarnContext(ctx, "ignored the additional info of checkAndRefreshAccessToken", "platform", key.Platform, "err", err)
		return old
	}
	return merged
}
