package org

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// ManagedValues are what an admin enters of an organisation's own application, by the names of crmgate.ManagedFields.
// Others are not looked at, and empty ones are not there. The client secret is among them.
type ManagedValues map[string]string

// Placeholder stands for a secret that is set: secrets are not shown, and who sends it back means the one that is stored.
const Placeholder = "********"

// maxManagedValue bounds a value, in bytes.
const maxManagedValue = 4 << 10

// fields are where the values belong, the secret excepted.
func fields(v *crmgate.OAuthInfo) map[string]*string {
	return map[string]*string{
		"clientId": &v.ClientID, "accessTokenUri": &v.AccessTokenURI, "authorizationUri": &v.AuthorizationURI,
		"redirectUri": &v.RedirectURI, "scopes": &v.Scopes, "hostname": &v.Hostname,
	}
}

// info reads the values.
func (v ManagedValues) info() (crmgate.OAuthInfo, error) {
	var info crmgate.OAuthInfo
	for name, value := range v {
		if !slices.Contains(manifest.ApplicationFields, name) {
			continue
		}
		value = strings.TrimSpace(value)
		if len(value) > maxManagedValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return info, crmgate.Refuse("%s is too long, or has a line break in it", name)
		}
		if name == "clientSecret" {
			info.ClientSecret = crmgate.NewSecret(value)
		} else {
			*fields(&info)[name] = value
		}
	}
	return info, nil
}

// valuesOf are the values as they may be shown.
func ValuesOf(info crmgate.OAuthInfo) ManagedValues {
	v := ManagedValues{}
	for name, p := range fields(&info) {
		if *p != "" {
			v[name] = *p
		}
	}
	if !info.ClientSecret.IsZero() {
		v["clientSecret"] = Placeholder
	}
	return v
}

// ManagedState is what there is of an organisation's own application of a platform.
type ManagedState struct {
	Admin bool // who asks is one
	// Confirmed is the application that is used; nil if there is none. It has no member for the secret.
	Confirmed ManagedValues
	// Pending is one that was entered and not tried yet. Only admins are told.
	Pending ManagedValues
}

// ManagedState says what there is of the own application of the organisation whose token it is. Everybody there may know,
// for their client needs it to compose the URL.
func (o *Orgs) ManagedState(ctx context.Context, rcToken crmgate.Secret, p crmgate.Platform) (ManagedState, error) {
	if p == "" {
		return ManagedState{}, crmgate.RefusePlain("Missing platform name")
	}
	who, err := o.Verify.Required(ctx, rcToken)
	if err != nil {
		return ManagedState{}, err
	}
	s := ManagedState{Admin: who.Admin}
	conn, err := o.Connectors.Find(p)
	if err != nil {
		return s, nil // upstream looks for no platform
	}
	apps, err := o.Apps(ctx, conn.Manifest(), who.Account)
	if apps.Confirmed != nil {
		s.Confirmed = ValuesOf(apps.Confirmed.Values)
		delete(s.Confirmed, "clientSecret")
	}
	if apps.Pending != nil && who.Admin {
		s.Pending = ValuesOf(apps.Pending.Values)
	}
	return s, err
}

// Apps are an organisation's apps of a platform. What was entered without a platform is a platform's only if its endpoints
// are: another platform must not get the secret.
func (o *Orgs) Apps(ctx context.Context, m *manifest.Manifest, account crmgate.AccountID) (storage.ManagedApps, error) {
	if account == "" || m.AuthType != manifest.OAuth {
		return storage.ManagedApps{}, nil
	}
	apps, err := o.DB.ManagedApps(ctx, account, m.Platform)
	if apps.Pending != nil && apps.Pending.Platform == "" && !endpointsOf(m, apps.Pending.Values) {
		apps.Pending = nil
	}
	return apps, err
}

