package wasmhost

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
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
	path     string // of its file; empty if the platform has no connector
	sum      [sha256.Size]byte
	facts    facts
	embedded []byte // the content of a module that is part of the server; nil for one that is a file
	// interpreter runs the calls of a platform that is its manifest alone; nil for a connector with code.
	interpreter *module
	places      places
	stats       stats
	closing     context.Context
	cancel      context.CancelFunc // cancels closing, and with it the running calls

	mu      sync.Mutex
	loaded  *loadedModule  // guarded by mu; nil while the module is not in memory
	loading chan struct{}  // guarded by mu; closed at the end of the current load; nil if there is none
	loadErr error          // guarded by mu; the error of the last load
	idle    *time.Timer    // guarded by mu
	retired bool           // guarded by mu; it was replaced or removed: see retire
	closed  bool           // guarded by mu
	calls   sync.WaitGroup // close waits for it: the calls, and who unloads the module
}

// loadedModule is a module in memory.
type loadedModule struct {
	*tenant
	uses int       // guarded by module.mu; the number of calls that run or are about to
	lost bool      // guarded by module.mu; its process has ended, or it was replaced: see renew
	last time.Time // guarded by module.mu; when the last call ended

	configured [sha256.Size]byte // the hash of the configuration that a script has looked at while it was loaded; zero if it has not

	start *guest.World // in which it was initialized; nil if failed calls are not recorded
	seen  []string     // the secrets that it has seen since then
}

// instrument returns a module as it is compiled: validated, re-encoded and with fuel checks.
func instrument(b []byte) ([]byte, error) {
	m, err := meter.Decode(b)
	if err != nil {
		return nil, err
	}
	return m.Instrument()
}

// loading is what a call is named whose code runs when the module is loaded.
const loading = "_initialize"

var errClosed = errors.New("the connectors are being closed")

// acquire returns the place of a call, which the caller releases. Waiting for it is limited by the host's deadline.
func (m *module) acquire(ctx context.Context, c *call) (*place, error) {
	ctx, cancel := context.WithTimeout(ctx, m.host.Deadline)
	defer cancel()
	claim := limit.Claim{Client: limit.ClientOf(ctx, "")}
	if !m.manifest.Hosts.Names(c.hostname) {
		claim.Host = c.hostname
	}
	return m.places.acquire(ctx, claim)
}

// enter waits until a call may run. The wait is limited by the host's deadline too.
func (m *module) enter(ctx context.Context, p *place) error {
	ctx, cancel := context.WithTimeout(ctx, m.host.Deadline)
	defer cancel()
	defer m.host.watch.begun()
	return p.enter(ctx)
}

// relieve waits while the memory of all guests is tight, unless others are the reason. Processes without a call end meanwhile.
func (m *module) relieve(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.host.Deadline)
	defer cancel()
	for m.host.watch.tight() {
		if m.host.rooms.letGo() {
			continue
		}
		if m.host.watch.modest(m) {
			return nil
		}
		select {
		case <-time.After(watchBusy):
		case <-ctx.Done():
			return fmt.Errorf("%w: connectors use all of the memory that they may", limit.ErrBusy)
		}
	}
	return nil
}

// ensureLoaded returns the loaded module, counted as used. The time that loading takes is not limited: it depends on the machine, not
// on the guest.
func (m *module) ensureLoaded(ctx context.Context) (*loadedModule, error) {
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return nil, errClosed
		}
		if l := m.loaded; l != nil {
			l.uses++
			m.calls.Add(1)
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
	var late *loadedModule
	if m.closed && l != nil {
		late, l, err = l, nil, errClosed
	}
	m.loaded, m.loadErr, m.loading = l, err, nil
	if l != nil { // those who waited for it may be gone
		l.last = time.Now()
		m.startIdle()
	}
	m.mu.Unlock()
	if late != nil {
		late.Close()
	}
	close(done)
	m.host.rooms.wake()
}

// contentFile is the copy of a module in the cache.
const contentFile = "module.wasm"

// content returns the content of the module. If its file has changed since it was loaded, that is the copy in the cache.
func (m *module) content() ([]byte, error) {
	if m.embedded != nil {
		return m.embedded, nil
	}
	b, err := readModule(m.path)
	if err == nil && sha256.Sum256(b) == m.sum {
		return b, nil
	}
	if b, ok := readCached(filepath.Join(m.host.folder(m.sum), contentFile)); ok && sha256.Sum256(b) == m.sum {
		return b, nil
	}
	if err == nil {
		err = fmt.Errorf("%s was changed while it was loaded: reload it", filepath.Base(m.path))
	}
	return nil, err
}

