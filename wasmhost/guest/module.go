package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/typescript"
)

// Module is a module in memory. It is safe for concurrent use.
type Module struct {
	*code
	limits   Limits
	file     *os.File                  // the module's own template file; nil if the image is in a place of another one
	image    *image                    // nil if this system has none
	template *template                 // set by Start; nil if every call needs a new instance
	script   *Script                   // set by Start; nil unless the module is the JavaScript engine
	places   func() *typescript.Places // set by Start; nil unless the script was in TypeScript
	loaded   time.Time                 // the zero of the guest's monotonic clock

	reclaiming atomic.Bool

	spare time.Duration // how long instances that no call needs are kept

	mu     sync.Mutex
	free   []*instance // guarded by mu
	idle   *time.Timer // guarded by mu; calls letGo
	closed bool        // guarded by mu
}

// spareTime is how long instances that no call needs are kept.
const spareTime = 30 * time.Second

// Load compiles a module that meter.Module.Instrument returned, and provides its imports. It keeps the machine code in a folder, and
// trusts what it finds there. The caller closes the module.
func Load(ctx context.Context, code []byte, dir string, l Limits) (*Module, error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the cache of compiled connectors: %w", err)
	}
	m := newModule(newCode(ctx, cache, l), l)
	if err = m.makeFile(); err == nil {
		err = m.load(ctx, code)
	}
	return m.unless(err)
}

// LoadCompiled is Load without compiling: the error says so if the machine code is not in the folder. The module has no template yet:
// AnotherIn gives it one.
func LoadCompiled(ctx context.Context, code []byte, dir string, l Limits) (*Module, error) {
	cache, err := compiledIn(dir)
	if err != nil {
		return nil, fmt.Errorf("open the cache of compiled connectors: %w", err)
	}
	m := newModule(newCode(ctx, cache, l), l)
	return m.unless(m.load(ctx, code))
}

// Another returns a module with the same code, which is in memory once, and with a template of its own. The caller starts it and closes
// it. m is not closed yet.
func (m *Module) Another() (*Module, error) {
	another := newModule(m.code, m.limits)
	return another.unless(another.makeFile())
}

// AnotherIn is Another with the template in a place of a file that TemplateFile returned, maybe in another process. The file stays open.
// It is nil where templates are not supported.
func (m *Module) AnotherIn(file *os.File, place int) *Module {
	another := newModule(m.code, m.limits)
	if file != nil {
		another.image = newImage(file, int64(place)*m.limits.Memory())
	}
	return another
}

// newModule returns a module that runs code in memory, without a template.
func newModule(c *code, l Limits) *Module {
	c.users.Add(1)
	return &Module{code: c, limits: l, loaded: time.Now(), spare: spareTime}
}

// makeFile makes a file for the template, if this system has such files.
func (m *Module) makeFile() (err error) {
	m.file, err = TemplateFile(m.limits, 1)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err == nil {
		m.image = newImage(m.file, 0)
	}
	return err
}

// unless returns the module, and closes it if there is an error.
func (m *Module) unless(err error) (*Module, error) {
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Started is what a module is like after its initialization.
type Started struct {
	// Restorable is false if the module changes more than its memory and globals: then every call initializes an instance of its own.
	Restorable bool
	Operations []string // that a script exports, as it says
	Configured bool     // a script has looked at its configuration: what it exports may depend on it
}

// Start initializes an instance, which h serves, and keeps what it contains for all calls. It is called once, before Run. script is
// for the JavaScript engine, and nil for other modules. The error is a *Stop, or the error of the context.
func (m *Module) Start(ctx context.Context, h Host, script *Script) (s Started, err error) {
	m.script = script
	if script != nil && script.Mappings != "" {
		m.places = sync.OnceValue(func() *typescript.Places { return typescript.NewPlaces(script.Name, script.Mappings) })
	}
	inst, err := m.instantiate(ctx, h)
	if err != nil {
		return s, err
	}
	defer inst.close()
	s.Restorable = len(inst.globals) > 0
	if inst.program != nil {
		s.Operations, s.Configured = inst.program.Operations(), inst.program.Configured()
	}
	if m.image != nil {
		if m.template, err = newTemplate(inst, m.image); errors.Is(err, errKeepsState) {
			err = nil
		}
	}
	return s, err
}

// Call is a call of an operation.
type Call struct {
	Operation string // an export without parameters that returns an i32
	Input     []byte
	Env       []byte // the configuration for a script, an object of texts as JSON; nil for other modules
	Host      Host   // serves the call, and the initialization of its instance if there is no template
}

// Result is what a guest has returned.
type Result struct {
	Code      int32  // the operation's result
	Output    []byte // what it wrote last; the caller owns it
	HasOutput bool   // it has written an output, which may be empty
}

// Run runs a call until the guest returns, traps or reaches a limit, or the context ends. The error is a *Stop, or the error of the
// context.
func (m *Module) Run(ctx context.Context, c Call) (Result, error) {
	inst, err := m.acquire(ctx, c.Host)
	if err != nil {
		return Result{}, err
	}
	running := &call{module: m, operation: c.Operation, input: c.Input, env: c.Env, host: c.Host, view: viewOf(ctx)}
	code, err := inst.operation(ctx, running)
	m.release(inst, err == nil)
	if err != nil {
		return Result{}, stopOf(ctx, err)
	}
	return Result{code, running.output, running.hasOutput}, nil
}

// acquire returns a free instance, or makes one.
func (m *Module) acquire(ctx context.Context, h Host) (*instance, error) {
	for inst := m.takeFree(); inst != nil; inst = m.takeFree() {
		if inst.memory.wake() {
			return inst, nil
		}
		inst.close()
	}
	return m.instantiate(ctx, h)
}

// takeFree returns a free instance, or nil.
func (m *Module) takeFree() *instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.free)
	if n == 0 {
		return nil
	}
	inst := m.free[n-1]
	m.free = m.free[:n-1]
	return inst
}

