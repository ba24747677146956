// Package storagetest holds what every storage.Engine must pass.
package storagetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Store is an empty store of the engine under test.
type Store struct {
	storage.Engine
	// Reopen opens the same store again, after Engine was closed; nil if what it held goes with Close.
	Reopen func() storage.Engine
}

// Run runs the conformance tests. open makes a new, empty store; the tests close it.
func Run(t *testing.T, open func(t *testing.T) Store) {
	for name, test := range map[string]func(*testing.T, Store){
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
		"reopen":                                    reopen,
	} {
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

func getSetDelete(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "2")
	mustSet(t, s, "a", "3")
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		return errors.Join(tx.Delete([]byte("b")), tx.Delete([]byte("never there")))
	}))
	mustView(t, s, func(tx storage.Tx) {
		want(t, "overwritten", value(tx, "a"), "3")
		want(t, "deleted", value(tx, "b"), "-")
		want(t, "scan", all(tx, ""), "a=3")
	})
}

func ownWrites(t *testing.T, s Store) {
	mustSet(t, s, "old", "1", "gone", "1")
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		must(t, set(tx, "new", "2", "old", "3"))
		must(t, tx.Delete([]byte("gone")))
		want(t, "new", value(tx, "new"), "2")
		want(t, "old", value(tx, "old"), "3")
		want(t, "gone", value(tx, "gone"), "-")
		must(t, set(tx, "gone", "4"))
		want(t, "set again", value(tx, "gone"), "4")
		return nil
	}))
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "gone=4 new=2 old=3") })
}

func scanOrder(t *testing.T, s Store) {
	keys := []string{"a", "a\x00", "a\x00\xff", "a/1", "a/10", "a/2", "a\xff", "a\xff\xff", "b", "\xff", "\xff\xff"}
	for _, k := range slices.Backward(keys) {
		mustSet(t, s, k, "")
	}
	slices.Sort(keys)
	for _, prefix := range []string{"", "a", "a/", "a\xff", "\xff", "c"} {
		var got, expected []string
		for _, k := range keys {
			if strings.HasPrefix(k, prefix) {
				expected = append(expected, k)
			}
		}
		read := func(tx storage.Tx) error {
			got = nil
			return tx.Scan([]byte(prefix), func(k, _ []byte) error { got = append(got, string(k)); return nil })
		}
		must(t, s.View(t.Context(), read))
		want(t, "view of "+prefix, fmt.Sprintf("%q", got), fmt.Sprintf("%q", expected))
		must(t, s.Update(t.Context(), read))
		want(t, "update of "+prefix, fmt.Sprintf("%q", got), fmt.Sprintf("%q", expected))
	}
}

func scanMerge(t *testing.T, s Store) {
	mustSet(t, s, "p/b", "1", "p/d", "1", "p/f", "1", "q", "1")
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		must(t, set(tx, "o", "2", "p/a", "2", "p/c", "2", "p/d", "2", "p/g", "2"))
		must(t, tx.Delete([]byte("p/f")))
		must(t, tx.Delete([]byte("p/a")))
		want(t, "merged", all(tx, "p/"), "p/b=1 p/c=2 p/d=2 p/g=2")
		return nil
	}))
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, "p/"), "p/b=1 p/c=2 p/d=2 p/g=2") })
}

func scanStart(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "1", "c", "1")
	var seen string
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		seen = ""
		return tx.Scan(nil, func(k, v []byte) error {
			seen += string(k) + string(v)
			want(t, "a scan within", all(tx, "c"), "c="+string(must1(tx.Get([]byte("c")))))
			return set(tx, "c", "2", "d", "2")
		})
	}))
	want(t, "seen", seen, "a1b1c1")
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "a=1 b=1 c=2 d=2") })
}

func must1(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

var errTest = errors.New("a test's own error")

func scanStop(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "1")
	read := func(tx storage.Tx) error {
		n := 0
		return tx.Scan(nil, func(_, _ []byte) error {
			if n++; n > 1 {
				t.Error("the scan went on")
			}
			return errTest
		})
	}
	for _, err := range []error{s.View(t.Context(), read), s.Update(t.Context(), read)} {
		if !errors.Is(err, errTest) {
			t.Errorf("got %v, want the error of the function", err)
		}
	}
}

