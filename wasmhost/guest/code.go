package guest

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/tetratelabs/wazero"
)

// code is the machine code of a module, with what it imports. It has a cache and a runtime of its own, so that closing it frees everything.
type code struct {
	cache    wazero.CompilationCache
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	users    atomic.Int32 // modules that are not closed
}

func newCode(ctx context.Context, cache wazero.CompilationCache, l Limits) *code {
	config := engineConfig().WithCompilationCache(cache).WithMemoryLimitPages(l.MemoryPages)
	return &code{cache: cache, runtime: wazero.NewRuntimeWithConfig(ctx, config)}
}

// load compiles a module, or takes its machine code from the cache.
func (c *code) load(ctx context.Context, module []byte) (err error) {
	if c.compiled, err = c.runtime.CompileModule(ctx, module); err != nil {
		return fmt.Errorf("it does not compile: %w", err)
	}
	if err := instantiatePause(ctx, c.runtime); err != nil {
		return err
	}
	return instantiateHost(ctx, c.runtime)
}

// close frees the code if its last user is closed. Closing the runtime leaves the machine code in the cache's memory; closing the
// compiled module frees it.
func (c *code) close() {
	if c.users.Add(-1) > 0 {
		return
	}
	_ = c.runtime.Close(context.Background())
	if c.compiled != nil {
		_ = c.compiled.Close(context.Background())
	}
	_ = c.cache.Close(context.Background())
}
