package token

import (
	"cmp"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/crmgate/crmgate"
)

// Breaker is a circuit breaker for each CRM, by the name that CRM gives it:
//
//	closed ──(several failures in a row)──► open ──(its time is over)──► recovering ──(enough successes)──► closed
//	                                          ▲                              │
//	                                          └───────────(a failure)────────┘
//
// A closed breaker admits every request, an open one none. A recovering one limits the requests at once: by one more each
// time that as many have succeeded. Refreshes and revocations have the same Breaker. Safe for concurrent use.
type Breaker struct {
	now func() time.Time

	mu    sync.Mutex
	hosts *simplelru.LRU[string, *hostState] // guarded by mu
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
	maxHosts     = 4096             // that are remembered, those that were asked last
	maxWait      = 10 * time.Minute // that the breaker takes from Retry-After
)

func newBreaker(now func() time.Time) *Breaker {
	hosts, _ := simplelru.NewLRU[string, *hostState](maxHosts, nil) // fails only for a size of 0
	return &Breaker{now: now, hosts: hosts}
}

// CRM names the CRM of a person for the Breaker: the host of the endpoint that is asked, or else the person's host, or the
// platform.
func CRM(endpoint string, key crmgate.UserKey) string {
	host := endpoint
	if u, err := url.Parse(endpoint); err == nil {
		host = u.Host
	}
	return cmp.Or(host, key.Hostname, string(key.Platform))
}

// Wait returns how long a request would have to wait; 0 if it would be admitted.
func (b *Breaker) Wait(crm string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.hosts.Get(crm)
	if !ok {
		return 0
	}
	return h.wait(b.now())
}

// Admit admits a request, and its caller must call done with the outcome, as Trouble gives it; or it returns how long to wait.
func (b *Breaker) Admit(crm string) (done func(failed bool, retryAfter time.Duration), wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.hosts.Get(crm)
	if !ok {
		h = &hostState{}
		b.hosts.Add(crm, h)
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
	open := max(min(retryAfter, maxWait), Backoff(firstPause, longestPause, h.failures-tolerance))
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
