package token

import (
	"context"
	"crypto/rand"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

// Probe tests a token endpoint without a sign-in. It needs no store.
type Probe struct{ engine *Engine }

// NewProbe returns a Probe that makes its requests by fetch.
func NewProbe(fetch crmgate.Fetch) *Probe {
	return &Probe{newEngine(Config{Fetch: fetch})}
}

// Client is Engine.Client.
func (p *Probe) Client(ctx context.Context, conn connector.Connector, req connector.OAuthInfoRequest) (Client, error) {
	return p.engine.Client(ctx, conn, req, nil)
}

// Try is Engine.Try.
func (p *Probe) Try(ctx context.Context, conn connector.Connector, c Client) error {
	return p.engine.Try(ctx, conn, c)
}

// Try exchanges a made-up code with one request, and returns the error of Exchange. A healthy endpoint that knows the client
// answers that the code is invalid.
func (e *Engine) Try(ctx context.Context, conn connector.Connector, c Client) error {
	x := Exchange{Code: crmgate.NewSecret("crmgate-doctor-" + rand.Text()), RedirectURI: c.RedirectURI}
	if c.manifest.Token.PKCE {
		x.Verifier = NewVerifier()
	}
	_, err := e.Exchange(ctx, conn, c, x)
	return err
}
