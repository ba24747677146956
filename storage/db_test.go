package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/sealed"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childStore); dir != "" {
		signInForever(dir, os.Getenv(childRing), os.Getenv(childRun))
	}
	goleak.VerifyTestMain(m)
}

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

// open opens a value as the record that belongs under a key.
func (s store) open(key, stored []byte) ([]byte, error) {
	return s.ring.Records(nil, s.clock.now(), storage.Formats()).Open(sealed.Kind(key[0]), key, stored)
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

func TestWrongKeyIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		fill(t, s, 3)
		before := raw(t, s.engine)
		_, err := storage.Open(t.Context(), s.engine, mustRing(t), storage.Config{})
		wantErr(t, err, storage.ErrWrongKey)
		if fmt.Sprint(raw(t, s.engine)) != fmt.Sprint(before) {
			t.Error("something was written")
		}
		_, err = storage.Open(t.Context(), s.engine, s.ring, storage.Config{})
		must(t, err)
	})
}

func TestRecordsWithoutACheckValueAreRefused(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"c/", "l/"} {
		s := mustStore(t, "")
		fill(t, s, 1)
		must(t, s.engine.Update(t.Context(), func(tx storage.Tx) error { return tx.Delete([]byte(missing)) }))
		before := raw(t, s.engine)
		for _, ring := range []*sealed.KeyRing{s.ring, mustRing(t)} {
			if _, err := storage.Open(t.Context(), s.engine, ring, storage.Config{}); err == nil {
				t.Errorf("a store without %s was opened", missing)
			}
		}
		if fmt.Sprint(raw(t, s.engine)) != fmt.Sprint(before) {
			t.Error("something was written")
		}
	}
}

func TestAnEmptyStoreIsMadeOnce(t *testing.T) {
	t.Parallel()
	engine, ring := mustEngine(t, ""), mustRing(t)
	key := crmgate.UserKey{Platform: "clio", ID: "1-clio"}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			db, err := storage.Open(t.Context(), engine, ring, storage.Config{})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := db.SignIn(t.Context(), key, func(*crmgate.Person) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := len(raw(t, engine)); n != 4 {
		t.Errorf("%d records, want 4: all must hash ids under the same key", n)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	s := mustStore(t, "")
	must(t, s.Ready(t.Context()))
	must(t, s.engine.Close())
	wantErr(t, s.Ready(t.Context()), storage.ErrClosed)
}

func TestServerKeyIsMadeOnce(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		var mu sync.Mutex
		got := map[string]bool{}
		var n atomic.Int64
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				b, err := s.ServerKey(t.Context(), "session", func() []byte { return fmt.Append(nil, "key ", n.Add(1)) })
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				got[string(b)] = true
				mu.Unlock()
			})
		}
		group.Wait()
		if len(got) != 1 {
			t.Errorf("%d different keys under one name", len(got))
		}
		other, err := s.ServerKey(t.Context(), "hash", func() []byte { return []byte("other") })
		if err != nil || got[string(other)] {
			t.Errorf("another name: %s, %v", other, err)
		}
	})
}

// A stored record does not open as a sealed value, with any label.
func TestARecordIsNotASealedValue(t *testing.T) {
	t.Parallel()
	s := mustStore(t, "")
	for _, p := range raw(t, s.engine) {
		_, err := s.Unseal(string(p.key), p.value[2:])
		wantErr(t, err, crmgate.ErrSealed)
	}
}

func TestAnEndedContext(t *testing.T) {
	t.Parallel()
	s := mustStore(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key := crmgate.UserKey{Platform: "clio", ID: "1-clio"}
	_, err := s.SignIn(ctx, key, func(*crmgate.Person) error { return nil })
	wantErr(t, err, context.Canceled)
	_, err = s.Session(ctx, key)
	wantErr(t, err, context.Canceled)
}
