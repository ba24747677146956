package guest

import (
	"context"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// maxRandom is the maximum number of random bytes per call.
const maxRandom = 64 << 10

// ABIModule is the import module of version 1 of the ABI.
const ABIModule = "crmgate_v1"

// hostFunction is a function that guests can import. It reads its parameters from the stack and writes its result there.
type hostFunction struct {
	name            string
	params, results []api.ValueType
	run             func(ctx context.Context, c *call, mem api.Memory, stack []uint64)
}

const (
	i32 = api.ValueTypeI32
	i64 = api.ValueTypeI64
)

// hostFunctions returns the imports of the ABI. connectors-wasm/ABI.md specifies them.
func hostFunctions() []hostFunction {
	return []hostFunction{
		{"input", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(_ context.Context, c *call, mem api.Memory, s []uint64) {
			s[0] = copyOut(mem, s, c.input)
		}},
		{"output", []api.ValueType{i32, i32}, nil, func(_ context.Context, c *call, mem api.Memory, s []uint64) {
			if n := uint32(s[1]); int64(n) > int64(c.module.limits.MaxOutput) {
				panic(limitError("wrote more output than the limit"))
			}
			c.output, c.hasOutput = append(c.output[:0], readMemory(mem, s)...), true
		}},
		{"fetch", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(ctx context.Context, c *call, mem api.Memory, s []uint64) {
			answer, err := c.fetch(ctx, readMemory(mem, s))
			if err != nil {
				panic(err)
			}
			checkContext(ctx) // it may have waited until the end of the call
			c.pending = answer
			s[0] = uint64(len(c.pending))
		}},
		{"config", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(ctx context.Context, c *call, mem api.Memory, s []uint64) {
			value, ok := c.host.Config(ctx, readMemory(mem, s))
			c.pending = append(c.pending[:0], value...)
			s[0] = uint64(len(value))
			if !ok {
				s[0] = api.EncodeI32(-1)
			}
		}},
		{"derive", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(ctx context.Context, c *call, mem api.Memory, s []uint64) {
			handle, ok, err := c.derive(ctx, readMemory(mem, s))
			if err != nil {
				panic(err)
			}
			c.pending = append(c.pending[:0], handle...)
			s[0] = uint64(len(handle))
			if !ok {
				s[0] = api.EncodeI32(-1)
			}
		}},
		{"take", []api.ValueType{i32, i32}, []api.ValueType{i32}, func(_ context.Context, c *call, mem api.Memory, s []uint64) {
			s[0] = copyOut(mem, s, c.pending)
		}},
		{"log", []api.ValueType{i32, i32, i32}, nil, func(ctx context.Context, c *call, mem api.Memory, s []uint64) {
			levels := []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
			level := levels[min(uint32(s[0]), 3)]
			c.log(ctx, level, readMemory(mem, s[1:]))
		}},
		{"now", nil, []api.ValueType{i64}, func(_ context.Context, c *call, _ api.Memory, s []uint64) {
			now, _ := c.clock(wallClock)
			s[0] = now / uint64(time.Millisecond)
		}},
		{"random", []api.ValueType{i32, i32}, nil, func(_ context.Context, c *call, mem api.Memory, s []uint64) {
			if uint32(s[1]) > maxRandom {
				panic(limitError("requested more than 64 KB of random bytes at once"))
			}
			c.random(readMemory(mem, s))
		}},
	}
}

// imports returns all that guests can import, by module.
func imports() map[string][]hostFunction {
	return map[string][]hostFunction{ABIModule: hostFunctions(), WASIModule: wasiFunctions()}
}

// instantiateHost provides the imports of guests. A guest cannot be stopped while a host function runs, so each of them takes
// a bounded time or ends with ctx.
func instantiateHost(ctx context.Context, rt wazero.Runtime) error {
	for module, functions := range imports() {
		b := rt.NewHostModuleBuilder(module)
		for _, f := range functions {
			b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, guest api.Module, stack []uint64) {
				checkContext(ctx)
				c, _ := ctx.Value(callKey{}).(*call)
				f.run(ctx, c, guest.Memory(), stack)
			}), f.params, f.results).Export(f.name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// checkContext stops a guest whose context has ended, before the host does any work for it.
func checkContext(ctx context.Context) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
}

// readMemory returns the memory range in the first two words of the stack. It traps if the range is out of bounds.
func readMemory(mem api.Memory, s []uint64) []byte {
	b, ok := mem.Read(uint32(s[0]), uint32(s[1]))
	if !ok {
		panic(limitError("referred to memory out of bounds"))
	}
	return b
}

// copyOut copies b to the memory range in the first two words of the stack if it fits, and returns the length of b.
func copyOut(mem api.Memory, s []uint64, b []byte) uint64 {
	if uint64(len(b)) <= uint64(uint32(s[1])) && !mem.Write(uint32(s[0]), b) {
		panic(limitError("referred to memory out of bounds"))
	}
	return uint64(len(b))
}
