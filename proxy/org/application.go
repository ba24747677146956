package org

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
)

// ApplicationView is what a client is told about its organisation's application of a platform.
type ApplicationView struct {
	Admin bool // the client's user is an admin
	// Confirmed is the application in use, without its secret; nil if there is none. Its endpoints and scopes are those of a
	// sign-in, even if the admin did not enter them. The same holds for Pending.
	Confirmed map[string]string
	// Pending is the application that waits for a sign-in; nil unless the user is an admin.
	Pending map[string]string
}

// ApplicationView returns what a member of an organisation may know of its application. Every member may see the confirmed
// one, because their client composes the authorization URL with it. If the user is an admin, the store remembers the platform
// for an application that they enter without one.
func (o *Orgs) ApplicationView(ctx context.Context, rcToken crmgate.Secret, p crmgate.Platform) (ApplicationView, error) {
	if p == "" {
		return ApplicationView{}, crmgate.RefusePlain("Missing platform name")
	}
	who, err := o.Verify.Required(ctx, rcToken)
	if err != nil {
		return ApplicationView{}, err
	}
	v := ApplicationView{Admin: who.Admin}
	conn, err := o.Connectors.Find(ctx, p)
	if err != nil {
		return v, nil // App Connect's server does not look for the platform
	}
	m := conn.Manifest()
	if who.Admin && m.AuthType == manifest.OAuth { // clients enter an application without its platform next
		if err := o.DB.NamePlatform(ctx, who.Account, who.Extension, p); err != nil {
			return v, err
		}
	}
	apps, err := o.Apps(ctx, m, who.Account)
	if apps.Confirmed != nil {
		public := o.completed(ctx, conn, *apps.Confirmed)
		public.ClientSecret = crmgate.Secret{}
		v.Confirmed = public.Shown()
	}
	if apps.Pending != nil && who.Admin {
		v.Pending = o.completed(ctx, conn, *apps.Pending).Shown()
	}
	return v, err
}

// completed returns an organisation's application with the endpoints and scopes that a sign-in uses with it. Those that the
// admin did not enter come from the connector or the manifest: a client composes the authorization URL from this answer only.
func (o *Orgs) completed(ctx context.Context, conn connector.Connector, app crmgate.OrgApplication) crmgate.Application {
	info, err := o.Tokens.Application(ctx, conn, connector.OAuthInfoRequest{Hostname: app.Hostname, Account: app.Account}, &app)
	if err != nil {
		m := conn.Manifest().ForHost(app.Hostname)
		o.Logger.WarnContext(ctx, "an organisation's application is shown without the connector's values", "platform", m.Platform, "err", err)
		info.Application = m.OAuth.Application()
	}
	return app.Over(crmgate.Application{AuthorizationURI: info.AuthorizationURI, AccessTokenURI: info.AccessTokenURI, Scopes: info.Scopes})
}

// Apps returns an organisation's applications of a platform. A pending application that was entered without a platform is
// among them only if its endpoints are on the platform's hosts: another platform must not get the secret.
func (o *Orgs) Apps(ctx context.Context, m *manifest.Manifest, account crmgate.AccountID) (storage.Applications, error) {
	if account == "" || m.AuthType != manifest.OAuth {
		return storage.Applications{}, nil
	}
	apps, err := o.DB.Applications(ctx, account, m.Platform)
	if apps.Pending != nil && apps.Pending.Platform == "" && !hasEndpointsOf(m, apps.Pending.Application) {
		apps.Pending = nil
	}
	return apps, err
}

// hasEndpointsOf reports whether an application names endpoints, and all of them are on a platform's declared hosts.
func hasEndpointsOf(m *manifest.Manifest, v crmgate.Application) bool {
	hostname, err := m.CheckHostname(v.Hostname)
	if err != nil {
		return false
	}
	some := false
	for _, at := range []string{v.AccessTokenURI, v.AuthorizationURI} {
		if at == "" {
			continue
		}
		if some = true; m.Hosts.AllowURL(at, hostname) != nil {
			return false
		}
	}
	return some
}

// AppToTry returns the organisation's application for a sign-in that begins now; nil if there is none. Members get the
// confirmed one. An admin gets the pending one if no application is confirmed, or if staged asks for it.
func (o *Orgs) AppToTry(ctx context.Context, m *manifest.Manifest, who identity.Identity, staged bool) (*crmgate.OrgApplication, error) {
	apps, err := o.Apps(ctx, m, who.Account)
	switch {
	case err != nil:
		return nil, err
	case staged && (!who.Admin || apps.Pending == nil):
		return nil, nothingToTry(m)
	case staged, apps.Confirmed == nil && who.Admin:
		return apps.Pending, nil
	}
	return apps.Confirmed, nil
}

func nothingToTry(m *manifest.Manifest) error {
	return crmgate.Refuse("No application of %s is waiting to be tried. Enter one first.", m.Title)
}

// AppOf returns the organisation's application that a callback's code was issued to; nil if it is the connector's own.
// pending says that no sign-in has confirmed the application yet.
//
// bound says that the callback has one of our states, which names the application by its entry. Without one, AppOf returns
// the confirmed application, or else the pending one: an exchange that works proves the choice.
func (o *Orgs) AppOf(ctx context.Context, m *manifest.Manifest, account crmgate.AccountID, bound bool, entry string) (app *crmgate.OrgApplication, pending bool, err error) {
	apps, err := o.Apps(ctx, m, account)
	is := func(app *crmgate.OrgApplication) bool { return app != nil && (!bound || app.Entry == entry) }
	switch {
	case err != nil, bound && entry == "":
		return nil, false, err
	case is(apps.Confirmed):
		return apps.Confirmed, false, nil
	case is(apps.Pending):
		return apps.Pending, true, nil
	case bound:
		return nil, false, AppChanged(m.Platform)
	}
	return nil, false, nil
}
