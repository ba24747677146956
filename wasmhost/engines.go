package wasmhost

import (
	"sync"

	"github.com/crmgate/crmgate/wasmhost/guest"
)

// engines are the modules in this process that run scripts. They share the machine code of the JavaScript engine.
type engines struct {
	mu  sync.Mutex
	all map[*engine]bool // guarded by mu
}

// engine is a module that runs a script.
type engine struct {
	*guest.Module
	of *engines
}

// open returns a further one. load loads the JavaScript engine if there is none.
func (e *engines) open(load func() (*guest.Module, error)) (*engine, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for other := range e.all {
		load = other.Another
		break
	}
	m, err := load()
	if err != nil {
		return nil, err
	}
	opened := &engine{m, e}
	e.all[opened] = true
	return opened, nil
}

func (e *engine) Close() {
	e.of.mu.Lock()
	delete(e.of.all, e)
	e.of.mu.Unlock()
	e.Module.Close()
}
