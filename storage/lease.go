package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Lease is the right to refresh one person's grant, and what became of the latest tries. Of all nodes on a store, one
// holds it. It is fenced: what its holder writes afterwards counts only while the epoch is still the holder's.
type Lease struct {
	// Epoch goes up each time that the lease is taken.
	Epoch uint64 `json:"epoch"`
	// Node is who took it.
	Node string `json:"node,omitempty"`
	// Until is when it ends by itself; zero: it was given back.
	Until time.Time `json:"until,omitzero"`
	// Failures counts the tries in a row that failed for no reason of the person's, and NotBefore is when the next may be.
	Failures  int       `json:"failures,omitempty"`
	NotBefore time.Time `json:"notBefore,omitzero"`
}

// leaseMemory is how long a lease that nobody takes is remembered. It is not forgotten with its person: an epoch that began
// anew could be that of somebody who still holds it.
const leaseMemory = 30 * 24 * time.Hour

// ErrLeased means that another node holds the lease.
var ErrLeased = errors.New("somebody else refreshes this grant")

func (r records) lease(key crmgate.UserKey) (Lease, error) {
	var l Lease
	b, err := r.Get(lease, r.db.keys.lease(key))
	if errors.Is(err, crmgate.ErrNotFound) {
		return l, nil
	}
	if err == nil && json.Unmarshal(b, &l) != nil {
		err = sealed.ErrMalformed
	}
	return l, err
}

func (r records) setLease(key crmgate.UserKey, l Lease) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return r.Set(lease, r.db.keys.lease(key), b, leaseMemory)
}

// Lease returns a person's lease as it is; the zero Lease if it was never taken.
func (db *DB) Lease(ctx context.Context, key crmgate.UserKey) (Lease, error) {
	var l Lease
	err := db.view(ctx, func(r records) (err error) {
		l, err = r.lease(key)
		return err
	})
	if err != nil {
		return l, fmt.Errorf("read lease: %w", err)
	}
	return l, nil
}

// TakeLease takes a person's lease for a time. The error matches ErrLeased if another node holds it, and the lease
// returned is then that one. A node that holds it itself takes it anew: it has one refresh of a person at a time, so
// that the one before is no more. alone says that there is no other node.
func (db *DB) TakeLease(ctx context.Context, key crmgate.UserKey, node string, life time.Duration, alone bool) (Lease, error) {
	var l Lease
	err := db.update(ctx, func(r records) (err error) {
		if l, err = r.lease(key); err != nil {
			return err
		}
		if r.Now.Before(l.Until) && l.Node != node && !alone {
			return ErrLeased
		}
		l.Epoch++
		l.Node, l.Until = node, r.Now.Add(life)
		return r.setLease(key, l)
	})
	if err != nil {
		return l, fmt.Errorf("take lease: %w", err)
	}
	return l, nil
}

// ReleaseLease lets a change happen only while the lease is still its holder's, and gives the lease back with it. The
// error matches crmgate.ErrConflict if it is not. A try that failed says how often that was in a row, and when the next
// may be.
func ReleaseLease(key crmgate.UserKey, held Lease) With {
	return With{after: func(r records) error { return r.releaseLease(key, held) }}
}

func (r records) releaseLease(key crmgate.UserKey, held Lease) error {
	l, err := r.lease(key)
	if err != nil {
		return err
	}
	if l.Epoch != held.Epoch {
		return fmt.Errorf("the lease was lost: %w", crmgate.ErrConflict)
	}
	held.Until = time.Time{}
	return r.setLease(key, held)
}

// ReleaseLease gives a lease back without any other change. It is no error if it was lost.
func (db *DB) ReleaseLease(ctx context.Context, key crmgate.UserKey, held Lease) error {
	err := db.update(ctx, func(r records) error { return r.releaseLease(key, held) })
	if err != nil && !errors.Is(err, crmgate.ErrConflict) {
		return fmt.Errorf("give back lease: %w", err)
	}
	return nil
}
