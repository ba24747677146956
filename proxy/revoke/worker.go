package revoke

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

const (
	// atOnce bounds the revocations under way at one CRM. A CRM that was away gets one at a time, until one succeeds.
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
	// Random is a number from 0 up to 1, by which attempts are spread; default math/rand/v2.
	Random func() float64
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
	crms     health
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
	if c.Random == nil {
		c.Random = rand.Float64
	}
	return &Worker{
		Config: c, stop: make(chan struct{}), wake: make(chan struct{}, 1),
		crms: health{platforms: map[crmgate.Platform]*pause{}, random: c.Random},
	}
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
		waiting, err := w.DB.Revocations(ctx, p, 1)
		if err != nil {
			w.Logger.WarnContext(ctx, "the queue of revocations cannot be read", "platform", p, "err", err)
			continue
		}
		w.Waiting(p, waiting.Count)
		if !waiting.Next.IsZero() {
			sooner(waiting.Next)
		}
		if len(waiting.Due) == 0 {
			continue
		}
		paused, ok := w.crms.begin(p, now)
		if !ok {
			if paused.After(now) {
				sooner(paused)
			}
			continue
		}
		started++
		w.running.Go(func() {
			defer w.Changed()
			defer w.crms.finish(p)
			w.workOff(context.Background(), p)
		})
	}
	return next, started
}

// RunDue works off everything that is due now, except at CRMs that are away, and returns when that is done. It serves
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

// workOff revokes everything of a platform that is due, until nothing is left or the CRM is away.
func (w *Worker) workOff(ctx context.Context, p crmgate.Platform) {
	for w.crms.allowed(p, w.Now()) > 0 && !w.stopped() {
		waiting, err := w.DB.Revocations(ctx, p, batch)
		if err != nil {
			w.Logger.WarnContext(ctx, "the queue of revocations cannot be read", "platform", p, "err", err)
			w.crms.away(p, w.Now(), 0)
			return
		}
		if len(waiting.Due) == 0 {
			return
		}
		w.handOut(ctx, p, waiting.Due)
	}
}

// handOut attempts some revocations, a few at once.
func (w *Worker) handOut(ctx context.Context, p crmgate.Platform, due []storage.Revocation) {
	for len(due) > 0 && !w.stopped() {
		n := min(w.crms.allowed(p, w.Now()), len(due))
		if n == 0 {
			break
		}
		var group sync.WaitGroup
		for _, v := range due[:n] {
			group.Go(func() { w.claim(ctx, v, w.Attempt) })
		}
		group.Wait()
		due = due[n:]
	}
	// While a CRM is away, the worker does not try its revocations, but they still end when they are too old.
	for _, v := range due {
		if w.Now().Sub(v.Queued) >= age && !w.stopped() {
			w.claim(ctx, v, func(ctx context.Context, v storage.Revocation) (Result, *crmgate.ReturnMessage) {
				return w.giveUp(ctx, v, errors.New("it was away for too long")), nil
			})
		}
	}
}

// claim takes a revocation from the queue and calls do with it, unless another process has it or it is no longer needed.
func (w *Worker) claim(ctx context.Context, v storage.Revocation, do func(context.Context, storage.Revocation) (Result, *crmgate.ReturnMessage)) {
	p := v.User.Key.Platform
	defer func() {
		if panicked := recover(); panicked != nil { // no request around this goroutine would catch it
			w.Logger.ErrorContext(ctx, "panic during a revocation", "platform", p, "panic", panicked, "stack", string(debug.Stack()))
			w.crms.away(p, w.Now(), 0)
		}
	}()
	v, err := w.DB.ClaimRevocation(ctx, w.readAnswer(v))
	switch {
	case errors.Is(err, crmgate.ErrConflict): // another process has it
	case err != nil:
		w.Logger.WarnContext(ctx, "a revocation cannot be claimed", "platform", p, "err", err)
		w.crms.away(p, w.Now(), 0)
	case !v.Waiting():
		w.Count("revoke", p, "in use")
		w.Logger.InfoContext(ctx, "not revoked: the person has signed in again with the same credential", "platform", p)
	default:
		do(ctx, v)
	}
}
