package token

import (
	"errors"
	"fmt"
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
	// refusedBackoff is the backoff of a grant whose refusals are final. The CRM may take it again.
	refusedBackoff = 24 * time.Hour
)

// checkBackoff returns an error while a grant is in backoff.
func checkBackoff(l storage.Lease, g crmgate.Grant, now time.Time) error {
	left := l.NotBefore.Sub(now)
	switch {
	case l.Refusals.Final(g.Issued):
		if left > 0 && left <= refusedBackoff {
			often := refusedOften(l.Refusals)
			often.repeated = true
			return often
		}
	case left > 0 && left < impossibleBackoff:
		return &Error{Kind: crmgate.ErrTransient, RetryAfter: left, repeated: true, Message: "The CRM could not renew this sign-in a moment ago. Please try again later."}
	}
	return nil
}

// errRefusedOften says that refusals are final. The grant is kept, and its access token is used while it is valid.
var errRefusedOften = errors.New("the CRM has refused the refresh token for a day")

func refusedOften(r storage.Refusals) *Error {
	return &Error{Kind: crmgate.ErrUserDead, Message: sessionExpired, Err: fmt.Errorf("%w: %d times with %q", errRefusedOften, r.Times, r.Word)}
}

// refused returns the lease with a refusal counted if its word is unknown. A refusal of an older grant does not count.
func refused(l storage.Lease, g crmgate.Grant, word string, now time.Time) storage.Lease {
	if word == "" {
		return l
	}
	if l.Refusals.Word != word || g.Issued.After(l.Refusals.First) {
		l.Refusals = storage.Refusals{Word: word, First: now}
	}
	l.Refusals.Times++
	l.Refusals.Last = now
	if l.Refusals.Final(g.Issued) {
		l.NotBefore = now.Add(refusedBackoff)
	}
	return l
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
		pause := Backoff(firstBackoff, longestBackoff, l.Failures-1)
		if te != nil {
			pause = max(pause, te.RetryAfter)
		}
		l.NotBefore = now.Add(pause)
	}
	return l
}

// Backoff is how long to wait after a failure: first, doubled n times, and at most longest; jittered.
func Backoff(first, longest time.Duration, n int) time.Duration {
	d := first
	for ; n > 0 && d < longest; n-- {
		d *= 2
	}
	return jittered(min(d, longest))
}

// jittered returns a duration up to a fifth longer or shorter, so that requests that failed together do not return together.
func jittered(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()*2-1)*float64(d)/5)
}
