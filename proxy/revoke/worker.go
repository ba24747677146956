package revoke

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

const (
	// atOnce bounds the revocations of one platform that are under way.
	atOnce = 4
	// batch is how many revocations are opened at once.
	batch = 100
	// poll is how often the worker looks at the queue for revocations that other processes have left behind.
	poll = 30 * time.Second
	// rest is the shortest time between two looks: each counts what waits.
	rest = time.Second
)

// Config is what New needs. Fields without a default are required.
type Config struct {
	DB         *storage.DB
	Tokens     *token.Engine
	Connectors connector.Registry
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Logger gets what callers are not told; default slog.Default().
	Logger *slog.Logger
	// Count, if set, is told of every attempt (flow "revoke") and its outcome.
	Count func(flow string, platform crmgate.Platform, outcome string)
	// Waiting, if set, is told how many grants of a platform are still to be revoked at the CRM.
	Waiting func(platform crmgate.Platform, n int)
}

// Worker works off the queue of revocations. It has one goroutine, and for each platform at most one more that hands out
// the platform's revocations. Safe for concurrent use.
type Worker struct {
	Config
	running sync.WaitGroup // the worker, and its goroutines
	stop    chan struct{}  // closed by Close
	ended   sync.Once
	wake    chan struct{} // holds at most one: the queue has changed

	sweeping atomic.Bool // a goroutine queues the grants of retired applications

	mu   sync.Mutex
	busy map[crmgate.Platform]bool // a goroutine hands out the platform's revocations; guarded by mu
}

// New returns a Worker, which does nothing until Start. The caller closes it.
func New(c Config) *Worker {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Count == nil {
		c.Count = func(string, crmgate.Platform, string) {}
	}
	if c.Waiting == nil {
		c.Waiting = func(crmgate.Platform, int) {}
	}
	return &Worker{Config: c, stop: make(chan struct{}), wake: make(chan struct{}, 1), busy: map[crmgate.Platform]bool{}}
}

// begin makes the caller the one goroutine that hands out a platform's revocations. It returns false if there is one.
func (w *Worker) begin(p crmgate.Platform) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[p] {
		return false
	}
	w.busy[p] = true
	return true
}

func (w *Worker) finish(p crmgate.Platform) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, p)
}

// Start begins to work off the queue, until Close.
func (w *Worker) Start() {
	w.running.Go(func() {
		for !w.stopped() {
			next, _ := w.round()
			w.wait(rest, nil)
			w.wait(min(next.Sub(w.Now()), poll), w.wake)
		}
	})
}

// wait waits for d, or until wake or Close.
func (w *Worker) wait(d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.stop:
	case <-wake:
	case <-timer.C:
	}
}

// Close ends the work on the queue. It waits for the revocations under way, each of which has a deadline.
func (w *Worker) Close() {
	w.ended.Do(func() { close(w.stop) })
	w.running.Wait()
}

func (w *Worker) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// Changed tells the worker that the queue has changed, so that it looks at it soon.
func (w *Worker) Changed() {
	select {
	case w.wake <- struct{}{}:
	default: // the worker will look anyway
	}
}

// round starts the work on every platform that has something due. It returns when to look again at the latest, and on how
// many platforms it started.
func (w *Worker) round() (next time.Time, started int) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	now := w.Now()
	next = now.Add(poll)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	w.sweepRetired(ctx)
	if _, err := w.DB.QueueOrphans(ctx); err != nil {
		w.Logger.WarnContext(ctx, "token answers of people who have left cannot be queued for revocation", "err", err)
	}
	platforms, err := w.DB.RevocationPlatforms(ctx)
	if err != nil {
		w.Logger.WarnContext(ctx, "the queue of revocations cannot be read", "err", err)
	}
	for _, p := range platforms {
		waiting, err := w.DB.Revocations(ctx, p, 1, func(v storage.Revocation) bool {
			if pause := w.pause(ctx, v); pause > 0 {
				sooner(now.Add(pause))
			}
			return w.ready(ctx, v)
		})
		if err != nil {
			w.Logger.WarnContext(ctx, "the queue of revocations cannot be read", "platform", p, "err", err)
			continue
		}
		w.Waiting(p, waiting.Count)
		if !waiting.Next.IsZero() {
			sooner(waiting.Next)
		}
		if len(waiting.Due) == 0 || !w.begin(p) {
			continue
		}
		started++
		w.running.Go(func() {
			if w.workOff(context.Background(), p) {
				defer w.Changed()
			}
			w.finish(p)
		})
	}
	return next, started
}

// RunDue works off everything that is due now, except at CRMs that are left alone, and returns when that is done. It serves
// callers that have not called Start.
func (w *Worker) RunDue() {
	for {
		_, started := w.round()
		w.running.Wait()
		if started == 0 {
			return
		}
	}
}

// ready reports whether a revocation can be tried now, or given up.
func (w *Worker) ready(ctx context.Context, v storage.Revocation) bool {
	return w.pause(ctx, v) == 0 || w.old(v)
}

// workOff revokes everything of a platform that is due, until nothing is left but at CRMs that are left alone. It returns false
// if the store fails or an attempt panics: the next look at the queue is not at once.
func (w *Worker) workOff(ctx context.Context, p crmgate.Platform) bool {
	for !w.stopped() {
		waiting, err := w.DB.Revocations(ctx, p, batch, func(v storage.Revocation) bool { return w.ready(ctx, v) })
		if err != nil {
			w.Logger.WarnContext(ctx, "the queue of revocations cannot be read", "platform", p, "err", err)
			return false
		}
		if len(waiting.Due) == 0 {
			return true
		}
		if !w.handOut(ctx, waiting.Due) {
			return false
		}
	}
	return true
}

// handOut attempts some revocations, a few at once. It returns false if one of them cannot be claimed or panics.
func (w *Worker) handOut(ctx context.Context, due []storage.Revocation) bool {
	var failed atomic.Bool
	for some := range slices.Chunk(due, atOnce) {
		var group sync.WaitGroup
		for _, v := range some {
			if w.ready(ctx, v) && !w.stopped() {
				group.Go(func() {
					if !w.claim(ctx, v) {
						failed.Store(true)
					}
				})
			}
		}
		group.Wait()
		if failed.Load() {
			return false
		}
	}
	return true
}

// claim takes a revocation from the queue and attempts it, unless another process has it or it is no longer needed.
func (w *Worker) claim(ctx context.Context, v storage.Revocation) (ok bool) {
	p := v.User.Key.Platform
	ctx = w.Connectors.Held(crmgate.WithPerson(ctx, v.User.Key))
	defer func() {
		if panicked := recover(); panicked != nil { // no request around this goroutine would catch it
			w.Logger.ErrorContext(ctx, "panic during a revocation", "platform", p, "panic", panicked, "stack", string(debug.Stack()))
		}
	}()
	v, err := w.DB.ClaimRevocation(ctx, w.readAnswer(ctx, v))
	switch {
	case errors.Is(err, crmgate.ErrConflict): // another process has it
	case err != nil:
		w.Logger.WarnContext(ctx, "a revocation cannot be claimed", "platform", p, "err", err)
		return false
	case !v.Waiting():
		w.Count("revoke", p, "in use")
		w.Logger.InfoContext(ctx, "not revoked: the person has signed in again with the same credential", "platform", p)
	default:
		w.Attempt(ctx, v)
	}
	return true
}
