package wasmhost

import (
	"context"

	"github.com/crmgate/crmgate/limit"
)

// places bound the calls of a connector. A call that waits for its fetch uses memory, but no processor: it leaves its place among
// those that run to others.
type places struct {
	open    *limit.Shares // one for each call, until it ends
	running *limit.Shares // one for each call that does not wait for its fetch
	all     *limit.Shares // one for each such call of all connectors
}

// newPlaces returns the places of one connector.
func (h *Host) newPlaces() places {
	shares := func(total int) *limit.Shares {
		return limit.NewShares(limit.Limits{Total: total, Client: max(1, total/4), Host: max(1, total/2), Spare: total / 2})
	}
	return places{open: shares(h.MaxCalls), running: shares(h.MaxRunning), all: h.running}
}

// place is what one call has of the places. One goroutine uses it. A nil place, of code that runs when a module is loaded, needs none.
type place struct {
	of                 places
	claim              limit.Claim
	open, running, all limit.Place
	runs               bool
}

// acquire waits until a call may begin. The error is that of limit.Shares.
func (p places) acquire(ctx context.Context, c limit.Claim) (*place, error) {
	open, err := p.open.Acquire(ctx, c)
	if err != nil {
		return nil, err
	}
	return &place{of: p, claim: c, open: open}, nil
}

// enter waits until the call may run. A call that has left goes before those that have not run yet.
func (p *place) enter(ctx context.Context) (err error) {
	if p == nil {
		return nil
	}
	if p.running, err = p.of.running.Acquire(ctx, p.claim); err != nil {
		return err
	}
	if p.all, err = p.of.all.Acquire(ctx, limit.Claim{Begun: p.claim.Begun}); err != nil {
		p.running.Release()
		return err
	}
	p.runs, p.claim.Begun = true, true
	return nil
}

// leave lets another call run while this one waits, or has ended.
func (p *place) leave() {
	if p != nil && p.runs {
		p.all.Release()
		p.running.Release()
		p.runs = false
	}
}

// release gives all places back.
func (p *place) release() {
	p.leave()
	p.open.Release()
}
