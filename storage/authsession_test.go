package storage_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
)

func TestAuthSessionLivesItsTime(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		ctx := t.Context()
		must(t, s.AuthSessions().Put(ctx, "a", []byte("pending"), 10*time.Minute, 10))
		s.clock.add(9 * time.Minute)
		must(t, s.AuthSessions().Update(ctx, "a", func(b []byte) ([]byte, error) {
			if string(b) != "pending" {
				t.Errorf("got %q", b)
			}
			return []byte("completed"), nil
		}))
		b, err := s.AuthSessions().Get(ctx, "a")
		if string(b) != "completed" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		s.clock.add(time.Minute) // an update does not extend the expiry
		_, err = s.AuthSessions().Get(ctx, "a")
		wantErr(t, err, crmgate.ErrNotFound)
		wantErr(t, s.AuthSessions().Update(ctx, "a", func([]byte) ([]byte, error) { return []byte("late"), nil }), crmgate.ErrNotFound)
		wantErr(t, s.AuthSessions().Update(ctx, "none", func([]byte) ([]byte, error) { return []byte("x"), nil }), crmgate.ErrNotFound)
	})
}

func TestAuthSessionChangesOneAfterTheOther(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		ctx := t.Context()
		taken := errors.New("taken")
		must(t, s.AuthSessions().Put(ctx, "a", []byte("full"), time.Minute, 10))
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
	both(t, func(t *testing.T, s store) {
		ctx := t.Context()
		put := func(i int) error {
			return s.AuthSessions().Put(ctx, fmt.Sprint(i), []byte("pending"), time.Minute, 3)
		}
		for i := range 3 {
			must(t, put(i))
		}
		wantErr(t, put(3), crmgate.ErrTransient)
		must(t, s.States().Put(ctx, "short", nil, time.Minute, 3)) // states are counted separately
		s.clock.add(time.Minute)
		must(t, put(4))
	})
}
