package storage_test

import (
	"errors"
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
		storetest.Must(t, s.AuthSessions().Update(ctx, "a", 10*time.Minute, func(b []byte) ([]byte, error) {
			if b != nil {
				t.Errorf("a new one has %q", b)
			}
			return []byte("pending"), nil
		}))
		s.Clock.Add(9 * time.Minute)
		storetest.Must(t, s.AuthSessions().Update(ctx, "a", time.Hour, func(b []byte) ([]byte, error) {
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
	})
}

func TestAuthSessionChangesOneAfterTheOther(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		taken := errors.New("taken")
		full := func([]byte) ([]byte, error) { return []byte("full"), nil }
		storetest.Must(t, s.AuthSessions().Update(ctx, "a", time.Minute, full))
		var won atomic.Int64
		var group sync.WaitGroup
		for range 50 {
			group.Go(func() {
				err := s.AuthSessions().Update(ctx, "a", time.Minute, func(b []byte) ([]byte, error) {
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
