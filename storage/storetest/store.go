// Package storetest makes real stores and a clock for the tests of storage and of the packages above it.
package storetest

import (
	"bytes"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Clock is a clock that tests move. Safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

// NewClock returns a clock that stands at noon.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Store is a DB with its engine, key ring and clock.
type Store struct {
	*storage.DB
	Engine storage.Engine
	Ring   *sealed.KeyRing
	Clock  *Clock
}

// New opens a new store: in memory, or in a directory.
func New(t testing.TB, dir string) Store {
	t.Helper()
	s := Store{Engine: Engine(t, dir), Ring: Ring(t), Clock: NewClock()}
	db, err := storage.Open(t.Context(), s.Engine, s.Ring, storage.Config{Now: s.Clock.Now})
	Must(t, err)
	s.DB = db
	return s
}

// Both runs a test on a store in memory and on one on disk.
func Both(t *testing.T, test func(t *testing.T, s Store)) {
	t.Parallel()
	t.Run("in memory", func(t *testing.T) { t.Parallel(); test(t, New(t, "")) })
	t.Run("on disk", func(t *testing.T) { t.Parallel(); test(t, New(t, t.TempDir())) })
}

// Engine opens an engine that is closed at the end of the test.
func Engine(t testing.TB, dir string) storage.Engine {
	t.Helper()
	e, err := badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	Must(t, err)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// Ring returns a new key ring.
func Ring(t testing.TB) *sealed.KeyRing {
	t.Helper()
	ring, err := sealed.NewKeyRing()
	Must(t, err)
	return ring
}

// Pair is a record as the engine has it.
type Pair struct{ Key, Value []byte }

// Raw returns all records of an engine.
func Raw(t testing.TB, e storage.Engine) []Pair {
	t.Helper()
	var pairs []Pair
	err := e.View(t.Context(), func(tx storage.Tx) error {
		return tx.Scan(nil, func(k, v []byte) error {
			pairs = append(pairs, Pair{bytes.Clone(k), bytes.Clone(v)})
			return nil
		})
	})
	Must(t, err)
	return pairs
}

// Write writes a record as it is.
func Write(t testing.TB, e storage.Engine, key, value []byte) {
	t.Helper()
	Must(t, e.Update(t.Context(), func(tx storage.Tx) error { return tx.Set(key, value, 0) }))
}

// Must ends the test if there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// WantErr checks that an error matches another one.
func WantErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
