package wasmhost

import (
	"context"
	"path/filepath"
	"time"

	"github.com/crmgate/crmgate/wasmhost/guest"
)

// runner runs the calls of a module: a guest.Module in this process, or a process.Module.
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

// open returns a module in memory, for its calls. It compiles the code if necessary. Scripts share the JavaScript engine in this process,
// and processes if the operator lets them. The caller closes what it gets.
func (m *module) open(ctx context.Context, code []byte) (*tenant, error) {
	if !m.isScript() || m.host.Processes > 0 && !m.host.ShareJavaScript {
		return m.openAlone(ctx, code, 1)
	}
	m.host.sharing.Lock()
	defer m.host.sharing.Unlock()
	if t := m.host.rooms.beside(m); t != nil {
		return t, nil
	}
	return m.openAlone(ctx, code, maxShared)
}

// openApart is open for code that was not admitted yet, or is only tried: it shares no process with a connector that serves.
func (m *module) openApart(ctx context.Context, code []byte) (*tenant, error) {
	if m.host.Processes == 0 {
		return m.open(ctx, code)
	}
	return m.openAlone(ctx, code, 1)
}

// maxShared is how many scripts can share a process.
const maxShared = 32

// openAlone returns a module in memory that shares nothing yet. most is how many modules its process can have, if there are processes.
func (m *module) openAlone(ctx context.Context, code []byte, most int) (*tenant, error) {
	room, err := m.host.rooms.take(ctx)
	if err != nil {
		return nil, err
	}
	r, err := m.openRunner(ctx, code, room, most)
	if err != nil {
		room.of.give(room)
		return nil, err
	}
	return room.enter(m, r), nil
}

// openRunner loads code in a room.
func (m *module) openRunner(ctx context.Context, code []byte, in *room, most int) (runner, error) {
	if m.host.Processes == 0 {
		return m.compileHere(ctx, code)
	}
	p, err := m.start(ctx, code, most)
	if err != nil {
		return nil, err
	}
	in.process = p.Process
	m.host.watch.add(in)
	return p, nil
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