// keepContent keeps a copy of the module in the cache, for when its file has changed and the new one is wrong or not loaded yet.
func (m *module) keepContent(content []byte) {
	info, err := os.Stat(filepath.Join(m.host.folder(m.sum), contentFile))
	if err != nil || info.Size() != int64(len(content)+sha256.Size) {
		_, _ = m.host.cached(contentFile, m.sum, func() ([]byte, error) { return content, nil }) // it logs what fails
	}
}

// readAndLoad loads the module into memory.
func (m *module) readAndLoad() (*loadedModule, error) {
	b, err := m.content()
	if err != nil {
		return nil, err
	}
	code, script, err := m.code(m.closing, b)
	if err != nil {
		return nil, err
	}
	r, err := m.open(m.closing, code)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(m.closing, loadTime)
	defer cancel()
	ctx, start := m.host.newWorld(ctx)
	starting := m.newCall(loading, nil)
	if script != nil {
		script.Env = m.envAtLoad(ctx, starting)
	}
	started, err := r.Start(ctx, starting, script)
	if err == nil && script != nil && !slices.Equal(exportsOf(started), m.facts.Exports) {
		err = errors.New("with its changed configuration it exports other operations: reload the connectors")
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	l := &loadedModule{tenant: r, start: start, seen: starting.secrets.Seen()}
	if started.Configured {
		l.configured = sha256.Sum256([]byte(script.Env))
	}
	return l, nil
}

// renew has the module loaded anew if it is a script that has looked at its configuration while it was loaded, and the configuration has
// changed: the file of a secret can be written at any time.
func (m *module) renew(ctx context.Context) {
	m.mu.Lock()
	l := m.loaded
	m.mu.Unlock()
	if l == nil || l.configured == [sha256.Size]byte{} || l.configured == sha256.Sum256([]byte(m.envAtLoad(ctx, m.newCall(loading, nil)))) {
		return
	}
	m.mu.Lock()
	if m.loaded != l {
		m.mu.Unlock()
		return
	}
	m.loaded, l.lost = nil, true
	unused := l.uses == 0
	m.calls.Add(1)
	defer m.calls.Done()
	m.mu.Unlock()
	if unused {
		l.Close()
	}
}

// endUse ends a use of l. After the last use, the idle timer starts, which unloads the module. A module whose process was lost is
// closed.
func (m *module) endUse(l *loadedModule, lost bool) {
	m.mu.Lock()
	if lost {
		l.lost = true
		if m.loaded == l {
			m.loaded = nil
		}
	}
	l.uses--
	l.last = time.Now()
	unused := l.uses == 0
	if unused && !l.lost && !m.closed {
		m.startIdle()
	}
	gone := unused && l.lost
	m.mu.Unlock()
	if gone {
		l.Close()
	}
	m.calls.Done()
	if unused {
		m.host.rooms.wake()
	}
}

// startIdle starts the idle timer anew. m.mu is locked.
func (m *module) startIdle() {
	wait := m.host.Idle
	if m.retired {
		wait = min(wait, retiredIdle)
	}
	if m.idle == nil {
		m.idle = time.AfterFunc(wait, m.unload)
	} else {
		m.idle.Reset(wait)
	}
}

// retiredIdle is after how much time without a call a retired module is unloaded. A request makes several calls, and keeps to the
// module that it began with.
const retiredIdle = time.Second

// retire says that the module was replaced or removed. Its calls go on. Calls of requests that began before still come, and have it
// loaded again if necessary.
func (m *module) retire() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retired = true
	if m.loaded != nil && m.loaded.uses == 0 && !m.closed {
		m.startIdle()
	}
}

func (m *module) isRetired() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.retired
}

// idleSince returns when the last call of a tenant ended; ok is false if one runs, or the tenant is being loaded or closed.
func (m *module) idleSince(tenant *tenant) (t time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loaded == nil || m.loaded.tenant != tenant || m.loaded.uses > 0 || m.closed {
		return t, false
	}
	return m.loaded.last, true
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
	m.calls.Add(1)
	defer m.calls.Done()
	m.mu.Unlock()
	l.Close()
}

// close cancels the running calls, waits until they have returned, and frees the memory.
func (m *module) close() {
	m.cancel()
	m.mu.Lock()
	l, wait := m.loaded, m.loading
	m.closed, m.loaded = true, nil
	if m.idle != nil {
		m.idle.Stop()
	}
	m.mu.Unlock()
	if wait != nil {
		<-wait
	}
	m.calls.Wait()
	if l != nil {
		l.Close()
	}
}
