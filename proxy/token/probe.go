package token

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

// Probe tests a token endpoint without a sign-in. It needs no store.
type Probe struct{ engine *Engine }

// NewProbe returns a Probe that makes its requests by fetch, with the configuration values of setting.
func NewProbe(fetch crmgate.Fetch, setting func(name string) (crmgate.Secret, bool)) *Probe {
	return &Probe{newEngine(Config{Fetch: fetch, Setting: setting})}
}

// Client is Engine.Client.
func (p *Probe) Client(ctx context.Context, conn connector.Connector, req connector.OAuthInfoRequest) (Client, error) {
	return p.engine.Client(ctx, conn, req, nil)
}

// Try is Engine.Try.
func (p *Probe) Try(ctx context.Context, conn connector.Connector, c Client) error {
	return p.engine.Try(ctx, conn, c)
}

// Control is Engine.Control.
func (p *Probe) Control(ctx context.Context, conn connector.Connector, c Client) (told bool, err error) {
	return p.engine.Control(ctx, conn, c)
}

// Try exchanges a made-up code with one request, and returns the error: an *Error with the CRM's words, or another one of
// Exchange. A healthy endpoint that knows the client answers that the code is invalid.
//
// If the platform's token requests have no code, the error matches errors.ErrUnsupported, and nothing is sent: the endpoint would
// grant a token.
func (e *Engine) Try(ctx context.Context, conn connector.Connector, c Client) error {
	if slices.Contains(c.manifest.Token.Omit, "code") {
		return fmt.Errorf("token requests to %s have no code: %w", c.manifest.Title, errors.ErrUnsupported)
	}
	x := Exchange{Code: crmgate.NewSecret("crmgate-doctor-" + rand.Text()), RedirectURI: c.RedirectURI}
	if c.manifest.Token.PKCE {
		x.Verifier = NewVerifier()
	}
	_, err := e.exchange(ctx, conn, c, x)
	return err
}

// Control is Try for the same client with a made-up secret, or for a made-up client if it has no secret. told says that the
// endpoint refuses that client. Otherwise an endpoint that refuses the code of Try has shown nothing about the client: some
// look at the code first, and refuse the code of Control too (Error.CodeRefused).
func (e *Engine) Control(ctx context.Context, conn connector.Connector, c Client) (told bool, err error) {
	invented := "crmgate-doctor-" + rand.Text()
	if c.Secret.IsZero() {
		c.ID, c.Info.ClientID = invented, invented
	} else {
		c.Secret, c.Info.ClientSecret = crmgate.NewSecret(invented), crmgate.NewSecret(invented)
	}
	err = e.Try(ctx, conn, c)
	var te *Error
	return ClientRefused(err) && errors.As(err, &te) && !te.CodeRefused(), err
}
