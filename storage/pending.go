package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Pending keeps values for a short time, and a limited number of them: they belong to sign-ins that have not ended.
// Strangers can begin sign-ins, so neither the time nor the number may grow.
type Pending struct {
	db                 *DB
	what               string // for errors
	kind, cursor, slot sealed.Kind
}

// States keeps what a callback needs, where a CRM cannot take a long state.
func (db *DB) States() Pending {
	return Pending{db, "state", shortState, stateCursor, stateSlot}
}

// AuthSessions keeps the sign-ins that a client waits for.
func (db *DB) AuthSessions() Pending {
	return Pending{db, "auth session", authSession, authSessionCursor, authSessionSlot}
}

// Put keeps a value under an id for a time, and copies the bytes. At most limit values are kept at once: the error then
// matches crmgate.ErrTransient. A value counts until its time is over.
func (p Pending) Put(ctx context.Context, id string, value []byte, ttl time.Duration, limit int) error {
	err := p.db.update(ctx, func(r records) error {
		if err := r.takeSlot(p.cursor, p.slot, ttl, limit); err != nil {
			return err
		}
		return r.Set(p.kind, p.key(id), value, ttl)
	})
	if err != nil {
		return fmt.Errorf("store %s: %w", p.what, err)
	}
	return nil
}

// Get returns the value under an id; crmgate.ErrNotFound if there is none or its time is over. The bytes are the
// caller's.
func (p Pending) Get(ctx context.Context, id string) ([]byte, error) {
	var value []byte
	err := p.db.view(ctx, func(r records) (err error) {
		value, err = r.Get(p.kind, p.key(id))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.what, err)
	}
	return value, nil
}

// Update replaces the value under an id by what change returns; the time that it has left stays. Concurrent updates run
// one after the other. If change returns nil or an error, nothing is stored; the error is returned. change may run again,
// so it must have no other effect. crmgate.ErrNotFound as for Get.
func (p Pending) Update(ctx context.Context, id string, change func(value []byte) ([]byte, error)) error {
	key := p.key(id)
	err := p.db.update(ctx, func(r records) error {
		value, left, err := r.Living(p.kind, key)
		if err != nil {
			return err
		}
		next, err := change(value)
		if err != nil || next == nil {
			return err
		}
		return r.Set(p.kind, key, next, left)
	})
	if err != nil {
		return fmt.Errorf("update %s: %w", p.what, err)
	}
	return nil
}

func (p Pending) key(id string) []byte { return p.db.keys.Of(p.kind, id) }

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

// tooMany is that a limit is reached.
type tooMany struct{ limit int }

func (t tooMany) Error() string {
	return fmt.Sprintf("%d records of this kind are outstanding, which is the limit", t.limit)
}

func (t tooMany) Is(target error) bool { return target == crmgate.ErrTransient }

// takeSlot lets a record that strangers can have made be stored, or says that there are too many.
//
// The limit is kept by a ring of that many slots, taken in turn, each of which is occupied for as long as the record
// that took it: nothing is counted and nothing scanned. With one ttl for all, the slot whose turn it is is the first
// to come free. With several, a record may be refused while a later slot is free, and the limit is never exceeded.
func (r records) takeSlot(cursor, slot sealed.Kind, ttl time.Duration, limit int) error {
	n, err := r.Number(cursor, sealed.Prefix(cursor)) // how many were ever taken
	if err != nil {
		return err
	}
	key := binary.BigEndian.AppendUint64(sealed.Prefix(slot), n%uint64(max(limit, 1)))
	taken, err := r.Has(slot, key)
	if err != nil {
		return err
	}
	if taken || limit < 1 {
		return tooMany{limit}
	}
	return errors.Join(r.SetNumber(cursor, sealed.Prefix(cursor), n+1), r.Set(slot, key, nil, ttl))
}
