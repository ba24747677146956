package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// Lease is the right to refresh one person's grant, and the outcome of the latest attempts. One node of a store holds it
// at a time. Its epoch is a fencing token: what the holder writes is stored only while the epoch is unchanged.
type Lease struct {
	// Epoch rises each time that the lease is taken.
	Epoch uint64 `json:"epoch"`
	// Node is the holder.
	Node string `json:"node,omitempty"`
	// Until is when the lease expires; zero if it was released.
	Until time.Time `json:"until,omitzero"`
	// Failures counts consecutive failed attempts, except failures of the person's own grant. NotBefore is the earliest
	// time of the next attempt.
	Failures  int       `json:"failures,omitempty"`
	NotBefore time.Time `json:"notBefore,omitzero"`
	// Refusals are the CRM's latest refusals with a word that the server does not know.
	Refusals Refusals `json:"refusals,omitzero"`
}

// Refusals are refusals of one grant with the same word.
type Refusals struct {
	Word  string    `json:"word"`
	Times int       `json:"times"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// Final reports whether the refusals mean that the CRM has ended a grant, which was issued at a time: there are ten, over at
// least a day, and none is older than the grant.
func (r Refusals) Final(issued time.Time) bool {
	return r.Times >= 10 && r.Last.Sub(r.First) >= 24*time.Hour && !issued.After(r.First)
}

// leaseMemory is how long an unused lease is kept. Deleting a person keeps their lease: if the epochs began again, one
// could equal that of a node which still holds the lease.
const leaseMemory = 30 * 24 * time.Hour

// ErrLeased means that another node holds the lease.
var ErrLeased = errors.New("another node refreshes this grant")

func (r records) lease(key crmgate.UserKey) (l Lease, err error) {
	_, err = r.getJSON(lease, r.db.keys.lease(key), &l)
	return l, err
}

func (r records) setLease(key crmgate.UserKey, l Lease) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return r.Set(lease, r.db.keys.lease(key), b, leaseMemory)
}

// Lease returns a person's lease; the zero Lease if it was never taken.
func (db *DB) Lease(ctx context.Context, key crmgate.UserKey) (Lease, error) {
	var l Lease
	err := db.view(ctx, func(r records) (err error) {
		at := db.keys.lease(key)
		unmoved, err := r.version1().isUnmoved(key)
		if unmoved {
			at = db.keys.version1(lease, key)
		}
		if err == nil {
			_, err = r.getJSON(lease, at, &l)
		}
		return err
	})
	if err != nil {
		return l, fmt.Errorf("read lease: %w", err)
	}
	return l, nil
}

// TakeLease takes a person's lease for a time. If another node holds it, the error matches ErrLeased and the lease returned
// is that node's. A node that holds the lease itself takes it again: it refreshes a person once at a time, so its earlier
// attempt has ended. alone says that there is no other node.
func (db *DB) TakeLease(ctx context.Context, key crmgate.UserKey, node string, life time.Duration, alone bool) (Lease, error) {
	var l Lease
	err := db.update(ctx, func(r records) (err error) {
		if err = r.version1().adopt(key); err != nil {
			return err
		}
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

// ReleaseLease releases a lease with a change. The change is stored only if the lease is still the holder's; otherwise the
// error matches crmgate.ErrConflict. After a failed attempt, held has the number of failures and the time of the next
// attempt.
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

// ReleaseLease releases a lease without another change. A lease that was lost is not an error.
func (db *DB) ReleaseLease(ctx context.Context, key crmgate.UserKey, held Lease) error {
	err := db.update(ctx, func(r records) error { return r.releaseLease(key, held) })
	if err != nil && !errors.Is(err, crmgate.ErrConflict) {
		return fmt.Errorf("release lease: %w", err)
	}
	return nil
}
