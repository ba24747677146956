package token

import (
	"context"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// probePause is how often a CRM that rejects an application is asked whether it still does: it may have been mended there.
const probePause = time.Hour

// credentials are what a client's refreshes authenticate with: its secret, and in which way it is sent.
func (c Client) credentials() crmgate.Secret {
	return crmgate.NewSecret(string(c.refreshAuth) + " " + c.Secret.Reveal())
}

// AppPaused says why the CRM rejects an application with the credentials that it has now; ok is false if it does not.
func (e *Engine) AppPaused(ctx context.Context, c Client) (why storage.Pause, ok bool, err error) {
	return e.DB.PausedWith(ctx, c.Platform, c.App, c.credentials())
}

// paused refuses an application that the CRM rejects, with the credentials that it has now. When it is time to ask the CRM
// again, whoever holds a lease is let through, once, and who has none yet may go and get it.
func (e *Engine) paused(ctx context.Context, c Client, leased bool) error {
	why, ok, err := e.AppPaused(ctx, c)
	if err != nil || !ok {
		return err
	}
	if e.Now().Sub(why.Tried) >= probePause {
		if leased {
			err = e.DB.TryPaused(ctx, c.Platform, c.App, why)
		}
		if !errors.Is(err, crmgate.ErrConflict) {
			return err
		}
	}
	return &Error{Kind: crmgate.ErrAppDead, Code: why.Code, Message: why.Message, Err: errors.New("paused since " + why.Since.UTC().Format(time.RFC3339))}
}

// pause notes that the CRM rejects an application. Nobody's grant is touched.
func (e *Engine) pause(ctx context.Context, c Client, cause error) error {
	now := e.Now()
	why := storage.Pause{Since: now, Tried: now, Message: "The CRM rejects the application that signed you in."}
	if before, ok, err := e.DB.PausedWith(ctx, c.Platform, c.App, c.credentials()); err == nil && ok {
		why.Since = before.Since
	}
	var te *Error
	if errors.As(cause, &te) {
		why.Code, why.Message = te.Code, te.Message
	}
	e.Logger.ErrorContext(ctx, "the CRM rejects the application: one refresh an hour tries it, until its secret is changed, or somebody signs in with it",
		"platform", c.Platform, "client_id", c.ID, "since", why.Since, "err", cause)
	return e.DB.SetPause(ctx, c.Platform, c.App, c.credentials(), why)
}

// accepted ends a pause, if there is one: the CRM has just taken the application.
func (e *Engine) accepted(ctx context.Context, c Client) {
	_, ok, err := e.DB.Paused(ctx, c.Platform, c.App)
	if err == nil && ok {
		err = e.DB.EndPause(ctx, c.Platform, c.App)
	}
	if err != nil {
		e.Logger.WarnContext(ctx, "a pause could not be ended", "platform", c.Platform, "err", err)
	}
}
