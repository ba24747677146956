package guest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
	Budget      *Budget       `json:"-"` // of the memory of all instances; nil for no bound. Processes do not share one
}

// Memory is the size of the memory of an instance, in bytes.
func (l Limits) Memory() int64 { return int64(l.MemoryPages) * pageSize }

// EngineVersion is the version of wazero. A test compares it with go.mod.
const EngineVersion = "v1.12.0"

// engineConfig returns the configuration of every runtime. It asks for the compiler: by default wazero interprets modules, many
// times more slowly and without a word, if it cannot compile them.
func engineConfig() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfigCompiler().
		WithCoreFeatures(api.CoreFeaturesV2.SetEnabled(api.CoreFeatureSIMD, false)) // meter.Decode rejects SIMD
}

// ErrNoCompiler means that connectors cannot be compiled in this process.
var ErrNoCompiler = errors.New("connectors cannot be compiled here")

// CheckCompiler returns an error matching ErrNoCompiler if the engine cannot compile in this process, and says what to change.
func CheckCompiler(ctx context.Context) (err error) {
	defer func() {
		if recover() != nil { // wazero has no other way to say so
			err = fmt.Errorf("%w: the engine needs linux, darwin, freebsd, netbsd or windows on arm64 or on amd64 with SSE4.1 (this is %s on %s), "+
				"and memory that is first written and then executed: allow it to this process "+
				"(systemd: remove MemoryDenyWriteExecute=yes from the unit)", ErrNoCompiler, runtime.GOOS, runtime.GOARCH)
		}
	}()
	return wazero.NewRuntimeWithConfig(ctx, engineConfig()).Close(ctx)
}
