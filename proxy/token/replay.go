package token

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// Read reads a journaled answer as the manifest says now. The error is a *crmgate.Refusal that says what it is that is
// still no token; it quotes nothing of the answer.
func (e *Engine) Read(conn connector.Connector, entry storage.JournalEntry) (Tokens, error) {
	a, err := readAnswer(entry, conn.Manifest().ForHost(entry.Hostname))
	if err == nil && a.errCode != "" {
		err = errors.New("it is an error of the CRM's")
	}
	if err != nil {
		r := crmgate.Refuse("The answer still cannot be read as tokens: %v. Mend crmgate.token in the manifest of %s.", err, entry.User.Platform)
		r.Err = err
		return Tokens{}, r
	}
	return a.tokens(entry)
}

// Issuer is the client of a journaled answer, as far as a grant names it.
func Issuer(entry storage.JournalEntry) Client {
	return Client{Platform: entry.User.Platform, ID: entry.App.ClientID, TokenURL: entry.App.TokenURL, Hostname: entry.Hostname, App: entry.App}
}

// Replayable reads a journaled answer, and looks whether it is of use: of a refresh, whether the person still has the grant
// that was refreshed. A *crmgate.Refusal says that it is not.
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

// replacing is the grant that tokens of a journaled answer to a refresh make of the one that is stored.
func (t Tokens) replacing(old crmgate.Grant) (crmgate.Grant, error) {
	newer := !t.Journal.At.After(old.Issued)
	if !old.RefreshToken.Equal(t.Journal.From) || newer && !t.rotated() {
		return old, crmgate.Refuse("The person has another grant by now: the answer is of no use any more. Drop it.")
	}
	g := t.over(old, newer).Grant(Issuer(t.Journal), crmgate.Grant{RefreshToken: old.RefreshToken, App: t.Journal.App})
	g.App = old.App
	return g, nil
}

// Replay stores what a journaled answer to a refresh granted, which repairs the person without a new sign-in. A
// *crmgate.Refusal says why it cannot: it is not read, the person has another grant by now, or a refresh is under way. The
// entry goes with what is stored.
func (e *Engine) Replay(ctx context.Context, conn connector.Connector, entry storage.JournalEntry) (crmgate.Person, error) {
	t, err := e.Replayable(ctx, conn, entry)
	if err != nil {
		return crmgate.Person{}, err
	}
	// In the place of a flight: a lease does not keep those of one process apart.
	key, f := entry.User, &flight{done: make(chan struct{})}
	e.mu.Lock()
	flying := e.flights[key] != nil
	if !flying {
		e.flights[key] = f
	}
	e.mu.Unlock()
	if flying {
		return crmgate.Person{}, beingRenewed(nil)
	}
	defer func() {
		f.person, f.err = e.stored(ctx, key)
		e.land(key, f)
	}()
	return e.replay(ctx, key, t)
}

// replay is Replay in the place of a flight.
func (e *Engine) replay(ctx context.Context, key crmgate.UserKey, t Tokens) (crmgate.Person, error) {
	held, err := e.DB.TakeLease(ctx, key, e.node, 2*e.Timeout, e.Alone)
	if errors.Is(err, storage.ErrLeased) {
		return crmgate.Person{}, beingRenewed(err)
	}
	if err != nil {
		return crmgate.Person{}, err
	}
	well := held
	well.Failures, well.NotBefore = 0, time.Time{}
	p, err := e.DB.UpdatePerson(ctx, key, func(p *crmgate.Person) (err error) {
		p.Grant, err = t.replacing(p.Grant)
		p.User.AdditionalInfo = e.merged(ctx, key, p.User.AdditionalInfo, t.info)
		return err
	}, storage.ReleaseLease(key, well), storage.DropEntry(t.Journal))
	if err != nil {
		err = errors.Join(err, e.DB.ReleaseLease(ctx, key, held))
	}
	return p, err
}

func beingRenewed(err error) error {
	return &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "This sign-in is being renewed at this moment. Please try again.", Err: err}
}
