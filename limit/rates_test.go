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
