package storage_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/storage/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childStore); dir != "" {
		signInForever(dir, os.Getenv(childRing), os.Getenv(childRun))
	}
	goleak.VerifyTestMain(m)
}

// open opens a value as the record that belongs under a key.
func open(s storetest.Store, key, stored []byte) ([]byte, error) {
	return s.Ring.Records(nil, s.Clock.Now(), storage.Formats()).Open(sealed.Kind(key[0]), key, stored)
}

func TestWrongKeyIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		fill(t, s, 3)
		before := storetest.Raw(t, s.Engine)
		_, err := storage.Open(t.Context(), s.Engine, storetest.Ring(t), storage.Config{})
		storetest.WantErr(t, err, storage.ErrWrongKey)
		if fmt.Sprint(storetest.Raw(t, s.Engine)) != fmt.Sprint(before) {
			t.Error("something was written")
		}
		_, err = storage.Open(t.Context(), s.Engine, s.Ring, storage.Config{})
		storetest.Must(t, err)
	})
}

func TestRecordsWithoutACheckValueAreRefused(t *testing.T) {
	t.Parallel()
	for _, missing := range []string{"c/", "l/"} {
		s := storetest.New(t, "")
		fill(t, s, 1)
		storetest.Must(t, s.Engine.Update(t.Context(), func(tx storage.Tx) error { return tx.Delete([]byte(missing)) }))
		before := storetest.Raw(t, s.Engine)
		for _, ring := range []*sealed.KeyRing{s.Ring, storetest.Ring(t)} {
			if _, err := storage.Open(t.Context(), s.Engine, ring, storage.Config{}); err == nil {
				t.Errorf("a store without %s was opened", missing)
			}
		}
		if fmt.Sprint(storetest.Raw(t, s.Engine)) != fmt.Sprint(before) {
			t.Error("something was written")
		}
	}
}

func TestAnEmptyStoreIsMadeOnce(t *testing.T) {
	t.Parallel()
	engine, ring := storetest.Engine(t, ""), storetest.Ring(t)
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
	if n := len(storetest.Raw(t, engine)); n != 4 {
		t.Errorf("%d records, want 4: all must hash ids under the same key", n)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	storetest.Must(t, s.Ready(t.Context()))
	storetest.Must(t, s.Engine.Close())
	storetest.WantErr(t, s.Ready(t.Context()), storage.ErrClosed)
}

func TestServerKeyIsMadeOnce(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
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
	s := storetest.New(t, "")
	for _, p := range storetest.Raw(t, s.Engine) {
		_, err := s.Unseal(string(p.Key), p.Value[2:])
		storetest.WantErr(t, err, crmgate.ErrSealed)
	}
}

func TestAnEndedContext(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key := crmgate.UserKey{Platform: "clio", ID: "1-clio"}
	_, err := s.SignIn(ctx, key, func(*crmgate.Person) error { return nil })
	storetest.WantErr(t, err, context.Canceled)
	_, err = s.Session(ctx, key)
	storetest.WantErr(t, err, context.Canceled)
}
