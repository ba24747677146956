package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// Exchange is a code to be redeemed.
type Exchange struct {
	Code        crmgate.Secret
	RedirectURI string
	Verifier    crmgate.Secret // PKCE; empty without
	// Account and Callback are journaled with the answer, so that a sign-in which was cut off can be finished later.
	Account  crmgate.AccountID
	Callback crmgate.Secret
}

// Tokens is what a token endpoint granted.
type Tokens struct {
	Access  crmgate.Secret // never empty
	Refresh crmgate.Secret
	Issued  time.Time
	Expiry  time.Time // zero: unknown
	// Data is the answer as a JSON object, the tokens excepted.
	Data json.RawMessage
	// Journal is where the answer is kept until what it granted is stored: give it to storage.DropEntry, or to Discard.
	Journal storage.JournalEntry
	// info is what a connector that refreshes by itself wants to have changed about the person.
	info json.RawMessage
}

// Exchange redeems a code, with one request. Errors are *Error, or a *crmgate.Refusal or *crmgate.ConnectorError if nothing was sent.
func (e *Engine) Exchange(ctx context.Context, conn connector.Connector, c Client, x Exchange) (Tokens, error) {
	r := call{engine: e, client: c, quirks: c.manifest.Token, secrets: []crmgate.Secret{c.Secret, x.Code, x.Verifier}, entry: storage.JournalEntry{
		User: crmgate.UserKey{Platform: c.Platform}, App: c.App, Account: x.Account, Hostname: c.Hostname, Callback: x.Callback,
	}}
	if conn.Implements("getOverridingOAuthOption") {
		var err error
		r.option, err = conn.OverridingOAuthOption(ctx, connector.OAuthOptionRequest{Code: x.Code, OAuth: c.Info})
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return Tokens{}, err
		}
		if err := crmgate.CheckHeaders(r.option.Headers); err != nil {
			return Tokens{}, &crmgate.ConnectorError{Platform: c.Platform, Operation: "getOverridingOAuthOption",
				Message: fmt.Sprintf("The connector of %s answered getOverridingOAuthOption with wrong headers: %v.", c.Platform, err)}
		}
	}
	t, err := r.do(ctx, func(ctx context.Context, conf *oauth2.Config) error {
		conf.RedirectURL = x.RedirectURI
		var opts []oauth2.AuthCodeOption
		if !x.Verifier.IsZero() {
			opts = append(opts, oauth2.VerifierOption(x.Verifier.Reveal()))
		}
		_, err := conf.Exchange(ctx, x.Code.Reveal(), opts...)
		return err
	})
	e.Observe("exchange", c.Platform, outcome(err))
	if err == nil && e.DB != nil {
		e.accepted(ctx, c)
	}
	return t, err
}

// refresh redeems a person's refresh token, with one request. c is the client as it refreshes.
func (e *Engine) refresh(ctx context.Context, c Client, p crmgate.Person) (Tokens, error) {
	token := p.Grant.RefreshToken
	r := call{engine: e, client: c, quirks: c.manifest.Refresh, secrets: []crmgate.Secret{c.Secret, token}, entry: storage.JournalEntry{
		User: p.User.Key, From: token, App: c.App, Account: p.User.Account, Hostname: p.User.Hostname,
	}}
	return r.do(ctx, func(ctx context.Context, conf *oauth2.Config) error {
		// The source is asked once and dropped: one that is kept refreshes in memory and tells nobody.
		_, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: token.Reveal()}).Token()
		return err
	})
}

// rotated reports whether the answer to a refresh brought another refresh token than was sent.
func (t Tokens) rotated() bool {
	return !t.Refresh.IsZero() && !t.Refresh.Equal(t.Journal.From)
}

// over is what to make of an answer where a grant is stored whose access token is newer: that one stays.
func (t Tokens) over(g crmgate.Grant, newer bool) Tokens {
	if newer {
		t.Access, t.Issued, t.Expiry = g.AccessToken, g.Issued, g.Expiry
	}
	return t
}

// Grant is what to store for these tokens. old is the same person's grant until now: its refresh token is kept if the
// answer brought none, the same client id got it, and it is not known to be dead.
func (t Tokens) Grant(c Client, old crmgate.Grant) crmgate.Grant {
	g := crmgate.Grant{AccessToken: t.Access, RefreshToken: t.Refresh, Issued: t.Issued, Expiry: t.Expiry, App: c.App}
	if g.RefreshToken.IsZero() && old.App.ClientID == c.ID && old.Dead == "" {
		g.RefreshToken = old.RefreshToken
	}
	return g
}

// NewVerifier makes a PKCE code verifier (RFC 7636, 4.1).
func NewVerifier() crmgate.Secret { return crmgate.NewSecret(oauth2.GenerateVerifier()) }

// Challenge is the S256 code challenge of a verifier (RFC 7636, 4.2).
func Challenge(verifier crmgate.Secret) string {
	return oauth2.S256ChallengeFromVerifier(verifier.Reveal())
}
