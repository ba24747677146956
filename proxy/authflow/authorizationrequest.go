package authflow

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/token"
)

// ComposeRequest asks for the URL that a browser opens to sign in.
type ComposeRequest struct {
	Platform crmgate.Platform
	Hostname string // as the client sent it
	// Mode is "bound", or "compat" or empty for the URL that App Connect's own client composes.
	Mode string
	// Origin is the origin that wants the callback; pinned in a bound state if it is one of the allowed ones.
	Origin string
	// RCToken, if not empty, proves the account, whose own app is then used, if it has one.
	RCToken crmgate.Secret
	// Staged asks for the app that is to take the place of the confirmed one, for an admin to try it.
	Staged bool

	visitor *pendingSignIn // of a sign-in that a page of ours begins, empty if no client waits; else nil
	admin   bool           // the page is the organisation's
	entered *org.Entered   // the application to try, if it was entered a moment ago
}

// Composed is the answer to a ComposeRequest.
type Composed struct {
	AuthURL string
	// LoginSecret is what a bound callback must show; empty in compat mode.
	LoginSecret crmgate.Secret
	// Life is for how long a bound sign-in may go on.
	Life time.Duration
}

// Compose makes an authorization URL. A platform that is unknown, has no authorization URL or does not allow the host name is a Refusal.
func (f *Flows) Compose(ctx context.Context, r ComposeRequest) (Composed, error) {
	conn, err := f.Connectors.Find(r.Platform)
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
	case r.visitor != nil:
		who = r.visitor.Who
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
	m = m.ForHost(hostname)
	o, err := f.application(ctx, conn, m, hostname, app, r.entered)
	if err != nil {
		return Composed{}, err
	}
	switch r.Mode {
	case "", "compat":
		return Composed{AuthURL: PlainURL(m, o, "")}, nil
	case "bound":
		s := state{
			Platform: m.Platform, Account: who.Account, Extension: who.Extension, Hostname: hostname, ClientID: o.ClientID,
			RedirectURI: o.RedirectURI, Origin: f.pinned(r.Origin),
		}
		if app != nil {
			s.Entry = app.Entry
		}
		if r.visitor != nil {
			if err := f.landsHere(m.Title, o.RedirectURI); err != nil {
				return Composed{}, err
			}
			s.Page, s.Session, s.Admin = true, r.visitor.id, r.admin
		}
		return f.composeBound(ctx, m, o, s)
	}
	return Composed{}, crmgate.Refuse("mode is compat or bound")
}

// application is what to compose with: the organisation's own, or the manifest's, for which no guest is asked, or, where
// that names no client id, the connector's, which has it from the operator. m has the overrides for hostname applied.
// entered, if not nil, has the client already.
func (f *Flows) application(ctx context.Context, conn connector.Connector, m *manifest.Manifest, hostname string, app *crmgate.OrgApplication, entered *org.Entered) (manifest.OAuthSection, error) {
	o := m.OAuth
	if o.ClientID == "" || app != nil {
		var client token.Client
		var err error
		if entered != nil {
			client = entered.Client
		} else {
			client, err = f.Tokens.Client(ctx, conn, connector.OAuthInfoRequest{Hostname: hostname}, app)
		}
		var fail *token.FailMessage
		switch {
		case errors.As(err, &fail):
			return o, crmgate.Refuse("%s", fail.Message)
		case errors.Is(err, crmgate.ErrNoApp) && o.AdminManaged != nil:
			return o, org.NotSetUp(m)
		case errors.Is(err, crmgate.ErrNoApp):
			return o, crmgate.Refuse("%s is not set up on this server: neither its manifest nor the configuration of its connector names a client id for it", cmp.Or(hostname, m.Title))
		case err != nil:
			return o, err
		}
		o.ClientID, o.RedirectURI, o.Scope = client.ID, client.RedirectURI, client.Scopes
		if at := client.Info.AuthorizationURI; at != "" {
			u, err := url.Parse(at)
			if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" { // clients open it, a javascript: URL as well
				return o, crmgate.Refuse("the connector of %s names an authorizationUri that is no http or https URL", m.Platform)
			}
			o.AuthURL = at
		}
	}
	if o.AuthURL == "" {
		return o, crmgate.Refuse("the manifest of %s names no authUrl", m.Platform)
	}
	return o, nil
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

// PlainURL is the authorization URL for an application, with the state of App Connect's clients; extra is put behind it.
func PlainURL(m *manifest.Manifest, o manifest.OAuthSection, extra string) string {
	return authURL(o, m.Token.ScopeSeparator, plainState(m), extra)
}

// plainState is the state that App Connect's clients send: the manifest's own, or the platform's name.
func plainState(m *manifest.Manifest) string {
	if m.OAuth.CustomState != "" {
		return m.OAuth.CustomState
	}
	return "platform=" + string(m.Platform)
}

// authURL composes as App Connect's client does, to the letter: net/url would sort and encode what must stay verbatim.
// A scope that contains "=" is a piece of query of its own (Google's "access_type=offline&scope=…").
func authURL(o manifest.OAuthSection, separator, state, extra string) string {
	var b strings.Builder
	b.WriteString(o.AuthURL)
	if strings.Contains(o.AuthURL, "?") {
		b.WriteByte('&')
	} else {
		b.WriteByte('?')
	}
	b.WriteString("response_type=code&client_id=" + encodeURIComponent(o.ClientID))
	if strings.Contains(o.Scope, "=") {
		b.WriteString("&" + o.Scope)
	} else if o.Scope != "" {
		b.WriteString("&scope=" + encodeScopes(o.Scope, separator))
	}
	b.WriteString("&state=" + state + "&redirect_uri=" + encodeURIComponent(o.RedirectURI) + extra)
	return encodeStray(b.String())
}

// encodeScopes encodes a scope as it was written or, where the manifest names a separator, its scopes with that between
// them. A plus stands as it is: for servers that read a form it is a blank, and others look for the character.
func encodeScopes(scope, separator string) string {
	if separator == "" {
		return encodeURIComponent(scope)
	}
	if separator != "+" {
		separator = encodeURIComponent(separator)
	}
	scopes := strings.Fields(scope)
	for i, s := range scopes {
		scopes[i] = encodeURIComponent(s)
	}
	return strings.Join(scopes, separator)
}

const hexDigits = "0123456789ABCDEF"

// percent encodes the bytes of s that keep does not name.
func percent(s string, keep func(byte) bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; keep(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// encodeURIComponent is JavaScript's (ECMA-262, 19.2.6.4).
func encodeURIComponent(s string) string {
	return percent(s, func(c byte) bool { return alphanumeric(c) || strings.IndexByte("-_.!~*'()", c) >= 0 })
}

// encodeStray percent-encodes what may not stand in a URL (RFC 3986, section 2) and touches nothing else.
func encodeStray(s string) string {
	return percent(s, func(c byte) bool { return alphanumeric(c) || strings.IndexByte("-._~:/?#[]@!$&'()*+,;=%", c) >= 0 })
}

// TryApp begins an admin's own sign-in with the pending application of their organisation. The sign-in ends on this
// server's landing page. If it succeeds, the application is the organisation's from then on. entered is what EnterApp has
// returned for the same request; nil reads the pending application from the store.
func (f *Flows) TryApp(ctx context.Context, a *org.Admin, p crmgate.Platform, entered *org.Entered) (Composed, error) {
	return f.Compose(ctx, ComposeRequest{
		Platform: p, Mode: "bound", Staged: true, visitor: &pendingSignIn{Who: a.Identity()}, admin: true, entered: entered,
	})
}
