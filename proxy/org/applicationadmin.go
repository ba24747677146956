package org

import (
	"cmp"
	"context"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// PlatformApp is what an admin sees of their organisation's applications of a platform.
type PlatformApp struct {
	Manifest *manifest.Manifest
	storage.Applications
	// Revision identifies the applications. A form carries it, so that it does not change applications that the admin has not
	// seen.
	Revision string
}

// check refuses a form with another revision. An empty one stands for no applications.
func (p PlatformApp) check(revision string) error {
	if cmp.Or(revision, storage.Applications{}.Revision("")) != p.Revision {
		return &crmgate.Refusal{Message: OutdatedText}
	}
	return nil
}

// AppTrouble is why a CRM rejects an application.
type AppTrouble struct {
	Message string
	Said    string // the CRM's own words; may be empty
	Since   time.Time
	// Retried says that the next request tries the application.
	Retried bool
	// SignIn says that the CRM rejected the application at a sign-in. It may still accept it for refreshes.
	SignIn bool
}

// Apps returns the applications of every platform to which organisations bring their own, in the order of the titles.
func (a *Admin) Apps(ctx context.Context) ([]PlatformApp, error) {
	var all []PlatformApp
	for _, m := range a.Platforms(ctx) {
		if !bringsApp(m) {
			continue
		}
		app, err := a.App(ctx, m.Platform)
		if err != nil {
			return nil, err
		}
		all = append(all, app)
	}
	return all, nil
}

func bringsApp(m *manifest.Manifest) bool {
	return m.AuthType == manifest.OAuth && m.OAuth.AdminManaged != nil
}

// App returns the applications of one platform. It is a Refusal if organisations do not bring their own to it.
func (a *Admin) App(ctx context.Context, p crmgate.Platform) (PlatformApp, error) {
	m, err := a.o.Connectors.Connectable(ctx, p)
	if err == nil && !bringsApp(m) {
		err = &crmgate.Refusal{Kind: crmgate.Missing, Message: "Organisations do not bring their own application to " + m.Title + "."}
	}
	if err != nil {
		return PlatformApp{}, err
	}
	apps, err := a.o.Apps(ctx, m, a.who.Account)
	return PlatformApp{m, apps, apps.Revision(a.who.Extension)}, err
}

// RetryApp lets the next request try the organisation's applications of a platform that the CRM rejects, if there are any.
// Their waiting revocations are tried now.
func (a *Admin) RetryApp(ctx context.Context, p crmgate.Platform) error {
	defer a.o.Revocations.Changed()
	account := a.who.Account
	_, err := a.o.DB.RetryPaused(ctx, p, &account)
	return err
}

// Trouble returns why the CRM rejects the confirmed application, at refreshes or at sign-ins. It is nil if the CRM accepts it,
// and if the connector cannot say which client the application is.
func (a *Admin) Trouble(ctx context.Context, p PlatformApp) (*AppTrouble, error) {
	app := p.Confirmed
	if app == nil {
		return nil, nil
	}
	conn, err := a.o.Connectors.Find(ctx, app.Platform)
	if err != nil {
		return nil, err
	}
	client, err := a.o.Tokens.Client(ctx, conn, connector.OAuthInfoRequest{Hostname: app.Hostname, Account: app.Account}, app)
	if err != nil {
		a.o.Logger.WarnContext(ctx, "cannot tell whether the CRM rejects an organisation's application", "platform", app.Platform, "err", err)
		return nil, nil
	}
	why, paused, err := a.o.Tokens.AppPaused(ctx, client)
	if err != nil || !paused {
		return nil, err
	}
	return &AppTrouble{why.Message, why.Said, why.Since, why.Tried.IsZero(), why.Use == storage.SignIn}, nil
}
