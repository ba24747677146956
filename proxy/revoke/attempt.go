package revoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// How a revocation that failed is tried again. Waits double from firstWait to longestWait, so that a week has some thirty
// attempts: a CRM that hiccups is told within seconds, and one that is down over a weekend gets a handful of requests.
// After a week the server no longer keeps a credential of a person who has left. The number of attempts is bounded as
// well, for clocks that stand still.
const (
	firstWait   = 5 * time.Second
	longestWait = 12 * time.Hour
	age         = 7 * 24 * time.Hour
	maxAttempts = 50
)

// timeout bounds an attempt. It is well below storage.RevocationLease.
const timeout = 45 * time.Second

// Result is what the CRM knows of a grant that was forgotten here.
type Result string

// The four results.
const (
	Nothing Result = "nothing" // the CRM was sent nothing: it ends no grants, or the connector cannot tell it to
	Now     Result = "now"
	Later   Result = "later" // the queue will tell the CRM
	Never   Result = "never" // the CRM could not be told within a week
)

// Attempt revokes a grant at its CRM. The caller has claimed v, or has just queued it. Attempt stores the result: the
// revocation has ended, or is put off. The message is the connector's for the person; nil if it has none.
func (w *Worker) Attempt(ctx context.Context, v storage.Revocation) (Result, *crmgate.ReturnMessage) {
	if !v.Waiting() {
		return Nothing, nil
	}
	p := v.User.Key.Platform
	m, told, err := w.try(ctx, v)
	var spared leftAlone
	switch {
	case err == nil && !told, errors.Is(err, errors.ErrUnsupported):
		w.end(ctx, v)
		return Nothing, m
	case err == nil:
		w.Count("revoke", p, "ok")
		w.end(ctx, v)
		return Now, m
	case w.old(v):
		return w.giveUp(ctx, v, err), nil
	case errors.As(err, &spared):
		v.Attempts = max(0, v.Attempts-1) // the claim has counted one
		return w.postpone(ctx, v, time.Duration(spared)), nil
	}
	w.Count("revoke", p, "error")
	_, after := token.Trouble(err)
	wait := max(token.Backoff(firstWait, longestWait, v.Attempts-1), after)
	if again, ok := rejected(err); ok { // the grant waits for its application, however often that is tried
		v.Attempts--
		wait = max(again, firstWait)
	}
	if v.Attempts >= maxAttempts {
		return w.giveUp(ctx, v, err), nil
	}
	w.Logger.WarnContext(ctx, "the CRM was not told of a logout yet", "platform", p, "attempt", v.Attempts, "again_in", wait.Round(time.Second).String(), "err", err)
	return w.postpone(ctx, v, wait), nil
}

// postpone puts a revocation off.
func (w *Worker) postpone(ctx context.Context, v storage.Revocation, wait time.Duration) Result {
	w.settle(ctx, v.User.Key.Platform, func(ctx context.Context) error { return w.DB.PostponeRevocation(ctx, v, w.Now().Add(wait)) })
	w.Changed()
	return Later
}

// old reports whether a revocation has waited for so long that the server no longer keeps it.
func (w *Worker) old(v storage.Revocation) bool { return w.Now().Sub(v.Queued) >= age }

// leftAlone is the error of a revocation that was not tried because its CRM is in trouble: how long to wait.
type leftAlone time.Duration

func (leftAlone) Error() string { return "the CRM is in trouble, and is left alone" }

// try tells the CRM of a revocation, unless the CRM is left alone. The results are those of revoke.
func (w *Worker) try(ctx context.Context, v storage.Revocation) (m *crmgate.ReturnMessage, told bool, err error) {
	wait := w.pause(ctx, v)
	done := func(bool, time.Duration) {}
	if wait == 0 {
		done, wait = w.Tokens.Breaker().Admit(revocationsAt(w.crm(ctx, v)))
	}
	if wait > 0 {
		return nil, false, leftAlone(wait)
	}
	failed, after := true, time.Duration(0) // if it panics
	defer func() { done(failed, after) }()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	m, told, err = w.revoke(ctx, v)
	failed, after = token.Trouble(err)
	return m, told, err
}

// pause returns how long the CRM of a revocation is left alone: it does not answer refreshes, or not revocations. A CRM whose
// revocations fail still gets refreshes, because only its revocation endpoint may be wrong.
func (w *Worker) pause(ctx context.Context, v storage.Revocation) time.Duration {
	crm := w.crm(ctx, v)
	return max(w.Tokens.Breaker().Wait(crm), w.Tokens.Breaker().Wait(revocationsAt(crm)))
}

// revocationsAt names a CRM's revocations for the circuit breaker.
func revocationsAt(crm string) string { return "revocations at " + crm }

