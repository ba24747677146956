package revoke

import (
	"sync"
	"time"

	"github.com/crmgate/crmgate"
)

// longestPause is the longest time between two probes of a CRM that is away.
const longestPause = 15 * time.Minute

// health is what the worker knows about the CRMs: which are away, and until when they are left alone.
type health struct {
	random func() float64

	mu        sync.Mutex
	platforms map[crmgate.Platform]*pause // guarded by mu
}

// pause is the state of one CRM. Guarded by health.mu.
type pause struct {
	busy     bool // a goroutine hands out its revocations
	failures int  // in a row; 0: it answers
	until    time.Time
}

// of returns the state of a platform. The caller holds h.mu.
func (h *health) of(p crmgate.Platform) *pause {
	if h.platforms[p] == nil {
		h.platforms[p] = &pause{}
	}
	return h.platforms[p]
}

// begin makes the caller the one goroutine that hands out a platform's revocations. ok is false if another one does, or
// if the CRM is left alone until paused.
func (h *health) begin(p crmgate.Platform, now time.Time) (paused time.Time, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.of(p)
	if s.busy || now.Before(s.until) {
		return s.until, false
	}
	s.busy = true
	return time.Time{}, true
}

func (h *health) finish(p crmgate.Platform) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(p).busy = false
}

// allowed is how many revocations may be under way at a platform now.
func (h *health) allowed(p crmgate.Platform, now time.Time) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.of(p)
	switch {
	case now.Before(s.until):
		return 0
	case s.failures > 0:
		return 1
	}
	return atOnce
}

// away notes a failure that concerns the whole CRM, and leaves it alone for a while. A failure during a pause does not
// count: its request was sent before.
func (h *health) away(p crmgate.Platform, now time.Time, retryAfter time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.of(p)
	wait := retryAfter
	if !now.Before(s.until) {
		s.failures++
		wait = max(wait, backoff(s.failures, longestPause, h.random()))
	}
	if until := now.Add(wait); until.After(s.until) {
		s.until = until
	}
}

// answers notes that a CRM is there.
func (h *health) answers(p crmgate.Platform) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.of(p)
	s.failures, s.until = 0, time.Time{}
}

// backoff is the wait after n failures: half of it fixed, half by chance, so that requests that failed together do not
// come back together.
func backoff(n int, longest time.Duration, chance float64) time.Duration {
	wait := firstWait
	for ; n > 1 && wait < longest; n-- {
		wait *= 2
	}
	half := min(wait, longest) / 2
	return half + time.Duration(chance*float64(half))
}
