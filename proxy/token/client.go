package token

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
)

// Client is an Application for token requests.
type Client struct {
	Platform    crmgate.Platform
	ID          string
	Secret      crmgate.Secret // empty: a public client
	TokenURL    string
	RedirectURI string
	Scopes      string // as the connector or the manifest wrote it
	Hostname    string // of the sign-in
	Auth        crmgate.TokenAuth
	// App identifies this client in a grant.
	App crmgate.ApplicationKey
	// Info is the application. Later calls give it to the connector.
	Info connector.OAuthInfo

	manifest    *manifest.Manifest
	refreshAuth crmgate.TokenAuth
}

// Client returns the client of an application for token requests, checked against the manifest: nothing is sent to a host that
// the manifest does not declare. The parameters and errors are those of Application.
func (e *Engine) Client(ctx context.Context, conn connector.Connector, req connector.OAuthInfoRequest, managed *crmgate.OrgApplication) (Client, error) {
	info, err := e.Application(ctx, conn, req, managed)
	if err != nil {
		return Client{}, err
	}
	app := crmgate.ApplicationKey{}
	if managed != nil {
		app.Account, app.Generation = managed.Account, managed.Generation
		if managed.State == crmgate.Pending || managed.State == crmgate.Staged {
			app.Entry = managed.Entry
		}
	}
	m := conn.Manifest().ForHost(info.Hostname)
	refreshAuth := cmp.Or(info.TokenAuth, m.Refresh.Auth)
	info.TokenAuth = cmp.Or(info.TokenAuth, m.Token.Auth)
	switch {
	case info.AccessTokenURI == "":
		return Client{}, crmgate.Decline(`Expected "accessTokenUri" to exist`)
	case !info.TokenAuth.Valid():
		return Client{}, crmgate.Refuse("tokenAuth: %q is not supported: use basic, basicRaw, body or none", info.TokenAuth)
	}
	if err := m.CheckTokenURL("accessTokenUri", info.AccessTokenURI, info.Hostname); err != nil {
		return Client{}, err
	}
	if info.RevocationURI != "" {
		if err := m.CheckTokenURL("revocationUri", info.RevocationURI, info.Hostname); err != nil {
			return Client{}, err
		}
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

// checkSecret checks that the manifest lets the client's secret be sent in a request to the CRM's token or revocation endpoint.
// The connector chooses the endpoint, but it only knows a handle of the secret. body is the place of the parameters.
func (c Client) checkSecret(to *url.URL, body string) error {
	at := manifest.InHeader
	switch {
	case c.Auth == crmgate.TokenAuthNone || c.Secret.IsZero():
		return nil
	case c.Auth == crmgate.TokenAuthBody && body == "query":
		at = manifest.InQuery
	case c.Auth == crmgate.TokenAuthBody:
		at = manifest.InBody
	}
	for _, s := range c.Info.SecretSends {
		if !s.Allows(at, to, c.Hostname) {
			return c.manifest.Unavailable(fmt.Errorf("the client secret may not be sent in the %s to %s: declare both in crmgate.sends of the manifest of %s", at, crmgate.Clip(to.Host), c.Platform))
		}
	}
	return nil
}

// FailMessage is the text with which a connector ends a sign-in instead of naming an application (failMessage).
type FailMessage struct{ Message string }

func (f *FailMessage) Error() string { return f.Message }

// AuthHeader is a person's Authorization header for the CRM's API: "Bearer …", or a new one from the connector for an API key.
func AuthHeader(ctx context.Context, conn connector.Connector, p crmgate.Person) (crmgate.Secret, error) {
	if p.Grant.APIKey.IsZero() {
		return crmgate.NewSecret("Bearer " + p.Grant.AccessToken.Reveal()), nil
	}
	return conn.BasicAuth(ctx, p.Grant.APIKey)
}

// UserRequest is the input of a connector's operations on a signed-in person.
func UserRequest(ctx context.Context, conn connector.Connector, p crmgate.Person) (connector.UserRequest, error) {
	r := connector.UserRequest{User: p.User, APIKey: p.Grant.APIKey, RefreshToken: p.Grant.RefreshToken}
	if end := p.Grant.Expiry; !end.IsZero() {
		r.TokenExpiry, _ = json.Marshal(end.UTC().Format(time.RFC3339)) // a string always encodes
	}
	var err error
	r.AuthHeader, err = AuthHeader(ctx, conn, p)
	return r, err
}
