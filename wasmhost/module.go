package wasmhost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/meter"
)

// module is the code of one connector. It is on disk, and in memory while it is used.
type module struct {
	host     *Host
	manifest *manifest.Manifest
	path     string // empty if the platform has only a manifest
	sum      [sha256.Size]byte
	facts    facts
	slots    *limit.Shares // one for each running instance
	closing  context.Context
	cancel   context.CancelFunc // cancels closing, and with it the running calls

	mu      sync.Mutex
	loaded  *loadedModule // guarded by mu; nil while the module is not in memory
	loading chan struct{} // guarded by mu; closed at the end of the current load; nil if there is none
	loadErr error         // guarded by mu; the error of the last load
	idle    *time.Timer   // guarded by mu
	closed  bool          // guarded by mu
	unused  chan struct{} // guarded by mu; closed when the last call returns after close
}

// loadedModule is a module in memory. It has its own runtime, so that unloading frees everything.
type loadedModule struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	template *template   // nil if every call needs a new instance
	free     []*instance // guarded by module.mu
	uses     int         // guarded by module.mu; the number of calls that hold an instance or are getting one
}

// close frees the memory. Closing the runtime leaves the machine code in the cache's memory; closing the module frees it.
func (l *loadedModule) close() {
	_ = l.runtime.Close(context.Background())
	if l.compiled != nil {
		_ = l.compiled.Close(context.Background())
	}
	if l.template != nil {
		l.template.memory.close()
	}
}

// instance runs one call at a time.
type instance struct {
	owner   *loadedModule
	guest   api.Module
	memory  *memory
	globals []api.MutableGlobal // see mutableGlobals
	// exports are the functions called so far. Each has its own stack, which would be most of what a call allocates.
	exports map[string]api.Function
	// overflowed is set by a call that recursed too deeply.
	overflowed bool
}

