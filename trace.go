package crmgate

import (
	"context"
	"sync"
	"time"
)

// Trace is the record of one request: its id, which is in every log line, audit entry and answer, where it came from, the
// person whom it is about, and its steps. It is safe for concurrent use.
type Trace struct {
	ID     string
	Start  time.Time
	Source Source

	mu     sync.Mutex
	steps  []Step  // guarded by mu
	person UserKey // guarded by mu
}

// Step is a point that a request has reached, with the time since its start.
type Step struct {
	Name  string        `json:"name"`
	After time.Duration `json:"afterNs"`
}

// maxSteps is the maximum length of a trace, because a request may loop.
const maxSteps = 64

type traceKey struct{}

// WithTrace returns a context that carries t.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf returns the trace of a request, or nil if there is none. The methods of a nil Trace do nothing.
func TraceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Step adds a step. name must be a constant, never text from a request.
func (t *Trace) Step(name string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.steps) < maxSteps {
		t.steps = append(t.steps, Step{name, time.Since(t.Start)})
	}
}

// SetPerson says whom the request is about, once that is known.
func (t *Trace) SetPerson(key UserKey) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.person = key
}

// Person returns the person of SetPerson; the zero UserKey if there is none.
func (t *Trace) Person() UserKey {
	if t == nil {
		return UserKey{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.person
}

// WithPerson returns a context whose trace is about a person. It has a new trace if ctx has none: background work is about
// people, too.
func WithPerson(ctx context.Context, key UserKey) context.Context {
	if TraceOf(ctx) == nil {
		ctx = WithTrace(ctx, &Trace{})
	}
	TraceOf(ctx).SetPerson(key)
	return ctx
}

// Steps returns a copy of the steps so far.
func (t *Trace) Steps() []Step {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Step{}, t.steps...)
}
