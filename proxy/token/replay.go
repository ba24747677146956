package token

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Read reads a journaled answer as the manifest says now. The error is a *crmgate.Refusal that says what it is that is
// still no token; it quotes nothing of the answer.
func (e *Engine) Read(conn crmgate.Connector, entry storage.JournalEntry) (Tokens, error) {
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

// Replay stores what a journaled answer to a refresh granted, which repairs the person without a new sign-in. A
// *crmgate.Refusal says why it cannot: it is not read, or the person has another grant by now. The entry goes with what
// is stored.
func (e *Engine) Replay(ctx context.Context, conn crmgate.Connector, entry storage.JournalEntry) (crmgate.Person, error) {
	t, err := e.Read(conn, entry)
	if err != nil {
		return crmgate.Person{}, err
	}
	key := entry.User
	held, err := e.DB.TakeLease(ctx, key, e.node, 2*e.Timeout, e.Alone)
	if errors.Is(err, storage.ErrLeased) {
		return crmgate.Person{}, &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "This sign-in is being renewed at this moment. Please try again.", Err: err}
	}
	if err != nil {
		return crmgate.Person{}, err
	}
	held.Failures, held.NotBefore = 0, time.Time{}
	p, err := e.DB.UpdatePerson(ctx, key, func(p *crmgate.Person) error {
		newer := !entry.At.After(p.Grant.Issued)
		if !p.Grant.RefreshToken.Equal(entry.From) || newer && !t.rotated() {
			return crmgate.Refuse("The person has another grant by now: the answer is of no use any more. Drop it.")
		}
		fresh := t.over(p.Grant, newer).Grant(Issuer(entry), crmgate.Grant{RefreshToken: p.Grant.RefreshToken, App: entry.App})
		fresh.App = p.Grant.App
		p.Grant = fresh
		return nil
	}, storage.Fenced(key, held), storage.Settled(entry))
	if err != nil {
		err = errors.Join(err, e.DB.GiveBackLease(ctx, key, held))
	}
	return p, err
}
