package limit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate/limit"
)

var limits = limit.RefusalLimits{Burst: 60, Every: time.Second}

func TestRefusals(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := limit.NewRefusals[string](func() time.Time { return now }, limits)
	// try sends a request. It reports whether the request was sent.
	try := func(origin string, refused bool) bool {
		t.Helper()
		done, wait, first := l.Admit(origin)
		if done != nil {
			done(refused)
			return true
		}
		if wait != time.Second || first {
			t.Errorf("wait %v, first %v", wait, first)
		}
		return false
	}
	for range 10 * limits.Burst {
		if !try("a", false) {
			t.Fatal("requests count that were not refused")
		}
	}
	for i := range limits.Burst {
		if !try("a", true) {
			t.Fatalf("only %d refused requests are sent", i)
		}
	}
	if done, _, first := l.Admit("a"); done != nil || !first {
		t.Errorf("the first one over the limit: sent %v, first %v", done != nil, first)
	}
	if try("a", true) {
		t.Error("a request over the limit is sent")
	}
	now = now.Add(-time.Hour)
	if try("a", true) {
		t.Error("a clock that jumps back adds to the allowance")
	}
	if !try("b", true) {
		t.Error("b shares the allowance of a")
	}
	now = now.Add(time.Second)
	if !try("a", true) || try("a", true) {
		t.Error("a second does not add one request")
	}
	now = now.Add(time.Hour)
	for range limits.Burst {
		try("a", true)
	}
	if done, _, first := l.Admit("a"); done != nil || !first {
		t.Errorf("after it recovered, the first one over the limit: sent %v, first %v", done != nil, first)
	}
}

// TestAtOnce: requests that arrive together do not pass because no answer has come yet.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	l := limit.NewRefusals[int](func() time.Time { return time.Time{} }, limits)
	var sent atomic.Int64
	var group sync.WaitGroup
	for range 500 {
		group.Go(func() {
			if done, _, _ := l.Admit(1); done != nil {
				sent.Add(1)
			}
		})
	}
	group.Wait()
	if n := sent.Load(); n != int64(limits.Burst) {
		t.Errorf("%d requests are sent at once, want %d", n, limits.Burst)
	}
	if _, _, first := l.Admit(1); first {
		t.Error("requests without an answer count as refused ones")
	}
}

// TestOriginsAreBounded: origins that are used up stay so while many others come and go.
func TestOriginsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := limit.NewRefusals[int](func() time.Time { return now }, limits)
	refuse := func(origin int) (sent bool) {
		done, _, _ := l.Admit(origin)
		if done != nil {
			done(true)
		}
		return done != nil
	}
	for i := range 50_000 {
		refuse(i)
	}
	now = now.Add(time.Hour)
	for range limits.Burst {
		refuse(-1)
	}
	for i := range 50_000 {
		refuse(i + 1_000_000)
	}
	if refuse(-1) {
		t.Error("an origin that was used up is forgotten although others had recovered")
	}
	if n := l.Len(); n > 1<<16 {
		t.Errorf("%d origins are remembered", n)
	}
}

// AtOnce lets honest requests run at the same time. Refusals beyond the burst must be made up for.
func TestRefusalsAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := limit.NewRefusals[string](func() time.Time { return now }, limit.RefusalLimits{Burst: 5, Every: time.Second, AtOnce: 30})
	run := func(refused bool) (n int) {
		var ends []func(bool)
		for range 100 {
			if done, _, _ := l.Admit("office"); done != nil {
				ends = append(ends, done)
			}
		}
		for _, end := range ends {
			end(refused)
		}
		return len(ends)
	}
	for range 3 {
		if n := run(false); n != 30 {
			t.Errorf("%d honest requests at once, want 30", n)
		}
	}
	if n := run(true); n != 30 {
		t.Errorf("%d requests at once, want 30", n)
	}
	now = now.Add(25 * time.Second)
	if n := run(true); n != 0 {
		t.Errorf("%d requests after 30 refusals and 25 seconds, want 0", n)
	}
	now = now.Add(time.Second)
	if n := run(false); n != 30 {
		t.Errorf("%d requests a second later, want 30", n)
	}
}
