package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// SpendState marks a state as used, for as long as it could be used again. Of all callers that spend one id, one
// succeeds; the others get an error matching crmgate.ErrConflict.
func (db *DB) SpendState(ctx context.Context, id string, ttl time.Duration) error {
	key := db.hashed(spentState, id)
	err := db.update(ctx, func(r records) error {
		spent, err := r.has(spentState, key)
		if err != nil {
			return err
		}
		if spent {
			return crmgate.ErrConflict
		}
		return r.set(spentState, key, nil, ttl)
	})
	if err != nil {
		return fmt.Errorf("spend state: %w", err)
	}
	return nil
}

// tooMany is that PutState's limit is reached.
type tooMany struct{ limit int }

func (t tooMany) Error() string {
	return fmt.Sprintf("%d short states are outstanding, which is the limit", t.limit)
}

func (t tooMany) Is(target error) bool { return target == crmgate.ErrTransient }

// PutState keeps a value under an id for a time. At most limit values are kept at once: the error then matches
// crmgate.ErrTransient. A value counts until its time is over.
//
// The limit is kept by a ring of that many slots, taken in turn, each of which is occupied for as long as the state
// that took it: nothing is counted and nothing scanned. With one ttl for all, the slot whose turn it is is the first
// to come free. With several, PutState may refuse while a later slot is free, and never exceeds the limit.
func (db *DB) PutState(ctx context.Context, id string, value []byte, ttl time.Duration, limit int) error {
	err := db.update(ctx, func(r records) error {
		n, err := r.number(stateCursor, fixed(stateCursor)) // how many were ever put
		if err != nil {
			return err
		}
		slot := binary.BigEndian.AppendUint64(fixed(stateSlot), n%uint64(max(limit, 1)))
		taken, err := r.has(stateSlot, slot)
		if err != nil {
			return err
		}
		if taken || limit < 1 {
			return tooMany{limit}
		}
		return errors.Join(
			r.setNumber(stateCursor, fixed(stateCursor), n+1),
			r.set(stateSlot, slot, nil, ttl),
			r.set(shortState, db.hashed(shortState, id), value, ttl))
	})
	if err != nil {
		return fmt.Errorf("store state: %w", err)
	}
	return nil
}

// State returns what PutState kept under an id; crmgate.ErrNotFound if there is nothing, or its time is over.
func (db *DB) State(ctx context.Context, id string) ([]byte, error) {
	var value []byte
	err := db.view(ctx, func(r records) (err error) {
		value, err = r.get(shortState, db.hashed(shortState, id))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return value, nil
}
