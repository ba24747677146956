package token

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/oauth2"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// Exchange is an authorization code to redeem.
type Exchange struct {
	Code        crmgate.Secret
	RedirectURI string
	State       string         // of the callback, for the connector
	Verifier    crmgate.Secret // PKCE; empty if it is off
	// Account and Callback are journaled with the answer, to finish an interrupted sign-in later.
	Account  crmgate.AccountID
	Callback crmgate.Secret
}

// Exchange redeems an authorization code with one request. The error is an *Error, or a *crmgate.Refusal or
// *crmgate.ConnectorError if nothing was sent. If the CRM rejects the application, the error is one for the person, and its
// Err is the *Error with the CRM's words.
func (e *Engine) Exchange(ctx context.Context, conn connector.Connector, c Client, x Exchange) (Tokens, error) {
	t, err := e.exchange(ctx, conn, c, x)
	var te *Error
	switch {
	case err == nil:
		e.pauses.end(ctx, c.refreshes(), c.signIns())
	case errors.As(err, &te) && te.AppRefused():
		e.pauses.note(ctx, c, te)
		told := *te
		told.Message, told.Err = tellAdministrator, te
		return t, &told
	}
	return t, err
}

// tellAdministrator is the text for a person whose sign-in fails because the CRM rejects the application.
const tellAdministrator = "The CRM rejects the application. Please tell your administrator."

// exchange is Exchange without the consequences for the application.
func (e *Engine) exchange(ctx context.Context, conn connector.Connector, c Client, x Exchange) (Tokens, error) {
	tr := tokenRequest{engine: e, client: c, rules: c.manifest.Token, secrets: []crmgate.Secret{c.Secret, x.Code, x.Verifier}, entry: storage.JournalEntry{
		User: crmgate.UserKey{Platform: c.Platform}, App: c.App, Account: x.Account, Hostname: c.Hostname, Callback: x.Callback,
	}}
	if conn.Implements("getOverridingOAuthOption") {
		var err error
		tr.option, err = conn.OverridingOAuthOption(ctx, connector.OAuthOptionRequest{Code: x.Code, State: x.State, OAuth: c.Info})
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return Tokens{}, err
		}
		if err := crmgate.CheckHeaders(tr.option.Headers); err != nil {
			return Tokens{}, &crmgate.ConnectorError{Platform: c.Platform, Operation: "getOverridingOAuthOption",
				Message: fmt.Sprintf("The connector of %s answered getOverridingOAuthOption with wrong headers: %v.", c.Platform, err)}
		}
	}
	t, err := tr.do(ctx, func(ctx context.Context, conf *oauth2.Config) error {
		conf.RedirectURL = x.RedirectURI
		var opts []oauth2.AuthCodeOption
		if !x.Verifier.IsZero() {
			opts = append(opts, oauth2.VerifierOption(x.Verifier.Reveal()))
		}
		_, err := conf.Exchange(ctx, x.Code.Reveal(), opts...)
		return err
	})
	e.Observe("exchange", c.Platform, outcome(err))
	return t, err
}

// NewVerifier makes a PKCE code verifier (RFC 7636, 4.1).
func NewVerifier() crmgate.Secret { return crmgate.NewSecret(oauth2.GenerateVerifier()) }

// Challenge is the S256 code challenge of a verifier (RFC 7636, 4.2).
func Challenge(verifier crmgate.Secret) string {
	return oauth2.S256ChallengeFromVerifier(verifier.Reveal())
}
