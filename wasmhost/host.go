package wasmhost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/process"
	"github.com/crmgate/crmgate/wasmhost/quickjs"
	"github.com/crmgate/crmgate/wasmhost/recording"
)

// Config configures a Host. Fields without a default are required.
type Config struct {
	// CacheDir is the folder for compiled modules. It is created with mode 0700 if it does not exist. It contains trusted machine
	// code, so New returns an error if other users can write to it.
	CacheDir string
	// Fetch performs the HTTP requests of guests.
	Fetch crmgate.Fetch
	// Setting returns a configuration value. ok is false if it is not set. It is only called with names that the guest's manifest
	// declares.
	Setting func(name string) (value crmgate.Secret, ok bool)
	// Logger receives the log of guests; default slog.Default().
	Logger *slog.Logger
	// Progress receives what Load compiles; default Logger.
	Progress *slog.Logger
	// Observe, if set, is called after every call with its outcome ("ok", "unsupported", "error" or "stopped") and duration.
	Observe func(p crmgate.Platform, operation, outcome string, d time.Duration)

	// Recordings keeps the calls that failed; default nil, which keeps none.
	Recordings *recording.Folder
	// Witness, if set, gets every call at its end, whether it failed or not. It is for the tools of authors, who see calls of their own
	// account only. The nonce of handles is then VectorNonce, as in vectors.
	Witness func(Witnessed)

	Deadline    time.Duration // of a call, once it has an instance; default 10 s
	MemoryPages uint32        // of an instance, 64 KiB each; default 1024, which is 64 MiB
	MaxOutput   int           // bytes of an answer, and of a request for fetch; default 1 MiB
	MaxFetches  int           // of a call; default 32
	MaxResponse int64         // bytes of a fetched body; default 4 MiB
	MaxLogLines int           // of a call; default 100
	// ShareJavaScript lets scripts share processes, 32 in each: only the sandbox keeps a script from the secrets of the others then.
	ShareJavaScript bool

	Processes  int           // how many connectors can have a process of their own at once; 0 to run connectors in this process
	MaxCalls   int           // of a connector at once; default 256. One client can have a quarter, and one host that a person chose a half
	MaxRunning int           // of the calls of a connector, those that do not wait for a fetch; default 16, and the same shares
	MaxRunners int           // such calls of all connectors; default 64
	Memory     int64         // bytes that all guests may use; default a quarter of what this system, or its control group, has
	Idle       time.Duration // after which an unused connector is unloaded from memory; default 5 min
}

// Host compiles and runs connectors. It is safe for concurrent use.
type Host struct {
	Config
	rooms     rooms
	engine    [sha256.Size]byte // the hash of the JavaScript engine
	compiling sync.Mutex        // held while the JavaScript engine is compiled
	sharing   sync.Mutex        // held while a script is opened that may share it
	running   *limit.Shares     // see places
	watch     *watch
}

// New opens the compilation cache. The caller must close the host, after closing the folders that it loaded. The error matches
// ErrNoCompiler if this process cannot compile modules.
func New(ctx context.Context, c Config) (*Host, error) {
	if c.Fetch == nil || c.Setting == nil {
		return nil, errors.New("the wasm host needs Fetch and Setting")
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Progress == nil {
		c.Progress = c.Logger
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
	setDefault(&c.MaxCalls, 256)
	setDefault(&c.MaxRunning, 16)
	setDefault(&c.MaxRunners, 64)
	setDefault(&c.Idle, 5*time.Minute)
	if c.Memory == 0 {
		c.Memory = quarter()
	}
	if err := guest.CheckCompiler(ctx); err != nil {
		return nil, err
	}
	var err error
	if c.CacheDir, err = openCacheDir(c.CacheDir); err != nil {
		return nil, fmt.Errorf("the folder for compiled connectors: %w", err)
	}
	if err := removeStale(c.CacheDir); err != nil {
		c.Logger.Warn("could not remove what a server that crashed has left in the cache of connectors", "err", err)
	}
	if c.Processes > 0 {
		missing, err := process.Probe(ctx)
		if err != nil {
			return nil, fmt.Errorf("connectors cannot have processes of their own here (--isolation none runs them in this one): %w", err)
		}
		if len(missing) > 0 {
			c.Logger.Warn("the processes of connectors have fewer walls on this system", "missing", strings.Join(missing, ", "))
		}
	}
	running := limit.NewShares(limit.Limits{Total: c.MaxRunners})
	processes := c.Processes
	if processes == 0 {
		processes = math.MaxInt
	}
	return &Host{Config: c, engine: sha256.Sum256(quickjs.Engine()), rooms: rooms{free: processes, taken: map[*room]bool{}}, running: running, watch: &watch{
		memory: c.Memory, here: guest.NewBudget(c.Memory), running: running, log: c.Logger, wake: make(chan struct{}, 1), of: map[*room]*used{},
	}}, nil
}

// ErrNoCompiler means that connectors cannot be compiled in this process.
var ErrNoCompiler = guest.ErrNoCompiler

func setDefault[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// quarter returns a quarter of the memory that this process can have, in bytes.
func quarter() int64 {
	all, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil {
		return 1 << 30
	}
	return int64(min(all, math.MaxInt64) / 4)
}

// limits are the limits of guests.
func (h *Host) limits() guest.Limits {
	return guest.Limits{Budget: h.watch.here, MemoryPages: h.MemoryPages, MaxOutput: h.MaxOutput, MaxFetches: h.MaxFetches, MaxLogLines: h.MaxLogLines, Start: h.Deadline}
}
