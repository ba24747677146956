package org

import (
	"errors"
	"log/slog"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// Config is what New needs. Fields without a default are required.
type Config struct {
	DB          *storage.DB
	Tokens      *token.Engine
	Connectors  connector.Registry
	Revocations *revoke.Worker
	// Verify verifies the RingCentral tokens of admins and members.
	Verify identity.Verify
	// Now returns the time; default time.Now.
	Now func() time.Time
	// Logger gets the causes that answers leave out; default slog.Default().
	Logger *slog.Logger
	// Count, if not nil, is called for every logout with flow, platform and outcome.
	Count func(flow string, platform crmgate.Platform, outcome string)
}

// Orgs keeps what belongs to organisations. It is safe for concurrent use.
type Orgs struct {
	Config
	roster *roster
}

// New returns the organisations of a store.
func New(c Config) *Orgs {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Count == nil {
		c.Count = func(string, crmgate.Platform, string) {}
	}
	return &Orgs{c, newRoster()}
}

// NotSetUp is the Refusal for a person of an organisation that has no application yet.
func NotSetUp(m *manifest.Manifest) error {
	return &crmgate.Refusal{
		Kind: crmgate.Missing, Err: crmgate.ErrNoApp,
		Message: "Your organisation has not set up " + m.Title + " yet. Please ask your administrator to connect first.",
	}
}

// ErrAppChanged means that the application of a sign-in was replaced or removed while it went on.
var ErrAppChanged = errors.New("the application was changed")

// AppChanged is the Refusal for such a sign-in.
func AppChanged(p crmgate.Platform) *crmgate.Refusal {
	r := crmgate.Decline("The application of %s was changed during this sign-in. Please start again.", p)
	r.Err = ErrAppChanged
	return r
}
