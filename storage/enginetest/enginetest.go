// Package enginetest is the conformance suite for implementations of storage.Engine.
//
// An engine's own test calls [Run] with a function that opens an empty store. The suite checks the contract of
// storage.Engine: transactions, isolation, scans, sizes, contexts and Close. It does not check that expired records
// disappear, since an engine may keep them.
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
	// Reopen opens the same store again after Engine was closed. It is used for Durable only.
	Reopen func() storage.Engine
}

// Life says whether a store outlives Close.
type Life int

const (
	Volatile Life = iota // Close discards the store
	Durable              // the store can be opened again
)

// Run runs the suite. open returns a new, empty store for each test, which closes it.
func Run(t *testing.T, life Life, open func(t *testing.T) Store) {
	tests := map[string]func(*testing.T, Store){
		"get, set and delete":                       getSetDelete,
		"a transaction sees its own writes":         ownWrites,
		"a scan is ordered and stays in its prefix": scanOrder,
		"a scan includes uncommitted writes":        scanMerge,
		"a scan shows the state at its start":       scanStart,
		"a scan stops at an error":                  scanStop,
		"a failed update changes nothing":           failedUpdate,
		"a panic reaches the caller":                panics,
		"a view is a snapshot":                      viewSnapshot,
		"a view cannot write":                       viewWrites,
		"a hundred writers of one key":              counter,
		"one writer takes an absent key":            absence,
		"transfers keep the sum":                    transfers,
		"failures among many writers":               mixedWriters,
		"a record lives until its ttl":              ttl,
		"large and empty values":                    sizes,
		"too large writes fail alone":               tooLarge,
		"concurrent large transactions":             largeTransactions,
		"an ended context":                          endedContext,
		"a context that ends while queued":          queuedContext,
		"a context that ends while running":         runningContext,
		"nothing runs after close":                  closing,
		"close waits for transactions":              closeWaits,
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

// mustSet stores pairs of key and value.
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

// value returns the value of a key, or "-" if it is absent.
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

// all lists the records of a scan, as "k=v k=v".
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

var errTest = errors.New("error of the test")

// parallel runs fn n times at once, and fails the test at an error.
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
