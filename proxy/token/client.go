package token

import (
	"cmp"
	"context"
	"encoding/json"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
)

// Client is the OAuth client for a platform: the connector's answer, laid over the manifest.
type Client struct {
	Platform    crmgate.Platform
	ID          string
	Secret      crmgate.Secret // empty: a public client
	TokenURL    string
	RedirectURI string
	Scopes      string // as the connector or the manifest wrote it
	Hostname    string // the person's, or the connector's correction
	Auth        crmgate.TokenAuth
	// App identifies this client in a grant.
	App crmgate.ApplicationKey
	// Info is the connector's answer, completed from the manifest. Later calls give it back to the connector.
	Info connector.OAuthInfo

	manifest    *manifest.Manifest
	refreshAuth crmgate.TokenAuth
}

// Client asks the connector which application to use, and checks the answer against the manifest: nothing is sent to a host
// that the manifest does not declare. The caller has checked the request's hostname.
//
// managed, if not nil, is the organisation's own application. Its values are laid over the connector's answer one by one, but
// its client id never goes with the connector's secret. Its host and its token URL win over the request's.
//
// The error is a *FailMessage if the connector names no application, a *crmgate.Refusal if a value is missing or not
// allowed, or the connector's.
func (e *Engine) Client(ctx context.Context, conn connector.Connector, req connector.OAuthInfoRequest, managed *crmgate.OrgApplication) (Client, error) {
	if managed != nil && managed.Hostname != "" {
		req.Hostname = managed.Hostname
	}
	m := conn.Manifest().ForHost(req.Hostname)
	if req.TokenURL != "" { // checked before the connector sees it and could send something there
		if err := m.Hosts.AllowURL(req.TokenURL, req.Hostname); err != nil {
			return Client{}, crmgate.Decline("tokenUrl: %v", err)
		}
	}
	info, err := conn.OAuthInfo(ctx, req)
	if err != nil {
		return Client{}, err
	}
	app := crmgate.ApplicationKey{}
	if managed != nil {
		app.Account, app.Generation = managed.Account, managed.Generation
		if managed.State == crmgate.Pending || managed.State == crmgate.Staged {
			app.Entry = managed.Entry
		}
		info.Application = managed.Over(info.Application)
		if managed.ClientID != "" { // the connector need not have an application of its own
			info.FailMessage = ""
		}
	}
	if info.FailMessage != "" {
		return Client{}, &FailMessage{info.FailMessage}
	}
	info.Application = info.Over(crmgate.Application{
		ClientID: m.OAuth.ClientID, RedirectURI: m.OAuth.RedirectURI, Scopes: m.OAuth.Scope, AccessTokenURI: req.TokenURL,
	})
	refreshAuth := cmp.Or(info.TokenAuth, m.Refresh.Auth)
	info.TokenAuth = cmp.Or(info.TokenAuth, m.Token.Auth)
	switch {
	case info.ClientID == "":
		return Client{}, &crmgate.Refusal{Kind: crmgate.Declined, Message: `Expected "clientId" to exist`, Err: crmgate.ErrNoApp}
	case info.AccessTokenURI == "":
		return Client{}, crmgate.Decline(`Expected "accessTokenUri" to exist`)
	case !info.TokenAuth.Valid():
		return Client{}, crmgate.Refuse("tokenAuth: %q is not supported: use basic, basicRaw, body or none", info.TokenAuth)
	}
	if info.Hostname, err = m.CheckHostname(info.Hostname); err != nil {
		return Client{}, err
	}
	info.Hostname = cmp.Or(info.Hostname, req.Hostname)
	if err := m.Hosts.AllowURL(info.AccessTokenURI, info.Hostname); err != nil {
		return Client{}, crmgate.Decline("accessTokenUri: %v", err)
	}
	if info.ClientSecret.IsZero() {
		info.TokenAuth, refreshAuth = crmgate.TokenAuthNone, crmgate.TokenAuthNone // a public client has no secret (RFC 6749, 3.2.1)
	}
	app.ClientID, app.TokenURL = info.ClientID, info.AccessTokenURI
	return Client{
		Platform: m.Platform, ID: info.ClientID, Secret: info.ClientSecret, TokenURL: info.AccessTokenURI,
		RedirectURI: info.RedirectURI, Scopes: info.Scopes, Hostname: info.Hostname, Auth: info.TokenAuth,
		App: app, Info: info, manifest: m, refreshAuth: refreshAuth,
	}, nil
}

// forRefresh is the client with the token URL and the authentication that the manifest names for refreshes.
func (c Client) forRefresh() (Client, error) {
	c.Auth = c.refreshAuth
	raw := c.manifest.Refresh.URL
	if raw == "" {
		return c, nil
	}
	if manifest.NeedsHostname(raw) && c.Hostname == "" {
		return c, crmgate.Refuse("The manifest of %s refreshes at the person's host, but this sign-in has no host name.", c.Platform)
	}
	c.TokenURL = manifest.HostnameURL(raw, c.Hostname) // checked against the manifest's hosts when it is sent
	return c, nil
}

// FailMessage is the text with which a connector ends a sign-in instead of naming an application (failMessage).
type FailMessage struct{ Message string }

func (f *FailMessage) Error() string { return f.Message }

// AuthHeader is a person's Authorization header for the CRM's API: "Bearer …", or a new "Basic …" from the connector.
func AuthHeader(ctx context.Context, conn connector.Connector, p crmgate.Person) (crmgate.Secret, error) {
	if p.Grant.APIKey.IsZero() {
		return crmgate.NewSecret("Bearer " + p.Grant.AccessToken.Reveal()), nil
	}
	basic, err := conn.BasicAuth(ctx, p.Grant.APIKey)
	if err != nil {
		return crmgate.Secret{}, err
	}
	return crmgate.NewSecret("Basic " + basic.Reveal()), nil
}

// UserRequest is the input of a connector's operations on a signed-in person.
func UserRequest(ctx context.Context, conn connector.Connector, p crmgate.Person) (connector.UserRequest, error) {
	r := connector.UserRequest{User: p.User}
	if end := p.Grant.Expiry; !end.IsZero() {
		r.TokenExpiry, _ = json.Marshal(end.UTC().Format(time.RFC3339)) // a string always encodes
	}
	var err error
	r.AuthHeader, err = AuthHeader(ctx, conn, p)
	return r, err
}
