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

// nodeID is the random id of a process that writes to the log.
type nodeID [16]byte

// String returns a prefix, which is enough to tell a few nodes apart.
func (n nodeID) String() string { return hex.EncodeToString(n[:4]) }

// writer gives out the numbers of this process's entries, and remembers the entries that are not in a batch yet.
type writer struct {
	mu       sync.Mutex
	node     nodeID
	recorded bool   // the node has a record
	next     uint64 // the number of the next entry
	kept     bool   // a Keeper runs, so entries are remembered until they are sealed
	inFlight map[uint64]bool
	written  map[uint64][]byte   // entries, as they were stored
	unsure   map[uint64]bool     // numbers whose commit returned an error; they may be stored
	full     chan struct{}       // has a token when a batch is full
	limits   map[limited]*window // of Record
	hours    map[entry]*hour     // that are not over, by what repeats have in common
	counted  []entry             // of hours that are over; the Keeper writes them
	maxHours int                 // bounds hours and counted
}

type limited struct {
	platform crmgate.Platform
	kind     Kind
}

type window struct {
	began   time.Time
	wrote   int
	sources map[crmgate.Source]int // of what was written; an unknown source is not counted
	left    uint64
}

func newWriter() *writer {
	w := &writer{full: make(chan struct{}, 1), limits: map[limited]*window{}, hours: map[entry]*hour{}, maxHours: maxHours}
	w.renew()
	return w
}

// renew makes this process a new node.
func (w *writer) renew() {
	_, _ = rand.Read(w.node[:]) // never fails
	w.recorded, w.next = false, 0
	w.inFlight, w.written, w.unsure = map[uint64]bool{}, map[uint64][]byte{}, map[uint64]bool{}
}

// ticket has the entries of a transaction and their numbers. The numbers are given out when the transaction's function first
// has entries, and stay the same when it runs again, unless it then has more. Numbers without an entry stay unused.
type ticket struct {
	node     nodeID
	recorded bool
	first    uint64
	numbers  int      // given out; 0 before
	repeat   bool     // the last run wrote nothing, because its only entry is to be counted
	entries  []entry  // of the last run
	payloads [][]byte // of the entries, as they were written
}

// number gives n entries their numbers, unless an earlier run of the transaction's function got enough.
func (w *writer) number(t *ticket, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t.numbers >= n {
		return
	}
	for i := range t.numbers {
		delete(w.inFlight, t.first+uint64(i))
	}
	t.node, t.recorded, t.first, t.numbers = w.node, w.recorded, w.next, n
	for range n {
		w.inFlight[w.next] = true
		w.next++
	}
}

// ending is the outcome of a ticket.
type ending int

const (
	unstored ending = iota
	unsure
	stored
)

// maxRemembered bounds what is kept in memory while nothing can be sealed.
const maxRemembered = 64 * maxBatch

func (w *writer) end(t *ticket, how ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if how == stored {
		w.note(t)
	}
	if t.numbers == 0 || t.node != w.node {
		return // nothing was written, or the process is another node by now
	}
	w.recorded = w.recorded || len(t.payloads) > 0 && how == stored
	for i := range t.numbers {
		n := t.first + uint64(i)
		delete(w.inFlight, n)
		switch {
		case !w.kept || i >= len(t.payloads): // in the latter case an earlier run got the number
		case how == stored:
			w.written[n] = t.payloads[i]
		case how == unsure:
			w.unsure[n] = true
		}
	}
	if len(w.written)+len(w.unsure) > maxRemembered {
		w.renew() // a Keeper closes the chain later, like that of a process that is gone
	}
	if len(w.written) >= maxBatch {
		select {
		case w.full <- struct{}{}:
		default:
		}
	}
}

// keep begins to remember entries for a Keeper; false if one runs already.
func (w *writer) keep() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept {
		return false
	}
	if w.next > 0 {
		w.renew() // what was written is closed like the chain of a process that is gone
	}
	w.kept = true
	return true
}

// abandon makes the process a new node if it is still this one.
func (w *writer) abandon(id nodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.node == id {
		w.renew()
	}
}

func (w *writer) letGo() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = false
	w.renew()
}

// unsealed is the content of the next batch: the entries with numbers below end.
type unsealed struct {
	node     nodeID
	recorded bool
	end      uint64
	written  map[uint64][]byte
	unsure   []uint64
}

// unsealed returns the content of the next batch. It ends before the first number whose transaction still runs.
func (w *writer) unsealed() unsealed {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := unsealed{node: w.node, recorded: w.recorded, end: w.next, written: map[uint64][]byte{}}
	for n := range w.inFlight {
		u.end = min(u.end, n)
	}
	settled := slices.Sorted(maps.Keys(w.written))
	settled = append(settled, slices.Collect(maps.Keys(w.unsure))...)
	slices.Sort(settled)
	for i, n := range settled {
		if n >= u.end {
			break
		}
		if i == maxBatch {
			u.end = n
			break
		}
		if b, ok := w.written[n]; ok {
			u.written[n] = b
		} else {
			u.unsure = append(u.unsure, n)
		}
	}
	return u
}

// sealed forgets entries that are in a batch now.
func (w *writer) sealed(u unsealed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if u.node != w.node {
		return
	}
	for n := range u.written {
		delete(w.written, n)
	}
	for _, n := range u.unsure {
		delete(w.unsure, n)
	}
}

// admit reports whether Record may write an event of a request from a source, and counts the event if not.
func (w *writer) admit(e Event, source crmgate.Source, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := limited{e.Platform, e.Kind}
	in := w.limits[key]
	if in == nil {
		in = &window{began: now, sources: map[crmgate.Source]int{}}
		w.limits[key] = in
	}
	if now.Sub(in.began) >= limitWindow || now.Before(in.began) {
		in.began, in.wrote = now, 0
		clear(in.sources)
	}
	known, share := source != (crmgate.Source{}), limitSource
	if in.wrote >= manyEvents {
		share = firstEvents
	}
	if known && in.sources[source] >= share || !known && in.wrote >= manyEvents || in.wrote >= limitEvents {
		in.left++
		return false
	}
	in.wrote++
	if known {
		in.sources[source]++
	}
	return true
}

// leftOut returns how many events admit has refused, and begins to count again.
func (w *writer) leftOut() map[limited]uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := map[limited]uint64{}
	for k, in := range w.limits {
		if in.left > 0 {
			left[k], in.left = in.left, 0
		}
	}
	return left
}

// putBack returns a count that could not be written.
func (w *writer) putBack(k limited, n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits[k].left += n
}
