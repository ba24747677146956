package wasmhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/crmgate/crmgate"
)

// Config is what New needs. Fields without a default are required.
type Config struct {
	// CacheDir keeps compiled modules. It is made, 0700, if it does not exist. It holds machine code that is trusted, so New
	// refuses one in which others can write.
	CacheDir string
	// Fetch performs what guests fetch.
	Fetch crmgate.Fetch
	// Setting returns a configuration value; ok is false if it is not set. It is asked only for names that the guest's manifest declares.
	Setting func(name string) (value crmgate.Secret, ok bool)
	// Logger gets what guests log; default slog.Default().
	Logger *slog.Logger
	// Observe, if set, is told of every call: "ok", "unsupported", "error" or "stopped", and how long it took.
	Observe func(p crmgate.Platform, operation, outcome string, d time.Duration)

	Deadline     time.Duration // of a call, once it has an instance; default 10 s
	MemoryPages  uint32        // of an instance, 64 KiB each; default 1024, which is 64 MiB
	MaxOutput    int           // bytes of an answer, and of a request for fetch; default 1 MiB
	MaxFetches   int           // of a call; default 32
	MaxResponse  int64         // bytes of a fetched body; default 4 MiB
	MaxLogLines  int           // of a call; default 100
	MaxInstances int           // of a connector; default 16
	Idle         time.Duration // after which a connector is let go from memory; default 5 min
}

// Host compiles and runs connectors. Safe for concurrent use.
type Host struct {
	Config
	cache      wazero.CompilationCache
	reclaiming atomic.Bool
	started    time.Time // where guests' monotonic clock begins
}

// New opens the compilation cache. The caller closes the host, after the folders that it loaded.
func New(_ context.Context, c Config) (*Host, error) {
	if c.Fetch == nil || c.Setting == nil {
		return nil, errors.New("the wasm host needs Fetch and Setting")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Observe == nil {
		c.Observe = func(crmgate.Platform, string, string, time.Duration) {}
	}
	setDefault(&c.Deadline, 10*time.Second)
	setDefault(&c.MemoryPages, 1024)
	setDefault(&c.MaxOutput, 1<<20)
	setDefault(&c.MaxFetches, 32)
	setDefault(&c.MaxResponse, 4<<20)
	setDefault(&c.MaxLogLines, 100)
	setDefault(&c.MaxInstances, 16)
	setDefault(&c.Idle, 5*time.Minute)
	var err error
	if c.CacheDir, err = openCacheDir(c.CacheDir); err != nil {
		return nil, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(c.CacheDir)
	if err != nil {
		return nil, fmt.Errorf("open the cache of compiled connectors: %w", err)
	}
	return &Host{Config: c, cache: cache, started: time.Now()}, nil
}

func setDefault[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// Close releases the compilation cache.
func (h *Host) Close() error { return h.cache.Close(context.Background()) }
