package crmgate

import (
	"context"
	"sync"
	"time"
)

// Trace follows one request: its id, which every log line and answer carries, and the steps it took. Safe for concurrent use.
type Trace struct {
	ID    string
	Start time.Time

	mu    sync.Mutex
	steps []Step // guarded by mu
}

// Step is a point that a request passed, and when, counted from its start.
type Step struct {
	Name  string        `json:"name"`
	After time.Duration `json:"afterNs"`
}

// maxSteps bounds a trace, so that a request that loops does not grow it.
const maxSteps = 64

type traceKey struct{}

// WithTrace returns a context that carries t.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf returns the trace of a request; nil, which is fit for use, if there is none.
func TraceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Step notes that the request has come to a point. name holds no secret and nothing a stranger wrote.
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

// Steps returns what was noted so far.
func (t *Trace) Steps() []Step {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Step{}, t.steps...)
}
