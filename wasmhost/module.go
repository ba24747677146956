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

	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/guest"
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

// loadedModule is a module in memory.
type loadedModule struct {
	*guest.Module
	uses int // guarded by module.mu; the number of calls that run or are about to
}

// compile compiles a module, or reads it from the cache.
func (m *module) compile(ctx context.Context, b []byte) (*guest.Module, error) {
	code, err := m.host.cached("instrumented", m.sum, func() ([]byte, error) { return instrument(b) })
	if err != nil {
		return nil, err
	}
	return guest.Load(ctx, code, m.host.folder(m.sum), m.host.limits())
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

// acquire returns the module for a call, loaded if necessary, and the call's slot. The caller gives both back. Waiting for a free
// slot is limited by the host's deadline. Loading is not: it depends on the machine, not on the guest.
func (m *module) acquire(ctx context.Context, c *call) (l *loadedModule, slot limit.Place, err error) {
	wait, cancel := context.WithTimeout(ctx, m.host.Deadline)
	defer cancel()
	claim := limit.Claim{Client: limit.ClientOf(ctx, "")}
	if !m.manifest.Hosts.Names(c.hostname) {
		claim.Host = c.hostname
	}
	if slot, err = m.slots.Acquire(wait, claim); err != nil {
		return nil, slot, err
	}
	if l, err = m.ensureLoaded(ctx); err != nil {
		slot.Release()
	}
	return l, slot, err
}

// ensureLoaded returns the loaded module, counted as used.
func (m *module) ensureLoaded(ctx context.Context) (*loadedModule, error) {
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return nil, errClosed
		}
		if l := m.loaded; l != nil {
			l.uses++
			m.mu.Unlock()
			return l, nil
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
			return nil, ctx.Err()
		}
		m.mu.Lock()
		err := m.loadErr
		m.mu.Unlock()
		if err != nil {
			return nil, err
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
		l.Close()
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
	code, err := m.compile(m.closing, b)
	if err != nil {
		return nil, err
	}
	if _, err := code.Start(m.closing, m.newCall("_initialize", nil)); err != nil {
		code.Close()
		return nil, err
	}
	return &loadedModule{Module: code}, nil
}

// endUse ends a use of l. After the last use, the idle timer starts, which unloads the module.
func (m *module) endUse(l *loadedModule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l.uses--
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
	l.Close()
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
	l.Close()
}
