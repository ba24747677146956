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

	stored storage.ManagedApps
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
	own := OwnApp{Manifest: m, Confirmed: enteredApp(apps.Confirmed), Pending: enteredApp(apps.Pending), stored: apps}
	if own.Pending != nil {
		own.Pending.Until = own.Pending.Entered.Add(storage.PendingLife)
	}
	return own, nil
}

func enteredApp(app *storage.ManagedApp) *EnteredApp {
	if app == nil {
		return nil
	}
	return &EnteredApp{Values: ValuesOf(app.Values), Entered: app.Entered, By: app.By, Staged: app.Staged}
}

// Trouble is why the CRM rejects the confirmed application. It is nil if the CRM does not reject it, if there is none, or if
// the connector cannot say which it is. Trouble asks the connector.
func (a *Admin) Trouble(ctx context.Context, own OwnApp) (*AppTrouble, error) {
	if own.stored.Confirmed == nil {
		return nil, nil
	}
	app := *own.stored.Confirmed
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

// EnterApp stores values as the pending application of own's platform, as Orgs.EnterApp does. A confirmed application stays
// in use until an admin has signed in with the new one. Without any values it drops the pending application and returns nil.
func (a *Admin) EnterApp(ctx context.Context, own OwnApp, values ManagedValues) (*Entered, error) {
	info, err := values.info()
	if err != nil {
		return nil, err
	}
	if len(ValuesOf(info)) == 0 {
		return nil, a.DropPending(ctx, own.Manifest.Platform)
	}
	conn, err := a.o.Connectors.Find(own.Manifest.Platform)
	if err != nil {
		return nil, err
	}
	app := storage.ManagedApp{Account: a.who.Account, Platform: own.Manifest.Platform, By: a.who.Extension, Staged: own.Confirmed != nil, Values: info}
	return a.o.enter(ctx, conn, app, own.stored)
}

// DropPending is Orgs.DropPending for the signed-in admin.
func (a *Admin) DropPending(ctx context.Context, p crmgate.Platform) error {
	return a.o.dropPending(ctx, a.who, p)
}

// RemoveApp is Orgs.RemoveApp for the signed-in admin.
func (a *Admin) RemoveApp(ctx context.Context, p crmgate.Platform) error {
	return a.o.removeApp(ctx, a.who, p)
}
