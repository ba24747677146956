package enginetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/crmgate/crmgate/storage"
)

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
	// An engine may return at once, or when the queued update would run.
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

// closeWaits checks that Close finishes running transactions, and that no caller hangs.
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
	mustSet(t, s, "a", "1", "b", strings.Repeat("b", 5000), "gone", "1")
	must(t, s.Update(t.Context(), func(tx storage.Tx) error { return tx.Delete([]byte("gone")) }))
	must(t, s.Close())
	e := s.Reopen()
	defer e.Close()
	mustView(t, e, func(tx storage.Tx) { want(t, "reopened", all(tx, ""), "a=1 b="+strings.Repeat("b", 5000)) })
	mustSet(t, e, "a", "2")
	mustView(t, e, func(tx storage.Tx) { want(t, "written again", value(tx, "a"), "2") })
}
