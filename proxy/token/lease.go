package token

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// hold takes the person's lease, and reads them again under it; due is false if they need no refresh any more. While
// another process has the lease, it waits for what that one stores.
func (e *Engine) hold(ctx context.Context, key crmgate.UserKey) (held storage.Lease, p crmgate.Person, due bool, err error) {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		// Longer than the flight, whose calls end before: nobody asks with the same token meanwhile.
		held, err = e.DB.TakeLease(ctx, key, e.node, 2*e.Timeout+5*time.Second, e.Alone)
		ours := err == nil
		if err != nil && !errors.Is(err, storage.ErrLeased) {
			return held, p, false, err
		}
		if p, err = e.DB.Person(ctx, key); err == nil {
			due, err = e.due(p)
		}
		if ours && (err != nil || !due) {
			err = errors.Join(err, e.DB.ReleaseLease(context.WithoutCancel(ctx), key, held))
		}
		if ours || err != nil || !due {
			return held, p, due, err
		}
		e.reach("waiting")
		select {
		case <-time.After(jittered(wait)):
		case <-ctx.Done():
			return held, p, false, &Error{
				Kind: crmgate.ErrTransient, RetryAfter: 5 * time.Second, Message: "The CRM takes long to renew this sign-in. Please try again.", Err: ctx.Err(),
			}
		}
	}
}

// A grant whose refresh failed for no reason of its own rests, for longer each time.
const (
	firstRest   = time.Second
	longestRest = 5 * time.Minute
	// incredible is a rest that nobody has noted: CRMs may ask for an hour at most. The clock has been set back.
	incredible = 2 * time.Hour
)

// rested refuses a grant that still rests.
func (e *Engine) rested(ctx context.Context, key crmgate.UserKey) error {
	l, err := e.DB.Lease(ctx, key)
	if err != nil {
		return err
	}
	return resting(l, e.Now())
}

func resting(l storage.Lease, now time.Time) error {
	if left := l.NotBefore.Sub(now); left > 0 && left < incredible {
		return &Error{Kind: crmgate.ErrTransient, RetryAfter: left, Message: "The CRM could not renew this sign-in a moment ago. Please try again later."}
	}
	return nil
}

// rest notes in a lease how a try went, before it is given back.
func (e *Engine) rest(held storage.Lease, err error) storage.Lease {
	var te *Error
	switch {
	case err == nil, errors.Is(err, crmgate.ErrUserDead), errors.Is(err, crmgate.ErrAppDead):
		held.Failures, held.NotBefore = 0, time.Time{}
	case errors.As(err, &te) && te.unasked:
		// The CRM's breaker keeps the time.
	default:
		held.Failures++
		pause := jittered(backoff(firstRest, longestRest, held.Failures-1))
		if te != nil {
			pause = max(pause, te.RetryAfter)
		}
		held.NotBefore = e.Now().Add(pause)
	}
	return held
}

// trouble reports whether an error says that the CRM is in trouble, and how long it wants to be left alone. What a CRM
// says of a person or an application it says because it is well.
func trouble(err error) (failed bool, after time.Duration) {
	var te *Error
	var ce *crmgate.ConnectorError
	switch {
	case errors.Is(err, crmgate.ErrUserDead), errors.Is(err, crmgate.ErrAppDead), errors.As(err, &te) && te.Unread != "":
		return false, 0
	case errors.As(err, &ce): // it has a refresh of its own, and says what it met, if it met anything
		return inDistress(ce.Status), 0
	case te != nil:
		return inDistress(te.Status) || te.RetryAfter > 0, te.RetryAfter
	}
	return false, 0
}

// inDistress reports whether a CRM that answers with a status, or not at all, is in trouble.
func inDistress(status int) bool { return status == 0 || status == 429 || status >= 500 }

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}
