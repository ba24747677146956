package authflow

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage/audit"
)

// Outcome classifies how a sign-in ended. Metrics, audit log, waiting client and front all read it.
type Outcome struct {
	// Result is ok, refused by the CRM or its connector, unfinished by the person, or error. Its word is also the metric's.
	Result audit.Outcome
	// Reason is the audit log's. It contains no words of the error.
	Reason audit.Reason
	// Sentence tells the client and the person why. It is empty if they may not know.
	Sentence string
	// Said is what the CRM said, in its own words, for a page; empty if it said nothing.
	Said string
	// Kind and Plain are as in crmgate.Refusal.
	Kind  crmgate.Kind
	Plain bool
	// Actionable says that the person can act on a failure: sign in again, choose another host, or ask their administrator. The
	// callback tells them so in a message.
	Actionable bool
	// RetryAfter is how long to wait before the same request may succeed. Only outcomes of kind Unavailable have it.
	RetryAfter time.Duration
	// Rejection is what the CRM said when it rejected the application, for an administrator. It is empty for other outcomes.
	Rejection string
	// Err is the error; nil if the sign-in succeeded or was refused.
	Err error
}

// OutcomeOf classifies what a sign-in returned.
func OutcomeOf(in SignedIn, err error) Outcome {
	switch {
	case err != nil:
		return Failure(err)
	case len(in.Missing) > 0:
		return Outcome{Result: audit.OutcomeUnfinished, Reason: audit.ReasonFieldsMissing}
	case in.Token.IsZero():
		return Outcome{Result: audit.OutcomeRefused, Reason: audit.ReasonNotAccepted}
	}
	return Outcome{Result: audit.OutcomeOK}
}

// Failure classifies an error of any flow.
func Failure(err error) Outcome {
	o := Outcome{Result: audit.OutcomeError, Reason: reasonOf(err), Err: err}
	if reason := unfinished(err); reason != 0 {
		o.Result, o.Reason = audit.OutcomeUnfinished, reason
	}
	var refusal *crmgate.Refusal
	var te *token.Error
	var failed *crmgate.ConnectorError
	var refresh *token.RefreshError
	switch {
	case errors.As(err, &refusal):
		o.Sentence, o.Said, o.Kind, o.Plain = refusal.Message, refusal.Said, refusal.Kind, refusal.Plain
		o.Actionable = o.Kind == crmgate.Declined
	case errors.As(err, &te):
		o.Sentence, o.Said, o.Rejection = te.Message, te.Said, rejection(te)
		if te.RetryAfter > 0 && te.Status == 0 && errors.Is(te.Kind, crmgate.ErrTransient) { // a limit of this server
			o.Kind, o.RetryAfter = crmgate.Unavailable, te.RetryAfter
		}
		o.Actionable = o.Kind != crmgate.Unavailable
	case errors.As(err, &failed):
		o.Sentence = failed.Message
		if errors.Is(err, limit.ErrBusy) {
			o.Kind, o.Sentence = crmgate.Unavailable, "Too many requests are running. Please try again in a moment."
		}
		if errors.Is(err, connector.ErrInterrupted) {
			o.Kind = crmgate.Unavailable
		}
		o.Actionable = o.Kind != crmgate.Unavailable
	}
	// Upstream's clients know 400 for a CRM that fails. The callers of a failed refresh are told when to come back: those that
	// waited for it, like those that come before the next attempt.
	if errors.As(err, &refresh) && refresh.RetryAfter > 0 {
		o.Kind, o.RetryAfter = crmgate.Unavailable, refresh.RetryAfter
	}
	return o
}

// unfinished returns why a sign-in did not come to its end although nothing failed; 0 if something did. Going back, a second tab
// and changing one's mind are not errors.
func unfinished(err error) audit.Reason {
	switch {
	case !errors.As(err, new(*crmgate.Refusal)):
		return 0
	case errors.Is(err, crmgate.ErrDenied):
		return audit.ReasonDenied
	case errors.Is(err, crmgate.ErrExpired):
		return audit.ReasonTooLate
	case errors.Is(err, crmgate.ErrConflict):
		return audit.ReasonUsedBefore
	case errors.Is(err, crmgate.ErrOtherBrowser):
		return audit.ReasonOtherBrowser
	case errors.Is(err, org.ErrAppChanged):
		return audit.ReasonAppRetired
	}
	return 0
}

// rejection returns the CRM's words in an error of token.Engine.Exchange that says that the CRM rejects the application.
func rejection(te *token.Error) string {
	var said *token.Error
	if te.AppRefused() && errors.As(te.Err, &said) {
		return said.Words()
	}
	return ""
}

func reasonOf(err error) audit.Reason {
	var refusal *crmgate.Refusal
	switch {
	case errors.Is(err, crmgate.ErrUserDead):
		return audit.ReasonUserDead
	case errors.Is(err, crmgate.ErrAppDead):
		return audit.ReasonAppDead
	case errors.Is(err, crmgate.ErrNoApp):
		return audit.ReasonNoApp
	case errors.Is(err, crmgate.ErrTransient):
		return audit.ReasonUnavailable
	case errors.As(err, new(*crmgate.ConnectorError)):
		return audit.ReasonConnector
	case !errors.As(err, &refusal):
		return audit.ReasonInternal
	case refusal.Kind == crmgate.Forbidden:
		return audit.ReasonForbidden
	case refusal.Kind == crmgate.Unavailable:
		return audit.ReasonUnavailable
	}
	return audit.ReasonRequest
}

// Message is the message about a sign-in that failed, for the client to show. It is a warning if the sign-in was only not finished.
func (o Outcome) Message() *crmgate.ReturnMessage {
	m := &crmgate.ReturnMessage{Message: o.Sentence, MessageType: "danger", TTL: 5000}
	if o.Result == audit.OutcomeUnfinished {
		m.MessageType = "warning"
	}
	if m.Message == "" {
		m.Message = "The sign-in did not work. Please try again."
	}
	return m
}

// auditTimeout bounds how long a failed sign-in waits for its audit entry.
const auditTimeout = 2 * time.Second

// report reports the outcome of a sign-in to the log, the metrics and, unless it succeeded, the audit log. A sign-in that
// succeeded has its audit entry in the transaction that stored it. The caller logs the error.
//
// Platforms that do not exist have no audit entry: clients could make up any number of names.
func (f *Flows) report(ctx context.Context, by audit.Actor, named crmgate.Platform, o Outcome) {
	known := f.Connectors.Known(ctx, named)
	f.Count(by.String(), known, o.Result.String())
	f.Logger.InfoContext(ctx, "sign-in", "by", by.String(), "platform", known, "outcome", o.Result.String())
	if known == "" || o.Result == audit.OutcomeOK {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout) // the client may have disconnected
	defer cancel()
	e := audit.Event{Kind: audit.EventSignIn, By: by, Outcome: o.Result, Reason: o.Reason, Platform: known}
	if err := f.DB.Audit().Record(ctx, e); err != nil {
		f.Logger.WarnContext(ctx, "a failed sign-in is not in the audit log", "platform", named, "err", err)
	}
}
