package guest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// Limits bound what guests can use. All fields are required.
type Limits struct {
	MemoryPages uint32        // of an instance, 64 KiB each
	MaxOutput   int           // bytes of an answer
	MaxFetches  int           // of a call
	MaxLogLines int           // of a call
	Start       time.Duration // how long the initialization of an instance may take
}

// Engine compiles modules. It is safe for concurrent use.
type Engine struct {
	limits     Limits
	cache      wazero.CompilationCache
	reclaiming atomic.Bool
	started    time.Time // the zero of the guests' monotonic clock
}

// NewEngine returns an engine that keeps machine code in a folder, and trusts what it finds there. The caller closes it after its
// modules. The error matches ErrNoCompiler if this process cannot compile modules.
func NewEngine(ctx context.Context, cacheDir string, l Limits) (*Engine, error) {
	if err := checkCompiler(ctx); err != nil {
		return nil, err
	}
	cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
	if err != nil {
		return nil, fmt.Errorf("open the cache of compiled connectors: %w", err)
	}
	return &Engine{limits: l, cache: cache, started: time.Now()}, nil
}

// Close releases the machine code.
func (e *Engine) Close() error { return e.cache.Close(context.Background()) }

// reclaim returns the memory of large stacks to the system, one caller at a time. Without it they would stay until the next
// garbage collection, and sixteen calls with endless recursion would hold 240 MB.
func (e *Engine) reclaim() {
	if e.reclaiming.CompareAndSwap(false, true) {
		debug.FreeOSMemory()
		e.reclaiming.Store(false)
	}
}

// engineConfig returns the configuration of every runtime. It asks for the compiler: by default wazero interprets modules, many
// times more slowly and without a word, if it cannot compile them.
func engineConfig() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2.SetEnabled(api.CoreFeatureSIMD, false)) // meter.Decode rejects SIMD
}

// ErrNoCompiler means that connectors cannot be compiled in this process.
var ErrNoCompiler = errors.New("connectors cannot be compiled here")

// checkCompiler returns an error matching ErrNoCompiler if the engine cannot compile, and says what to change.
func checkCompiler(ctx context.Context) (err error) {
	defer func() {
		if recover() != nil { // wazero has no other way to say so
			err = fmt.Errorf("%w: the engine needs linux, darwin, freebsd, netbsd or windows on arm64 or on amd64 with SSE4.1 (this is %s on %s), "+
				"and memory that is first written and then executed: allow it to this process "+
				"(systemd: remove MemoryDenyWriteExecute=yes from the unit)", ErrNoCompiler, runtime.GOOS, runtime.GOARCH)
		}
	}()
	return wazero.NewRuntimeWithConfig(ctx, engineConfig()).Close(ctx)
}
