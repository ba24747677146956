package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rates limits how often each key K does something. Safe for concurrent use.
type Rates[K comparable] struct {
	now   func() time.Time
	every time.Duration
	burst int

	mu sync.Mutex
	by table[K, *rate.Limiter] // guarded by mu
}

// NewRates returns token buckets that hold burst tokens and gain one after each every, by the time of now.
func NewRates[K comparable](now func() time.Time, burst int, every time.Duration) *Rates[K] {
	r := &Rates[K]{now: now, every: every, burst: burst}
	r.by = table[K, *rate.Limiter]{of: map[K]*rate.Limiter{}, idle: func(l *rate.Limiter) bool { return l.TokensAt(now()) >= float64(burst) }}
	return r
}

// Allow takes a token of a key. It reports false if none is left. The zero key, an unknown client, is not limited.
func (r *Rates[K]) Allow(key K) bool {
	if key == *new(K) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	l := r.by.get(key, func() *rate.Limiter { return rate.NewLimiter(rate.Every(r.every), r.burst) })
	l.SetLimitAt(now, rate.Every(r.every)) // else the limiter would wait until a clock that has jumped back is there again
	return l.AllowN(now, 1)
}
