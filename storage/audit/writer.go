package audit

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
)

// nodeID names a process that writes to the log: 128 random bits.
type nodeID [16]byte

// String is short: it is for people, who have few nodes.
func (n nodeID) String() string { return hex.EncodeToString(n[:4]) }

// writer is this process's part of the log that is not in the store: the numbers that it gave out, and what of them
// no batch has sealed yet.
type writer struct {
	mu       sync.Mutex
	node     nodeID
	recorded bool   // the node's record is stored
	next     uint64 // the number of the next entry
	kept     bool   // somebody seals: what is written is remembered until then
	inFlight map[uint64]bool
	written  map[uint64][]byte   // entries, as they were stored
	unsure   map[uint64]bool     // numbers whose commit failed: an engine may not know whether it did
	full     chan struct{}       // has a token when a batch is full
	limits   map[limited]*window // of what Record writes
}

type limited struct {
	platform crmgate.Platform
	kind     Kind
}

type window struct {
	began time.Time
	wrote int
	left  uint64
}

func newWriter() *writer {
	l := &writer{full: make(chan struct{}, 1), limits: map[limited]*window{}}
	l.renew()
	return l
}

// renew makes the log another node's, which has written nothing.
func (l *writer) renew() {
	_, _ = rand.Read(l.node[:]) // never fails
	l.recorded, l.next = false, 0
	l.inFlight, l.written, l.unsure = map[uint64]bool{}, map[uint64][]byte{}, map[uint64]bool{}
}

// ticket is a transaction's place in the log. Its numbers are given out before the transaction, so that a function that
// runs again uses them again. Those of one that fails stay unused.
type ticket struct {
	node     nodeID
	recorded bool
	first    uint64
	at       time.Time
	entries  [][]byte // set by the transaction's function
}

func (l *writer) begin(n int, at time.Time) *ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &ticket{node: l.node, recorded: l.recorded, first: l.next, at: at, entries: make([][]byte, n)}
	for range n {
		l.inFlight[l.next] = true
		l.next++
	}
	return t
}

// ending is what became of a ticket's entries.
type ending int

const (
	unstored ending = iota
	unsure
	stored
)

// maxRemembered bounds what is kept in memory while nothing can be sealed.
const maxRemembered = 64 * maxBatch

func (l *writer) end(t *ticket, how ending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.node != l.node {
		return // of a node that was let go
	}
	l.recorded = l.recorded || how == stored
	for i, b := range t.entries {
		n := t.first + uint64(i)
		delete(l.inFlight, n)
		switch {
		case !l.kept:
		case how == stored:
			l.written[n] = b
		case how == unsure:
			l.unsure[n] = true
		}
	}
	if len(l.written)+len(l.unsure) > maxRemembered {
		l.renew() // the chain is closed later, from the store, like that of a process that is gone
	}
	if len(l.written) >= maxBatch {
		select {
		case l.full <- struct{}{}:
		default:
		}
	}
}

// keep makes this process a node whose entries are sealed by it.
// false if it is one already.
func (l *writer) keep() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept {
		return false
	}
	if l.next > 0 {
		l.renew() // what it wrote is closed like that of a process that is gone
	}
	l.kept = true
	return true
}

// abandon makes the process another node, if it is still this one.
func (l *writer) abandon(id nodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.node == id {
		l.renew()
	}
}

func (l *writer) letGo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = false
	l.renew()
}

// unsealed is what the next batch is made of: whatever has a number below end.
type unsealed struct {
	node     nodeID
	recorded bool
	end      uint64
	written  map[uint64][]byte
	unsure   []uint64
}

// unsealed returns up to a batch of what is settled. A number that is in flight ends it.
func (l *writer) unsealed() unsealed {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := unsealed{node: l.node, recorded: l.recorded, end: l.next, written: map[uint64][]byte{}}
	for n := range l.inFlight {
		u.end = min(u.end, n)
	}
	settled := slices.Sorted(maps.Keys(l.written))
	settled = append(settled, slices.Collect(maps.Keys(l.unsure))...)
	slices.Sort(settled)
	for i, n := range settled {
		if n >= u.end {
			break
		}
		if i == maxBatch {
			u.end = n
			break
		}
		if b, ok := l.written[n]; ok {
			u.written[n] = b
		} else {
			u.unsure = append(u.unsure, n)
		}
	}
	return u
}

// sealed forgets what a batch has.
func (l *writer) sealed(u unsealed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u.node != l.node {
		return
	}
	for n := range u.written {
		delete(l.written, n)
	}
	for _, n := range u.unsure {
		delete(l.unsure, n)
	}
}

// admit says whether Record writes an event, and counts those that it does not.
func (l *writer) admit(e Event, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := limited{e.Platform, e.Kind}
	w := l.limits[key]
	if w == nil {
		w = &window{began: now}
		l.limits[key] = w
	}
	if now.Sub(w.began) >= limitWindow || now.Before(w.began) {
		w.began, w.wrote = now, 0
	}
	if w.wrote >= limitEvents {
		w.left++
		return false
	}
	w.wrote++
	return true
}

// leftOut takes the counts of what admit refused.
func (l *writer) leftOut() map[limited]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := map[limited]uint64{}
	for k, w := range l.limits {
		if w.left > 0 {
			left[k], w.left = w.left, 0
		}
	}
	return left
}

// putBack returns a count that could not be written.
func (l *writer) putBack(k limited, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits[k].left += n
}
