package process

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/crmgate/crmgate/wasmhost/guest"
)

// Module is a module in a guest process. It does what a guest.Module does, and is safe for concurrent use.
type Module struct {
	*Process
	place byte
}

var errNoPlace = errors.New("the process has ended, or has no place for another module")

// Another is guest.Module.Another: the module is in the same process. The error says that the process has no place for it.
func (m *Module) Another() (*Module, error) { return m.open() }

// open takes a place for a module.
func (p *Process) open() (*Module, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	place := slices.Index(p.taken, false)
	if place < 0 || p.child.over() {
		return nil, errNoPlace
	}
	p.taken[place] = true
	p.modules++
	return &Module{p, byte(place)}, nil
}

// Start is guest.Module.Start.
func (m *Module) Start(ctx context.Context, h guest.Host, script *guest.Script) (s guest.Started, err error) {
	flag, parts := byte(0), [][]byte{{m.place}}
	if script != nil {
		flag = byte(len(script.Name))
		parts = append(parts, []byte(script.Name), sizeOf(script.Env), []byte(script.Env), sizeOf(script.Mappings), []byte(script.Mappings), []byte(script.Source))
		m.mu.Lock()
		m.knows = m.knows || script.Env != ""
		m.mu.Unlock()
	}
	f, err := m.exchange(ctx, h, kindStart, flag, parts...)
	if err != nil {
		return s, err
	}
	if err := m.decode(f, &s.Operations); err != nil {
		return s, m.died(ctx, m.self, err)
	}
	s.Restorable, s.Configured = f.flag&isRestorable != 0, f.flag&isConfigured != 0
	return s, nil
}

// Run is guest.Module.Run. The error may be a *Died too.
func (m *Module) Run(ctx context.Context, c guest.Call) (guest.Result, error) {
	f, err := m.exchange(ctx, c.Host, kindCall, byte(len(c.Operation)), []byte{m.place}, []byte(c.Operation), sizeOf(c.Env), c.Env, c.Input)
	if err != nil {
		return guest.Result{}, err
	}
	return guest.Result{Code: int32(binary.LittleEndian.Uint32(f.body)), Output: f.body[4:], HasOutput: f.flag == 1}, nil
}

// sizeOf returns the length of a part of a frame, as four bytes.
func sizeOf[T string | []byte](part T) []byte {
	return binary.LittleEndian.AppendUint32(nil, uint32(len(part)))
}

// Close is guest.Module.Close; it is called once. With its last module the process ends: Close waits until it is gone.
func (m *Module) Close() {
	m.mu.Lock()
	m.modules--
	last := m.modules == 0
	m.mu.Unlock()
	if last {
		m.end()
		return
	}
	// The process unloads the module before it reads of the next one in its place.
	if errors.Join(m.send(kindUnload, 0, 0, []byte{m.place}), guest.ClearTemplate(m.child.template, m.limits, int(m.place))) != nil {
		return // nothing comes into the place
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken[m.place] = false
}
