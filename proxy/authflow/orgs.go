package authflow

import (
	"log/slog"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// OrgsConfig is what NewOrgs needs. Fields without a default are required.
type OrgsConfig struct {
	DB          *storage.DB
	Tokens      *token.Engine
	Connectors  connector.Registry
	Revocations *revoke.Worker
	// Verify verifies the tokens of admins and members.
	Verify identity.Verify
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Logger gets what clients are not told; default slog.Default().
	Logger *slog.Logger
	// Count, if set, is told of every logout: flow, platform and outcome.
	Count func(flow string, platform crmgate.Platform, outcome string)
}

// Orgs keeps what belongs to organisations. Safe for concurrent use.
type Orgs struct {
	OrgsConfig
	roster *roster
}

// NewOrgs returns the organisations of a store.
func NewOrgs(c OrgsConfig) *Orgs {
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
