package guest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/crmgate/crmgate/wasmhost/meter"
)

// maxStack limits the engine's stack of one call, in bytes. wazero's own limit is 400 MB.
//
// A frame of a Go function has about 100 bytes, so about fifty thousand fit. Decoding JSON of ten thousand levels needs them.
const maxStack = 6 << 20

// maxReusedStack is the largest stack that is kept for the next call, in bytes. Stacks do not shrink.
const maxReusedStack = 64 << 10

// maxScriptStack is maxReusedStack of the JavaScript engine: a function of a script takes 6 KB.
const maxScriptStack = 256 << 10

// instantiatePause provides the import in which instrumented modules pause, a thousand times a second or more.
func instantiatePause(ctx context.Context, rt wazero.Runtime) error {
	_, err := rt.NewHostModuleBuilder(meter.PauseModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(pause), nil, nil).Export(meter.PauseFunction).Instantiate(ctx)
	return err
}

// pause ends the call if its context has ended or its stack is too large. Otherwise it yields to other goroutines: neither the
// scheduler nor the garbage collector can interrupt compiled code.
func pause(ctx context.Context, _ []uint64) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	if c, _ := ctx.Value(callKey{}).(*call); c != nil {
		if c.function != nil && c.function.stackSize() > maxStack {
			panic(limitError("recursed too deeply"))
		}
		c.keepMonitorAwake()
	}
	runtime.Gosched()
}

// monitorEvery is how long a guest may run before the runtime's monitor is awake.
const monitorEvery = 2 * time.Millisecond

// keepMonitorAwake wakes the runtime's monitor if the guest has run for some time. While guests keep all processors busy, only the
// monitor looks whether a pipe or a socket is ready: without it, a guest process does not read the frame that cancels a call. The
// monitor sleeps while the program is idle, and neither a frame nor a call of a guest wakes it: a system call that the scheduler is told
// of does.
func (c *call) keepMonitorAwake() {
	switch now := time.Now(); {
	case c.monitored.IsZero():
		c.monitored = now
	case now.Sub(c.monitored) > monitorEvery:
		c.monitored = now
		wakeMonitor()
	}
}

// function is an exported function of an instance.
type function struct {
	api.Function
	stack reflect.Value // the field of its stack
}

// newFunction returns an error if the stack cannot be read. Recursion would then have no limit.
//
// wazero has no accessor for it, so this finds an unexported field of the version that go.mod pins.
func newFunction(f api.Function) (*function, error) {
	if v := reflect.ValueOf(f); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		if stack := v.Elem().FieldByName("stack"); stack.Kind() == reflect.Slice {
			return &function{f, stack}, nil
		}
	}
	return nil, fmt.Errorf("cannot limit recursion: in this version of wazero, %T has no field stack", f)
}

// stackSize returns the size of the stack that the engine has allocated for the function, in bytes. In wazero's interpreter the unit is
// words, but the interpreter allows only 2,000 frames anyway.
func (f *function) stackSize() int { return f.stack.Len() }
