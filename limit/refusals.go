package limit

import (
	"sync"
	"time"
)

// Refusals limits the refused requests of each origin K. Safe for concurrent use.
//
// This server sends an invalid request of a client on: with the credentials of an application to its CRM, or to RingCentral.
// That server may lock us out. What it accepts does not count, so the limit is reached only by an origin whose requests are
// refused.
type Refusals[K comparable] struct {
	now    func() time.Time
	limits RefusalLimits

	mu   sync.Mutex
	left table[K, *allowance] // guarded by mu
}

// RefusalLimits are the limits of each origin.
type RefusalLimits struct {
	Burst int           // refusals at once
	Every time.Duration // after which one more may be refused
	// AtOnce is how many requests may be without an answer, also if more of them could be refused than the allowance has. Zero
	// admits no more requests than may be refused.
	AtOnce int
}

// allowance is how many more requests may be refused.
type allowance struct {
	refusals float64   // that are left; less than zero if AtOnce allowed more
	at       time.Time // the time to which refusals is computed
	running  int       // requests without an answer
	noted    bool      // refusals used it up, and it has not been half full since
}

// NewRefusals returns a limit by the time of now.
func NewRefusals[K comparable](now func() time.Time, l RefusalLimits) *Refusals[K] {
	full := time.Duration(l.Burst) * l.Every
	idle := func(a *allowance) bool { return a.running == 0 && a.refusals >= 0 && now().Sub(a.at) >= full }
	return &Refusals[K]{now: now, limits: l, left: table[K, *allowance]{of: map[K]*allowance{}, idle: idle}}
}

// Admit admits a request, and its caller must call done once, with whether the request was refused. If the allowance of its
// origin is used up, done is nil and wait is how long to wait. first says that refusals used it up, and that this is the first
// such request since it was at least half full.
//
// A request without an answer counts as refused, but for AtOnce. So many requests at once do not pass because no answer has
// come yet.
func (l *Refusals[K]) Admit(origin K) (done func(refused bool), wait time.Duration, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.allowance(origin)
	if a.refusals < 1 || a.refusals-float64(a.running) < 1 && a.running >= l.limits.AtOnce {
		first = !a.noted && a.running < l.limits.Burst/2
		a.noted = a.noted || first
		return nil, l.limits.Every, first
	}
	a.running++
	return func(refused bool) {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.running--
		if refused {
			a.refusals--
		}
	}, 0, false
}

// allowance returns an origin's allowance as it is now.
func (l *Refusals[K]) allowance(origin K) *allowance {
	now, burst := l.now(), float64(l.limits.Burst)
	a := l.left.get(origin, func() *allowance { return &allowance{refusals: burst, at: now} })
	if passed := now.Sub(a.at); passed > 0 { // the clock may jump back
		a.refusals = min(a.refusals+float64(passed)/float64(l.limits.Every), burst)
	}
	a.at = now
	if a.refusals-float64(a.running) >= burst/2 {
		a.noted = false
	}
	return a
}
