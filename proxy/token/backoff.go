package token

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// The backoff of one grant after failures that are not its own.
const (
	firstBackoff   = time.Second
	longestBackoff = 5 * time.Minute
	// impossibleBackoff is longer than any that is stored, because CRMs may ask for an hour at most: the clock was set back.
	impossibleBackoff = 2 * time.Hour
)

// checkBackoff returns an error while the grant of a lease is in backoff.
func checkBackoff(l storage.Lease, now time.Time) error {
	if left := l.NotBefore.Sub(now); left > 0 && left < impossibleBackoff {
		return &Error{Kind: crmgate.ErrTransient, RetryAfter: left, Message: "The CRM could not renew this sign-in a moment ago. Please try again later."}
	}
	return nil
}

// afterAttempt returns the lease with the backoff that the outcome of a refresh asks for.
func afterAttempt(l storage.Lease, err error, now time.Time) storage.Lease {
	var te *Error
	switch {
	case err == nil, errors.Is(err, crmgate.ErrUserDead), errors.Is(err, crmgate.ErrAppDead):
		l.Failures, l.NotBefore = 0, time.Time{}
	case errors.As(err, &te) && te.notSent:
		// The circuit breaker has its own time.
	default:
		l.Failures++
		pause := jittered(backoff(firstBackoff, longestBackoff, l.Failures-1))
		if te != nil {
			pause = max(pause, te.RetryAfter)
		}
		l.NotBefore = now.Add(pause)
	}
	return l
}

// backoff is first, doubled n times, and at most longest.
func backoff(first, longest time.Duration, n int) time.Duration {
	d := first
	for range n {
		if d *= 2; d >= longest {
			return longest
		}
	}
	return d
}

// jittered returns a duration up to a fifth longer or shorter, so that requests that failed together do not return together.
func jittered(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()*2-1)*float64(d)/5)
}
