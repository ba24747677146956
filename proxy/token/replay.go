package token

import (
	"context"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// Read parses a journaled answer by the current manifest. The error is a *crmgate.Refusal with the reason, which quotes
// nothing of the answer.
func (e *Engine) Read(conn connector.Connector, entry storage.JournalEntry) (Tokens, error) {
	r, err := parseEntry(entry, conn.Manifest().ForHost(entry.Hostname))
	if err == nil && r.refused.code != "" {
		err = errors.New("an error of the CRM")
	}
	if err != nil {
		refusal := crmgate.Refuse("The answer still cannot be read as tokens: %v. Correct crmgate.token in the manifest of %s.", err, entry.User.Platform)
		refusal.Err = err
		return Tokens{}, refusal
	}
	return r.tokens(entry)
}

// Replayable parses a journaled answer and checks whether it can be replayed: an answer to a refresh only if the person still
// has the refreshed grant. The error is a *crmgate.Refusal if it cannot.
func (e *Engine) Replayable(ctx context.Context, conn connector.Connector, entry storage.JournalEntry) (Tokens, error) {
	t, err := e.Read(conn, entry)
	if err != nil || entry.User.ID == "" {
		return t, err
	}
	p, err := e.DB.Person(ctx, entry.User)
	if err != nil {
		return t, err
	}
	_, err = t.replacing(p.Grant)
	return t, err
}

// replacing is the grant that the tokens of a journaled refresh make of the stored one.
func (t Tokens) replacing(old crmgate.Grant) (crmgate.Grant, error) {
	newer := !t.Journal.At.After(old.Issued)
	if !old.RefreshToken.Equal(t.Journal.From) || newer && !t.rotated() {
		return old, crmgate.Refuse("The person has another grant by now: the answer is no longer useful. Drop it.")
	}
	g := t.withNewerAccess(old, newer).Grant(Issuer(t.Journal), crmgate.Grant{RefreshToken: old.RefreshToken, App: t.Journal.App})
	g.App = old.App
	return g, nil
}

// Replay stores the grant of a journaled answer to a refresh, and drops the entry. The person needs no new sign-in. The error is
// a *crmgate.Refusal if the answer cannot be parsed, the person has another grant by now, or a refresh is under way.
func (e *Engine) Replay(ctx context.Context, conn connector.Connector, entry storage.JournalEntry) (crmgate.Person, error) {
	t, err := e.Replayable(ctx, conn, entry)
	if err != nil {
		return crmgate.Person{}, err
	}
	// The replay is a flight: a lease does not keep two refreshes of one process apart.
	key := entry.User
	f, started := e.flights.start(key)
	if !started {
		return crmgate.Person{}, beingRenewed(nil)
	}
	defer func() {
		f.person, f.err = e.reread(ctx, key)
		e.flights.land(key, f)
	}()
	return e.replay(ctx, key, t)
}

// replay is Replay as the person's flight.
func (e *Engine) replay(ctx context.Context, key crmgate.UserKey, t Tokens) (crmgate.Person, error) {
	lease, err := e.DB.TakeLease(ctx, key, e.node, 2*e.Timeout, e.Alone)
	if errors.Is(err, storage.ErrLeased) {
		return crmgate.Person{}, beingRenewed(err)
	}
	if err != nil {
		return crmgate.Person{}, err
	}
	p, err := e.DB.UpdatePerson(ctx, key, func(p *crmgate.Person) (err error) {
		p.Grant, err = t.replacing(p.Grant)
		p.User.AdditionalInfo = e.mergeInfo(ctx, key, p.User.AdditionalInfo, t.info)
		return err
	}, storage.ReleaseLease(key, afterAttempt(lease, nil, e.Now())), storage.DropEntry(t.Journal))
	if err != nil {
		err = errors.Join(err, e.DB.ReleaseLease(ctx, key, lease))
	}
	return p, err
}

func beingRenewed(err error) error {
	return &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "This sign-in is being renewed at this moment. Please try again.", Err: err}
}