// endpointsOf reports whether there are endpoints among the values, and all of them are of a platform's declared hosts.
func endpointsOf(m *manifest.Manifest, v crmgate.OAuthInfo) bool {
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

// AppToTry is the organisation's app that a sign-in which begins now is to use: the confirmed one, or for an admin the
// pending one, if there is no other or it is the staged one that is asked for. nil if there is none.
func (o *Orgs) AppToTry(ctx context.Context, m *manifest.Manifest, who identity.Identity, staged bool) (*storage.ManagedApp, error) {
	apps, err := o.Apps(ctx, m, who.Account)
	switch {
	case err != nil:
		return nil, err
	case staged && (!who.Admin || apps.Pending == nil):
		return nil, crmgate.Refuse("There is no application of %s to be tried.", m.Title)
	case staged, apps.Confirmed == nil && who.Admin:
		return apps.Pending, nil
	}
	return apps.Confirmed, nil
}

// AppOf returns the organisation's application that a callback's code was issued to; nil if it is the connector's own.
// pending says that the sign-in confirms the application.
//
// bound says that the callback brought one of our states, which names the application by its entry. Other clients get the
// confirmed application, else the pending one: the CRM proves the choice when it takes the code.
func (o *Orgs) AppOf(ctx context.Context, m *manifest.Manifest, account crmgate.AccountID, bound bool, entry string) (app *storage.ManagedApp, pending bool, err error) {
	apps, err := o.Apps(ctx, m, account)
	is := func(app *storage.ManagedApp) bool { return app != nil && (!bound || app.Entry == entry) }
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

// ManagedEntry is what an admin enters.
type ManagedEntry struct {
	Platform crmgate.Platform // empty: the client did not say
	Values   ManagedValues
	// Staged says that it is to take the place of the confirmed one, once an admin has signed in with it.
	Staged bool
}

// EnterApp stores an application to be tried by the admin's own sign-in, for 24 hours, in the place of what was pending.
// What the CRM's answer tells to be wrong is a Refusal, and nothing is stored then; a CRM that does not tell stops nobody.
// No values at all drop what is pending.
func (o *Orgs) EnterApp(ctx context.Context, rcToken crmgate.Secret, e ManagedEntry) error {
	who, err := o.Verify.Admin(ctx, rcToken)
	if err != nil {
		return err
	}
	return o.Enter(ctx, who, e)
}

// Entered is a pending application that has passed the checks, with the client that the connector makes of it.
type Entered struct {
	App    storage.ManagedApp
	Client token.Client
}

// Enter is EnterApp by an admin who is known.
func (o *Orgs) Enter(ctx context.Context, who identity.Identity, e ManagedEntry) error {
	values, err := e.Values.info()
	if err != nil {
		return err
	}
	if len(ValuesOf(values)) == 0 {
		return o.dropPending(ctx, who, e.Platform)
	}
	if e.Platform == "" {
		if e.Platform, err = o.platformOf(values); err != nil {
			return err
		}
	}
	app := storage.ManagedApp{Account: who.Account, Platform: e.Platform, By: who.Extension, Staged: e.Staged, Values: values}
	if app.Platform == "" {
		if values.ClientSecret.Reveal() == Placeholder {
			return crmgate.Refuse("Please enter the client secret again.")
		}
		_, err = o.put(ctx, app)
		return err
	}
	conn, err := o.Connectors.Find(app.Platform)
	if err != nil {
		return err
	}
	stored, err := o.Apps(ctx, conn.Manifest(), who.Account)
	if err != nil {
		return err
	}
	_, err = o.enter(ctx, conn, app, stored)
	return err
}

// enter checks an application of a known platform and stores it as pending. stored are the organisation's applications.
func (o *Orgs) enter(ctx context.Context, conn connector.Connector, app storage.ManagedApp, stored storage.ManagedApps) (*Entered, error) {
	client, err := o.check(ctx, conn, &app, stored)
	if err != nil {
		return nil, err
	}
	app, err = o.put(ctx, app)
	return &Entered{app, client}, err
}

func (o *Orgs) put(ctx context.Context, app storage.ManagedApp) (storage.ManagedApp, error) {
	return o.DB.PutPendingApp(ctx, app, storage.LogEvent(audit.Event{Kind: audit.EventManagedApp, By: audit.ByAdmin, Outcome: audit.OutcomeOK}))
}

// platformOf is the platform that values without one belong to, if that can be only one. They belong to none in particular,
// and are told apart by their endpoints, if there are several.
func (o *Orgs) platformOf(values crmgate.OAuthInfo) (crmgate.Platform, error) {
	var managed, fit []crmgate.Platform
	for _, p := range o.Connectors.Platforms() {
		conn, err := o.Connectors.Find(p)
		if err != nil || conn.Manifest().AuthType != manifest.OAuth {
			continue
		}
		if conn.Manifest().OAuth.AdminManaged != nil {
			managed = append(managed, p)
		}
		if endpointsOf(conn.Manifest(), values) {
			fit = append(fit, p)
		}
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) == 0 && len(managed) == 1:
		return managed[0], nil
	case len(fit) == 0:
		return "", crmgate.Refuse("It is not clear which platform this application is of: please name it (platform).")
	}
	return "", nil
}

// check puts the stored secret in the place of its placeholder, and holds the values to the manifest and, as far as it
// tells, to the CRM.
func (o *Orgs) check(ctx context.Context, conn connector.Connector, app *storage.ManagedApp, apps storage.ManagedApps) (client token.Client, err error) {
	m := conn.Manifest()
	if err := m.RequireOAuth(); err != nil {
		return client, err
	}
	v := &app.Values
	if v.ClientSecret.Reveal() == Placeholder {
		stored := cmp.Or(apps.Confirmed, apps.Pending)
		if app.Staged { // an admin who stages sees what is pending
			stored = cmp.Or(apps.Pending, apps.Confirmed)
		}
		if stored == nil || stored.Values.ClientSecret.IsZero() {
			return client, crmgate.Refuse("No client secret is stored: please enter it.")
		}
		if w := stored.Values; w.ClientID != v.ClientID || w.AccessTokenURI != v.AccessTokenURI || w.Hostname != v.Hostname {
			return client, crmgate.Refuse("The client id, the token URL or the host name is another: please enter the client secret again.")
		}
		v.ClientSecret = stored.Values.ClientSecret
	}
	if v.Hostname, err = m.CheckHostname(v.Hostname); err != nil {
		return client, err
	}
	if v.AuthorizationURI != "" {
		if err := m.Hosts.AllowURL(v.AuthorizationURI, v.Hostname); err != nil {
			return client, crmgate.Refuse("authorizationUri: %v", err)
		}
	}
	client, err = o.Tokens.Client(ctx, conn, connector.OAuthInfoRequest{Hostname: v.Hostname, Account: app.Account}, app)
	if err != nil {
		return client, err
	}
	return client, o.tried(ctx, conn, client)
}

// tried asks the CRM what it thinks of a client, by a code that nobody gave out.
func (o *Orgs) tried(ctx context.Context, conn connector.Connector, client token.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := o.Tokens.Try(ctx, conn, client)
	var te *token.Error
	if !errors.As(err, &te) || te.CodeRefused() || te.Status != 401 && !errors.Is(te.Kind, crmgate.ErrAppDead) {
		return nil
	}
	return &crmgate.Refusal{Message: fmt.Sprintf("%s does not accept this application. Please check the client id and the client secret. It says: %s", conn.Manifest().Title, te.Message), Err: err}
}

// DropPending forgets what an admin's organisation has pending: of a platform, or of all if p is empty.
func (o *Orgs) DropPending(ctx context.Context, rcToken crmgate.Secret, p crmgate.Platform) error {
	who, err := o.Verify.Admin(ctx, rcToken)
	if err != nil {
		return err
	}
	return o.dropPending(ctx, who, p)
}

func (o *Orgs) dropPending(ctx context.Context, who identity.Identity, p crmgate.Platform) error {
	platforms := []crmgate.Platform{p}
	if p == "" {
		platforms = o.Connectors.Platforms()
	}
	return o.DB.DropPendingApps(ctx, who.Account, platforms, storage.LogEvent(audit.Event{Kind: audit.EventManagedApp, By: audit.ByAdmin, Outcome: audit.OutcomeOK}))
}

// RemoveApp removes the application of an admin's organisation, and what is pending, and with it the sessions of all whose
// grants it issued.
func (o *Orgs) RemoveApp(ctx context.Context, rcToken crmgate.Secret, p crmgate.Platform) error {
	who, err := o.Verify.Admin(ctx, rcToken)
	if err != nil {
		return err
	}
	return o.removeApp(ctx, who, p)
}

func (o *Orgs) removeApp(ctx context.Context, who identity.Identity, p crmgate.Platform) error {
	if p == "" {
		return crmgate.RefusePlain("Missing platform name")
	}
	err := o.DB.RemoveManagedApp(ctx, who.Account, p, storage.LogEvent(audit.Event{Kind: audit.EventManagedApp, By: audit.ByAdmin, Outcome: audit.OutcomeOK}))
	o.Revocations.Changed()
	return err
}
