package authflow

import (
	"context"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/storage/audit"
)

// ConnectRequest identifies a platform's connect page and the browser that shows it.
type ConnectRequest struct {
	Platform crmgate.Platform
	// Session is the auth session that a client waits for; may be empty.
	Session string
	// Browser is the BrowserSecret of the browser that began the session.
	Browser crmgate.Secret
}

// Connect returns what the connect page shows. It is a Refusal if the platform is unknown or has no connector, if its sign-ins
// do not come back to this server, or if the session has ended or belongs to another browser.
//
// If the organisation needs an application of its own and has none, its admin enters one (EnterOwnApp). Other people get a
// Refusal that matches crmgate.ErrNoApp. If the organisation is unknown, that Refusal comes from ConnectOAuth.
func (f *Flows) Connect(ctx context.Context, r ConnectRequest) (c Connecting, err error) {
	if c.Manifest, err = f.Connectors.Connectable(ctx, r.Platform); err != nil {
		return c, err
	}
	m := c.Manifest
	s, err := f.sessions.forBrowser(ctx, r)
	if err != nil {
		return c, err
	}
	c.Hostname = s.Hostname
	if m.AuthType != manifest.OAuth {
		return c, nil
	}
	if m.OAuth.ClientID != "" { // else the connector returns the redirect URI later
		return c, f.landsHere(ctx, m, s)
	}
	if m.OAuth.AdminManaged == nil || s.Who.Account == "" {
		return c, nil
	}
	apps, err := f.Orgs.Apps(ctx, m, s.Who.Account)
	switch {
	case err != nil || apps.Confirmed != nil:
	case !s.Who.Admin:
		err = org.NotSetUp(m)
	case apps.Pending != nil:
		c.Own = apps.Pending.Shown()
	default:
		c.Own = map[string]string{}
	}
	c.Revision = apps.Revision(s.Who.Extension)
	return c, err
}

// landsHere refuses a platform whose sign-ins do not come back to this server. The connector is asked only if the manifest's
// redirect URI is another server's.
func (f *Flows) landsHere(ctx context.Context, m *manifest.Manifest, s authSession) error {
	elsewhere := landsHere(f.RedirectURI(), m.OAuth.RedirectURI, m.Title)
	if elsewhere == nil {
		return nil
	}
	conn, err := f.Connectors.Find(ctx, m.Platform)
	if err != nil {
		return err
	}
	app, err := f.Tokens.Application(ctx, conn, connector.OAuthInfoRequest{Hostname: s.Hostname, Account: s.Who.Account}, nil)
	if err != nil {
		return elsewhere
	}
	return landsHere(f.RedirectURI(), app.RedirectURI, m.Title)
}

// ConnectPages returns the platforms whose connect pages can finish a sign-in, in the order of their titles.
func (f *Flows) ConnectPages(ctx context.Context) []*manifest.Manifest {
	return slices.DeleteFunc(f.Connectors.AllConnectable(ctx), func(m *manifest.Manifest) bool { return !f.endsHere(m) })
}

// endsHere reports whether a sign-in on a platform's connect page ends on this server, as far as the manifest says.
func (f *Flows) endsHere(m *manifest.Manifest) bool {
	return m.AuthType != manifest.OAuth || m.OAuth.ClientID == "" || landsHere(f.RedirectURI(), m.OAuth.RedirectURI, m.Title) == nil
}

// Connecting is what a connect page shows.
type Connecting struct {
	Manifest *manifest.Manifest
	Hostname string // that the waiting client has named; may be empty
	// Own, if not nil, says that the person is an admin who must first enter their organisation's application. It holds the
	// values entered so far.
	Own map[string]string
	// Revision identifies the organisation's applications for EnterOwnApp.
	Revision string
}

// EnterOwnApp enters the application of the organisation whose admin is on the page. ConnectOAuth then tries it. A person who
// is not an admin gets the Refusal of Connect. revision is that of the form: if the organisation's applications have changed
// since, EnterOwnApp returns a Refusal and does nothing.
func (f *Flows) EnterOwnApp(ctx context.Context, r ConnectRequest, values map[string]string, revision string) (*org.Entered, error) {
	m, err := f.Connectors.Connectable(ctx, r.Platform)
	if err != nil {
		return nil, err
	}
	s, err := f.sessions.forBrowser(ctx, r)
	if err != nil {
		return nil, err
	}
	if !s.Who.Admin {
		return nil, org.NotSetUp(m)
	}
	admin := f.Orgs.AdminOf(s.Who)
	app, err := admin.App(ctx, r.Platform)
	if err != nil {
		return nil, err
	}
	return admin.EnterApp(ctx, app, values, revision)
}

// ConnectOAuth begins a sign-in by OAuth that ends on this server's landing page. hostname and username are what the person has
// entered. entered is the result of EnterOwnApp in the
// same request; nil reads the organisation's application from the store.
func (f *Flows) ConnectOAuth(ctx context.Context, r ConnectRequest, hostname, username string, entered *org.Entered) (Composed, error) {
	s, err := f.sessions.forBrowser(ctx, r)
	if err != nil {
		return Composed{}, err
	}
	return f.Compose(ctx, ComposeRequest{Platform: r.Platform, Hostname: hostname, Mode: "bound", username: username, session: &s, entered: entered})
}

// ConnectAPIKey signs a person in with the values of the connect page's form. An auth session stays pending until that
// succeeds. ConnectAPIKey sets key's platform and the values that the session knows.
func (f *Flows) ConnectAPIKey(ctx context.Context, r ConnectRequest, key APIKeyRequest) (SignedIn, error) {
	s, err := f.sessions.forBrowser(ctx, r)
	if err != nil {
		return SignedIn{}, err
	}
	key.Platform, key.HashedExtension, key.session = r.Platform, s.HashedExtension, &s
	signedIn, err := f.APIKey(ctx, key)
	if o := OutcomeOf(signedIn, err); o.Result == audit.OutcomeOK && s.ID != "" {
		err = f.sessions.conclude(ctx, s.ID, signedIn, o)
	}
	return signedIn, err
}
