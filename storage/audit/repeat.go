package audit

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// repeatWindow is how long the repeats of a written entry are counted.
const repeatWindow = time.Hour

// maxHours bounds the entries whose repeats are counted, some 10 MB. Beyond it, events are written in full.
const maxHours = 32 << 10

// hour is the time after a written entry in which its repeats are counted.
type hour struct {
	began   time.Time
	repeats uint64
}

// over reports whether the hour has ended. It also has if the clock has jumped back by an hour.
func (h *hour) over(now time.Time) bool { return now.Sub(h.began).Abs() >= repeatWindow }

// countable reports whether repeats of an entry may be counted. An entry of a person's own sign-in or logout is countable:
// one client can cause any number of them. Other events are rare, and each matters.
func (e entry) countable() bool {
	own := e.Kind == EventSignIn || e.Kind == EventLogout && e.By == ByPerson
	return own && e.User != (Hash{}) && e.Count == 0
}

// same returns the entry without its time, request and count: the key of its repeats.
func (e entry) same() entry {
	e.At, e.Request, e.Count = time.Time{}, "", 0
	return e
}

// repeats reports whether the entries of a transaction are one that repeats a written entry. Without a Keeper it reports false,
// because nothing would write the count. Events that go together are written.
func (w *writer) repeats(entries []entry) bool {
	if len(entries) != 1 || !entries[0].countable() {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.hours[entries[0].same()]
	return w.kept && h != nil && !h.over(entries[0].At)
}

// note remembers the entries of a transaction that was committed. w.mu is held.
func (w *writer) note(t *ticket) {
	if len(t.entries) != 1 || !t.entries[0].countable() {
		return
	}
	e := t.entries[0]
	key := e.same()
	h := w.hours[key]
	switch {
	case t.repeat && h != nil:
		h.repeats++
	case t.repeat: // the Keeper has ended the hour meanwhile: it takes this one in its next pass
		w.hours[key] = &hour{e.At.Add(-repeatWindow), 1}
	case !w.kept || h != nil && !h.over(e.At): // in the latter case two were written at once
	default:
		w.endHour(key)
		if len(w.hours)+len(w.counted) < w.maxHours {
			w.hours[key] = &hour{began: e.At}
		}
	}
}

// endHour leaves the repeats of an hour to the Keeper. w.mu is held.
func (w *writer) endHour(key entry) {
	if h := w.hours[key]; h != nil && h.repeats > 0 {
		key.Count = h.repeats
		w.counted = append(w.counted, key)
	}
	key.Count = 0
	delete(w.hours, key)
}

// takeCounted returns entries with the counts of the hours that are over, or of all hours, and begins to count again.
func (w *writer) takeCounted(now time.Time, all bool) []entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, h := range w.hours {
		if all || h.over(now) {
			w.endHour(key)
		}
	}
	taken := w.counted
	w.counted = nil
	return taken
}

// putBackCounted returns counts that could not be written.
func (w *writer) putBackCounted(entries []entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counted = append(w.counted, entries...)
}

// countRepeats writes the counts of the hours that are over, or of all hours.
func (k *Keeper) countRepeats(ctx context.Context, all bool) error {
	now := k.log.now()
	left := k.log.w.takeCounted(now, all)
	for len(left) > 0 {
		some := slices.Clone(left[:min(maxBatch, len(left))])
		for i := range some {
			some[i].At = now
		}
		if err := k.log.write(ctx, func(records) ([]entry, error) { return some, nil }); err != nil {
			k.log.w.putBackCounted(left)
			return fmt.Errorf("write counts to the audit log: %w", err)
		}
		left = left[len(some):]
	}
	return nil
}
