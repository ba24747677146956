package token

import (
	"encoding/json"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Tokens are what a token endpoint issued.
type Tokens struct {
	Access  crmgate.Secret // never empty
	Refresh crmgate.Secret
	Issued  time.Time
	Expiry  time.Time // zero: unknown
	// Data is the answer as a JSON object, without the tokens.
	Data json.RawMessage
	// Journal is the answer's entry, kept until the grant is stored: pass it to storage.DropEntry, or call Discard.
	Journal storage.JournalEntry
	// info are the changes to the additional info from a connector that refreshes by itself.
	info json.RawMessage
}

// rotated reports whether the answer to a refresh holds another refresh token than the one that was sent.
func (t Tokens) rotated() bool {
	return !t.Refresh.IsZero() && !t.Refresh.Equal(t.Journal.From)
}

// withNewerAccess returns the tokens with the access token of g if that is newer.
func (t Tokens) withNewerAccess(g crmgate.Grant, newer bool) Tokens {
	if newer {
		t.Access, t.Issued, t.Expiry = g.AccessToken, g.Issued, g.Expiry
	}
	return t
}

// Grant is the grant to store for these tokens. old is the person's grant until now. Its refresh token is kept if the answer
// holds none, the same client of the same organisation obtained it at the same token endpoint, and it is not dead. Client IDs
// are public, so an organisation can enter that of another one.
func (t Tokens) Grant(c Client, old crmgate.Grant) crmgate.Grant {
	g := crmgate.Grant{AccessToken: t.Access, RefreshToken: t.Refresh, Issued: t.Issued, Expiry: t.Expiry, App: c.App}
	same := old.App.ClientID == c.ID && old.App.Account == c.App.Account && old.App.TokenURL == c.App.TokenURL
	if g.RefreshToken.IsZero() && same && old.Dead == "" {
		g.RefreshToken = old.RefreshToken
	}
	return g
}