// crm names the CRM of a revocation for the circuit breaker.
func (w *Worker) crm(ctx context.Context, v storage.Revocation) string {
	key := v.User.Key
	endpoint := v.Grant.App.TokenURL
	if conn, err := w.Connectors.Find(ctx, key.Platform); err == nil && !conn.Implements("unAuthorize") {
		endpoint = cmp.Or(conn.Manifest().ForHost(key.Hostname).RevokeURL, endpoint)
	}
	return token.CRM(endpoint, key)
}

// revoke revokes a grant: by the connector's unAuthorize if it has one, else as RFC 7009 says. told is false if the connector
// sent the CRM nothing. The error is errors.ErrUnsupported if the platform has neither. An expired access token is not refreshed
// for this.
func (w *Worker) revoke(ctx context.Context, v storage.Revocation) (m *crmgate.ReturnMessage, told bool, err error) {
	p := v.Person
	conn, err := w.Connectors.Find(ctx, p.User.Key.Platform)
	if err != nil {
		return nil, false, err
	}
	if v.Unread() {
		_, err := w.Tokens.Read(conn, v.Answer)
		return nil, false, fmt.Errorf("%w: %w", errUnread, err)
	}
	if conn.Implements("unAuthorize") {
		out, err := token.Call(ctx, conn.UnAuthorize, conn, p, nil)
		switch {
		case err == nil && out.Successful:
			return out.Message, out.Told, nil
		case err == nil: // a connector reports a failure by an error, not by successful: false
			return nil, out.Told, nil
		case !errors.Is(err, errors.ErrUnsupported):
			return nil, false, err
		}
	}
	return nil, true, w.Tokens.Revoke(ctx, conn, p)
}

// errUnread says that the tokens to revoke are not known yet.
var errUnread = errors.New("the grant is in a token answer that cannot be read")

// readAnswer puts the tokens of a queued token answer into the grant, if the manifest as it is now can read it.
func (w *Worker) readAnswer(ctx context.Context, v storage.Revocation) storage.Revocation {
	if !v.Unread() {
		return v
	}
	conn, err := w.Connectors.Find(ctx, v.User.Key.Platform)
	if err != nil {
		return v
	}
	if t, err := w.Tokens.Read(conn, v.Answer); err == nil {
		v.Grant.AccessToken, v.Grant.RefreshToken, v.Answer = t.Access, t.Refresh, storage.JournalEntry{}
	}
	return v
}

// giveUp ends a revocation that failed for good, and records that the grant lives on at the CRM.
func (w *Worker) giveUp(ctx context.Context, v storage.Revocation, why error) Result {
	p := v.User.Key.Platform
	w.Count("revoke", p, "never")
	w.Logger.WarnContext(ctx, "the CRM was never told of a logout: the grant lives on there until it expires or the person removes it",
		"platform", p, "attempts", v.Attempts, "logged_out", v.Queued, "err", why)
	w.recordFailure(ctx, v.User, why)
	w.end(ctx, v)
	return Never
}

// recordFailure writes to the audit log that a grant lives on at the CRM, and the kind of reason. The entry is there twice
// if the process ends before the revocation does.
func (w *Worker) recordFailure(ctx context.Context, u crmgate.User, why error) {
	e := audit.Event{
		Kind: audit.EventRevocation, By: audit.ByServer, Outcome: audit.OutcomeError, Reason: audit.ReasonUnavailable,
		Platform: u.Key.Platform, User: u.Key.ID, Account: u.Account,
	}
	if _, ok := rejected(why); ok {
		e.Outcome, e.Reason = audit.OutcomeRefused, audit.ReasonAppDead
	}
	w.settle(ctx, u.Key.Platform, func(ctx context.Context) error { return w.DB.Audit().Record(ctx, e) })
}

func (w *Worker) end(ctx context.Context, v storage.Revocation) {
	w.settle(ctx, v.User.Key.Platform, func(ctx context.Context) error { return w.DB.EndRevocation(ctx, v) })
}

// settle stores the result of a revocation, even if the client has disconnected. If that fails, the revocation runs again
// after its lease, which does no harm.
func (w *Worker) settle(ctx context.Context, p crmgate.Platform, write func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := write(ctx); err != nil {
		w.Logger.WarnContext(ctx, "the result of a revocation cannot be stored", "platform", p, "err", err)
	}
}

// rejected reports whether the CRM rejects the application, and how long to wait before it may be tried again.
func rejected(err error) (wait time.Duration, ok bool) {
	var te *token.Error
	if errors.As(err, &te) && te.Code != "" && errors.Is(err, crmgate.ErrAppDead) {
		return te.RetryAfter, true
	}
	return 0, false
}
