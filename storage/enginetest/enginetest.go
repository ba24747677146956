// Package enginetest holds what every storage.Engine must pass.
package enginetest

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Store is an empty store of the engine under test.
type Store struct {
	storage.Engine
	// Reopen opens the same store again, after Engine was closed. Only for Durable.
	Reopen func() storage.Engine
}

// Life is what becomes of a store that is closed.
type Life int

const (
	Volatile Life = iota // it is gone
	Durable              // it can be opened again
)

// Run runs the conformance tests. open makes a new, empty store; the tests close it.
func Run(t *testing.T, life Life, open func(t *testing.T) Store) {
	tests := map[string]func(*testing.T, Store){
		"get, set and delete":                       getSetDelete,
		"a transaction sees its own writes":         ownWrites,
		"a scan is ordered and keeps to its prefix": scanOrder,
		"a scan merges what is not committed yet":   scanMerge,
		"a scan shows what was there at its start":  scanStart,
		"a scan stops at an error":                  scanStop,
		"a failed update leaves nothing":            failedUpdate,
		"a panic is the caller's":                   panics,
		"a view is a snapshot":                      viewSnapshot,
		"a view cannot write":                       viewWrites,
		"a hundred writers of one key":              counter,
		"absence is protected":                      absence,
		"transfers keep the sum":                    transfers,
		"failures among many writers":               mixedWriters,
		"a record with a ttl lives till then":       ttl,
		"large and empty values":                    sizes,
		"what is too large harms nobody else":       tooLarge,
		"large transactions side by side":           largeTransactions,
		"an ended context":                          endedContext,
		"a context that ends while queued":          queuedContext,
		"a context that ends while running":         runningContext,
		"close":                                     closing,
		"close waits":                               closeWaits,
	}
	if life == Durable {
		tests["reopen"] = reopen
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			test(t, s)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustSet stores pairs, given as key, value, key, value.
func mustSet(t *testing.T, e storage.Engine, pairs ...string) {
	t.Helper()
	must(t, e.Update(t.Context(), func(tx storage.Tx) error { return set(tx, pairs...) }))
}

func set(tx storage.Tx, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := tx.Set([]byte(pairs[i]), []byte(pairs[i+1]), 0); err != nil {
			return err
		}
	}
	return nil
}

// value reads one key; absent is "-".
func value(tx storage.Tx, key string) string {
	b, err := tx.Get([]byte(key))
	if errors.Is(err, crmgate.ErrNotFound) {
		return "-"
	}
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// all lists what a scan shows, as k=v.
func all(tx storage.Tx, prefix string) string {
	var got []string
	err := tx.Scan([]byte(prefix), func(k, v []byte) error {
		got = append(got, string(k)+"="+string(v))
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return strings.Join(got, " ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func mustView(t *testing.T, e storage.Engine, fn func(tx storage.Tx)) {
	t.Helper()
	must(t, e.View(t.Context(), func(tx storage.Tx) error { fn(tx); return nil }))
}

var errTest = errors.New("a test's own error")

// parallel runs n functions at once and fails the test with their first error.
func parallel(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var group sync.WaitGroup
	failed := make(chan error, n)
	for i := range n {
		group.Go(func() { failed <- fn(i) })
	}
	group.Wait()
	for range n {
		must(t, <-failed)
	}
}

func must1(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
