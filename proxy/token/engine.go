package token

import (
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
	Connector func(crmgate.Platform) (connector.Connector, error)
	Fetch     crmgate.Fetch
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Logger gets what callers are not told; default slog.Default().
	Logger *slog.Logger
	// Timeout bounds one token request; default 10 s.
	Timeout time.Duration
	// Wait is how long a caller waits for a refresh; default 12 s.
	Wait time.Duration
	// Alone says that no other process has the store open: a lease of another's is one that ended without giving it back.
	Alone bool
	// Observe, if set, is told of every exchange, refresh and revocation, and how it ended. It is called concurrently.
	Observe func(kind string, platform crmgate.Platform, outcome string)
}

// Engine exchanges codes and keeps access tokens alive. Safe for concurrent use.
type Engine struct {
	Config
	running sync.WaitGroup // the flights
	node    string         // names this process in leases
	hosts   *breaker
	at      func(point string) // where a test may end the process; nil outside of tests

	mu      sync.Mutex
	flights map[crmgate.UserKey]*flight // guarded by mu
}

// New returns an Engine; the caller closes it.
func New(c Config) (*Engine, error) {
	if c.DB == nil || c.Connector == nil || c.Fetch == nil {
		return nil, errors.New("the token engine needs a store, connectors and a way out")
	}
	if c.Now == nil {
		c.Now = time.Now
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
		Config: c, node: rand.Text(), hosts: newBreaker(c.Now), flights: map[crmgate.UserKey]*flight{},
	}, nil
}

// reach passes a point at which a test may end the process.
func (e *Engine) reach(point string) {
	if e.at != nil {
		e.at(point)
	}
}

// Close waits for the refreshes under way, each of which has a deadline: what a CRM has already answered is stored.
// Nothing may be asked of the engine afterwards.
func (e *Engine) Close() { e.running.Wait() }

// Refreshing is how many refreshes this process has under way.
func (e *Engine) Refreshing() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.flights)
}
