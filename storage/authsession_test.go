package storage_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/storetest"
)

func TestAuthSessionLivesItsTime(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		storetest.Must(t, s.AuthSessions().Put(ctx, "a", []byte("pending"), 10*time.Minute, 10))
		s.Clock.Add(9 * time.Minute)
		storetest.Must(t, s.AuthSessions().Update(ctx, "a", func(b []byte) ([]byte, error) {
			if string(b) != "pending" {
				t.Errorf("got %q", b)
			}
			return []byte("completed"), nil
		}))
		b, err := s.AuthSessions().Get(ctx, "a")
		if string(b) != "completed" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		s.Clock.Add(time.Minute) // an update does not extend the expiry
		_, err = s.AuthSessions().Get(ctx, "a")
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		storetest.WantErr(t, s.AuthSessions().Update(ctx, "a", func([]byte) ([]byte, error) { return []byte("late"), nil }), crmgate.ErrNotFound)
		storetest.WantErr(t, s.AuthSessions().Update(ctx, "none", func([]byte) ([]byte, error) { return []byte("x"), nil }), crmgate.ErrNotFound)
	})
}

func TestAuthSessionChangesOneAfterTheOther(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		taken := errors.New("taken")
		storetest.Must(t, s.AuthSessions().Put(ctx, "a", []byte("full"), time.Minute, 10))
		var won atomic.Int64
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				err := s.AuthSessions().Update(ctx, "a", func(b []byte) ([]byte, error) {
					if string(b) != "full" {
						return nil, taken
					}
					return []byte("empty"), nil
				})
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, taken) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Errorf("%d took it, want 1", won.Load())
		}
	})
}

func TestAuthSessionsAreLimited(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		put := func(i int) error {
			return s.AuthSessions().Put(ctx, fmt.Sprint(i), []byte("pending"), time.Minute, 3)
		}
		for i := range 3 {
			storetest.Must(t, put(i))
		}
		storetest.WantErr(t, put(3), crmgate.ErrTransient)
		storetest.Must(t, s.States().Put(ctx, "short", nil, time.Minute, 3)) // states are counted separately
		s.Clock.Add(time.Minute)
		storetest.Must(t, put(4))
	})
}
