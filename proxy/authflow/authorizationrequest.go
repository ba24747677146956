package authflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/token"
)

// ComposeRequest asks for an authorization URL.
type ComposeRequest struct {
	Platform crmgate.Platform
	Hostname string // as the client sent it
	// Mode is "bound", or "compat" or empty for the URL that App Connect's own client composes.
	Mode string
	// Origin is the origin that gets the callback; empty if the client names none. A bound state names it.
	Origin string
	// RCToken proves the account; may be empty. The account's own application is used if it has one.
	RCToken crmgate.Secret
	// Staged asks for the pending application that is to replace the confirmed one. Only an admin can try it.
	Staged bool

	username string       // that the person has entered
	session  *authSession // of a sign-in that one of this server's pages begins, empty if no client waits; else nil
	admin    bool         // the page is the organisation's
	entered  *org.Entered // the application to try, if this request has entered it
}

// Composed is an authorization URL.
type Composed struct {
	AuthURL string
	// LoginSecret is what a bound callback must contain; empty in compat mode.
	LoginSecret crmgate.Secret
	// Life is how long a bound sign-in may take.
	Life time.Duration
}

// Compose makes an authorization URL. A platform that is unknown, has no authorization URL or does not allow the host name is
// a Refusal, and so is an origin to which the landing page would not hand the callback.
func (f *Flows) Compose(ctx context.Context, r ComposeRequest) (Composed, error) {
	conn, err := f.Connectors.Find(ctx, r.Platform)
	if err != nil {
		return Composed{}, err
	}
	m := conn.Manifest()
	if err := m.RequireOAuth(); err != nil {
		return Composed{}, err
	}
	hostname, err := m.CheckHostname(r.Hostname)
	if err != nil {
		return Composed{}, err
	}
	var who identity.Identity
	switch {
	case r.session != nil:
		who = r.session.Who
	case !r.RCToken.IsZero():
		if who, err = f.Verify(ctx, r.RCToken); err != nil {
			return Composed{}, err
		}
	}
	var app *crmgate.OrgApplication
	if r.entered != nil {
		app = &r.entered.App
	} else if app, err = f.Orgs.AppToTry(ctx, m, who, r.Staged); err != nil {
		return Composed{}, err
	}
	if app != nil && app.Hostname != "" {
		hostname = app.Hostname
	}
	o, m, err := f.section(ctx, conn, connector.OAuthInfoRequest{Hostname: hostname, Account: who.Account, Username: r.username}, app, r.entered)
	if err != nil {
		return Composed{}, err
	}
	if o.RedirectURI == f.RedirectURI() {
		if err := f.allowOrigin(r.Origin); err != nil {
			return Composed{}, err
		}
	}
	switch r.Mode {
	case "", "compat":
		return Composed{AuthURL: PlainURL(m, o, "")}, nil
	case "bound":
		s := state{
			Platform: m.Platform, Account: who.Account, Extension: who.Extension, Hostname: hostname, ClientID: o.ClientID,
			RedirectURI: o.RedirectURI, Origin: allowedOrigin(f.AllowedOrigins, r.Origin), Username: r.username,
		}
		if app != nil {
			s.Entry = app.Entry
		}
		if r.session != nil {
			if err := landsHere(f.RedirectURI(), o.RedirectURI, m.Title); err != nil {
				return Composed{}, err
			}
			s.Page, s.Session, s.Admin = true, r.session.ID, r.admin
			s.HashedExtension, s.Expires = r.session.HashedExtension, r.session.Expires
		}
		return f.composeBound(ctx, m, o, s)
	}
	return Composed{}, crmgate.Refuse("mode %q is unknown: use compat or bound", crmgate.Clip(r.Mode))
}

// section returns what to compose with: the application of the sign-in, in the manifest's section for its host, and that
// manifest. entered, which may be nil, has the client already.
//
// If the connector names no application, the manifest's is used. A connector that ends the sign-in with a text may need what
// only the callback has, such as tokenUrl. It is asked again then.
func (f *Flows) section(ctx context.Context, conn connector.Connector, req connector.OAuthInfoRequest, app *crmgate.OrgApplication, entered *org.Entered) (o manifest.OAuthSection, m *manifest.Manifest, err error) {
	m = conn.Manifest().ForHost(req.Hostname)
	var info connector.OAuthInfo
	if entered != nil {
		info = entered.Client.Info
	} else {
		info, err = f.Tokens.Application(ctx, conn, req, app)
	}
	var fail *token.FailMessage
	switch {
	case err == nil:
		m = conn.Manifest().ForHost(info.Hostname)
		o = m.OAuth.With(info.Application)
	case (errors.As(err, &fail) || errors.Is(err, crmgate.ErrNotFound)) && app == nil && m.OAuth.ClientID != "":
		o = m.OAuth
	case fail != nil:
		return o, m, crmgate.Refuse("%s", fail.Message)
	case errors.Is(err, crmgate.ErrNoApp):
		return o, m, noApplication(m, req.Hostname)
	default:
		return o, m, err
	}
	return o, m, checkAuthURL(m, o.AuthURL)
}

