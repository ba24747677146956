package wasmhost

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/crmgate/crmgate/wasmhost/meter"
)

// maxStack bounds the engine's stack of one call, in bytes. wazero lets it grow to 400 MB. Frames of Go functions take some
// 100 bytes: this is room for some fifty thousand, such as those that
// decode JSON of ten thousand levels.
const maxStack = 6 << 20

// reclaim gives large stacks back to the system, one caller at a time: without it they would wait for the next collection, and
// sixteen calls that recurse without end would keep 240 MB.
func (h *Host) reclaim() {
	if h.reclaiming.CompareAndSwap(false, true) {
		debug.FreeOSMemory()
		h.reclaiming.Store(false)
	}
}

// keptStack is how large a stack may be that is kept for the next call: stacks do not shrink.
const maxReusedStack = 64 << 10

// instantiateBrake gives a metered module the import in which it pauses: some thousand times a second, or more.
func instantiatePause(ctx context.Context, rt wazero.Runtime) error {
	_, err := rt.NewHostModuleBuilder(meter.PauseModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(pause), nil, nil).Export(meter.PauseFunction).Instantiate(ctx)
	return err
}

// pause ends the call if its time is up or it has recursed too deeply, and lets others run. Guests do not reach Go
// otherwise: neither the scheduler nor the garbage collector can interrupt compiled code.
func pause(ctx context.Context, _ []uint64) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	if c, _ := ctx.Value(callKey{}).(*call); c != nil && c.function != nil && stackSize(c.function) > maxStack {
		panic(limitError("recursed too deeply"))
	}
	runtime.Gosched()
}

// stackSize returns how much the engine has allocated for the stack of a function: bytes, or in wazero's interpreter, which
// allows 2,000 frames anyway, words. wazero has no accessor: this is the length of a field of its own, of the version that go.mod
// pins. checkStack sees whether it is there.
func stackSize(f api.Function) int { return reflect.ValueOf(f).Elem().FieldByName("stack").Len() }

// checkStack is an error if the engine's functions do not have their stack where stackSize reads it: then recursion would have
// no bound.
func checkStack(f api.Function) error {
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct || v.Elem().FieldByName("stack").Kind() != reflect.Slice {
		return fmt.Errorf("this version of wazero keeps the stack of a %T in another way: recursion could not be bounded", f)
	}
	return nil
}
