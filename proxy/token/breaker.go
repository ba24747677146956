package token

import (
	"net/url"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
)

// breaker is a circuit breaker for each host of token endpoints:
//
//	closed ──(several failures in a row)──► open ──(its time is over)──► recovering ──(enough successes)──► closed
//	                                          ▲                              │
//	                                          └───────────(a failure)────────┘
//
// A closed breaker admits every request, an open one none. A recovering one limits the requests at once: by one more each
// time that as many have succeeded. Safe for concurrent use.
type breaker struct {
	now func() time.Time

	mu    sync.Mutex
	hosts map[string]*hostState // guarded by mu
}

type hostState struct {
	failures  int       // in a row
	openUntil time.Time // no request is admitted before
	limit     int       // requests at once while recovering; 0: closed
	running   int       // requests admitted and not done
	succeeded int       // since limit was last raised
}

const (
	tolerance    = 5                // failures in a row before the breaker opens
	firstPause   = time.Second      // the first time that the breaker is open
	longestPause = time.Minute      // the longest, unless the CRM asks for more
	closeLimit   = 16               // the limit at which the breaker closes
	maxHosts     = 4096             // that are remembered; manifests declare few
	maxWait      = 10 * time.Minute // that the breaker takes from Retry-After
)

func newBreaker(now func() time.Time) *breaker {
	return &breaker{now: now, hosts: map[string]*hostState{}}
}

// wait returns how long a request would have to wait; 0 if it would be admitted.
func (b *breaker) wait(host string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.hosts[host]
	if h == nil {
		return 0
	}
	return h.wait(b.now())
}

// admit admits a request, and its caller must call done with the outcome; or it returns how long to wait.
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
	if wait := h.wait(b.now()); wait > 0 {
		return nil, wait
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

func (h *hostState) wait(now time.Time) time.Duration {
	switch {
	case now.Before(h.openUntil):
		return h.openUntil.Sub(now)
	case h.limit > 0 && h.running >= h.limit:
		return jittered(firstPause)
	}
	return 0
}

func (h *hostState) fail(now time.Time, retryAfter time.Duration) {
	h.failures++
	if h.failures < tolerance && h.limit == 0 && retryAfter == 0 {
		return
	}
	open := max(min(retryAfter, maxWait), jittered(backoff(firstPause, longestPause, h.failures-tolerance)))
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
	if h.limit++; h.limit >= closeLimit {
		h.limit = 0
	}
}

// breakerOpen is the error of a request that the breaker does not admit.
func breakerOpen(wait time.Duration) error {
	return &Error{Kind: crmgate.ErrTransient, RetryAfter: wait, notSent: true, repeated: true, Message: "The CRM is in trouble at the moment. Please try again later."}
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}
