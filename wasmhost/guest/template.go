package guest

import (
	"errors"
	"fmt"

	"github.com/crmgate/crmgate/wasmhost/quickjs"
)

// template is what an instance contains once its module has been initialized. New instances start from it, and used instances
// are restored to it: nothing that a call leaves in an instance is there in the next call.
//
// Memory and mutable globals are all that the code of a restorable module can change (see meter.GlobalExport).
type template struct {
	memory  *image
	globals []uint64
	program *quickjs.Program // nil unless the module is the JavaScript engine
}

// errKeepsState means that there can be no template. Each call then needs an instance of its own.
var errKeepsState = errors.New("the module changes more than its memory and globals")

// newTemplate returns the template of an instance that has been initialized, and puts its memory into an image. The error matches
// errKeepsState if the module is not restorable.
func newTemplate(inst *instance, memory *image) (*template, error) {
	if len(inst.globals) == 0 { // instrumentation adds one
		return nil, errKeepsState
	}
	bytes, _ := inst.guest.Memory().Read(0, inst.guest.Memory().Size())
	if err := memory.take(bytes); err != nil {
		return nil, fmt.Errorf("keep the memory of an initialized instance: %w", err)
	}
	t := &template{memory: memory, program: inst.program}
	for _, g := range inst.globals {
		t.globals = append(t.globals, g.Get())
	}
	return t, nil
}

// fill makes a new instance equal to the template. After an error the instance must not be used.
func (t *template) fill(inst *instance) error {
	memory := inst.guest.Memory()
	if missing := t.memory.size - int(memory.Size()); missing > 0 {
		if _, ok := memory.Grow(uint32(missing / pageSize)); !ok {
			return errors.New("the memory of an instance could not grow to the size of its template")
		}
	}
	if err := t.memory.copyTo(inst.memory); err != nil {
		return fmt.Errorf("copy the template of an instance: %w", err)
	}
	t.setGlobals(inst)
	inst.program = t.program
	return nil
}

// restore makes a used instance equal to the template again. After an error the instance must not be used.
func (t *template) restore(inst *instance) error {
	if err := t.memory.restore(inst.memory, int(inst.guest.Memory().Size())); err != nil {
		return fmt.Errorf("restore an instance: %w", err)
	}
	t.setGlobals(inst)
	return nil
}

func (t *template) setGlobals(inst *instance) {
	for i, g := range inst.globals {
		g.Set(t.globals[i])
	}
}

// pageSize is the unit of WebAssembly memory.
const pageSize = 64 << 10
