package org

import (
	"context"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// OwnApp is what an admin sees of their organisation's own application of a platform.
type OwnApp struct {
	Manifest *manifest.Manifest
	// Confirmed is the one in use, Pending the one that waits for a sign-in; nil if there is none.
	Confirmed, Pending *EnteredApp
	// Trouble is why the CRM rejects the confirmed one; nil if it does not.
	Trouble *AppTrouble
}

// EnteredApp is an application as it was entered.
type EnteredApp struct {
	Values  ManagedValues // the secret as Placeholder
	Entered time.Time
	By      crmgate.ExtensionID
	// Until is when it is forgotten unless somebody signs in with it; zero for a confirmed one.
	Until time.Time
	// Staged says that it is to take the place of the confirmed one.
	Staged bool
}

// AppTrouble is what a CRM says of an application that it rejects.
type AppTrouble struct {
	Message string
	Since   time.Time
}

// Apps are the platforms to which an organisation brings its own application, in the order of their names.
func (a *Admin) Apps(ctx context.Context) ([]OwnApp, error) {
	var all []OwnApp
	for _, m := range a.Platforms() {
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

// App is one of Apps. It is a Refusal if there is no such platform.
func (a *Admin) App(ctx context.Context, p crmgate.Platform) (OwnApp, error) {
	m, err := a.o.Connectors.Connectable(p)
	if err == nil && !bringsApp(m) {
		err = &crmgate.Refusal{Kind: crmgate.Missing, Message: m.Title + " does not have organisations bring an application of their own."}
	}
	if err != nil {
		return OwnApp{}, err
	}
	apps, err := a.o.Apps(ctx, m, a.who.Account)
	if err != nil {
		return OwnApp{}, err
	}
	own := OwnApp{Manifest: m, Confirmed: enteredApp(apps.Confirmed), Pending: enteredApp(apps.Pending)}
	if own.Pending != nil {
		own.Pending.Until = own.Pending.Entered.Add(storage.PendingLife)
	}
	if apps.Confirmed != nil {
		own.Trouble, err = a.trouble(ctx, *apps.Confirmed)
	}
	return own, err
}

func enteredApp(app *storage.ManagedApp) *EnteredApp {
	if app == nil {
		return nil
	}
	return &EnteredApp{Values: ValuesOf(app.Values), Entered: app.Entered, By: app.By, Staged: app.Staged}
}

// trouble is why the CRM rejects an application; nil if it does not, or if the connector cannot say which it is.
func (a *Admin) trouble(ctx context.Context, app storage.ManagedApp) (*AppTrouble, error) {
	conn, err := a.o.Connectors.Find(app.Platform)
	if err != nil {
		return nil, err
	}
	client, err := a.o.Tokens.Client(ctx, conn, connector.OAuthInfoRequest{Hostname: app.Values.Hostname, Account: app.Account}, &app)
	if err != nil {
		a.o.Logger.WarnContext(ctx, "what an organisation's application is, is not known", "platform", app.Platform, "err", err)
		return nil, nil
	}
	why, paused, err := a.o.Tokens.AppPaused(ctx, client)
	if err != nil || !paused {
		return nil, err
	}
	return &AppTrouble{why.Message, why.Since}, nil
}

// EnterApp is Flows.EnterApp by an admin whom the page knows.
func (a *Admin) EnterApp(ctx context.Context, e ManagedEntry) error {
	return a.o.Enter(ctx, a.who, e)
}

// DropPending is Flows.DropPending likewise.
func (a *Admin) DropPending(ctx context.Context, p crmgate.Platform) error {
	return a.o.dropPending(ctx, a.who, p)
}

// RemoveApp is Flows.RemoveApp likewise.
func (a *Admin) RemoveApp(ctx context.Context, p crmgate.Platform) error {
	return a.o.removeApp(ctx, a.who, p)
}
