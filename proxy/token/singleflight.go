package token

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
)

// flights lets this process run one refresh a person at a time. Safe for concurrent use.
type flights struct {
	running sync.WaitGroup

	mu     sync.Mutex
	byUser map[crmgate.UserKey]*flight // guarded by mu
}

// flight is one refresh of one person. All callers share its result.
type flight struct {
	done   chan struct{}
	person crmgate.Person // set before done is closed
	err    error          // set before done is closed
}

// start returns the person's flight. If there was none, started is true, and the caller must land the flight.
func (fs *flights) start(key crmgate.UserKey) (f *flight, started bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.byUser[key]; f != nil {
		return f, false
	}
	f = &flight{done: make(chan struct{})}
	fs.byUser[key] = f
	return f, true
}

// land ends a flight and wakes its callers.
func (fs *flights) land(key crmgate.UserKey, f *flight) {
	fs.mu.Lock()
	delete(fs.byUser, key)
	fs.mu.Unlock()
	close(f.done)
}

func (fs *flights) count() int {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return len(fs.byUser)
}

// join waits for the person's flight, and starts one if there is none. A caller that comes just after a flight ended starts
// another, which finds in the store that nothing is due.
func (e *Engine) join(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	f, started := e.flights.start(key)
	if started {
		// The flight takes the trace from the caller's context, and neither its cancellation nor its other values.
		base := crmgate.WithTrace(context.Background(), crmgate.TraceOf(ctx))
		e.flights.running.Go(func() { e.fly(base, key, f) })
	}
	timeout := time.NewTimer(e.Wait)
	defer timeout.Stop()
	select {
	case <-f.done:
		return f.person, f.err
	case <-ctx.Done():
		return crmgate.Person{}, ctx.Err()
	case <-timeout.C:
		slow := refreshIsSlow(nil)
		return crmgate.Person{}, &RefreshError{RetryAfter: slow.RetryAfter, Err: slow}
	}
}

// fly runs a flight under its own deadline of twice Timeout. The token request alone has Timeout; the connector's calls have
// the host's deadlines.
func (e *Engine) fly(ctx context.Context, key crmgate.UserKey, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, 2*e.Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil { // no request handler catches a panic of this goroutine
			e.Logger.ErrorContext(ctx, "panic during a refresh", "platform", key.Platform, "panic", v, "stack", string(debug.Stack()))
			f.err = errors.New("the refresh panicked")
		}
		e.flights.land(key, f)
	}()
	var err error
	if f.person, err = e.refresh(ctx, key); err != nil {
		f.err = e.failed(ctx, key, err)
	}
}

// failed is the error of a flight for all of its callers. It is logged here, once: callers whose access token is still valid do
// not see it.
func (e *Engine) failed(ctx context.Context, key crmgate.UserKey, err error) error {
	var te *Error
	level, failure := slog.LevelWarn, &RefreshError{Err: err}
	if errors.As(err, &te) {
		failure.RetryAfter = te.RetryAfter
		if te.repeated {
			level = slog.LevelInfo
		}
	}
	switch l, unread := e.DB.Lease(context.WithoutCancel(ctx), key); {
	case errors.Is(err, crmgate.ErrUserDead), errors.Is(err, crmgate.ErrAppDead):
		failure.RetryAfter = 0
	case unread == nil: // what later callers are told
		if left := l.NotBefore.Sub(e.Now()); left < impossibleBackoff {
			failure.RetryAfter = max(failure.RetryAfter, left)
		}
	}
	e.Logger.Log(ctx, level, "token refresh failed", "platform", key.Platform, "err", failure)
	return failure
}

func refreshIsSlow(cause error) *Error {
	return &Error{Kind: crmgate.ErrTransient, RetryAfter: 5 * time.Second, Message: "The CRM takes long to renew this sign-in. Please try again.", Err: cause}
}