func failedUpdate(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "1")
	err := s.Update(t.Context(), func(tx storage.Tx) error {
		must(t, set(tx, "a", "2", "c", "2"))
		must(t, tx.Delete([]byte("b")))
		return errTest
	})
	if !errors.Is(err, errTest) {
		t.Errorf("got %v, want the error of the function", err)
	}
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "a=1 b=1") })
}

func panics(t *testing.T, s Store) {
	func() {
		defer func() {
			if r := recover(); r != "mine" {
				t.Errorf("recovered %v, want the panic of the function", r)
			}
		}()
		_ = s.Update(t.Context(), func(tx storage.Tx) error {
			must(t, set(tx, "a", "1"))
			panic("mine")
		})
	}()
	mustSet(t, s, "b", "1")
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "b=1") })
}

func viewSnapshot(t *testing.T, s Store) {
	mustSet(t, s, "a", "1", "b", "1")
	mustView(t, s, func(tx storage.Tx) {
		want(t, "before", value(tx, "a"), "1")
		mustSet(t, s, "a", "2", "c", "2")
		want(t, "a later write", value(tx, "a"), "1")
		want(t, "a later key", value(tx, "c"), "-")
		want(t, "scan", all(tx, ""), "a=1 b=1")
	})
	mustView(t, s, func(tx storage.Tx) { want(t, "afterwards", all(tx, ""), "a=2 b=1 c=2") })
}

func viewWrites(t *testing.T, s Store) {
	mustView(t, s, func(tx storage.Tx) {
		if tx.Set([]byte("a"), []byte("1"), 0) == nil || tx.Delete([]byte("a")) == nil {
			t.Error("a view was able to write")
		}
	})
}

