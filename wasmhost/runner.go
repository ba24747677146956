package wasmhost

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/process"
)

// runner runs the calls of a module: a guest.Module in this process, or a process.Process.
type runner interface {
	Shape() guest.Shape
	Start(context.Context, guest.Host, *guest.Script) (guest.Started, error)
	Run(context.Context, guest.Call) (guest.Result, error)
	Close()
}

// loadTime bounds how long a guest process may take to load a module, and to compile it. It is for a process that hangs: one that
// compiles is ended by the processor time that it uses, so that a busy machine refuses nothing.
const loadTime = 5 * time.Minute

// ownFile and ownFolder have the instrumented module and the machine code of guests that run in this process, and factsFile what was
// found out about the module. Those of processes are elsewhere: a guest that has escaped decides their content.
const (
	ownFile   = "code.wasm"
	ownFolder = "code"
	factsFile = "facts"
)

// open returns a runner of WebAssembly code, which it compiles if necessary. The caller closes it.
func (m *module) open(ctx context.Context, code []byte) (runner, error) {
	if err := m.host.room.take(ctx, m); err != nil {
		return nil, err
	}
	r, err := m.openRunner(ctx, code)
	if err != nil {
		m.host.room.give(m)
		return nil, err
	}
	return &roomed{runner: r, m: m}, nil
}

func (m *module) openRunner(ctx context.Context, code []byte) (runner, error) {
	if m.host.Processes == 0 {
		return m.loadHere(ctx, code)
	}
	p, err := m.start(ctx, code)
	if err != nil {
		return nil, err
	}
	r := &watched{p, m}
	m.host.watch.add(r)
	return r, nil
}

// loadHere loads code into this process. Scripts share the JavaScript engine.
func (m *module) loadHere(ctx context.Context, code []byte) (runner, error) {
	load := func() (*guest.Module, error) { return m.compileHere(ctx, code) }
	if m.isScript() {
		return m.host.engines.open(load)
	}
	return load()
}

// compileHere loads code into this process, and compiles it if necessary.
func (m *module) compileHere(ctx context.Context, code []byte) (*guest.Module, error) {
	sum := m.codeSum()
	instrumented, err := m.host.cached(ownFile, sum, func() ([]byte, error) { return instrument(code) })
	if err != nil {
		return nil, err
	}
	return guest.Load(ctx, instrumented, filepath.Join(m.host.folder(sum), ownFolder), m.host.limits())
}

// watched is a process that the watch looks at until it is closed.
type watched struct {
	*process.Process
	m *module
}

func (w *watched) Close() {
	w.Process.Close()
	w.m.host.watch.remove(w)
}

// roomed is a runner that gives its room back.
type roomed struct {
	runner
	m    *module
	once sync.Once
}

func (r *roomed) Close() {
	r.runner.Close()
	r.once.Do(func() { r.m.host.room.give(r.m) })
}

// room bounds how many modules have a process. The process of the module that was used least recently ends for another one. Modules
// that run in this process have a room too, without a bound, so that room knows all modules in memory.
type room struct {
	mu      sync.Mutex
	free    int             // guarded by mu
	taken   map[*module]int // guarded by mu; how many processes they have: two while one ends
	waiting []chan struct{} // guarded by mu; callers of take
}

// take waits until the module can have a process.
func (r *room) take(ctx context.Context, m *module) error {
	for {
		r.mu.Lock()
		if r.free > 0 {
			r.free--
			r.taken[m]++
			r.mu.Unlock()
			return nil
		}
		wake := make(chan struct{})
		r.waiting = append(r.waiting, wake)
		oldest := r.oldest()
		r.mu.Unlock()
		if oldest != nil {
			oldest.unload()
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return fmt.Errorf("%w: all guest processes are in use", limit.ErrBusy)
		}
	}
}

// letGo ends the process that was used least recently, if one has no call.
func (r *room) letGo() (ok bool) {
	r.mu.Lock()
	oldest := r.oldest()
	r.mu.Unlock()
	if oldest != nil {
		oldest.unload()
	}
	return oldest != nil
}

// oldest returns the module that has had no call for the longest time, or nil if all have one. r.mu is locked.
func (r *room) oldest() (oldest *module) {
	var since time.Time
	for m := range r.taken {
		if t, ok := m.idleSince(); ok && (oldest == nil || t.Before(since)) {
			oldest, since = m, t
		}
	}
	return oldest
}

// give gives back what take took.
func (r *room) give(m *module) {
	r.mu.Lock()
	r.free++
	if r.taken[m]--; r.taken[m] == 0 {
		delete(r.taken, m)
	}
	r.mu.Unlock()
	r.idle()
}

// retired returns the modules in memory that were replaced or removed.
func (r *room) retired() (all []*module) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for m := range r.taken {
		if m.isRetired() {
			all = append(all, m)
		}
	}
	return all
}

// idle wakes those who wait: there may be room.
func (r *room) idle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, wake := range r.waiting {
		close(wake)
	}
	r.waiting = nil
}
