package storage

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

// ErrWrongKey means that the store was created with another key ring.
var ErrWrongKey = errors.New("this key ring does not match the database: use the key ring that the database was created with, or restore it from a backup")

// Config has the options of Open.
type Config struct {
	// Now returns the time by which records expire; default time.Now.
	Now func() time.Time
	// CountAudit, if set, is called for every event of the audit log with its kind and "written", "counted" (a repeat), "left
	// out" or "failed".
	CountAudit func(kind, outcome string)
}

// DB is the store. Safe for concurrent use.
//
// Errors of its methods match crmgate.ErrNotFound, crmgate.ErrSealed and crmgate.ErrConflict where the method says so, and
// crmgate.ErrTransient if the engine cannot write at the moment. Other errors are the engine's. The text of an error never
// has personal data or secrets.
type DB struct {
	engine Engine
	ring   *sealed.KeyRing
	now    func() time.Time
	keys   keys
	audit  *audit.Log
}

// Open opens a store. It checks the key ring before it writes anything; the error matches ErrWrongKey if the store was
// created with another. An empty store takes the key ring that it is first opened with. The caller closes the engine after
// the last use of the DB.
func Open(ctx context.Context, engine Engine, ring *sealed.KeyRing, c Config) (*DB, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	db := &DB{engine: engine, ring: ring, now: c.Now}
	key, err := db.unlock(ctx)
	if errors.Is(err, crmgate.ErrNotFound) {
		if err = db.initialise(ctx); err == nil {
			key, err = db.unlock(ctx)
		}
	}
	if err == nil {
		err = db.upgrade(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db.keys = keys{sealed.NewKeys(key)}
	db.audit = audit.New(audit.Config{
		View: func(ctx context.Context, fn func(sealed.Records) error) error { return engine.View(ctx, db.sealed(fn)) },
		Update: func(ctx context.Context, fn func(sealed.Records) error) error {
			return engine.Update(ctx, db.sealed(fn))
		},
		Now:   c.Now,
		Keys:  db.keys.Keys,
		User:  db.userHash,
		Find:  db.userOf,
		Count: c.CountAudit,
	})
	return db, nil
}

// Audit returns the audit log.
func (db *DB) Audit() *audit.Log { return db.audit }

// unlock checks the key ring against the check value and returns the key that hashes ids. It writes nothing.
// crmgate.ErrNotFound if the store is empty.
func (db *DB) unlock(ctx context.Context) (key []byte, err error) {
	err = db.view(ctx, func(r records) error {
		_, err := r.Get(checkValue, sealed.Prefix(checkValue))
		switch {
		case errors.Is(err, crmgate.ErrSealed):
			return ErrWrongKey
		case errors.Is(err, crmgate.ErrNotFound):
			return empty(r)
		case err != nil:
			return err
		}
		key, err = r.Get(lookupKey, sealed.Prefix(lookupKey))
		if errors.Is(err, crmgate.ErrNotFound) {
			return errDamaged
		}
		return err
	})
	return key, err
}

var errDamaged = errors.New("it has records, but not the two that every store begins with: it is damaged or belongs to another program; restore it from a backup")

// empty returns crmgate.ErrNotFound if there is no record at all, and errDamaged otherwise.
func empty(r records) error {
	err := r.Scan(nil, func(_, _ []byte) error { return errDamaged })
	if err == nil {
		return crmgate.ErrNotFound
	}
	return err
}

// initialise writes the two records that every store begins with. If several nodes open an empty store, one of them does.
func (db *DB) initialise(ctx context.Context) error {
	return db.update(ctx, func(r records) error {
		_, err := r.Tx.Get(sealed.Prefix(checkValue))
		if !errors.Is(err, crmgate.ErrNotFound) {
			return err
		}
		key := make([]byte, sha256.Size)
		_, _ = rand.Read(key) // never fails
		return errors.Join(
			r.Set(checkValue, sealed.Prefix(checkValue), nil, 0),
			r.Set(lookupKey, sealed.Prefix(lookupKey), key, 0))
	})
}

// upgrade gives the check value its present version, so that an earlier crmgate refuses the store from now on: it would
// misread what this one stores.
func (db *DB) upgrade(ctx context.Context) error {
	key := sealed.Prefix(checkValue)
	upToDate := false
	err := db.engine.View(ctx, func(tx Tx) error {
		b, err := tx.Get(key)
		upToDate = sealed.Version(b) >= formats[checkValue].Version
		return err
	})
	if err != nil || upToDate {
		return err
	}
	return db.update(ctx, func(r records) error { return r.Set(checkValue, key, nil, 0) })
}

// Ready returns nil if the engine answers.
func (db *DB) Ready(ctx context.Context) error {
	err := db.engine.View(ctx, func(tx Tx) error {
		_, err := tx.Get(sealed.Prefix(checkValue))
		return err
	})
	if err != nil {
		return fmt.Errorf("read the check value: %w", err)
	}
	return nil
}

// ServerKey returns the key of a name, and stores what generate returns if there is none. All callers get the same key.
// generate may run more than once.
func (db *DB) ServerKey(ctx context.Context, name string, generate func() []byte) ([]byte, error) {
	key := append(sealed.Prefix(serverKey), name...)
	var value []byte
	read := func(r records) (err error) {
		value, err = r.Get(serverKey, key)
		return err
	}
	err := db.view(ctx, read)
	if errors.Is(err, crmgate.ErrNotFound) {
		err = db.update(ctx, func(r records) error {
			if err := read(r); !errors.Is(err, crmgate.ErrNotFound) {
				return err
			}
			value = generate()
			return r.Set(serverKey, key, value, 0)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("server key %s: %w", name, err)
	}
	return value, nil
}

// Seal seals bytes that leave the store; see [sealed.KeyRing.Seal].
func (db *DB) Seal(label string, plain []byte) ([]byte, error) { return db.ring.Seal(label, plain) }

// Unseal opens what Seal sealed with the same label. The error matches crmgate.ErrSealed.
func (db *DB) Unseal(label string, b []byte) ([]byte, error) { return db.ring.Unseal(label, b) }