// load compiles a module, or reads it from the cache, and provides its imports.
func (m *module) load(ctx context.Context, b []byte) (*loadedModule, error) {
	rt := wazero.NewRuntimeWithConfig(ctx, engineConfig().WithCompilationCache(m.host.cache).WithMemoryLimitPages(m.host.MemoryPages))
	l := &loadedModule{runtime: rt}
	b, err := m.host.cached("instrumented", m.sum, func() ([]byte, error) { return instrument(b) })
	if err != nil {
		l.close()
		return nil, err
	}
	if l.compiled, err = rt.CompileModule(ctx, b); err != nil {
		l.close()
		return nil, fmt.Errorf("it does not compile: %w", err)
	}
	if err = instantiatePause(ctx, rt); err == nil {
		err = instantiateHost(ctx, rt)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// makeTemplate initializes an instance, and keeps what it contains for the others.
func (m *module) makeTemplate(ctx context.Context, l *loadedModule) error {
	inst, err := m.instantiate(ctx, l)
	if err != nil {
		return err
	}
	defer inst.close()
	if l.template, err = newTemplate(inst); err != nil && !errors.Is(err, errKeepsState) && !errors.Is(err, errors.ErrUnsupported) {
		m.host.Logger.Warn("every call of a connector takes a new instance, which is slow", "platform", m.manifest.Platform, "err", err)
	}
	return nil
}

// instantiate makes an instance, from the template if there is one. Its name is empty, so that there can be several.
func (m *module) instantiate(ctx context.Context, l *loadedModule) (*instance, error) {
	making, memory := withMemory(ctx)
	guest, err := l.runtime.InstantiateModule(making, l.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		memory.Free()
		return nil, err
	}
	inst := &instance{owner: l, guest: guest, memory: memory, globals: mutableGlobals(guest), exports: map[string]api.Function{}}
	if l.template != nil {
		err = l.template.fill(inst)
	} else {
		err = m.initialize(ctx, inst)
	}
	if err != nil {
		inst.close()
		return nil, err
	}
	return inst, nil
}

// initialize runs the code of a module that must run before its operations.
func (m *module) initialize(ctx context.Context, inst *instance) error {
	ctx, cancel := context.WithTimeout(ctx, m.host.Deadline)
	defer cancel()
	c := &call{module: m, operation: "_initialize"}
	for _, name := range []string{meter.StartExport, "_initialize"} {
		f, err := inst.export(name)
		if f != nil && err == nil {
			err = inst.call(ctx, c, f, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (inst *instance) close() { _ = inst.guest.Close(context.Background()) }

// export returns an exported function, or nil if there is none.
func (inst *instance) export(name string) (api.Function, error) {
	f := inst.exports[name]
	if f == nil {
		if f = inst.guest.ExportedFunction(name); f == nil {
			return nil, nil
		}
		if err := checkStack(f); err != nil {
			return nil, err
		}
		inst.exports[name] = f
	}
	return f, nil
}

// call runs a function of the guest until it returns, traps, or the context ends. After an error the instance must not be
// used again.
func (inst *instance) call(ctx context.Context, c *call, f api.Function, stack []uint64) error {
	defer c.flushLine(ctx)
	c.function = f
	err := f.CallWithStack(withCall(ctx, c), stack)
	c.function = nil
	size := stackSize(f)
	if size > maxReusedStack {
		clear(inst.exports)
	}
	inst.overflowed = size > maxStack
	return err
}

// instrument returns a module as it is compiled: validated, re-encoded and with fuel checks.
func instrument(b []byte) ([]byte, error) {
	m, err := meter.Decode(b)
	if err != nil {
		return nil, err
	}
	return m.Instrument()
}

var errClosed = errors.New("the connectors are being closed")

// acquire returns an instance for a call, and its slot, and loads the module if necessary. The caller gives both back. Waiting
// for a free slot is limited by the host's deadline. Loading is not: it depends on the machine, not on the guest.
func (m *module) acquire(ctx context.Context, c *call) (inst *instance, slot limit.Place, err error) {
	wait, cancel := context.WithTimeout(ctx, m.host.Deadline)
	defer cancel()
	claim := limit.Claim{Client: limit.ClientOf(ctx, "")}
	if !m.manifest.Hosts.Names(c.hostname) {
		claim.Host = c.hostname
	}
	if slot, err = m.slots.Acquire(wait, claim); err != nil {
		return nil, slot, err
	}
	if inst, err = m.getInstance(ctx); err != nil {
		slot.Release()
	}
	return inst, slot, err
}

// getInstance returns a free instance, or makes one.
func (m *module) getInstance(ctx context.Context) (*instance, error) {
	l, inst, err := m.ensureLoaded(ctx)
	if err != nil || inst != nil {
		return inst, err
	}
	inst, err = m.instantiate(ctx, l)
	if err != nil {
		m.endUse(l, nil)
	}
	return inst, err
}

// ensureLoaded returns the loaded module, counted as used, and a free instance if there is one.
func (m *module) ensureLoaded(ctx context.Context) (*loadedModule, *instance, error) {
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return nil, nil, errClosed
		}
		if l := m.loaded; l != nil {
			l.uses++
			var inst *instance
			if n := len(l.free); n > 0 {
				inst, l.free = l.free[n-1], l.free[:n-1]
			}
			m.mu.Unlock()
			return l, inst, nil
		}
		if m.loading == nil {
			m.loading = make(chan struct{})
			go m.loadInBackground(m.loading)
		}
		wait := m.loading
		m.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		m.mu.Lock()
		err := m.loadErr
		m.mu.Unlock()
		if err != nil {
			return nil, nil, err
		}
	}
}

// loadInBackground loads the module for all waiting callers. No caller's context ends it.
func (m *module) loadInBackground(done chan struct{}) {
	// Decoding leaves garbage of several times the module's size: 8 MB for a Go connector.
	defer debug.FreeOSMemory()
	l, err := m.readAndLoad()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed && l != nil {
		l.close()
		l, err = nil, errClosed
	}
	m.loaded, m.loadErr, m.loading = l, err, nil
	close(done)
}

// readAndLoad loads the module from its file, which must not have changed.
func (m *module) readAndLoad() (*loadedModule, error) {
	b, err := readModule(m.path)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(b) != m.sum {
		return nil, fmt.Errorf("%s was changed since it was loaded: restart to use it", filepath.Base(m.path))
	}
	l, err := m.load(m.closing, b)
	if err != nil {
		return nil, err
	}
	if err := m.makeTemplate(m.closing, l); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// release takes an instance back after a call. It is restored if it is sound and its module has a template, and otherwise
// closed.
func (m *module) release(inst *instance, sound bool) {
	overflowed := inst.overflowed
	if t := inst.owner.template; sound && t != nil && t.restore(inst) == nil {
		m.endUse(inst.owner, inst)
	} else {
		inst.close()
		m.endUse(inst.owner, nil)
	}
	if overflowed {
		m.host.reclaim()
	}
}

// endUse ends a use of l. After the last use, the idle timer starts, which unloads the module.
func (m *module) endUse(l *loadedModule, inst *instance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.uses--
	if inst != nil {
		l.free = append(l.free, inst)
	}
	switch {
	case l.uses > 0:
	case m.closed:
		close(m.unused)
	case m.idle == nil:
		m.idle = time.AfterFunc(m.host.Idle, m.unload)
	default:
		m.idle.Reset(m.host.Idle)
	}
}

// unload frees the module's memory if no call uses it.
func (m *module) unload() {
	m.mu.Lock()
	l := m.loaded
	if l == nil || l.uses > 0 || m.closed {
		m.mu.Unlock()
		return
	}
	m.loaded = nil
	m.mu.Unlock()
	l.close()
}

// close cancels the running calls, waits until they have returned, and frees the memory.
func (m *module) close() {
	m.cancel()
	m.mu.Lock()
	l, wait := m.loaded, m.loading
	m.closed, m.loaded = true, nil
	if l != nil && l.uses > 0 {
		m.unused = make(chan struct{})
	}
	unused := m.unused
	if m.idle != nil {
		m.idle.Stop()
	}
	m.mu.Unlock()
	if wait != nil {
		<-wait
	}
	if l == nil {
		return
	}
	if unused != nil {
		<-unused
	}
	l.close()
}
