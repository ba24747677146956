package token

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

// Probe asks a token endpoint without anybody signing in. It needs no store.
type Probe struct{ engine *Engine }

// NewProbe returns a Probe that makes its requests by fetch.
func NewProbe(fetch crmgate.Fetch) *Probe {
	return &Probe{&Engine{Config: Config{
		Fetch: fetch, Now: time.Now, Timeout: 10 * time.Second, Observe: func(string, crmgate.Platform, string) {},
	}}}
}

// Client is Engine.Client.
func (p *Probe) Client(ctx context.Context, conn connector.Connector, req connector.OAuthInfoRequest) (Client, error) {
	return p.engine.Client(ctx, conn, req, nil)
}

// Try is Engine.Try.
func (p *Probe) Try(ctx context.Context, conn connector.Connector, c Client) error {
	return p.engine.Try(ctx, conn, c)
}

// Try exchanges a code that nobody gave out, with one request in the style of c.Auth, and returns the error that comes
// of it, as Exchange does. An endpoint that is well, and knows the client, says that the code is not valid.
func (e *Engine) Try(ctx context.Context, conn connector.Connector, c Client) error {
	x := Exchange{Code: crmgate.NewSecret("crmgate-doctor-" + rand.Text()), RedirectURI: c.RedirectURI}
	if c.manifest.Token.PKCE {
		x.Verifier = NewVerifier()
	}
	_, err := e.Exchange(ctx, conn, c, x)
	return err
}

// CodeRefused reports whether the endpoint has looked at the code and found it wanting, so that it knew the client.
func (e *Error) CodeRefused() bool {
	switch e.Code {
	case "invalid_grant",
		"bad_verification_code", // GitHub's
		"invalid_code":          // Zoho's
		return true
	}
	return false
}

// Locked reports whether whoever goes on asking may be, or already is, locked out.
func (e *Error) Locked() bool {
	text := strings.ToLower(e.Code + " " + e.Message)
	var cause string
	if e.Err != nil {
		cause = strings.ToLower(e.Err.Error())
	}
	for _, word := range []string{"locked", "lockout", "too many", "rate limit", "rate_limit", "suspended"} {
		if strings.Contains(text, word) || strings.Contains(cause, word) {
			return true
		}
	}
	return e.Status == 429 || e.RetryAfter > 0
}

// ClientRefused reports whether an error of Try or Exchange is about the client: its id, its secret, or how it authenticates.
func ClientRefused(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status == 401 || e.Status == 403 || errors.Is(e.Kind, crmgate.ErrAppDead) && e.Code != "redirect_uri_mismatch")
}
