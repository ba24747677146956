package authflow

import (
	"context"
	"runtime/debug"

	"github.com/crmgate/crmgate/storage"
)

// sweepAtOnce bounds how many people's keys are in memory at once while the grants of a retired app are queued.
const sweepAtOnce = 10_000

// sweepRetired starts to queue what retired apps have granted, if there is such, and nobody is at it.
func (f *Flows) sweepRetired(ctx context.Context) {
	retired, err := f.DB.RetiredApps(ctx)
	if err != nil {
		f.Logger.WarnContext(ctx, "retired apps cannot be read", "err", err)
	}
	r := f.revocations
	if len(retired) == 0 || !r.sweeping.CompareAndSwap(false, true) {
		return
	}
	r.running.Go(func() {
		defer r.sweeping.Store(false)
		for _, a := range retired {
			f.sweep(context.Background(), a)
		}
	})
}

// sweep queues what one app has granted. What an error or the program's end leaves is found again.
func (f *Flows) sweep(ctx context.Context, a storage.ManagedApp) {
	defer func() {
		if v := recover(); v != nil { // this goroutine has no request around it that would catch a bug
			f.Logger.ErrorContext(ctx, "panic while a retired app is swept", "platform", a.Platform, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	for total := 0; !f.revocations.stopped(); {
		n, err := f.DB.SweepRetired(ctx, a, sweepAtOnce)
		total += n
		f.revocations.changed()
		if err != nil {
			f.Logger.WarnContext(ctx, "what a retired app has granted is not all queued for revocation yet", "platform", a.Platform, "err", err)
			return
		}
		if n == 0 {
			f.Logger.InfoContext(ctx, "what a retired app has granted is queued for revocation", "platform", a.Platform, "grants", total)
			return
		}
	}
}
