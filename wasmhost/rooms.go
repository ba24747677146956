package wasmhost

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/process"
)

// tenant is a module in memory, in a room.
type tenant struct {
	runner
	m    *module
	room *room
}

// room is a guest process with its modules: one, or several scripts if the operator lets them share it. A module that runs in this process
// has a room of its own.
type room struct {
	of      *rooms
	process *process.Process // nil if the module runs in this process

	moving sync.Mutex // held while a tenant enters, and until a closed one is gone

	mu      sync.Mutex
	tenants map[*tenant]bool // guarded by mu; empty until the process has started
}

// enter adds a tenant. If it is not the first one, r.moving is locked.
func (r *room) enter(m *module, runner runner) *tenant {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &tenant{runner, m, r}
	r.tenants[t] = true
	return t
}

// leave removes a tenant. last says that no other one is there, and therefore none will be.
func (r *room) leave(t *tenant) (last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tenants, t)
	return len(r.tenants) == 0
}

// Close unloads the module; it is called once. The room is given back with its last tenant.
func (t *tenant) Close() {
	t.room.moving.Lock()
	defer t.room.moving.Unlock()
	t.runner.Close()
	if t.room.leave(t) {
		t.m.host.watch.remove(t.room)
		t.room.of.give(t.room)
	} else {
		t.room.of.wake()
	}
}

// another returns a tenant for a module that runs the same code: in the same process, or in this one. It returns nil if there is no place.
func (t *tenant) another(m *module) *tenant {
	t.room.moving.Lock()
	defer t.room.moving.Unlock()
	if !slices.Contains(t.room.all(), t) { // it is closed
		return nil
	}
	switch r := t.runner.(type) {
	case *process.Module:
		if other, err := r.Another(); err == nil {
			return t.room.enter(m, other)
		}
	case *guest.Module:
		if other, err := r.Another(); err == nil {
			return t.room.of.open().enter(m, other)
		}
	}
	return nil
}

// all returns the tenants. A module may have two, while it is loaded anew.
func (r *room) all() []*tenant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.tenants))
}

// has reports whether a module is in the room.
func (r *room) has(m *module) bool {
	return slices.ContainsFunc(r.all(), func(t *tenant) bool { return t.m == m })
}

// idleSince returns when the last call in the room ended; ok is false if one runs, or a module is being loaded.
func (r *room) idleSince() (last time.Time, ok bool) {
	for _, t := range r.all() {
		since, idle := t.m.idleSince(t)
		if !idle {
			return last, false
		}
		if ok = true; since.After(last) {
			last = since
		}
	}
	return last, ok
}

// unload unloads the modules that have no call.
func (r *room) unload() {
	for _, t := range r.all() {
		if _, idle := t.m.idleSince(t); idle {
			t.m.unload()
		}
	}
}

// rooms bound how many guest processes there are. The process that was used least recently ends for another one. Modules that run in
// this process have rooms too, without a bound, so that rooms know all modules in memory.
type rooms struct {
	mu      sync.Mutex      // while it is locked, no other lock is taken
	free    int             // guarded by mu
	taken   map[*room]bool  // guarded by mu
	waiting []chan struct{} // guarded by mu; callers of take
}

// take waits until there can be another process, and returns its room.
func (r *rooms) take(ctx context.Context) (*room, error) {
	for {
		r.mu.Lock()
		if r.free > 0 {
			defer r.mu.Unlock()
			return r.add(), nil
		}
		woken := make(chan struct{})
		r.waiting = append(r.waiting, woken)
		r.mu.Unlock()
		r.letGo()
		select {
		case <-woken:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: all guest processes are in use", limit.ErrBusy)
		}
	}
}

// open returns a room for a module that runs in this process.
func (r *rooms) open() *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add()
}

// add makes a room. r.mu is locked.
func (r *rooms) add() *room {
	made := &room{of: r, tenants: map[*tenant]bool{}}
	r.free--
	r.taken[made] = true
	return made
}

// give gives back what take or open returned.
func (r *rooms) give(old *room) {
	r.mu.Lock()
	r.free++
	delete(r.taken, old)
	r.mu.Unlock()
	r.wake()
}

// wake wakes the callers of take: there may be room now.
func (r *rooms) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, woken := range r.waiting {
		close(woken)
	}
	r.waiting = nil
}

// letGo ends the process that was used least recently, if one has no call.
func (r *rooms) letGo() (ok bool) {
	oldest := r.oldest()
	if oldest != nil {
		oldest.unload()
	}
	return oldest != nil
}

// oldest returns the room that has had no call for the longest time, or nil if all have one.
func (r *rooms) oldest() (oldest *room) {
	var since time.Time
	for _, room := range r.all() {
		if t, ok := room.idleSince(); ok && (oldest == nil || t.Before(since)) {
			oldest, since = room, t
		}
	}
	return oldest
}

// beside returns a tenant for a script that shares the JavaScript engine with another one; nil if none has a place for it.
func (r *rooms) beside(m *module) *tenant {
	for _, t := range r.tenants() {
		if t.m.isScript() {
			if another := t.another(m); another != nil {
				return another
			}
		}
	}
	return nil
}

// all returns the rooms that are taken.
func (r *rooms) all() []*room {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.taken))
}

// tenants returns all modules in memory.
func (r *rooms) tenants() (all []*tenant) {
	for _, room := range r.all() {
		all = append(all, room.all()...)
	}
	return all
}

// retired returns the modules in memory that were replaced or removed.
func (r *rooms) retired() (all []*module) {
	for _, t := range r.tenants() {
		if t.m.isRetired() && !slices.Contains(all, t.m) {
			all = append(all, t.m)
		}
	}
	return all
}
