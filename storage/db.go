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

// ErrWrongKey means that the key ring is not the one that the store was made with.
var ErrWrongKey = errors.New("the key ring does not open this store: start with the key ring that the store was made with, or restore it from a backup")

// Config is what Open needs beside the engine and the key ring.
type Config struct {
	// Now tells the time by which records expire; default time.Now.
	Now func() time.Time
	// CountAudit, if set, is told of every entry of the audit log: its kind, and whether it was written, left out or failed.
	CountAudit func(kind, outcome string)
}

// DB is the store. Errors of its methods match crmgate.ErrNotFound, crmgate.ErrSealed and crmgate.ErrConflict where
// the method says so, crmgate.ErrTransient if the engine cannot write at the moment, and otherwise are the engine's;
// none of them has personal data or secrets in its text. Safe for concurrent use.
type DB struct {
	engine Engine
	ring   *sealed.KeyRing
	now    func() time.Time
	keys   keys
	audit  *audit.Log
}

// Open checks that the key ring is the store's, before anything is written, and returns the store. ErrWrongKey if it
// is not. An empty store takes the key ring that it is first opened with. The engine remains the caller's to close,
// after the last use of the DB.
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

// Audit is the store's audit log.
func (db *DB) Audit() *audit.Log { return db.audit }

// unlock proves the key ring on the check value and returns the key that hashes ids. It writes nothing.
// crmgate.ErrNotFound if the store is empty.
func (db *DB) unlock(ctx context.Context) (key []byte, err error) {
	err = db.view(ctx, func(r records) error {
		_, err := r.Get(checkValue, sealed.Prefix(checkValue))
		switch {
		case errors.Is(err, crmgate.ErrSealed):
			return ErrWrongKey
		case errors.Is(err, crmgate.ErrNotFound):
			return r.empty()
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

var errDamaged = errors.New("it has records, but not those that every store begins with: it is damaged, or another program's; restore it from a backup")

// empty returns crmgate.ErrNotFound if there is no record at all, and else that the store is damaged.
func (r records) empty() error {
	err := r.Scan(nil, func(_, _ []byte) error { return errDamaged })
	if err == nil {
		return crmgate.ErrNotFound
	}
	return err
}

// initialise writes what every store begins with. Of several nodes that open an empty store, one does.
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

// Ready reads the check value: nil if the engine answers.
func (db *DB) Ready(ctx context.Context) error {
	err := db.engine.View(ctx, func(tx Tx) error {
		_, err := tx.Get(sealed.Prefix(checkValue))
		return err
	})
	if err != nil {
		return fmt.Errorf("the store does not answer: %w", err)
	}
	return nil
}

// ServerKey returns the bytes kept under a name, such as a server key, and stores what generate returns if there are
// none. Everybody who ever asks for a name gets the same bytes. generate may run more than once.
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

func (db *DB) view(ctx context.Context, fn func(records) error) error {
	return db.engine.View(ctx, func(tx Tx) error { return fn(records{db.ring.Records(tx, db.now()), db}) })
}

func (db *DB) update(ctx context.Context, fn func(records) error) error {
	return db.engine.Update(ctx, func(tx Tx) error { return fn(records{db.ring.Records(tx, db.now()), db}) })
}

// sealed makes a function on records one on an engine's transaction.
func (db *DB) sealed(fn func(sealed.Records) error) func(Tx) error {
	return func(tx Tx) error { return fn(db.ring.Records(tx, db.now())) }
}

// Seal seals bytes that leave the store, as [sealed.KeyRing.Seal] does.
func (db *DB) Seal(label string, plain []byte) ([]byte, error) { return db.ring.Seal(label, plain) }

// Unseal opens what Seal made.
func (db *DB) Unseal(label string, b []byte) ([]byte, error) { return db.ring.Unseal(label, b) }
