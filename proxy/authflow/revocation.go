package authflow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// How a revocation that did not succeed is tried again. Waits double from the first to the longest, so that a week has
// some thirty attempts: a CRM that hiccups is told within seconds, one that is down over a weekend costs it a handful of
// requests. After a week the credential of somebody who has left is not kept any longer, whatever the CRM still takes it
// for. The number of attempts is bounded as well, for clocks that stand still.
const (
	revokeFirstWait   = 5 * time.Second
	revokeLongestWait = 12 * time.Hour
	revokeAge         = 7 * 24 * time.Hour
	revokeAttempts    = 50
)

const (
	// revokeLongestPause is how long a CRM that is away is left alone between two probes.
	revokeLongestPause = 15 * time.Minute
	// revokeAtOnce bounds the revocations under way at one CRM. One that was away gets one at a time, until one succeeds.
	revokeAtOnce = 4
	// revokeBatch is how many revocations are opened at once.
	revokeBatch = 100
	// revokeTimeout bounds an attempt; it is well below storage.RevocationLease.
	revokeTimeout = 45 * time.Second
	// revokePoll is how often the queue is looked at for what other processes have left behind, and revokeRest how long it
	// is left alone at least: to look counts what waits.
	revokePoll = 30 * time.Second
	revokeRest = time.Second
)

// Told is what a CRM knows of a grant that was forgotten here.
type Told string

// The four answers.
const (
	ToldNothing Told = "nothing" // there is nothing that it must hear
	ToldNow     Told = "now"
	ToldLater   Told = "later" // it will hear it from the queue
	ToldNever   Told = "never" // it rejects the application, and would do so again
)

// revocations works off the queue of grants that were forgotten here and are to be revoked at their CRM. There is one
// worker a process, and for each platform at most one goroutine that hands out its revocations.
type revocations struct {
	running sync.WaitGroup // the worker, and who works for it
	stop    chan struct{}  // closed by Close
	ended   sync.Once
	wake    chan struct{} // holds at most one: the queue has changed

	sweeping atomic.Bool // somebody queues what retired apps have granted

	mu        sync.Mutex
	platforms map[crmgate.Platform]*pause // guarded by mu
}

// pause is what is known about a CRM's health. Guarded by revocations.mu.
type pause struct {
	busy     bool // somebody hands out its revocations
	failures int  // in a row; 0: it answers
	until    time.Time
}

func newRevocations() *revocations {
	return &revocations{stop: make(chan struct{}), wake: make(chan struct{}, 1), platforms: map[crmgate.Platform]*pause{}}
}

// Start begins to work off the queue, until Close.
func (f *Flows) Start() {
	r := f.revocations
	r.running.Go(func() {
		for !r.stopped() {
			next, _ := f.round()
			r.wait(revokeRest, nil)
			r.wait(min(next.Sub(f.Now()), revokePoll), r.wake)
		}
	})
}

// wait waits for a time, for less if it is woken or stopped.
func (r *revocations) wait(d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.stop:
	case <-wake:
	case <-timer.C:
	}
}

// Close ends the work on the queue, and waits for the revocations under way, each of which has a deadline.
func (f *Flows) Close() {
	f.revocations.ended.Do(func() { close(f.revocations.stop) })
	f.revocations.running.Wait()
}

func (r *revocations) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// changed has the queue looked at.
func (r *revocations) changed() {
	select {
	case r.wake <- struct{}{}:
	default: // it will be looked at anyway
	}
}

// of is what is known about a platform. r.mu is held.
func (r *revocations) of(p crmgate.Platform) *pause {
	if r.platforms[p] == nil {
		r.platforms[p] = &pause{}
	}
	return r.platforms[p]
}

