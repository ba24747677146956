package wasmhost

import (
	"context"
	"reflect"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/crmgate/crmgate/wasmhost/meter"
)

// maxStack bounds the engine's stack of one call, in bytes. wazero lets it grow to 400 MB. Frames of Go functions take some
// 100 bytes: this is room for more than ten thousand.
const maxStack = 2 << 20

// keptStack is how large a stack may be that is kept for the next call: stacks do not shrink.
const keptStack = 64 << 10

// instantiateBrake gives a metered module the import in which it pauses some thousand times a second.
func instantiateBrake(ctx context.Context, rt wazero.Runtime) error {
	_, err := rt.NewHostModuleBuilder(meter.Brake).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(pause), nil, nil).Export(meter.Pause).Instantiate(ctx)
	return err
}

// pause ends the call if its time is up or it has recursed too deeply, and lets others run. Guests do not reach Go
// otherwise: neither the scheduler nor the garbage collector can interrupt compiled code.
func pause(ctx context.Context, _ []uint64) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	if c, _ := ctx.Value(callKey{}).(*call); c != nil && stackSize(c.function) > maxStack {
		panic(limitError("recursed too deeply"))
	}
	runtime.Gosched()
}

// stackSize returns how many bytes the engine has allocated for the stack of a function that runs. The engine does not tell:
// this reads the length of a field of its own, of the version that go.mod pins.
func stackSize(f api.Function) int {
	stack := reflect.ValueOf(f).Elem().FieldByName("stack")
	if !stack.IsValid() {
		return 0 // wazero's interpreter, which allows 2,000 frames
	}
	return stack.Len()
}
