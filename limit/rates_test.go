package limit_test

import (
	"testing"
	"time"

	"github.com/crmgate/crmgate/limit"
)

func TestRates(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	r := limit.NewRates[limit.Client](func() time.Time { return now }, 3, time.Minute)
	want := func(what string, c limit.Client, n int) {
		t.Helper()
		got := 0
		for range 10 {
			if r.Allow(c) {
				got++
			}
		}
		if got != n {
			t.Errorf("%s: got %d, want %d", what, got, n)
		}
	}
	want("a new client", attacker, 3)
	want("another client", honest, 3)
	want("a client that is not known", limit.Client{}, 10)
	now = now.Add(2*time.Minute + time.Second)
	want("two minutes later", attacker, 2)
	now = now.Add(-time.Hour)
	want("after the clock has jumped back", attacker, 0)
	now = now.Add(2 * time.Hour)
	want("an hour later", attacker, 3)
}

// A client with many addresses does not reset the limits of others, nor its own.
func TestManyKeysDoNotReset(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	r := limit.NewRates[int](func() time.Time { return now }, 3, time.Minute)
	allowed := func(key int) (n int) {
		for range 5 {
			if r.Allow(key) {
				n++
			}
		}
		return n
	}
	if n := allowed(-1); n != 3 {
		t.Fatalf("got %d, want 3", n)
	}
	over := 0
	for i := range 70_000 {
		if allowed(i+1) == 0 {
			over++
		}
	}
	if n := allowed(-1); n != 0 {
		t.Errorf("after many other keys: got %d, want 0", n)
	}
	if over < 4_000 {
		t.Errorf("%d of 70,000 keys share a limit, so there is no bound", over)
	}
	now = now.Add(time.Hour)
	if n := allowed(1_000_000); n != 3 {
		t.Errorf("once the others are idle, a new key gets %d, want 3", n)
	}
}
