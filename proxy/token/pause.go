package token

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// probeInterval is how often one request tries a paused application, because the problem may have been solved at the CRM.
const probeInterval = time.Hour

// pauses are the applications that their CRM rejects. Their refreshes or revocations are paused; no grant is changed.
type pauses struct {
	db     *storage.DB // nil: nothing is ever paused
	now    func() time.Time
	logger *slog.Logger
}

// usage is a client, and what it is used for.
type usage struct {
	storage.Usage
	// credentials identify how the client authenticates: the style and the secret. A pause ends when they change.
	credentials crmgate.Secret
	host        string // of the endpoint
}

func (c Client) usage(u storage.Use, auth crmgate.TokenAuth, app crmgate.ApplicationKey) usage {
	return usage{storage.Usage{Platform: c.Platform, App: app, Use: u}, crmgate.NewSecret(string(auth) + " " + c.Secret.Reveal()), CRM(c.TokenURL, crmgate.UserKey{Platform: c.Platform})}
}

// refreshes is the client's use for refreshes.
func (c Client) refreshes() usage { return c.usage(storage.Refresh, c.refreshAuth, c.App) }

// signIns is the client's use for sign-ins. It does not depend on the token URL, which a stranger's callback can choose.
func (c Client) signIns() usage {
	app := c.App
	app.TokenURL = ""
	return c.usage(storage.SignIn, c.Auth, app)
}

// revokes is the client's use at a revocation endpoint.
func (c Client) revokes(where string) usage {
	app := c.App
	app.TokenURL, c.TokenURL = where, where
	return c.usage(storage.Revoke, c.Auth, app)
}

// AppPaused says why the CRM rejects an application with its current credentials: at refreshes, or else at a sign-in. ok is
// false if it does not.
func (e *Engine) AppPaused(ctx context.Context, c Client) (why storage.Pause, ok bool, err error) {
	if why, ok, err = e.pauses.get(ctx, c.refreshes()); ok || err != nil {
		return why, ok, err
	}
	return e.pauses.get(ctx, c.signIns())
}

func (ps pauses) get(ctx context.Context, u usage) (why storage.Pause, ok bool, err error) {
	return ps.db.PausedWith(ctx, u.Usage, u.credentials)
}

// check returns an error while an application is paused. Once an hour it lets one caller that holds a lease try the CRM
// again; a caller without a lease may go on and take one.
func (ps pauses) check(ctx context.Context, u usage, leased bool) error {
	why, ok, err := ps.get(ctx, u)
	if err != nil || !ok {
		return err
	}
	left := probeInterval - ps.now().Sub(why.Tried)
	if left <= 0 {
		if leased {
			err = ps.db.TryPaused(ctx, u.Usage, why)
		}
		if !errors.Is(err, crmgate.ErrConflict) {
			return err
		}
		left = time.Minute // another caller tries it now
	}
	return &Error{Kind: crmgate.ErrAppDead, Code: why.Code, Message: why.Message, RetryAfter: left, repeated: true, Err: errors.New("paused since " + why.Since.UTC().Format(time.RFC3339))}
}

// rejections say in the log what follows from the rejection of an application.
var rejections = map[storage.Use]string{
	storage.Refresh: "the CRM rejects the application: refreshes are paused, and one an hour tries it, until its secret changes or a sign-in with it succeeds",
	storage.Revoke:  "the CRM rejects the application at a revocation: revocations wait, and one an hour tries it, until it is corrected or they are a week old",
	storage.SignIn:  "the CRM rejects the application at a sign-in: people cannot sign in with it until it is corrected",
}

// start pauses an application that the CRM has just rejected.
func (ps pauses) start(ctx context.Context, u usage, cause error) error {
	now := ps.now()
	why := storage.Pause{Since: now, Tried: now, Message: "The CRM rejects the application that signed you in."}
	if before, ok, err := ps.get(ctx, u); err == nil && ok {
		why.Since = before.Since
	}
	var te *Error
	if errors.As(cause, &te) {
		why.Code, why.Message, why.Said = te.Code, te.Message, clip(te.Said)
	}
	ps.logger.ErrorContext(ctx, rejections[u.Use],
		"platform", u.Platform, "account", u.App.Account, "client_id", u.App.ClientID, "host", u.host, "since", why.Since, "err", cause)
	return ps.db.SetPause(ctx, u.Usage, u.credentials, why)
}

// note records that the CRM has rejected an application at a sign-in, once an hour. Anyone can begin sign-ins, and a CRM may
// reject an application because of what a stranger sent. So a rejection at a sign-in pauses nothing.
func (ps pauses) note(ctx context.Context, c Client, cause error) {
	u := c.signIns()
	before, ok, err := ps.get(ctx, u)
	if err == nil && !(ok && ps.now().Sub(before.Tried) < probeInterval) {
		err = ps.start(ctx, u, cause)
	}
	if err != nil {
		ps.logger.WarnContext(ctx, "could not record that the CRM rejects an application", "platform", c.Platform, "err", err)
	}
}

// end ends the pauses of an application, if there are any: the CRM has just accepted it for these uses.
func (ps pauses) end(ctx context.Context, uses ...usage) {
	if ps.db == nil {
		return
	}
	for _, u := range uses {
		_, ok, err := ps.db.Paused(ctx, u.Usage)
		if err == nil && ok {
			err = ps.db.EndPause(ctx, u.Usage)
		}
		if err != nil {
			ps.logger.WarnContext(ctx, "could not end the pause of an application", "platform", u.Platform, "err", err)
		}
	}
}
