package storage

import (
	"context"
	"fmt"
	"time"
)

// PutAuthSession keeps what is known of a sign-in that a client waits for, under its id, for a time. At most limit are kept at
// once: the error then matches crmgate.ErrTransient. The bytes are copied.
func (db *DB) PutAuthSession(ctx context.Context, id string, value []byte, ttl time.Duration, limit int) error {
	err := db.update(ctx, func(r records) error {
		if err := r.takeSlot(authSessionCursor, authSessionSlot, ttl, limit); err != nil {
			return err
		}
		return r.Set(authSession, db.keys.Of(authSession, id), value, ttl)
	})
	if err != nil {
		return fmt.Errorf("store auth session: %w", err)
	}
	return nil
}

// AuthSession returns what is kept under an id; crmgate.ErrNotFound if there is nothing, or its time is over. The bytes
// are the caller's.
func (db *DB) AuthSession(ctx context.Context, id string) ([]byte, error) {
	var value []byte
	err := db.view(ctx, func(r records) (err error) {
		value, err = r.Get(authSession, db.keys.Of(authSession, id))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read auth session: %w", err)
	}
	return value, nil
}

// UpdateAuthSession replaces what is kept under an id by what change makes of it; its time goes on. Of callers at the same
// time each sees what the one before it wrote. change may run again, so it has no other effect; nil leaves all as it is,
// and so does its error, which is returned. crmgate.ErrNotFound as for AuthSession.
func (db *DB) UpdateAuthSession(ctx context.Context, id string, change func(value []byte) ([]byte, error)) error {
	key := db.keys.Of(authSession, id)
	err := db.update(ctx, func(r records) error {
		value, left, err := r.Living(authSession, key)
		if err != nil {
			return err
		}
		next, err := change(value)
		if err != nil || next == nil {
			return err
		}
		return r.Set(authSession, key, next, left)
	})
	if err != nil {
		return fmt.Errorf("update auth session: %w", err)
	}
	return nil
}
