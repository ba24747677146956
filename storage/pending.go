package storage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Pending keeps values of sign-ins that are not complete, for a limited time.
type Pending struct {
	db   *DB
	what string // for errors
	kind sealed.Kind
}

// States keeps what a callback needs, for CRMs that cannot take a long state.
type States struct{ Pending }

// States returns the kept states.
func (db *DB) States() States { return States{Pending{db, "state", shortState}} }

// AuthSessions keeps the results of sign-ins that a client waits for.
func (db *DB) AuthSessions() Pending { return Pending{db, "auth session", authSession} }

// Redemptions keeps the answers to callbacks whose sign-in succeeded. Redeemed puts them there.
func (db *DB) Redemptions() Pending { return Pending{db, "redemption", redemption} }

// Redeemed goes with a sign-in: it keeps under an id, for ttl, what answer makes of the session, unless that is nil. answer may
// run again.
func Redeemed(id string, ttl time.Duration, answer func(Session) ([]byte, error)) With {
	return With{signedIn: func(r records, s Session) error {
		b, err := answer(s)
		if err != nil || b == nil {
			return err
		}
		return r.Set(redemption, r.db.Redemptions().key(id), b, ttl)
	}}
}

// Hash returns the hash under which the store keeps the value of an id. Its key is the store's, so every process has the same.
func (p Pending) Hash(id string) (h [sha256.Size]byte) {
	copy(h[:], p.key(id)[len(sealed.Prefix(p.kind)):])
	return h
}

// Put stores a value under an id for a time, and copies the bytes. At most limit values are kept at once, because anyone can
// begin a sign-in; beyond that the error matches crmgate.ErrTransient. A value counts until it expires.
func (p States) Put(ctx context.Context, id string, value []byte, ttl time.Duration, limit int) error {
	err := p.db.update(ctx, func(r records) error {
		if err := r.takeSlot(ttl, limit); err != nil {
			return err
		}
		return r.Set(p.kind, p.key(id), value, ttl)
	})
	if err != nil {
		return fmt.Errorf("store %s: %w", p.what, err)
	}
	return nil
}

// Get returns the value under an id; crmgate.ErrNotFound if there is none or it has expired. The bytes are the caller's.
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

// Update replaces the value under an id by what change returns, and keeps its expiry. If there is no value, change gets nil,
// and the new value lives for ttl. Concurrent updates run one after the other. If change returns nil or an error, nothing is
// stored, and Update returns the error. change may run again, so it must have no other effect.
func (p Pending) Update(ctx context.Context, id string, ttl time.Duration, change func(value []byte) ([]byte, error)) error {
	key := p.key(id)
	err := p.db.update(ctx, func(r records) error {
		value, left, err := r.Living(p.kind, key)
		if errors.Is(err, crmgate.ErrNotFound) {
			value, left, err = nil, ttl, nil
		}
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

// SpendState marks a state as used. ttl is how long it would still be valid. One caller succeeds for an id; the others get
// an error matching crmgate.ErrConflict.
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

// tooMany is the error for a limit that is reached.
type tooMany struct{ limit int }

func (t tooMany) Error() string {
	return fmt.Sprintf("there are %d already, which is the limit", t.limit)
}

func (t tooMany) Is(target error) bool { return target == crmgate.ErrTransient }

// takeSlot reserves room for a state for a time, or returns an error if there are too many.
//
// The limit is a ring of slots that are taken in turn. A slot is taken for as long as its record lives, so nothing needs to
// be counted or scanned. If all records live equally long, the next slot in turn is the first to become free. Otherwise a
// record may be refused while a later slot is free, but the limit is never exceeded.
func (r records) takeSlot(ttl time.Duration, limit int) error {
	n, err := r.Number(stateCursor, sealed.Prefix(stateCursor)) // slots taken so far
	if err != nil {
		return err
	}
	key := binary.BigEndian.AppendUint64(sealed.Prefix(stateSlot), n%uint64(max(limit, 1)))
	taken, err := r.Has(stateSlot, key)
	if err != nil {
		return err
	}
	if taken || limit < 1 {
		return tooMany{limit}
	}
	return errors.Join(r.SetNumber(stateCursor, sealed.Prefix(stateCursor), n+1), r.Set(stateSlot, key, nil, ttl))
}
