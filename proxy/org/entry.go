package org

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// Enter stores an application for 24 hours, until the admin's own sign-in confirms it. It replaces the pending one. No
// values at all drop the pending one. If p is empty, platformOf says which platform is meant.
//
// state is crmgate.Staged for an application that will replace the confirmed one. If the CRM rejects the application, Enter
// returns a Refusal and stores nothing. A CRM that cannot be reached does not stop an admin. Enter returns nil if there are no
// values.
func (a *Admin) Enter(ctx context.Context, p crmgate.Platform, values map[string]string, state crmgate.ApplicationState) (*Entered, error) {
	return a.enter(ctx, crmgate.OrgApplication{Platform: p, State: state}, values, nil)
}

// EnterApp does what Enter does, with the applications that App returned before. The new application will replace the
// confirmed one. revision is that of the form. If it is not the current one, EnterApp returns a Refusal and does nothing.
func (a *Admin) EnterApp(ctx context.Context, app PlatformApp, values map[string]string, revision string) (*Entered, error) {
	if err := app.check(revision); err != nil { // before the CRM is asked
		return nil, err
	}
	entered := crmgate.OrgApplication{Platform: app.Manifest.Platform}
	if app.Confirmed != nil {
		entered.State = crmgate.Staged
	}
	return a.enter(ctx, entered, values, &app.Applications, a.IfSeen(entered.Platform, revision))
}

// IfSeen lets a change happen only if the form that asks for it has the current revision. Otherwise the change is a Refusal
// with OutdatedText. An empty revision stands for no applications.
func (a *Admin) IfSeen(p crmgate.Platform, revision string) storage.With {
	return storage.IfSeen(a.who.Account, p, a.who.Extension, revision)
}

// outdated returns a Refusal with a text if err is due to a form that is outdated.
func outdated(err error, text string) error {
	if errors.Is(err, crmgate.ErrConflict) {
		return &crmgate.Refusal{Message: text} // without the error: the sign-in, if there is one, goes on
	}
	return err
}

// OutdatedText tells an admin that the application has changed since their form was made.
const OutdatedText = "The application was changed after this page was opened. Check what is in use now and try again."

// Entered is a pending application that was entered and checked, with its client.
type Entered struct {
	App    crmgate.OrgApplication
	Client token.Client
	// Untested says that the CRM did not show whether the client ID and the secret are right: it refuses a made-up secret in the
	// same way, or it could not be asked.
	Untested bool
}

// enter stores an application with these values; without values it drops the pending one and returns nil. stored are the
// organisation's applications of the platform; nil if they were not read yet.
func (a *Admin) enter(ctx context.Context, app crmgate.OrgApplication, values map[string]string, stored *storage.Applications, with ...storage.With) (*Entered, error) {
	var err error
	app.Account, app.By = a.who.Account, a.who.Extension
	if app.Application, err = crmgate.ReadApplication(values); err != nil {
		return nil, err
	}
	if app.IsZero() {
		return nil, a.DropPending(ctx, app.Platform, with...)
	}
	if app.Platform == "" {
		if app.Platform, err = a.platformOf(ctx, app.Application); err != nil {
			return nil, err
		}
	}
	client, untested, err := a.o.check(ctx, &app, stored)
	if err != nil {
		return nil, err
	}
	app, err = a.o.DB.PutPendingApp(ctx, app, append(with, a.logChange())...)
	a.o.Revocations.Changed() // sign-ins may have used the application that was pending
	return &Entered{app, client, untested}, outdated(err, OutdatedText)
}

// Pending returns the pending application of what App returned, to sign in with. revision is as for EnterApp.
func (a *Admin) Pending(ctx context.Context, app PlatformApp, revision string) (*Entered, error) {
	if err := app.check(revision); err != nil {
		return nil, err
	}
	if app.Applications.Pending == nil {
		return nil, nothingToTry(app.Manifest)
	}
	conn, err := a.o.Connectors.Find(ctx, app.Manifest.Platform)
	if err != nil {
		return nil, err
	}
	pending := app.Applications.Pending
	client, err := a.o.Tokens.Client(ctx, conn, connector.OAuthInfoRequest{Hostname: pending.Hostname, Account: pending.Account}, pending)
	return &Entered{*pending, client, false}, err
}

// logChange logs a change of an organisation's application by the admin.
func (a *Admin) logChange() storage.With { return storage.LogEvent(a.event(audit.EventManagedApp)) }

// platformOf returns the platform of an application that was entered without one. Platforms that have its endpoints are
// preferred, and among them those whose organisations bring their own. If several remain, it is the one that the admin has
// named last.
func (a *Admin) platformOf(ctx context.Context, app crmgate.Application) (crmgate.Platform, error) {
	var managed, fit, both []crmgate.Platform
	for _, p := range a.o.Connectors.Platforms(ctx) {
		conn, err := a.o.Connectors.Find(ctx, p)
		if err != nil || conn.Manifest().AuthType != manifest.OAuth {
			continue
		}
		brings, fits := bringsApp(conn.Manifest()), hasEndpointsOf(conn.Manifest(), app)
		if brings {
			managed = append(managed, p)
		}
		if fits {
			fit = append(fit, p)
		}
		if brings && fits {
			both = append(both, p)
		}
	}
	candidates := managed
	switch {
	case len(both) > 0:
		candidates = both
	case len(fit) > 0:
		candidates = fit
	}
	if len(candidates) == 1 {
		return candidates[0], nil
	}
	named, err := a.o.DB.PlatformNamed(ctx, a.who.Account, a.who.Extension)
	if err == nil && !slices.Contains(candidates, named) {
		err = crmgate.Refuse("The platform of this application is not clear: send it as \"platform\".")
	}
	return named, err
}

