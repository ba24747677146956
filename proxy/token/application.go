package token

import (
	"cmp"
	"context"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

// Application returns the application that a person signs in with, and the host of the sign-in. It is the only place that
// decides this, for the authorization URL, the code exchange, refreshes and revocations. Each value is the one of managed,
// the organisation's own application, which may be nil; else the connector's answer; else the manifest's. A client id never
// goes with the secret of another client.
//
// The caller has checked the request's hostname. The host of managed replaces it, and the connector may correct it. The
// manifest's values are those for the resulting host. TokenAuth is the connector's only, and AccessTokenURI is not checked.
//
// The error is a *FailMessage if the connector names no application, a *crmgate.Refusal if a value is missing or not
// allowed, or the connector's.
func (e *Engine) Application(ctx context.Context, conn connector.Connector, req connector.OAuthInfoRequest, managed *crmgate.OrgApplication) (connector.OAuthInfo, error) {
	m := conn.Manifest()
	if managed != nil && managed.Hostname != "" {
		req.Hostname = managed.Hostname
	}
	if req.TokenURL != "" { // checked before the connector sees it and could send something there
		if err := m.CheckURL("tokenUrl", req.TokenURL, req.Hostname); err != nil {
			return connector.OAuthInfo{}, err
		}
	}
	info, err := conn.OAuthInfo(ctx, req)
	if err != nil {
		if !suffices(managed, req, err) {
			return connector.OAuthInfo{}, err
		}
		e.Logger.WarnContext(ctx, "an organisation's application is used without the connector's values", "platform", m.Platform, "err", err)
		info = connector.OAuthInfo{}
	}
	if managed != nil {
		own := info.ClientSecret
		if info.Application = managed.Over(info.Application); !info.ClientSecret.Equal(own) {
			info.SecretSends = nil // it is the admin's
		}
		if managed.ClientID != "" { // the connector need not have an application of its own
			info.FailMessage = ""
		}
	}
	if info.FailMessage != "" {
		return connector.OAuthInfo{}, &FailMessage{info.FailMessage}
	}
	if info.Hostname, err = m.CheckHostname(info.Hostname); err != nil {
		return connector.OAuthInfo{}, err
	}
	info.Hostname = cmp.Or(info.Hostname, req.Hostname)
	below := m.ForHost(info.Hostname).OAuth.Application()
	below.AccessTokenURI = req.TokenURL
	info.Application = info.Over(below)
	if info.ClientID == "" {
		return connector.OAuthInfo{}, &crmgate.Refusal{Kind: crmgate.Declined, Message: `Expected "clientId" to exist`, Err: crmgate.ErrNoApp}
	}
	return info, nil
}

// suffices reports whether an organisation's application can be used although the connector's getOauthInfo failed: the
// application names the client and the token endpoint, and the connector itself reported the error. A call that was stopped
// may succeed the next time.
func suffices(managed *crmgate.OrgApplication, req connector.OAuthInfoRequest, err error) bool {
	var own *crmgate.ConnectorError
	return errors.As(err, &own) && own.Err == nil &&
		managed != nil && managed.ClientID != "" && cmp.Or(managed.AccessTokenURI, req.TokenURL) != ""
}
