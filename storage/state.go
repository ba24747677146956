package storage

import (
	"context"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// SpendState marks a state as used, for as long as it could be used again. Of all callers that spend one id, one
// succeeds; the others get an error matching crmgate.ErrConflict.
func (db *DB) SpendState(ctx context.Context, id string, ttl time.Duration) error {
	key := db.keys.Of(spentState, id)
	err := db.update(ctx, func(r records) error {
		spent, err := r.Has(spentState, key)
		if err != nil {
			return err
		}
		if spent {
			return crmgate.ErrConflict
		}
		return r.Set(spentState, key, nil, ttl)
	})
	if err != nil {
		return fmt.Errorf("spend state: %w", err)
	}
	return nil
}

// PutState keeps a value under an id for a time. At most limit values are kept at once: the error then matches
// crmgate.ErrTransient. A value counts until its time is over.
func (db *DB) PutState(ctx context.Context, id string, value []byte, ttl time.Duration, limit int) error {
	err := db.update(ctx, func(r records) error {
		if err := r.takeSlot(stateCursor, stateSlot, ttl, limit); err != nil {
			return err
		}
		return r.Set(shortState, db.keys.Of(shortState, id), value, ttl)
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
		value, err = r.Get(shortState, db.keys.Of(shortState, id))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read state: %w", err)
	}
	return value, nil
}
