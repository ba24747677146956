package revoke

import (
	"context"
	"runtime/debug"

	"github.com/crmgate/crmgate"
)

// sweepAtOnce bounds how many people's keys are in memory at once while the grants of a retired application are queued.
const sweepAtOnce = 10_000

// sweepRetired starts to queue the grants of retired applications, unless a sweep is already running.
func (w *Worker) sweepRetired(ctx context.Context) {
	retired, err := w.DB.RetiredApps(ctx)
	if err != nil {
		w.Logger.WarnContext(ctx, "retired applications cannot be read", "err", err)
	}
	if len(retired) == 0 || !w.sweeping.CompareAndSwap(false, true) {
		return
	}
	w.running.Go(func() {
		defer w.sweeping.Store(false)
		for _, a := range retired {
			w.sweep(context.Background(), a)
		}
	})
}

// sweep queues the grants of one retired application. A later sweep finds what an error or the program's end leaves.
func (w *Worker) sweep(ctx context.Context, a crmgate.OrgApplication) {
	defer func() {
		if v := recover(); v != nil { // no request around this goroutine would catch it
			w.Logger.ErrorContext(ctx, "panic while the grants of a retired application are queued", "platform", a.Platform, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	for total := 0; !w.stopped(); {
		n, err := w.DB.SweepRetired(ctx, a, sweepAtOnce)
		total += n
		w.Changed()
		if err != nil {
			w.Logger.WarnContext(ctx, "not all grants of a retired application are queued for revocation yet", "platform", a.Platform, "err", err)
			return
		}
		if n == 0 {
			w.Logger.InfoContext(ctx, "the grants of a retired application are queued for revocation", "platform", a.Platform, "grants", total)
			return
		}
	}
}