// noApplication is the Refusal if there is no application to sign in with.
func noApplication(m *manifest.Manifest, hostname string) error {
	if m.OAuth.AdminManaged != nil {
		return org.NotSetUp(m)
	}
	return &crmgate.Refusal{
		Message: crmName(m, hostname) + " is not available here. Ask your administrator.",
		Err:     fmt.Errorf("neither the manifest nor the connector's configuration names a client id for %s", cmp.Or(hostname, string(m.Platform))),
	}
}

// checkAuthURL refuses an authorization URL that is not a web page. Clients would open a javascript: URL too.
func checkAuthURL(m *manifest.Manifest, authURL string) error {
	u, err := url.Parse(authURL)
	switch {
	case authURL == "":
		return crmgate.Refuse("the manifest of %s has no authUrl", m.Platform)
	case manifest.NeedsHostname(authURL):
		return crmgate.Refuse("hostname is missing: people sign in to %s at their own host", m.Title)
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return crmgate.Refuse("the connector of %s returned an authorizationUri that is not an http or https URL: %q", m.Platform, crmgate.Clip(authURL))
	}
	return nil
}

func (f *Flows) composeBound(ctx context.Context, m *manifest.Manifest, o manifest.OAuthSection, s state) (Composed, error) {
	extra := ""
	if m.Token.PKCE {
		v := token.NewVerifier()
		s.Verifier = v.Reveal()
		extra = "&code_challenge=" + token.Challenge(v) + "&code_challenge_method=S256"
	}
	param, secret, err := f.states.bind(ctx, s, m.ShortState)
	if err != nil {
		return Composed{}, err
	}
	return Composed{AuthURL: authURL(o, m.Token.ScopeSeparator, param, extra), LoginSecret: secret, Life: stateLife}, nil
}

// TryApp begins an admin's own sign-in with the pending application of their organisation. The sign-in ends on this
// server's landing page. If it succeeds, the application becomes the organisation's confirmed one. entered is the result of
// EnterApp or Pending in the same request.
func (f *Flows) TryApp(ctx context.Context, a *org.Admin, p crmgate.Platform, entered *org.Entered) (Composed, error) {
	return f.Compose(ctx, ComposeRequest{
		Platform: p, Mode: "bound", Staged: true, session: &authSession{Who: a.Identity()}, admin: true, entered: entered,
	})
}

// allowOrigin refuses an origin to which the landing page does not hand a callback: the person would sign in at the CRM, and the
// client would hear nothing.
func (f *Flows) allowOrigin(origin string) error {
	if origin == "" || slices.Contains(f.AllowedOrigins, strings.ToLower(origin)) {
		return nil
	}
	return &crmgate.Refusal{Kind: crmgate.Forbidden, Message: fmt.Sprintf(
		"The origin %q may not receive sign-ins from this server. The operator allows it with --allowed-origin.", crmgate.Clip(origin))}
}

// allowedOrigin returns origin if it is allowed, else the first allowed origin.
func allowedOrigin(allowed []string, origin string) string {
	if origin = strings.ToLower(origin); slices.Contains(allowed, origin) {
		return origin
	}
	return allowed[0]
}

// landsHere refuses an application whose redirect URI is not this server's landing page.
func landsHere(landing, redirectURI, title string) error {
	if redirectURI == landing {
		return nil
	}
	host := "another server"
	if u, err := url.Parse(redirectURI); err == nil && u.Host != "" {
		host = u.Host
	}
	return crmgate.Refuse("After the sign-in, %s sends people to %s and not back to this page. Please connect in the application itself.", title, host)
}

// crmName names a CRM for a person: by the label of the environment that has the host name, if there are several.
func crmName(m *manifest.Manifest, hostname string) string {
	for _, s := range m.Page.Environment.Selections {
		if host, err := crmgate.ParseHostname(strings.TrimSpace(s.Value)); err == nil && host == hostname {
			return m.Title + " " + s.Label
		}
	}
	return cmp.Or(hostname, m.Title)
}