// round starts the work on every platform that has something due, and returns when to look again at the latest, and
// how many it started.
func (f *Flows) round() (next time.Time, started int) {
	ctx, cancel := context.WithTimeout(context.Background(), revokeTimeout)
	defer cancel()
	now := f.Now()
	next = now.Add(revokePoll)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	f.sweepRetired(ctx)
	if _, err := f.DB.QueueForsaken(ctx); err != nil {
		f.Logger.WarnContext(ctx, "answers of people who have left cannot be queued", "err", err)
	}
	platforms, err := f.DB.RevocationPlatforms(ctx)
	if err != nil {
		f.Logger.WarnContext(ctx, "the queue of revocations cannot be read", "err", err)
	}
	for _, p := range platforms {
		waiting, err := f.DB.Revocations(ctx, p, 1)
		if err != nil {
			f.Logger.WarnContext(ctx, "the queue of revocations cannot be read", "platform", p, "err", err)
			continue
		}
		f.Waiting(p, waiting.Count)
		if !waiting.Next.IsZero() {
			sooner(waiting.Next)
		}
		if len(waiting.Due) == 0 {
			continue
		}
		paused, ok := f.revocations.begin(p, now)
		if !ok {
			if paused.After(now) {
				sooner(paused)
			}
			continue
		}
		started++
		f.revocations.running.Go(func() {
			defer f.revocations.finish(p)
			f.workOff(context.Background(), p)
		})
	}
	return next, started
}

// begin makes the caller the one who hands out a platform's revocations; false if somebody does, or it is paused, and
// then paused says until when.
func (r *revocations) begin(p crmgate.Platform, now time.Time) (paused time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.of(p)
	if s.busy || now.Before(s.until) {
		return s.until, false
	}
	s.busy = true
	return time.Time{}, true
}

func (r *revocations) finish(p crmgate.Platform) {
	r.mu.Lock()
	r.of(p).busy = false
	r.mu.Unlock()
	r.changed()
}

// allowed is how many revocations may be under way at a platform now.
func (r *revocations) allowed(p crmgate.Platform, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.of(p)
	switch {
	case now.Before(s.until):
		return 0
	case s.failures > 0:
		return 1
	}
	return revokeAtOnce
}

// workOff tells a CRM all that is due, until there is no more, or it is away.
func (f *Flows) workOff(ctx context.Context, p crmgate.Platform) {
	for f.revocations.allowed(p, f.Now()) > 0 && !f.revocations.stopped() {
		waiting, err := f.DB.Revocations(ctx, p, revokeBatch)
		if err != nil {
			f.Logger.WarnContext(ctx, "the queue of revocations cannot be read", "platform", p, "err", err)
			f.away(p, 0)
			return
		}
		if len(waiting.Due) == 0 {
			return
		}
		f.handOut(ctx, p, waiting.Due)
	}
}

// handOut tells a CRM of some revocations, a few at once.
func (f *Flows) handOut(ctx context.Context, p crmgate.Platform, due []storage.Revocation) {
	for len(due) > 0 && !f.revocations.stopped() {
		n := min(f.revocations.allowed(p, f.Now()), len(due))
		if n == 0 {
			break
		}
		var group sync.WaitGroup
		for _, v := range due[:n] {
			group.Go(func() { f.claim(ctx, v, f.attempt) })
		}
		group.Wait()
		due = due[n:]
	}
	// While a CRM is away its revocations are not tried, but they end all the same.
	for _, v := range due {
		if f.Now().Sub(v.Queued) >= revokeAge && !f.revocations.stopped() {
			f.claim(ctx, v, func(ctx context.Context, v storage.Revocation) (Told, *crmgate.ReturnMessage) {
				return f.giveUp(ctx, v, errors.New("it was away for too long")), nil
			})
		}
	}
}

