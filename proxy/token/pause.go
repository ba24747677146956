package token

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// probeInterval is how often one refresh tries a paused application, because the problem may have been solved at the CRM.
const probeInterval = time.Hour

// pauses are the applications that their CRM rejects. Their refreshes are paused; no grant is changed.
type pauses struct {
	db     *storage.DB // nil: nothing is ever paused
	now    func() time.Time
	logger *slog.Logger
}

// credentials identify how a client authenticates its refreshes: the style and the secret. A pause ends when they change.
func (c Client) credentials() crmgate.Secret {
	return crmgate.NewSecret(string(c.refreshAuth) + " " + c.Secret.Reveal())
}

// AppPaused says why the CRM rejects an application with its current credentials; ok is false if it does not.
func (e *Engine) AppPaused(ctx context.Context, c Client) (why storage.Pause, ok bool, err error) {
	return e.pauses.get(ctx, c)
}

func (ps pauses) get(ctx context.Context, c Client) (why storage.Pause, ok bool, err error) {
	return ps.db.PausedWith(ctx, c.Platform, c.App, c.credentials())
}

// check returns an error while an application is paused. Once an hour it lets one caller that holds a lease try the CRM
// again; a caller without a lease may go on and take one.
func (ps pauses) check(ctx context.Context, c Client, leased bool) error {
	why, ok, err := ps.get(ctx, c)
	if err != nil || !ok {
		return err
	}
	if ps.now().Sub(why.Tried) >= probeInterval {
		if leased {
			err = ps.db.TryPaused(ctx, c.Platform, c.App, why)
		}
		if !errors.Is(err, crmgate.ErrConflict) {
			return err
		}
	}
	return &Error{Kind: crmgate.ErrAppDead, Code: why.Code, Message: why.Message, repeated: true, Err: errors.New("paused since " + why.Since.UTC().Format(time.RFC3339))}
}

// start pauses an application that the CRM has just rejected.
func (ps pauses) start(ctx context.Context, c Client, cause error) error {
	now := ps.now()
	why := storage.Pause{Since: now, Tried: now, Message: "The CRM rejects the application that signed you in."}
	if before, ok, err := ps.get(ctx, c); err == nil && ok {
		why.Since = before.Since
	}
	var te *Error
	if errors.As(cause, &te) {
		why.Code, why.Message = te.Code, te.Message
	}
	ps.logger.ErrorContext(ctx, "the CRM rejects the application: refreshes are paused, and one an hour tries it, until its secret changes or a sign-in with it succeeds",
		"platform", c.Platform, "client_id", c.ID, "since", why.Since, "err", cause)
	return ps.db.SetPause(ctx, c.Platform, c.App, c.credentials(), why)
}

// end ends a pause, if there is one: the CRM has just accepted the application.
func (ps pauses) end(ctx context.Context, c Client) {
	if ps.db == nil {
		return
	}
	_, ok, err := ps.db.Paused(ctx, c.Platform, c.App)
	if err == nil && ok {
		err = ps.db.EndPause(ctx, c.Platform, c.App)
	}
	if err != nil {
		ps.logger.WarnContext(ctx, "could not end the pause of an application", "platform", c.Platform, "err", err)
	}
}
