package token

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// acquireLease takes the person's lease and reads the person again under it. While another process holds the lease, it waits
// for that process to store a grant. due is false, and no lease is held, if the person needs no refresh any more.
func (e *Engine) acquireLease(ctx context.Context, key crmgate.UserKey) (lease storage.Lease, p crmgate.Person, due bool, err error) {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		// The lease outlasts the flight, whose calls end before: no other process sends the same token meanwhile.
		lease, err = e.DB.TakeLease(ctx, key, e.node, 2*e.Timeout+5*time.Second, e.Alone)
		taken := err == nil
		if err != nil && !errors.Is(err, storage.ErrLeased) {
			return lease, p, false, err
		}
		if p, err = e.DB.Person(ctx, key); err == nil {
			due, err = e.due(ctx, p)
		}
		if taken && (err != nil || !due) {
			err = errors.Join(err, e.DB.ReleaseLease(context.WithoutCancel(ctx), key, lease))
		}
		if taken || err != nil || !due {
			return lease, p, due, err
		}
		e.reach("waiting")
		select {
		case <-time.After(jittered(wait)):
		case <-ctx.Done():
			return lease, p, false, refreshIsSlow(ctx.Err())
		}
	}
}
