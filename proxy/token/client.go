package token

import (
	"context"
	"encoding/json"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// Client is the OAuth client to use with a platform: what the connector answers, laid over the manifest.
type Client struct {
	Platform    crmgate.Platform
	ID          string
	Secret      crmgate.Secret // empty: a public client
	TokenURL    string
	RedirectURI string
	Scopes      string // as the connector or the manifest wrote it
	Hostname    string // the person's, or what the connector made of it
	Auth        crmgate.TokenAuth
	// App is how a grant names this client.
	App crmgate.App
	// Info is the connector's answer, with what the manifest fills in; connectors get it back with later calls.
	Info crmgate.OAuthInfo

	manifest    *manifest.Manifest
	refreshAuth crmgate.TokenAuth
}

// Client asks the connector which application to use, and holds the answer to the manifest: nothing is ever sent to a
// host that is not declared there. The request's hostname was checked by whoever took it from a client. A *FailMessage
// is the connector's refusal in words; a *crmgate.Refusal says what is missing or not allowed; other errors are the connector's.
//
// managed, if not nil, is the organisation's own application. Its values are laid over the connector's answer, one by one,
// save that an id and a secret belong together; its host and its token URL win over the request's.
func (e *Engine) Client(ctx context.Context, conn connector.Connector, req connector.OAuthInfoRequest, managed *storage.ManagedApp) (Client, error) {
	if managed != nil && managed.Values.Hostname != "" {
		req.Hostname = managed.Values.Hostname
	}
	m := conn.Manifest().ForHost(req.Hostname)
	if req.TokenURL != "" { // before the connector sees it, which could send something there
		if err := m.Hosts.AllowURL(req.TokenURL, req.Hostname); err != nil {
			return Client{}, crmgate.Refuse("tokenUrl: %v", err)
		}
	}
	info, err := conn.OAuthInfo(ctx, req)
	if err != nil {
		return Client{}, err
	}
	app := crmgate.App{}
	if managed != nil {
		app.Account, app.Generation = managed.Account, managed.Generation
		info = layOver(info, managed.Values)
	}
	if info.FailMessage != "" {
		return Client{}, &FailMessage{info.FailMessage}
	}
	fill(&info.ClientID, m.OAuth.ClientID)
	fill(&info.RedirectURI, m.OAuth.RedirectURI)
	fill(&info.Scopes, m.OAuth.Scope)
	fill(&info.AccessTokenURI, req.TokenURL)
	refreshAuth := info.TokenAuth
	fill(&info.TokenAuth, m.Token.Auth)
	fill(&refreshAuth, m.Refresh.Auth)
	switch {
	case info.ClientID == "":
		return Client{}, &crmgate.Refusal{Message: `Expected "clientId" to exist`, Err: crmgate.ErrNoApp}
	case info.AccessTokenURI == "":
		return Client{}, crmgate.Refuse(`Expected "accessTokenUri" to exist`)
	case !info.TokenAuth.Valid():
		return Client{}, crmgate.Refuse("tokenAuth: %q is no way to authenticate", info.TokenAuth)
	}
	if info.Hostname, err = m.CheckHostname(info.Hostname); err != nil {
		return Client{}, err
	}
	fill(&info.Hostname, req.Hostname)
	if err := m.Hosts.AllowURL(info.AccessTokenURI, info.Hostname); err != nil {
		return Client{}, crmgate.Refuse("accessTokenUri: %v", err)
	}
	if info.ClientSecret.IsZero() {
		info.TokenAuth, refreshAuth = crmgate.TokenAuthNone, crmgate.TokenAuthNone // a public client has nothing to authenticate with (RFC 6749, 3.2.1)
	}
	app.ClientID, app.TokenURL = info.ClientID, info.AccessTokenURI
	return Client{
		Platform: m.Platform, ID: info.ClientID, Secret: info.ClientSecret, TokenURL: info.AccessTokenURI,
		RedirectURI: info.RedirectURI, Scopes: info.Scopes, Hostname: info.Hostname, Auth: info.TokenAuth,
		App: app, Info: info, manifest: m, refreshAuth: refreshAuth,
	}, nil
}

// layOver lays what an admin entered over a connector's answer. A connector that has no application of its own, and says
// so, is not in need of one then.
func layOver(info, over crmgate.OAuthInfo) crmgate.OAuthInfo {
	if over.ClientID != "" {
		info.ClientID, info.ClientSecret, info.FailMessage = over.ClientID, over.ClientSecret, ""
	} else if !over.ClientSecret.IsZero() {
		info.ClientSecret = over.ClientSecret
	}
	for _, v := range []struct{ of, over *string }{
		{&info.AccessTokenURI, &over.AccessTokenURI}, {&info.AuthorizationURI, &over.AuthorizationURI}, {&info.RedirectURI, &over.RedirectURI},
		{&info.Scopes, &over.Scopes}, {&info.Hostname, &over.Hostname},
	} {
		if *v.over != "" {
			*v.of = *v.over
		}
	}
	return info
}

func fill[S ~string](v *S, otherwise S) {
	if *v == "" {
		*v = otherwise
	}
}

// FailMessage is what a connector says instead of naming an application (failMessage): the sign-in ends with this text.
type FailMessage struct{ Message string }

func (f *FailMessage) Error() string { return f.Message }

// AuthHeader is what the CRM's API wants to see of a person: "Bearer …", or "Basic …" made anew by the connector.
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

// UserRequest is what a connector's operations on a signed-in person get.
func UserRequest(ctx context.Context, conn connector.Connector, p crmgate.Person) (connector.UserRequest, error) {
	r := connector.UserRequest{User: p.User}
	if end := p.Grant.Expiry; !end.IsZero() {
		r.TokenExpiry, _ = json.Marshal(end.UTC().Format(time.RFC3339)) // a string always encodes
	}
	var err error
	r.AuthHeader, err = AuthHeader(ctx, conn, p)
	return r, err
}
