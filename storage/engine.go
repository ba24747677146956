package storage

import (
	"context"
	"errors"
	"time"
)

// ErrClosed is what an engine answers once Close was called.
var ErrClosed = errors.New("the store is closed")

// Engine is a transactional, ordered key-value store: bytes under keys, and nothing of what they mean. What every
// engine must do is tested by the package enginetest. An Engine is safe for concurrent use.
//
// Keys have 1 to 1,000 bytes, values up to 1,000,000, and what one Update writes up to 2,000,000; an engine may take
// more, and what it does not take is an error that harms no other caller. A function given to View or Update must not call the engine
// again, and its Tx is neither to be kept after it returned nor to be used by two goroutines at once.
type Engine interface {
	// View runs fn on one snapshot of the store, in which every Update that has returned takes part. Tx.Set and
	// Tx.Delete fail. The error is fn's, ctx's if it had ended before fn ran, or the engine's.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn, and stores what it wrote: all of it, durably, before Update returns nil, and none of it if
	// Update returns an error. (An engine whose commit can be lost on the way, over a network, says so with an error
	// matching crmgate.ErrTransient, and then the outcome is unknown.)
	//
	// Update is serializable over the keys that fn reads by Get, absent ones included. Scan is a snapshot without
	// phantom protection: a decision about absence or uniqueness Gets a key with a fixed name. What fn has read is
	// durable too when Update returns, even if fn wrote nothing or failed.
	//
	// fn may run again, so it has no other effect than on its Tx; what it assigns outside counts only after Update
	// returned. Others may be waiting for it: it computes, and never waits for a network or a person. If fn returns an
	// error, Update returns that error. If it panics, its writes are dropped and the panic is the caller's.
	//
	// If ctx ends before fn's turn has come, Update returns ctx's error and fn was not run. Once fn runs, Update
	// returns its true outcome, however short ctx is.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close waits for the functions that run, and closes the store. From its call on, View and Update answer
	// ErrClosed. Closing again returns what the first Close did.
	Close() error
}

// Tx is what a function given to View or Update works with. It sees its own writes.
type Tx interface {
	// Get returns the value of a key, or an error matching crmgate.ErrNotFound. The bytes are valid until fn returns
	// and must not be modified.
	Get(key []byte) ([]byte, error)

	// Set stores a value. The bytes of both belong to the engine until Update returns. A ttl above zero permits the
	// engine to drop the record once that time has passed, and no sooner; it need not, so that whoever relies on
	// expiry keeps the time in the value.
	Set(key, value []byte, ttl time.Duration) error

	// Delete removes a key; it need not exist.
	Delete(key []byte) error

	// Scan calls fn for each key that begins with prefix, in the order of their bytes, until fn returns an error, which
	// Scan returns. It shows the records that existed when it began: what fn writes meanwhile takes no part. The bytes
	// are valid until the function given to View or Update returns, and must not be modified.
	Scan(prefix []byte, fn func(key, value []byte) error) error
}
