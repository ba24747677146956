package token

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/crmgate/crmgate"
)

// flight is one refresh of one person, shared by all who need it. Its fields are set before done is closed.
type flight struct {
	done   chan struct{}
	person crmgate.Person
	err    error
}

// join waits for the person's flight, and starts it if there is none. Who comes when a flight has just ended starts
// another, which finds in the store that nothing is due.
func (e *Engine) join(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	e.mu.Lock()
	f := e.flights[key]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		e.flights[key] = f
		// Of the caller's context only the trace goes along: neither its end nor what else it carries is the flight's.
		base := crmgate.WithTrace(context.Background(), crmgate.TraceOf(ctx))
		e.running.Go(func() { e.fly(base, key, f) })
	}
	e.mu.Unlock()
	impatience := time.NewTimer(e.Wait)
	defer impatience.Stop()
	select {
	case <-f.done:
		return f.person, f.err
	case <-ctx.Done():
		return crmgate.Person{}, ctx.Err()
	case <-impatience.C:
		return crmgate.Person{}, &Error{
			Kind: crmgate.ErrTransient, RetryAfter: 5 * time.Second,
			Message: "The CRM takes long to renew this sign-in. Please try again.",
		}
	}
}

// fly runs a flight to its end under its own deadline. The connector's calls have the host's deadlines; the token
// request has Timeout; twice that is for both.
func (e *Engine) fly(ctx context.Context, key crmgate.UserKey, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, 2*e.Timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil { // this goroutine has no request around it that would catch a bug
			e.Logger.ErrorContext(ctx, "panic during a refresh", "platform", key.Platform, "panic", v, "stack", string(debug.Stack()))
			f.err = errors.New("the refresh panicked")
		}
		e.land(key, f)
	}()
	if f.person, f.err = e.renew(ctx, key); f.err != nil {
		f.err = fmt.Errorf("refresh: %w", f.err)
		// Logged here, once, because callers with a token that still lives are not told.
		e.Logger.WarnContext(ctx, "no refresh", "platform", key.Platform, "err", f.err)
	}
}

// land ends a flight, and tells everybody who waits for it.
func (e *Engine) land(key crmgate.UserKey, f *flight) {
	e.mu.Lock()
	delete(e.flights, key)
	e.mu.Unlock()
	close(f.done)
}