// claim does something with a revocation, if it can be had.
func (f *Flows) claim(ctx context.Context, v storage.Revocation, do func(context.Context, storage.Revocation) (Told, *crmgate.ReturnMessage)) {
	p := v.User.Key.Platform
	defer func() {
		if panicked := recover(); panicked != nil { // this goroutine has no request around it that would catch a bug
			f.Logger.ErrorContext(ctx, "panic during a revocation", "platform", p, "panic", panicked, "stack", string(debug.Stack()))
			f.away(p, 0)
		}
	}()
	v, err := f.DB.ClaimRevocation(ctx, f.readAnswer(v))
	switch {
	case errors.Is(err, crmgate.ErrConflict): // another process has it
	case err != nil:
		f.Logger.WarnContext(ctx, "a revocation cannot be claimed", "platform", p, "err", err)
		f.away(p, 0)
	case !v.Waiting():
		f.Count("revoke", p, "in use")
		f.Logger.InfoContext(ctx, "not revoked: the person has signed in again with the same credential", "platform", p)
	default:
		do(ctx, v)
	}
}

// attempt tells the CRM of a revocation that is the caller's, and settles it by what comes of that. The message is the
// connector's for the person, if it has one.
func (f *Flows) attempt(ctx context.Context, v storage.Revocation) (Told, *crmgate.ReturnMessage) {
	if !v.Waiting() {
		return ToldNothing, nil
	}
	p := v.User.Key.Platform
	try, cancel := context.WithTimeout(ctx, revokeTimeout)
	m, err := f.tell(try, v)
	cancel()
	switch {
	case err == nil:
		f.Count("revoke", p, "ok")
		f.answers(p)
		f.end(ctx, v)
		return ToldNow, m
	case errors.Is(err, errors.ErrUnsupported):
		f.end(ctx, v)
		return ToldNothing, nil
	case rejected(err):
		return f.giveUp(ctx, v, err), nil
	}
	f.Count("revoke", p, "error")
	after := retryAfter(err)
	if isAway(err) {
		f.away(p, after)
	}
	if v.Attempts >= revokeAttempts || f.Now().Sub(v.Queued) >= revokeAge {
		return f.giveUp(ctx, v, err), nil
	}
	wait := max(f.jittered(v.Attempts, revokeLongestWait), after)
	f.Logger.WarnContext(ctx, "the CRM was not told of a logout yet", "platform", p, "attempt", v.Attempts, "again_in", wait.Round(time.Second).String(), "err", err)
	f.settle(ctx, p, func(ctx context.Context) error { return f.DB.PutOffRevocation(ctx, v, f.Now().Add(wait)) })
	f.revocations.changed()
	return ToldLater, nil
}

// tell revokes a grant: by the connector if it knows how, else as RFC 7009 says. errors.ErrUnsupported if the CRM has no
// use for that. An expired access token is not refreshed for it.
func (f *Flows) tell(ctx context.Context, v storage.Revocation) (*crmgate.ReturnMessage, error) {
	p := v.Person
	conn, err := f.Connectors.Find(p.User.Key.Platform)
	if err != nil {
		return nil, err
	}
	if v.Unread() {
		_, err := f.Tokens.Read(conn, v.Answer)
		return nil, fmt.Errorf("%w: %w", errUnread, err)
	}
	if conn.Implements("unAuthorize") {
		out, err := token.Call(ctx, conn.UnAuthorize, conn, p, nil)
		switch {
		case err == nil && out.Successful:
			return out.Message, nil
		case err == nil: // it need not say so: an error is how a connector says that it failed
			return nil, nil
		case !errors.Is(err, errors.ErrUnsupported):
			return nil, err
		}
	}
	return nil, f.Tokens.Revoke(ctx, conn, p)
}

// errUnread says that nobody knows yet which tokens are to be revoked.
var errUnread = errors.New("what the CRM has granted is in an answer that cannot be read")

// readAnswer puts the tokens of an answer that is queued into the grant, if they can be read as the manifest is now.
func (f *Flows) readAnswer(v storage.Revocation) storage.Revocation {
	if !v.Unread() {
		return v
	}
	conn, err := f.Connectors.Find(v.User.Key.Platform)
	if err != nil {
		return v
	}
	if t, err := f.Tokens.Read(conn, v.Answer); err == nil {
		v.Grant.AccessToken, v.Grant.RefreshToken, v.Answer = t.Access, t.Refresh, storage.JournalEntry{}
	}
	return v
}

