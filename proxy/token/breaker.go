package token

import (
	"math/rand/v2"
	"sync"
	"time"
)

// breaker keeps a CRM that is in trouble from being asked by everybody, and one that comes back from being stormed. It
// knows each host of token endpoints by what its answers were like:
//
//	closed ──(some failures in a row)──► open ──(its time is over)──► recovering ──(enough successes)──► closed
//	                                       ▲                              │
//	                                       └───────────(a failure)────────┘
//
// Closed, everybody is let through; open, nobody; recovering, as many at once as have succeeded before. Safe for
// concurrent use.
type breaker struct {
	now func() time.Time

	mu    sync.Mutex
	hosts map[string]*hostState // guarded by mu
}

type hostState struct {
	failures  int       // in a row
	openUntil time.Time // nobody is let through before
	limit     int       // recovering: so many at once; 0: closed
	running   int       // let through and not back
	succeeded int       // since limit was last raised
}

const (
	tolerance   = 5                // failures in a row that may be the persons' own
	firstPause  = time.Second      // that a breaker is open for
	longestOpen = time.Minute      // and the longest, unless the CRM says more
	recovered   = 16               // at once: then it is closed
	maxHosts    = 4096             // remembered; manifests declare few
	maxWait     = 10 * time.Minute // of what a CRM says in Retry-After
)

func newBreaker(now func() time.Time) *breaker {
	return &breaker{now: now, hosts: map[string]*hostState{}}
}

// refuses says after how long to come again, if nobody would be let through now; 0 if somebody may be.
func (b *breaker) refuses(host string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	switch now := b.now(); {
	case h == nil:
	case now.Before(h.openUntil):
		return h.openUntil.Sub(now)
	case h.limit > 0 && h.running >= h.limit:
		return jittered(firstPause)
	}
	return 0
}

// admit lets a request through, and then done must be told how it went; or says after how long to come again.
func (b *breaker) admit(host string) (done func(failed bool, retryAfter time.Duration), wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	if h == nil {
		if len(b.hosts) >= maxHosts {
			clear(b.hosts)
		}
		h = &hostState{}
		b.hosts[host] = h
	}
	now := b.now()
	switch {
	case now.Before(h.openUntil):
		return nil, h.openUntil.Sub(now)
	case h.limit > 0 && h.running >= h.limit:
		return nil, jittered(firstPause)
	}
	h.running++
	return func(failed bool, retryAfter time.Duration) {
		b.mu.Lock()
		defer b.mu.Unlock()
		h.running--
		if failed {
			h.fail(b.now(), retryAfter)
		} else {
			h.succeed()
		}
	}, 0
}

func (h *hostState) fail(now time.Time, retryAfter time.Duration) {
	h.failures++
	if h.failures < tolerance && h.limit == 0 && retryAfter == 0 {
		return
	}
	open := max(min(retryAfter, maxWait), jittered(backoff(firstPause, longestOpen, h.failures-tolerance)))
	if until := now.Add(open); until.After(h.openUntil) {
		h.openUntil = until
	}
	h.limit, h.succeeded = 1, 0
}

func (h *hostState) succeed() {
	h.failures = 0
	if h.limit == 0 {
		return
	}
	if h.succeeded++; h.succeeded < h.limit {
		return
	}
	h.succeeded = 0
	if h.limit++; h.limit >= recovered {
		h.limit = 0
	}
}

// backoff doubles from first to longest with each failure after the first.
func backoff(first, longest time.Duration, n int) time.Duration {
	d := first
	for range n {
		if d *= 2; d >= longest {
			return longest
		}
	}
	return d
}

// jittered is a duration up to a fifth longer or shorter, so that those who failed together do not come together again.
func jittered(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()*2-1)*float64(d)/5)
}
