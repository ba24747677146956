package crmgate_test

import (
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
)

func TestTrace(t *testing.T) {
	t.Parallel()
	none := crmgate.TraceOf(t.Context())
	none.Step("not recorded")
	if none != nil || len(none.Steps()) != 0 {
		t.Errorf("got %v, want no trace", none)
	}

	ctx := crmgate.WithTrace(t.Context(), &crmgate.Trace{ID: "r1", Start: time.Now()})
	crmgate.TraceOf(ctx).Step("first")
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { crmgate.TraceOf(ctx).Step("again") })
	}
	all.Wait()
	got := crmgate.TraceOf(ctx)
	if steps := got.Steps(); got.ID != "r1" || len(steps) != 64 || steps[0].Name != "first" || steps[0].After < 0 {
		t.Errorf("got %s, %d steps: %v; want r1, first of 64", got.ID, len(steps), steps)
	}
}