// check replaces the Placeholder by the stored secret, and checks an application against the manifest and at the CRM. untested is
// as in Entered.
func (o *Orgs) check(ctx context.Context, app *crmgate.OrgApplication, stored *storage.Applications) (client token.Client, untested bool, err error) {
	conn, err := o.Connectors.Find(ctx, app.Platform)
	if err != nil {
		return client, false, err
	}
	m := conn.Manifest()
	if err := m.RequireOAuth(); err != nil {
		return client, false, err
	}
	if stored == nil {
		apps, err := o.Apps(ctx, m, app.Account)
		if err != nil {
			return client, false, err
		}
		stored = &apps
	}
	if err := o.keepSecret(ctx, conn, app, *stored); err != nil {
		return client, false, err
	}
	if app.Hostname, err = m.CheckHostname(app.Hostname); err != nil {
		return client, false, err
	}
	if app.AuthorizationURI != "" {
		if err := m.CheckURL("authorizationUri", app.AuthorizationURI, app.Hostname); err != nil {
			return client, false, err
		}
	}
	client, err = o.Tokens.Client(ctx, conn, connector.OAuthInfoRequest{Hostname: app.Hostname, Account: app.Account}, app)
	if err != nil {
		return client, false, err
	}
	untested, err = o.try(ctx, conn, client)
	return client, untested, err
}

// keepSecret replaces the Placeholder by the secret of the stored application that the admin saw. A stored secret is sent
// only where it was meant for: with another client, token URL or host, the admin must enter it again.
func (o *Orgs) keepSecret(ctx context.Context, conn connector.Connector, app *crmgate.OrgApplication, stored storage.Applications) error {
	if app.ClientSecret.Reveal() != crmgate.Placeholder {
		return nil
	}
	seen := cmp.Or(stored.Confirmed, stored.Pending)
	if app.State == crmgate.Staged { // the page shows the pending one
		seen = cmp.Or(stored.Pending, stored.Confirmed)
	}
	if seen == nil || seen.ClientSecret.IsZero() {
		return crmgate.Refuse("No client secret is stored. Enter it.")
	}
	if !app.SameClient(seen.Application) && !app.SameClient(o.completed(ctx, conn, *seen)) { // the admin may have seen either
		return crmgate.Refuse("You changed the client ID, the token URL or the host name. Enter the client secret again.")
	}
	app.ClientSecret = seen.ClientSecret
	return nil
}

// try exchanges a made-up code at the CRM. It is a Refusal only if the CRM's answer says that it rejects the client. If the CRM
// refuses the code, try sends another with a made-up secret. untested is as in Entered.
func (o *Orgs) try(ctx context.Context, conn connector.Connector, client token.Client) (untested bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = o.Tokens.Try(ctx, conn, client)
	var te *token.Error
	switch {
	case !errors.As(err, &te):
		return true, nil
	case te.CodeRefused():
		told, _ := o.Tokens.Control(ctx, conn, client)
		return !told, nil
	case te.Status != 401 && !errors.Is(te.Kind, crmgate.ErrAppDead):
		return true, nil
	}
	return false, &crmgate.Refusal{Message: fmt.Sprintf("%s does not accept this application. Check the client ID and the client secret. The CRM answered: %s", conn.Manifest().Title, te.Message), Said: te.Said, Err: err}
}

// DropPending removes the pending application of the organisation: of one platform, or of all if p is empty. with is
// IfSeen if a form asks for it.
func (a *Admin) DropPending(ctx context.Context, p crmgate.Platform, with ...storage.With) error {
	platforms := []crmgate.Platform{p}
	if p == "" {
		platforms = a.o.Connectors.Platforms(ctx)
	}
	err := a.o.DB.DropPendingApps(ctx, a.who.Account, platforms, append(with, a.logChange())...)
	a.o.Revocations.Changed() // sign-ins may have used it
	return outdated(err, OutdatedText)
}

// RemoveApp removes the confirmed and the pending application of the organisation. The sessions whose grants the confirmed
// one issued end at once. with is IfSeen if a form asks for it.
func (a *Admin) RemoveApp(ctx context.Context, p crmgate.Platform, with ...storage.With) error {
	if p == "" {
		return crmgate.RefusePlain("Missing platform name")
	}
	err := a.o.DB.RemoveApps(ctx, a.who.Account, p, append(with, a.logChange())...)
	a.o.Revocations.Changed()
	return outdated(err, OutdatedText)
}
