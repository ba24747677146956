package authflow

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// recordTimeout bounds how long a failure waits for its entry in the audit log.
const recordTimeout = 2 * time.Second

// recordFailure writes a sign-in that did not come about to the audit log, as well as that goes. Platforms that do not
// exist are not recorded: strangers could make up any number of them.
func (f *Flows) recordFailure(ctx context.Context, by audit.Actor, p crmgate.Platform, in SignedIn, err error) {
	e := audit.Event{Kind: audit.EventSignIn, By: by, Outcome: audit.OutcomeError, Reason: reason(err), Platform: f.Connectors.Known(p)}
	if err == nil {
		e.Outcome, e.Reason = audit.OutcomeRefused, audit.ReasonNotAccepted
	}
	if e.Platform == "" || err == nil && !in.Token.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout) // also of clients that have gone
	defer cancel()
	if err := f.DB.Audit().Record(ctx, e); err != nil {
		f.Logger.WarnContext(ctx, "a failed sign-in is not in the audit log", "platform", p, "err", err)
	}
}

// reason is the kind of an error, without its words.
func reason(err error) audit.Reason {
	var refusal *crmgate.Refusal
	var connector *crmgate.ConnectorError
	switch {
	case errors.Is(err, crmgate.ErrUserDead):
		return audit.ReasonUserDead
	case errors.Is(err, crmgate.ErrAppDead):
		return audit.ReasonAppDead
	case errors.Is(err, crmgate.ErrNoApp):
		return audit.ReasonNoApp
	case errors.Is(err, crmgate.ErrTransient):
		return audit.ReasonUnavailable
	case errors.As(err, &connector):
		return audit.ReasonConnector
	case errors.As(err, &refusal):
		switch refusal.Kind {
		case crmgate.Forbidden:
			return audit.ReasonForbidden
		case crmgate.Unavailable:
			return audit.ReasonUnavailable
		}
		return audit.ReasonRequest
	}
	return audit.ReasonInternal
}

// events are what the audit log says of a sign-in that is stored.
func (in signIn) events() []storage.With {
	e := audit.Event{Kind: audit.EventSignIn, By: in.by, Outcome: audit.OutcomeOK}
	if in.unproven {
		e.Reason = audit.ReasonUnprovenAccount
	}
	if !in.pending {
		return []storage.With{storage.LogEvent(e)}
	}
	promotion := e
	promotion.Kind = audit.EventPromotion
	return []storage.With{storage.LogEvent(e, promotion)}
}