// giveUp ends a revocation that the CRM was never told of, and says so.
func (f *Flows) giveUp(ctx context.Context, v storage.Revocation, why error) Told {
	p := v.User.Key.Platform
	f.Count("revoke", p, "never")
	f.Logger.WarnContext(ctx, "the CRM was never told of a logout: what was granted lives on there until it expires, or the person removes it",
		"platform", p, "attempts", v.Attempts, "logged_out", v.Queued, "err", why)
	f.recordNeverTold(ctx, v.User, why)
	f.end(ctx, v)
	return ToldNever
}

// recordNeverTold writes to the audit log that somebody's grant lives on at the CRM, and the kind of reason. It is there
// twice if the process ends before the revocation does.
func (f *Flows) recordNeverTold(ctx context.Context, u crmgate.User, why error) {
	e := storage.Event{
		Kind: storage.EventRevocation, By: storage.ByServer, Outcome: storage.OutcomeError, Reason: storage.ReasonUnavailable,
		Platform: u.Key.Platform, User: u.Key.ID, Account: u.Account,
	}
	if rejected(why) {
		e.Outcome, e.Reason = storage.OutcomeRefused, storage.ReasonAppDead
	}
	f.settle(ctx, u.Key.Platform, func(ctx context.Context) error { return f.DB.Record(ctx, e) })
}

func (f *Flows) end(ctx context.Context, v storage.Revocation) {
	f.settle(ctx, v.User.Key.Platform, func(ctx context.Context) error { return f.DB.EndRevocation(ctx, v) })
}

// settle writes what became of a revocation, even if whoever asked has left. If that fails, it comes again after its
// lease, which does no harm.
func (f *Flows) settle(ctx context.Context, p crmgate.Platform, write func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	if err := write(ctx); err != nil {
		f.Logger.WarnContext(ctx, "what became of a revocation cannot be stored", "platform", p, "err", err)
	}
}

// away notes that a CRM could not be told, for whatever reason that is not one person's, and leaves it alone for a while.
// Failures while it is paused are of requests that were under way.
func (f *Flows) away(p crmgate.Platform, retryAfter time.Duration) {
	now := f.Now()
	r := f.revocations
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.of(p)
	wait := retryAfter
	if !now.Before(s.until) {
		s.failures++
		wait = max(wait, f.jittered(s.failures, revokeLongestPause))
	}
	if until := now.Add(wait); until.After(s.until) {
		s.until = until
	}
}

// answers notes that a CRM is there.
func (f *Flows) answers(p crmgate.Platform) {
	f.revocations.mu.Lock()
	defer f.revocations.mu.Unlock()
	s := f.revocations.of(p)
	s.failures, s.until = 0, time.Time{}
}

// jittered is the wait after n failures: half of it fixed, half by chance, so that what failed together does not come back together.
func (f *Flows) jittered(n int, longest time.Duration) time.Duration {
	wait := revokeFirstWait
	for ; n > 1 && wait < longest; n-- {
		wait *= 2
	}
	half := min(wait, longest) / 2
	return half + time.Duration(f.Random()*float64(half))
}

// rejected reports whether the CRM has refused the application: no attempt will do better.
func rejected(err error) bool {
	var te *token.Error
	return errors.As(err, &te) && te.Code != "" && errors.Is(err, crmgate.ErrAppDead)
}

// isAway reports whether a failure speaks of the CRM, or of the connector, and not of one grant.
func isAway(err error) bool {
	status := token.CRMStatus(err)
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout ||
		status == 0 && !errors.Is(err, crmgate.ErrAppDead) && !errors.Is(err, errUnread)
}

func retryAfter(err error) time.Duration {
	var te *token.Error
	if errors.As(err, &te) {
		return te.RetryAfter
	}
	return 0
}