// number reads a counter; absent is 0.
func number(tx storage.Tx, key string) (uint64, error) {
	b, err := tx.Get([]byte(key))
	if errors.Is(err, crmgate.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

func setNumber(tx storage.Tx, key string, n uint64) error {
	return tx.Set([]byte(key), binary.BigEndian.AppendUint64(nil, n), 0)
}

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

// Every update counts once, although the function assigns to a variable outside and may run twice.
func counter(t *testing.T, s Store) {
	const writers, rounds = 100, 5
	var mu sync.Mutex
	seen := map[uint64]bool{}
	parallel(t, writers, func(int) error {
		for range rounds {
			var mine uint64
			err := s.Update(t.Context(), func(tx storage.Tx) error {
				n, err := number(tx, "n")
				mine = n + 1
				return errors.Join(err, setNumber(tx, "n", mine))
			})
			if err != nil {
				return err
			}
			mu.Lock()
			if seen[mine] {
				t.Errorf("two updates made %d", mine)
			}
			seen[mine] = true
			mu.Unlock()
		}
		return nil
	})
	mustView(t, s, func(tx storage.Tx) {
		if n, err := number(tx, "n"); n != writers*rounds || err != nil {
			t.Errorf("counted %d (%v), want %d", n, err, writers*rounds)
		}
	})
}

// Of many who find a key absent and take it, one wins.
func absence(t *testing.T, s Store) {
	for round := range 10 {
		key := fmt.Sprintf("key %d", round)
		var mu sync.Mutex
		winners := 0
		parallel(t, 20, func(i int) error {
			err := s.Update(t.Context(), func(tx storage.Tx) error {
				if value(tx, key) != "-" {
					return crmgate.ErrConflict
				}
				return set(tx, key, fmt.Sprint(i), fmt.Sprintf("%s taken by %d", key, i), "")
			})
			if errors.Is(err, crmgate.ErrConflict) {
				return nil
			}
			mu.Lock()
			winners++
			mu.Unlock()
			return err
		})
		if winners != 1 {
			t.Errorf("%d callers took the same absent key", winners)
		}
	}
	mustView(t, s, func(tx storage.Tx) {
		if n := strings.Count(all(tx, ""), "taken"); n != 10 {
			t.Errorf("%d writes of winners, want 10", n)
		}
	})
}

// Write skew: two keys are read and one is written; the sum must hold in every snapshot.
func transfers(t *testing.T, s Store) {
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		return errors.Join(setNumber(tx, "a", 1000), setNumber(tx, "b", 1000))
	}))
	sum := func(tx storage.Tx) (a, b uint64, err error) {
		a, err1 := number(tx, "a")
		b, err2 := number(tx, "b")
		return a, b, errors.Join(err1, err2)
	}
	parallel(t, 16, func(i int) error {
		for j := range 10 {
			if (i+j)%4 == 0 {
				err := s.View(t.Context(), func(tx storage.Tx) error {
					a, b, err := sum(tx)
					if a+b != 2000 {
						t.Errorf("a view saw %d + %d", a, b)
					}
					return err
				})
				if err != nil {
					return err
				}
				continue
			}
			err := s.Update(t.Context(), func(tx storage.Tx) error {
				a, b, err := sum(tx)
				if i%2 == 0 {
					a, b = b, a
				}
				return errors.Join(err, setNumber(tx, "a", a-3), setNumber(tx, "b", b+3))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	mustView(t, s, func(tx storage.Tx) {
		if a, b, err := sum(tx); a+b != 2000 || err != nil {
			t.Errorf("%d + %d (%v), want 2000", a, b, err)
		}
	})
}

// Neighbours in a batch do not harm one another.
func mixedWriters(t *testing.T, s Store) {
	parallel(t, 60, func(i int) error {
		key := fmt.Sprintf("%03d", i)
		defer func() { _ = recover() }()
		err := s.Update(t.Context(), func(tx storage.Tx) error {
			must(t, set(tx, key, "1"))
			switch i % 3 {
			case 1:
				return errTest
			case 2:
				panic("mine")
			}
			return nil
		})
		if i%3 == 1 && errors.Is(err, errTest) {
			return nil
		}
		return err
	})
	mustView(t, s, func(tx storage.Tx) {
		for i := range 60 {
			expected := "-"
			if i%3 == 0 {
				expected = "1"
			}
			want(t, fmt.Sprint(i), value(tx, fmt.Sprintf("%03d", i)), expected)
		}
	})
}

// Only what must not happen can be tested without waiting: an engine need not expire anything.
func ttl(t *testing.T, s Store) {
	must(t, s.Update(t.Context(), func(tx storage.Tx) error {
		return errors.Join(tx.Set([]byte("hour"), []byte("1"), time.Hour), tx.Set([]byte("short"), []byte("1"), time.Millisecond))
	}))
	mustSet(t, s, "short", "2")
	mustView(t, s, func(tx storage.Tx) { want(t, "alive", all(tx, ""), "hour=1 short=2") })
}

func sizes(t *testing.T, s Store) {
	large := bytes.Repeat([]byte("0123456789"), 100_000)
	key := bytes.Repeat([]byte("k"), 1000)
	for _, v := range [][]byte{large, {}, large[:1<<16], large[:1<<10], nil} {
		must(t, s.Update(t.Context(), func(tx storage.Tx) error { return tx.Set(key, v, 0) }))
		mustView(t, s, func(tx storage.Tx) {
			if got, err := tx.Get(key); err != nil || !bytes.Equal(got, v) {
				t.Errorf("%d bytes, %v: want %d bytes", len(got), err, len(v))
			}
		})
	}
}

func tooLarge(t *testing.T, s Store) {
	const absurd = 64 << 20
	parallel(t, 30, func(i int) error {
		key, v, fails := []byte(fmt.Sprintf("%03d", i)), []byte("1"), true
		switch i % 3 {
		case 0:
			fails = false
		case 1:
			key = nil
		case 2:
			v = make([]byte, absurd)
		}
		err := s.Update(t.Context(), func(tx storage.Tx) error { return tx.Set(key, v, 0) })
		if fails != (err != nil) {
			return fmt.Errorf("a key of %d bytes and a value of %d: %v", len(key), len(v), err)
		}
		return nil
	})
	err := s.Update(t.Context(), func(tx storage.Tx) error {
		for i := range absurd / 500_000 {
			if err := tx.Set([]byte{'x', byte(i)}, make([]byte, 500_000), 0); err != nil {
				return err
			}
		}
		return nil
	})
	mustView(t, s, func(tx storage.Tx) {
		want(t, "how many were stored", fmt.Sprint(strings.Count(all(tx, "0"), "=1")), "10")
		if err != nil {
			want(t, "of a transaction that was refused", all(tx, "x"), "")
		}
	})
}

// Together they exceed what most engines take in one transaction.
func largeTransactions(t *testing.T, s Store) {
	v := bytes.Repeat([]byte("v"), 900_000)
	parallel(t, 8, func(i int) error {
		return s.Update(t.Context(), func(tx storage.Tx) error {
			n, err := number(tx, "n")
			return errors.Join(err, setNumber(tx, "n", n+1), tx.Set([]byte{'v', byte(i)}, v, 0))
		})
	})
	mustView(t, s, func(tx storage.Tx) {
		n, err := number(tx, "n")
		must(t, err)
		found := 0
		must(t, tx.Scan([]byte("v"), func(_, got []byte) error {
			if bytes.Equal(got, v) {
				found++
			}
			return nil
		}))
		if n != 8 || found != 8 {
			t.Errorf("counted %d and found %d of 8", n, found)
		}
	})
}

func endedContext(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := func(storage.Tx) error { t.Error("the function ran"); return nil }
	for _, err := range []error{s.View(ctx, never), s.Update(ctx, never)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	}
}

func queuedContext(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	running, release, queued := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	first := make(chan error, 1)
	go func() {
		first <- s.Update(t.Context(), func(tx storage.Tx) error {
			once.Do(func() { close(running) })
			<-release
			return set(tx, "first", "1")
		})
	}()
	<-running
	go func() {
		queued <- s.Update(ctx, func(tx storage.Tx) error {
			if ctx.Err() != nil {
				t.Error("the function ran although its context had ended")
			}
			return set(tx, "second", "1")
		})
	}()
	cancel()
	// An engine may answer at once, or when the turn comes.
	close(release)
	must(t, <-first)
	err := <-queued
	mustView(t, s, func(tx storage.Tx) {
		stored := value(tx, "second") == "1"
		if stored != (err == nil) || (err != nil && !errors.Is(err, context.Canceled)) {
			t.Errorf("stored: %v, and the error is %v", stored, err)
		}
	})
}

func runningContext(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx storage.Tx) error {
		cancel()
		return set(tx, "a", "1")
	})
	mustView(t, s, func(tx storage.Tx) {
		if stored := value(tx, "a") == "1"; stored != (err == nil) {
			t.Errorf("stored: %v, and the error is %v", stored, err)
		}
	})
}

func closing(t *testing.T, s Store) {
	mustSet(t, s, "a", "1")
	must(t, s.Close())
	must(t, s.Close())
	never := func(storage.Tx) error { t.Error("the function ran"); return nil }
	for _, err := range []error{s.View(t.Context(), never), s.Update(t.Context(), never)} {
		if !errors.Is(err, storage.ErrClosed) {
			t.Errorf("got %v, want %v", err, storage.ErrClosed)
		}
	}
}

// Everybody who was let in before Close is served; nobody hangs.
func closeWaits(t *testing.T, s Store) {
	reading, release := make(chan struct{}), make(chan struct{})
	view := make(chan error, 1)
	go func() {
		view <- s.View(t.Context(), func(tx storage.Tx) error {
			close(reading)
			<-release
			want(t, "read while closing", value(tx, "a"), "-")
			return nil
		})
	}()
	<-reading
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	parallel(t, 20, func(i int) error {
		err := s.Update(t.Context(), func(tx storage.Tx) error { return set(tx, fmt.Sprint(i), "1") })
		if errors.Is(err, storage.ErrClosed) {
			return nil
		}
		return err
	})
	close(release)
	must(t, <-view)
	must(t, <-closed)
}

func reopen(t *testing.T, s Store) {
	if s.Reopen == nil {
		t.Skip("this store goes with Close")
	}
	mustSet(t, s, "a", "1", "b", strings.Repeat("b", 5000), "gone", "1")
	must(t, s.Update(t.Context(), func(tx storage.Tx) error { return tx.Delete([]byte("gone")) }))
	must(t, s.Close())
	e := s.Reopen()
	defer e.Close()
	mustView(t, e, func(tx storage.Tx) { want(t, "reopened", all(tx, ""), "a=1 b="+strings.Repeat("b", 5000)) })
	mustSet(t, e, "a", "2")
	mustView(t, e, func(tx storage.Tx) { want(t, "written again", value(tx, "a"), "2") })
}
