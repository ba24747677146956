package authflow

import (
	"context"
	"errors"
	"net/url"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/org"
)

// ConnectRequest is somebody on the page of a platform.
type ConnectRequest struct {
	Platform crmgate.Platform
	// Session is the auth session that a client waits for; empty if none does.
	Session string
	// Browser is the secret that the browser which began the session holds.
	Browser crmgate.Secret
}

// Connect says what there is to connect, and where in its environment the client that waits has found the person; hostname
// may be empty. It is a Refusal if the platform is unknown or has no connector, if a sign-in to it would not come back to
// this server, or if the session is not this browser's, or over.
//
// Where an organisation has to bring an application of its own, and has not, its admin is to enter one (EnterOwnApp), and
// everybody else is told whom to ask: a Refusal that is crmgate.ErrNoApp. Of somebody of whom nothing is known,
// ConnectOAuth says so.
func (f *Flows) Connect(ctx context.Context, r ConnectRequest) (c Connecting, err error) {
	if c.Manifest, err = f.Connectors.Connectable(r.Platform); err != nil {
		return c, err
	}
	m := c.Manifest
	s, err := f.visitor(ctx, r)
	if err != nil {
		return c, err
	}
	c.Hostname = s.Hostname
	if m.AuthType != manifest.OAuth {
		return c, nil
	}
	if m.OAuth.ClientID != "" { // else the connector names the redirect URI, when it is asked
		return c, f.landsHere(m.Title, m.OAuth.RedirectURI)
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
	return c, err
}

// Connecting is what there is to connect.
type Connecting struct {
	Manifest *manifest.Manifest
	Hostname string
	// Own, if not nil, says that the person is an admin who has to enter their organisation's application first; it is what
	// they have entered so far.
	Own map[string]string
}

// EnterOwnApp enters the application of the organisation whose admin is on the page, as Flows.EnterApp does; it is
// ConnectOAuth's turn then. Whoever is no admin gets the Refusal of Connect.
func (f *Flows) EnterOwnApp(ctx context.Context, r ConnectRequest, values map[string]string) error {
	m, err := f.Connectors.Connectable(r.Platform)
	if err != nil {
		return err
	}
	s, err := f.visitor(ctx, r)
	if err != nil {
		return err
	}
	if !s.Who.Admin {
		return org.NotSetUp(m)
	}
	return f.Orgs.Enter(ctx, s.Who, r.Platform, values, crmgate.Pending)
}

// RedirectURI is where applications send people back to.
func (f *Flows) RedirectURI() string { return f.PublicURL + LandingPage }

// ConnectOAuth begins a sign-in by OAuth that ends on this server's own landing page.
func (f *Flows) ConnectOAuth(ctx context.Context, r ConnectRequest, hostname string) (Composed, error) {
	s, err := f.visitor(ctx, r)
	if err != nil {
		return Composed{}, err
	}
	return f.Compose(ctx, ComposeRequest{Platform: r.Platform, Hostname: hostname, Mode: "bound", visitor: s})
}

// ConnectAPIKey signs a person in with what they typed into a page of ours. A session that a client waits for goes on
// waiting until they are let in. key's platform and what the session knows are put in.
func (f *Flows) ConnectAPIKey(ctx context.Context, r ConnectRequest, key APIKeyRequest) (SignedIn, error) {
	s, err := f.visitor(ctx, r)
	if err != nil {
		return SignedIn{}, err
	}
	key.Platform, key.HashedExtension, key.visitor = r.Platform, s.HashedExtension, s
	in, err := f.APIKey(ctx, key)
	if err == nil && s.id != "" && !in.Token.IsZero() {
		err = f.pending.conclude(ctx, s.id, in, nil)
	}
	return in, err
}

// visitor is the auth session that a request belongs to; an empty one if it names none. Only the browser that began a
// session may go on with it: who is sent a link by somebody else would sign that somebody in.
func (f *Flows) visitor(ctx context.Context, r ConnectRequest) (*pendingSignIn, error) {
	if r.Session == "" {
		return &pendingSignIn{}, nil
	}
	s, err := f.awaited(ctx, r.Session)
	switch {
	case err != nil:
		return nil, err
	case r.Browser.IsZero() || !hashes(r.Browser, s.BrowserHash):
		return nil, &crmgate.Refusal{Kind: crmgate.Forbidden, Err: crmgate.ErrOtherBrowser,
			Message: "This sign-in was not started in this browser. Somebody else may have sent you the link: whoever started it would get your access."}
	case s.Platform != r.Platform:
		return nil, crmgate.Refuse("This sign-in was started for another CRM.")
	}
	return s, nil
}

// awaited is an auth session that is still pending.
func (f *Flows) awaited(ctx context.Context, id string) (*pendingSignIn, error) {
	s, err := f.pending.read(ctx, id)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return nil, tookTooLong()
	case err != nil:
		return nil, err
	case s.Status != SignInPending:
		return nil, sessionOver()
	}
	return s, nil
}

func sessionOver() error {
	return &crmgate.Refusal{Message: "This sign-in has ended already. Please start again in the application.", Err: crmgate.ErrConflict}
}

// LandingPage is where CRMs send browsers back to, below the public URL.
const LandingPage = "/redirect.html"

// landsHere refuses a redirect URI that is not this server's landing page.
func (f *Flows) landsHere(title, redirectURI string) error {
	if redirectURI == f.RedirectURI() {
		return nil
	}
	host := "another server"
	if u, err := url.Parse(redirectURI); err == nil && u.Host != "" {
		host = u.Host
	}
	return crmgate.Refuse("After the sign-in, %s sends people to %s and not back to this page, so this page cannot connect it. Please connect in the application itself.", title, host)
}
