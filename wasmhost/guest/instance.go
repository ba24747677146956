package guest

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/quickjs"
)

// instance runs one call at a time.
type instance struct {
	guest   api.Module
	memory  *memory
	globals []api.MutableGlobal // see mutableGlobals
	// exports are the functions called so far. Each has its own stack, which would be most of what a call allocates.
	exports map[string]*function
	// overflowed is set by a call that recursed too deeply.
	overflowed bool
	program    *quickjs.Program // what it runs if its module is the JavaScript engine; nil otherwise
}

func newInstance(guest api.Module, m *memory) *instance {
	return &instance{guest: guest, memory: m, globals: mutableGlobals(guest), exports: map[string]*function{}}
}

func (inst *instance) close() { _ = inst.guest.Close(context.Background()) }

// export returns an exported function, or nil if there is none.
func (inst *instance) export(name string) (*function, error) {
	if f := inst.exports[name]; f != nil {
		return f, nil
	}
	exported := inst.guest.ExportedFunction(name)
	if exported == nil {
		return nil, nil
	}
	f, err := newFunction(exported)
	if err == nil {
		inst.exports[name] = f
	}
	return f, err
}

// operation runs a call's operation. After an error the instance must not be used again.
func (inst *instance) operation(ctx context.Context, c *call) (int32, error) {
	if inst.program != nil {
		return inst.runScript(ctx, c)
	}
	f, err := inst.export(c.operation)
	if f == nil && err == nil {
		err = fmt.Errorf("there is no export %s", c.operation)
	}
	stack := [1]uint64{}
	if err == nil {
		err = inst.run(ctx, c, f, stack[:])
	}
	return int32(stack[0]), err
}

// run runs a function of the guest until it returns, traps, or the context ends. After an error the instance must not be used
// again.
func (inst *instance) run(ctx context.Context, c *call, f *function, stack []uint64) error {
	defer c.flushLine(ctx)
	err := inst.step(withCall(ctx, c), c, f, stack)
	if c.view != nil {
		c.view.stopped(err)
	}
	return err
}

// step runs a function of the guest, in the context of its call, and sees to the stack that it has left. After an error the instance must
// not be used again.
func (inst *instance) step(ctx context.Context, c *call, f *function, stack []uint64) error {
	c.function = f
	err := f.CallWithStack(ctx, stack)
	c.function = nil
	size := f.stackSize()
	if size > maxReusedStack && (inst.program == nil || size > maxScriptStack) {
		clear(inst.exports)
	}
	inst.overflowed = inst.overflowed || size > maxStack
	return err
}

// mutableGlobals returns the mutable globals of a guest; none if its module is not restorable.
func mutableGlobals(guest api.Module) (all []api.MutableGlobal) {
	for {
		g, ok := guest.ExportedGlobal(meter.GlobalExport(len(all))).(api.MutableGlobal)
		if !ok {
			return all
		}
		all = append(all, g)
	}
}
