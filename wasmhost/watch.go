package wasmhost

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/process"
)

// watch keeps the memory of all guests in bounds, and ends guest processes that use more of the machine than they may.
//
// The limits that the system keeps for each process bound what it can ask for. An instance asks for much more than it touches,
// because instances share what they have not written to: what all processes really use has to be looked up.
type watch struct {
	memory  int64         // bytes that all guests may use together
	here    *guest.Budget // of the guests in this process
	running *limit.Shares // the places of the calls that run
	log     *slog.Logger
	wake    chan struct{} // capacity 1; see begun

	mu      sync.Mutex
	of      map[*room]*used // guarded by mu
	total   int64           // guarded by mu; bytes
	looking bool            // guarded by mu; a goroutine looks
}

// used is what a process uses.
type used struct {
	process.Usage
	idle time.Duration // its processor time when its last call had just ended
}

// How often the watch looks: while calls run, and while none does.
const (
	watchBusy = 100 * time.Millisecond
	watchIdle = time.Second
)

// maxIdleCPU is how much processor time a process may use after its calls have ended.
const maxIdleCPU = 5 * time.Second

// add begins to watch a process.
func (w *watch) add(r *room) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of[r] = &used{}
	if !w.looking {
		w.looking = true
		go w.run()
	}
}

// remove stops watching a process.
func (w *watch) remove(r *room) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u := w.of[r]; u != nil {
		w.total -= u.Memory
		delete(w.of, r)
	}
	if len(w.of) == 0 {
		w.begun() // there is nothing to wait for
	}
}

// begun says that a call begins to run: the watch looks soon.
func (w *watch) begun() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// tight reports whether little of the memory is left, so that calls should not begin. See modest.
func (w *watch) tight() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.total+w.here.Used() > w.memory/8*7
}

// modest reports whether the process of a module uses less than a quarter of what the largest process uses. Its calls go on while memory
// is tight: else a connector that fills the memory and waits would stop all others. If too much is used then, the largest process ends.
func (w *watch) modest(m *module) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	var own, largest int64
	for r, u := range w.of {
		if largest = max(largest, u.Memory); r.has(m) {
			own += u.Memory
		}
	}
	return own < largest/4
}

// run looks until there are no processes.
func (w *watch) run() {
	for w.look() {
		time.Sleep(watchBusy)
		if w.running.Used() == 0 {
			select {
			case <-w.wake:
			case <-time.After(watchIdle):
			}
		}
	}
}

// look reports false if there is nothing to look at.
func (w *watch) look() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.total = 0
	var largest *room
	for r, u := range w.of {
		w.note(r, u)
		if w.total += u.Memory; largest == nil || u.Memory > w.of[largest].Memory {
			largest = r
		}
	}
	if w.total > w.memory {
		w.end(largest, fmt.Errorf("connectors use %d MB of memory, and may use %d MB", w.total>>20, w.memory>>20))
	}
	w.looking = len(w.of) > 0
	return w.looking
}

// note looks up what a process uses.
func (w *watch) note(r *room, u *used) {
	now, err := r.process.Usage()
	u.Usage = now
	if _, idle := r.idleSince(); err != nil || !idle { // it has just ended, or the system does not tell
		u.idle = now.CPU
	} else if now.CPU-u.idle > maxIdleCPU {
		w.end(r, errors.New("it runs although it has no call"))
	}
}

// end ends a process.
func (w *watch) end(r *room, why error) {
	var platforms []string
	for _, t := range r.all() {
		platforms = append(platforms, string(t.m.manifest.Platform))
	}
	w.log.Warn("ended the process of a connector", "platform", strings.Join(platforms, ", "), "reason", why, "memory", w.of[r].Memory)
	r.process.Kill(why)
	go r.unload() // if it has no call
}
