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

func TestSpendStateHasOneWinner(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		var won atomic.Int64
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				err := s.SpendState(t.Context(), "state", time.Minute)
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, crmgate.ErrConflict) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 {
			t.Errorf("%d winners, want 1", won.Load())
		}
		storetest.Must(t, s.SpendState(t.Context(), "another", time.Minute))
	})
}

// The engine keeps the records; they expire by the injected clock.
func TestExpiryIsTheRecordsOwn(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		storetest.Must(t, s.SpendState(ctx, "state", time.Minute))
		storetest.Must(t, s.States().Put(ctx, "short", []byte("value"), time.Minute, 10))
		s.Clock.Add(time.Minute - time.Millisecond)
		storetest.WantErr(t, s.SpendState(ctx, "state", time.Minute), crmgate.ErrConflict)
		b, err := s.States().Get(ctx, "short")
		if string(b) != "value" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		s.Clock.Add(time.Millisecond)
		storetest.Must(t, s.SpendState(ctx, "state", time.Minute))
		_, err = s.States().Get(ctx, "short")
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		if len(storetest.Raw(t, s.Engine)) != 6 {
			t.Error("the engine dropped records, so the test proves nothing")
		}
	})
}

func TestShortStatesAreLimited(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		put := func(i int) error { return s.States().Put(ctx, fmt.Sprint(i), []byte("value"), 10*time.Minute, 20) }
		var stored atomic.Int64
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				err := put(i)
				if err == nil {
					stored.Add(1)
				} else if !errors.Is(err, crmgate.ErrTransient) {
					t.Error(err)
				}
			})
			if i == 9 { // half of them a minute earlier
				group.Wait()
				s.Clock.Add(time.Minute)
			}
		}
		group.Wait()
		if stored.Load() != 20 {
			t.Errorf("%d stored, want 20", stored.Load())
		}
		s.Clock.Add(9 * time.Minute)
		for i := range 10 {
			storetest.Must(t, put(100+i))
		}
		storetest.WantErr(t, put(200), crmgate.ErrTransient)
		storetest.WantErr(t, s.States().Put(ctx, "none", nil, time.Minute, 0), crmgate.ErrTransient)
	})
}
