package authflow

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// recordTimeout bounds how long a failure waits for its entry in the audit log.
const recordTimeout = 2 * time.Second

// recordFailure writes a sign-in that did not come about to the audit log, as well as that goes. Platforms that do not
// exist are not recorded: strangers could make up any number of them.
func (f *Flows) recordFailure(ctx context.Context, by storage.EventBy, p crmgate.Platform, in SignedIn, err error) {
	e := storage.Event{Kind: storage.EventSignIn, By: by, Outcome: storage.OutcomeError, Reason: reason(err), Platform: f.Connectors.Known(p)}
	if err == nil {
		e.Outcome, e.Reason = storage.OutcomeRefused, storage.ReasonNotAccepted
	}
	if e.Platform == "" || err == nil && !in.Token.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout) // also of clients that have gone
	defer cancel()
	if err := f.DB.Record(ctx, e); err != nil {
		f.Logger.WarnContext(ctx, "a failed sign-in is not in the audit log", "platform", p, "err", err)
	}
}

// reason is the kind of an error, without its words.
func reason(err error) storage.EventReason {
	var refusal *crmgate.Refusal
	var connector *crmgate.ConnectorError
	switch {
	case errors.Is(err, crmgate.ErrUserDead):
		return storage.ReasonUserDead
	case errors.Is(err, crmgate.ErrAppDead):
		return storage.ReasonAppDead
	case errors.Is(err, crmgate.ErrNoApp):
		return storage.ReasonNoApp
	case errors.Is(err, crmgate.ErrTransient):
		return storage.ReasonUnavailable
	case errors.As(err, &connector):
		return storage.ReasonConnector
	case errors.As(err, &refusal):
		switch refusal.Kind {
		case crmgate.Forbidden:
			return storage.ReasonForbidden
		case crmgate.Unavailable:
			return storage.ReasonUnavailable
		}
		return storage.ReasonRequest
	}
	return storage.ReasonInternal
}

// events are what the audit log says of a sign-in that is stored.
func (in signIn) events() []storage.With {
	e := storage.Event{Kind: storage.EventSignIn, By: in.by, Outcome: storage.OutcomeOK}
	if in.unproven {
		e.Reason = storage.ReasonUnprovenAccount
	}
	if !in.pending {
		return []storage.With{e}
	}
	promotion := e
	promotion.Kind = storage.EventPromotion
	return []storage.With{e, promotion}
}
