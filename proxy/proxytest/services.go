package proxytest

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/proxy/session"
	"github.com/crmgate/crmgate/proxy/settings"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// Config is what New needs. DB is required.
type Config struct {
	DB          *storage.DB
	Connectors  connector.Registry              // default: no connectors
	Fetch       crmgate.Fetch                   // default: every connection fails
	PublicURL   string                          // default http://gate.example
	RingCentral string                          // its URL; default https://rc.example
	Now         func() time.Time                // default time.Now
	Logger      *slog.Logger                    // default: discards
	Timeout     time.Duration                   // of a token request; default: the engine's
	Count       func(flow, outcome string)      // may be nil
	Waiting     func(p crmgate.Platform, n int) // may be nil
}

// Services are the flows of one server process and the packages below them, without the front and the sandbox.
type Services struct {
	Tokens      *token.Engine
	Revocations *revoke.Worker
	Sessions    *session.Sessions
	Orgs        *org.Orgs
	Settings    *settings.Settings
	Flows       *authflow.Flows
}

// New assembles the services of one process. They are closed when the test ends.
func New(t testing.TB, c Config) *Services {
	t.Helper()
	s, closed := Open(t, c)
	t.Cleanup(closed)
	return s
}

// Open is New for a caller that closes the services itself.
func Open(t Fataler, c Config) (s *Services, closed func()) {
	if c.PublicURL == "" {
		c.PublicURL = "http://gate.example"
	}
	if c.RingCentral == "" {
		c.RingCentral = "https://rc.example"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Fetch == nil {
		c.Fetch = func(*http.Request, crmgate.Egress) (*http.Response, error) {
			return nil, &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "no connection"}
		}
	}
	if c.Connectors.Find == nil {
		c.Connectors.Find = func(context.Context, crmgate.Platform) (connector.Connector, error) {
			return nil, crmgate.Refuse("Connector not found")
		}
	}
	count := func(flow string, _ crmgate.Platform, outcome string) {
		if c.Count != nil {
			c.Count(flow, outcome)
		}
	}
	rc, err := identity.NewRingCentral(c.RingCentral, c.Fetch, c.Now)
	Must(t, err)
	s = &Services{}
	s.Tokens, err = token.New(token.Config{DB: c.DB, Connector: c.Connectors.Find, Fetch: c.Fetch, Now: c.Now, Logger: c.Logger, Timeout: c.Timeout})
	Must(t, err)
	s.Revocations = revoke.New(revoke.Config{
		DB: c.DB, Tokens: s.Tokens, Connectors: c.Connectors, Now: c.Now, Logger: c.Logger, Count: count, Waiting: c.Waiting,
	})
	s.Sessions, err = session.New(session.Config{
		DB: c.DB, Tokens: s.Tokens, Connectors: c.Connectors, Revocations: s.Revocations, Key: crmgate.NewSecret(strings.Repeat("k", 32)),
		Verify: rc.Verify,
		Now:    c.Now, Logger: c.Logger, Count: count,
	})
	Must(t, err)
	s.Orgs = org.New(org.Config{
		DB: c.DB, Tokens: s.Tokens, Connectors: c.Connectors, Revocations: s.Revocations, Verify: rc.Verify, Now: c.Now, Logger: c.Logger, Count: count,
	})
	s.Settings = settings.New(settings.Config{DB: c.DB, Verify: rc.Verify, HashKey: crmgate.NewSecret("h"), Logger: c.Logger})
	s.Flows, err = authflow.New(authflow.Config{
		DB: c.DB, Tokens: s.Tokens, Connectors: c.Connectors, Sessions: s.Sessions, Orgs: s.Orgs, Revocations: s.Revocations, Verify: rc.Verify,
		PublicURL: c.PublicURL, Now: c.Now, Logger: c.Logger, Count: count,
	})
	Must(t, err)
	return s, func() {
		s.Revocations.Close()
		s.Tokens.Close()
	}
}
