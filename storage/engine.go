package storage

import (
	"context"
	"errors"
	"time"
)

// ErrClosed is what an engine returns once Close was called.
var ErrClosed = errors.New("the store is closed")

// Engine is a transactional, ordered key-value store. It does not know what the bytes mean. The package enginetest tests
// what every engine must do. An Engine is safe for concurrent use.
//
// Keys have 1 to 1,000 bytes, values up to 1,000,000, and one Update writes up to 2,000,000. An engine may take more; what
// it does not take is an error that harms no other caller. A function given to View or Update must not call the engine
// again. It must not keep its Tx after it returns, or use it in two goroutines at once.
type Engine interface {
	// View runs fn on one snapshot of the store, which includes every Update that has returned. Tx.Set and Tx.Delete
	// fail. The error is fn's, ctx's if it had ended before fn ran, or the engine's.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn and stores what it wrote. If Update returns nil, all of it is stored durably. If Update returns an
	// error, none of it is stored. The one exception is an engine that commits over a network: if it loses the answer, its
	// error matches crmgate.ErrTransient and the outcome is unknown.
	//
	// Update is serializable over the keys that fn reads by Get, absent ones included. Scan is a snapshot without
	// phantom protection, so a decision about absence or uniqueness must Get a key with a fixed name. What fn has read is
	// durable too when Update returns, even if fn wrote nothing or failed.
	//
	// fn may run again, so its only effect is on its Tx; what it assigns outside counts only after Update has returned.
	// Other callers may wait for fn, so it must not wait for a network or a person. If fn returns an error, Update returns
	// that error. If fn panics, its writes are dropped and the panic reaches the caller.
	//
	// If ctx ends before it is fn's turn, Update returns ctx's error without running fn. Once fn runs, Update returns its
	// true outcome, even if ctx ends meanwhile.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close waits for the functions that run, and closes the store. From its call on, View and Update return ErrClosed.
	// A second Close returns the result of the first.
	Close() error
}

// Tx is what a function given to View or Update works with. It sees its own writes.
type Tx interface {
	// Get returns the value of a key, or an error matching crmgate.ErrNotFound. The bytes are valid until fn returns
	// and must not be modified.
	Get(key []byte) ([]byte, error)

	// Set stores a value. The bytes of key and value belong to the engine until Update returns. A ttl above zero permits
	// the engine to drop the record once that time has passed, but not earlier. The engine need not drop it, so a caller
	// that relies on expiry keeps the time in the value.
	Set(key, value []byte, ttl time.Duration) error

	// Delete removes a key; it need not exist.
	Delete(key []byte) error

	// Scan calls fn for each key that begins with prefix, in the order of their bytes, until fn returns an error, which
	// Scan returns. It shows the records that existed when it began, without what fn writes meanwhile. The bytes
	// are valid until the function given to View or Update returns, and must not be modified.
	Scan(prefix []byte, fn func(key, value []byte) error) error
}
