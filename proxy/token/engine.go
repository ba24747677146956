package token

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// Config is what New needs. Fields without a default are required.
type Config struct {
	DB        *storage.DB
	Connector func(context.Context, crmgate.Platform) (connector.Connector, error)
	Fetch     crmgate.Fetch
	// Setting returns a configuration value that a manifest declares, for crmgate.token.secretHeaders; default none is set.
	Setting func(name string) (crmgate.Secret, bool)
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Logger gets what callers are not told; default slog.Default().
	Logger *slog.Logger
	// Timeout bounds one token request; default 10 s.
	Timeout time.Duration
	// Wait is how long a caller waits for a refresh; default 12 s.
	Wait time.Duration
	// Alone says that no other process has the store open: another process's lease is then left over from one that ended.
	Alone bool
	// Observe, if set, is called after every exchange, refresh and revocation with its outcome. It is called concurrently.
	Observe func(kind string, platform crmgate.Platform, outcome string)
}

// Engine redeems authorization codes, and refreshes and revokes grants. Safe for concurrent use.
type Engine struct {
	Config
	node    string // names this process in leases
	breaker *Breaker
	flights flights
	journal journal
	pauses  pauses
	// unrenewable has the platforms of which CheckRenewal has warned.
	unrenewable sync.Map
	at          func(point string) // where a test may end the process; nil outside of tests
}

// New returns an Engine; the caller closes it.
func New(c Config) (*Engine, error) {
	if c.DB == nil || c.Connector == nil || c.Fetch == nil {
		return nil, errors.New("token.Config: DB, Connector and Fetch are required")
	}
	return newEngine(c), nil
}

// newEngine fills in the defaults. A Probe's engine has no DB.
func newEngine(c Config) *Engine {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Setting == nil {
		c.Setting = func(string) (crmgate.Secret, bool) { return crmgate.Secret{}, false }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Wait == 0 {
		c.Wait = 12 * time.Second
	}
	if c.Observe == nil {
		c.Observe = func(string, crmgate.Platform, string) {}
	}
	return &Engine{
		Config: c, node: rand.Text(), breaker: newBreaker(c.Now), flights: flights{byUser: map[crmgate.UserKey]*flight{}},
		journal: journal{db: c.DB, logger: c.Logger}, pauses: pauses{db: c.DB, now: c.Now, logger: c.Logger},
	}
}

// Breaker is the circuit breaker for the requests to CRMs.
func (e *Engine) Breaker() *Breaker { return e.breaker }

// reach passes a point at which a test may end the process.
func (e *Engine) reach(point string) {
	if e.at != nil {
		e.at(point)
	}
}

// Close waits for the refreshes under way, each of which has a deadline, so that every answer of a CRM is stored. The engine
// must not be used afterwards.
func (e *Engine) Close() { e.flights.running.Wait() }

// Refreshing is the number of refreshes that this process has under way.
func (e *Engine) Refreshing() int { return e.flights.count() }
