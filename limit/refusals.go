package limit

import (
	"sync"
	"time"
)

const (
	burst = 60          // refusals at once
	every = time.Second // after which one more may be refused
)

// Burst is how many requests of an origin may be refused at once. One more may be refused in every second.
const Burst = burst

// Refusals limits the refused requests of each origin K. Safe for concurrent use.
//
// A junk request of a client becomes a request of ours: with the credentials of an application to its CRM, or to RingCentral.
// That server may lock us out. What it accepts does not count, so the limit is felt only by an origin whose requests are junk.
type Refusals[K comparable] struct {
	now func() time.Time

	mu   sync.Mutex
	left table[K, *allowance] // guarded by mu
}

// allowance is how many more requests may be refused.
type allowance struct {
	requests float64   // that may be sent now
	at       time.Time // the time to which requests is computed
	running  int       // requests without an answer; they are not in requests either
	noted    bool      // refusals used it up, and it has not been half full since
}

// NewRefusals returns a limit by the time of now.
func NewRefusals[K comparable](now func() time.Time) *Refusals[K] {
	idle := func(a *allowance) bool { return a.running == 0 && now().Sub(a.at) >= burst*every }
	return &Refusals[K]{now: now, left: table[K, *allowance]{map[K]*allowance{}, idle}}
}

// Admit admits a request, and its caller must call done once, with whether the request was refused. If the allowance of its
// origin is used up, done is nil and wait is how long to wait. first says that refusals used it up, and that this is the first
// such request since it was at least half full.
//
// A request takes from the allowance before it is sent, and puts back what was not refused. So many requests at once do not
// pass because no answer has come yet.
func (l *Refusals[K]) Admit(origin K) (done func(refused bool), wait time.Duration, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.allowance(origin)
	if a.requests < 1 {
		first = !a.noted && a.running < burst/2
		a.noted = a.noted || first
		return nil, every, first
	}
	a.requests--
	a.running++
	return func(refused bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.running--
		if !refused {
			a.requests = min(a.requests+1, burst)
		}
	}, 0, false
}

// allowance returns an origin's allowance as it is now.
func (l *Refusals[K]) allowance(origin K) *allowance {
	now := l.now()
	a := l.left.get(origin, func() *allowance { return &allowance{requests: burst, at: now} })
	if passed := now.Sub(a.at); passed > 0 { // the clock may jump back
		a.requests = min(a.requests+float64(passed)/float64(every), burst)
	}
	a.at = now
	if a.requests >= burst/2 {
		a.noted = false
	}
	return a
}