// release takes an instance back after a call. It is restored if it is sound and there is a template, and otherwise closed.
func (m *Module) release(inst *instance, sound bool) {
	overflowed := inst.overflowed
	if sound && m.template != nil && m.template.restore(inst) == nil {
		inst.memory.rest(m.template.memory.kept())
		m.mu.Lock()
		m.free = append(m.free, inst)
		if m.idle == nil {
			m.idle = time.AfterFunc(m.spare, m.letGo)
		} else {
			m.idle.Reset(m.spare)
		}
		m.mu.Unlock()
	} else {
		inst.close()
	}
	if overflowed {
		m.reclaim()
	}
}

// reclaim returns the memory of large stacks to the system, one caller at a time. Without it they would stay until the next
// garbage collection, and sixteen calls with endless recursion would hold 240 MB.
func (m *Module) reclaim() {
	if m.reclaiming.CompareAndSwap(false, true) {
		debug.FreeOSMemory()
		m.reclaiming.Store(false)
	}
}

// letGo closes the free instances, and gives their memory back to the system.
func (m *Module) letGo() {
	m.mu.Lock()
	old := m.free
	m.free = nil
	if m.closed {
		old = nil
	} else if m.image != nil {
		m.image.rest()
	}
	m.mu.Unlock()
	for _, inst := range old {
		inst.close()
	}
	m.reclaim()
}

// Free returns the number of instances that wait for a call.
func (m *Module) Free() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.free)
}

// Close frees the memory, and that of the code if no other module has it. No call may be running.
func (m *Module) Close() {
	m.mu.Lock()
	m.closed = true
	free := m.free
	m.free = nil
	if m.idle != nil {
		m.idle.Stop()
	}
	m.mu.Unlock()
	for _, inst := range free {
		inst.close()
	}
	m.code.close()
	if m.image != nil {
		m.image.close()
	}
	if m.file != nil { // the system keeps the pages until the last memory that maps them is unmapped
		_ = m.file.Close()
	}
}

// instantiate makes an instance, from the template if there is one. Its name is empty, so that there can be several. The error is a
// *Stop whose Starting is true, or the error of the context.
func (m *Module) instantiate(ctx context.Context, h Host) (*instance, error) {
	making, memory := withMemory(ctx, m.limits.Budget)
	guest, err := m.runtime.InstantiateModule(making, m.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		memory.Free()
		return nil, starting(stopOf(ctx, err))
	}
	inst := newInstance(guest, memory)
	if m.template != nil {
		err = m.template.fill(inst)
	} else {
		err = m.initialize(ctx, inst, h)
	}
	if err != nil {
		inst.close()
		return nil, starting(err)
	}
	return inst, nil
}

// initialize runs the code of a module that must run before its operations.
func (m *Module) initialize(ctx context.Context, inst *instance, h Host) error {
	ctx, cancel := context.WithTimeout(ctx, m.limits.Start)
	defer cancel()
	c := &call{module: m, operation: "_initialize", host: h, view: viewOf(ctx)}
	for _, name := range []string{meter.StartExport, "_initialize"} {
		f, err := inst.export(name)
		if f != nil && err == nil {
			err = inst.run(ctx, c, f, nil)
		}
		if err != nil {
			return stopOf(ctx, err)
		}
	}
	if m.script != nil {
		if err := inst.loadScript(ctx, c, *m.script); err != nil {
			return stopOf(ctx, err)
		}
	}
	return nil
}
