package audit_test

import (
	"bytes"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func keep(*crmgate.Person) error { return nil }

// store is a DB with its engine, key ring and clock.
type store struct {
	*storage.DB
	engine storage.Engine
	ring   *sealed.KeyRing
	clock  *clock
}

// clock is a clock that tests move.
type clock struct{ t atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	c.add(0)
	return c
}

func (c *clock) now() time.Time {
	if t := c.t.Load(); t != nil {
		return *t
	}
	return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
}

func (c *clock) add(d time.Duration) {
	t := c.now().Add(d)
	c.t.Store(&t)
}

func mustEngine(t testing.TB, dir string) storage.Engine {
	t.Helper()
	e, err := badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func mustRing(t testing.TB) *sealed.KeyRing {
	t.Helper()
	ring, err := sealed.NewKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// mustStore opens a new store: in memory, or in a directory.
func mustStore(t testing.TB, dir string) store {
	t.Helper()
	s := store{engine: mustEngine(t, dir), ring: mustRing(t), clock: newClock()}
	db, err := storage.Open(t.Context(), s.engine, s.ring, storage.Config{Now: s.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	s.DB = db
	return s
}

// both runs a test on a store in memory and on one on disk.
func both(t *testing.T, test func(t *testing.T, s store)) {
	t.Parallel()
	t.Run("in memory", func(t *testing.T) { t.Parallel(); test(t, mustStore(t, "")) })
	t.Run("on disk", func(t *testing.T) { t.Parallel(); test(t, mustStore(t, t.TempDir())) })
}

type pair struct{ key, value []byte }

// raw returns all records of an engine.
func raw(t testing.TB, e storage.Engine) []pair {
	t.Helper()
	var pairs []pair
	err := e.View(t.Context(), func(tx storage.Tx) error {
		return tx.Scan(nil, func(k, v []byte) error {
			pairs = append(pairs, pair{bytes.Clone(k), bytes.Clone(v)})
			return nil
		})
	})
	must(t, err)
	return pairs
}

func write(t testing.TB, e storage.Engine, key, value []byte) {
	t.Helper()
	must(t, e.Update(t.Context(), func(tx storage.Tx) error { return tx.Set(key, value, 0) }))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
