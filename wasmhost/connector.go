package wasmhost

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
)

// hosted is the connector of a platform with a module.
type hosted struct{ m *module }

var _ connector.Connector = (*hosted)(nil)

// newCall returns a call of an operation for a user's host. The caller sets its input.
func (c *hosted) newCall(operation, hostname string) *call {
	return c.newCallWith(c.m.newNonce(), operation, hostname)
}

// newCallWith is newCall with a nonce.
func (c *hosted) newCallWith(nonce, operation, hostname string) *call {
	return &call{module: c.m, operation: operation, hostname: hostname, secrets: c.m.newSecrets(nonce, hostname), resolves: resolves[operation]}
}

// callForUser runs an operation for a signed-in user.
func callForUser[D document](ctx context.Context, c *hosted, operation string, r connector.UserRequest) (D, error) {
	call, in := c.userCall(operation, r)
	return runCall[D](ctx, call, in)
}

// userCall returns a call for a signed-in user, and its input.
func (c *hosted) userCall(operation string, r connector.UserRequest) (*call, userIn) {
	call := c.newCall(operation, r.User.Key.Hostname)
	call.rejected = r.Rejected
	in := userIn{User: userOf(r), AuthHeader: call.addHeader(r.AuthHeader, false)}
	if operation == "unAuthorize" || operation == "checkAndRefreshAccessToken" {
		in.RefreshToken = call.addRevealed(manifest.RefreshToken, r.RefreshToken)
	}
	call.secrets.Hide(strings.TrimSpace(r.APIKey.Reveal())) // the header can have it in another form
	in.User.AdditionalInfo = call.strippedJSON(in.User.AdditionalInfo)
	return call, in
}

// runCall calls the guest and decodes its answer.
func runCall[D document](ctx context.Context, c *call, in any) (D, error) {
	var none D
	c.input = encode(in)
	out, err := c.module.invoke(ctx, c)
	if err != nil {
		return none, err
	}
	if out, err = c.readable(ctx, out); err != nil {
		return none, err
	}
	if c.answered != nil {
		c.answered(crmgate.NewSecret(string(out)))
	}
	d, err := decode[D](out)
	if err != nil {
		return d, c.abiError("gave an invalid answer (" + err.Error() + ")")
	}
	return d, nil
}

func (c *hosted) Manifest() *manifest.Manifest         { return c.m.manifest }
func (c *hosted) Implements(name string) bool          { return c.m.facts.exports(name) }
func (c *hosted) AuthType() (manifest.AuthType, error) { return c.m.facts.AuthType, nil }

func (c *hosted) OAuthInfo(ctx context.Context, r connector.OAuthInfoRequest) (connector.OAuthInfo, error) {
	call := c.newCall("getOauthInfo", r.Hostname)
	d, err := runCall[oauthInfoOut](ctx, call, oauthInfoIn{r.Hostname, r.TokenURL, r.Account, r.UserEmail, r.Username})
	info := d.info()
	for _, name := range call.resolved {
		info.SecretSends = append(info.SecretSends, c.m.manifest.Sends[name])
	}
	return info, err
}

func (c *hosted) OverridingOAuthOption(ctx context.Context, r connector.OAuthOptionRequest) (connector.OAuthOption, error) {
	call := c.newCall("getOverridingOAuthOption", r.OAuth.Hostname)
	call.secrets.Show(r.Code.Reveal())
	d, err := runCall[oauthOptionOut](ctx, call, oauthOptionIn{r.Code.Reveal(), r.State, call.addApplication(r.OAuth)})
	return connector.OAuthOption(d), err
}

func (c *hosted) BasicAuth(ctx context.Context, apiKey crmgate.Secret) (crmgate.Secret, error) {
	call := c.newCall("getBasicAuth", "")
	d, err := runCall[basicAuthOut](ctx, call, basicAuthIn{call.addKey(apiKey)})
	return crmgate.NewSecret(d.authorization()), err
}

func (c *hosted) UserInfo(ctx context.Context, r connector.UserInfoRequest) (connector.UserInfo, error) {
	call := c.newCall("getUserInfo", r.Hostname)
	call.secrets.Show(formSecrets(r.AdditionalInfo)...)
	key := call.addKey(r.APIKey)
	in := userInfoIn{
		AuthHeader: call.addHeader(r.AuthHeader, key != ""), Hostname: r.Hostname, Platform: c.m.manifest.Platform, Query: r.Query,
		CallbackURI: r.CallbackURI, TokenURL: r.TokenURL, APIURL: r.APIURL, Username: r.Username, Data: call.strippedJSON(r.Data),
		APIKey: key, AdditionalInfo: call.strippedJSON(json.RawMessage(r.AdditionalInfo.Reveal())),
	}
	d, err := runCall[userInfoOut](ctx, call, in)
	if err != nil {
		return connector.UserInfo{}, err
	}
	if d.User.OverridingAPIKey, _, err = call.resolve(ctx, d.User.OverridingAPIKey, manifest.APIKeySecret); err != nil {
		return connector.UserInfo{}, err
	}
	return d.info(), nil
}

func (c *hosted) AuthValidation(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	d, err := callForUser[validationOut](ctx, c, "authValidation", r)
	return d.outcome(), err
}

func (c *hosted) RefreshUserInfo(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	d, err := callForUser[validationOut](ctx, c, "refreshUserInfo", r)
	return d.outcome(), err
}

func (c *hosted) UnAuthorize(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	call, in := c.userCall("unAuthorize", r)
	d, err := runCall[outcomeOut](ctx, call, in)
	out := d.outcome()
	out.Told = call.lastStatus != 0
	return out, err
}

func (c *hosted) PostSaveUserInfo(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	d, err := callForUser[outcomeOut](ctx, c, "postSaveUserInfo", r)
	return d.outcome(), err
}

func (c *hosted) LicenseStatus(ctx context.Context, r connector.UserRequest) (json.RawMessage, error) {
	d, err := callForUser[licenseOut](ctx, c, "getLicenseStatus", r)
	return d.RawMessage, err
}

func (c *hosted) RefreshAccessToken(ctx context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
	call, user := c.userCall("checkAndRefreshAccessToken", r.UserRequest)
	call.rejected, call.answered, call.kept = nil, r.Answered, r.Fetches
	in := refreshIn{user, call.addApplication(r.OAuth)}
	d, err := runCall[refreshOut](ctx, call, in)
	return connector.RefreshAnswer{
		AccessToken: crmgate.NewSecret(d.AccessToken), RefreshToken: crmgate.NewSecret(d.RefreshToken),
		ExpiresIn: int64(min(max(float64(d.ExpiresIn), 0), 1e12)), AdditionalInfo: nullToNil(d.User.AdditionalInfo),
	}, err
}

func (c *hosted) ManagedAuthOptions(ctx context.Context, r connector.ManagedAuthOptionsRequest) ([]connector.ManagedAuthOption, error) {
	call := c.newCall("getManagedAuthOptions", "")
	in := managedOptionsIn{r.FieldConst, map[string]string{}}
	for name, v := range r.AccountValues {
		if name == manifest.APIKeySecret {
			in.AccountValues[name] = call.addKey(v)
			continue
		}
		in.AccountValues[name] = v.Reveal()
		call.secrets.Show(v.Reveal())
	}
	d, err := runCall[managedOptionsOut](ctx, call, in)
	return d.options(), err
}

// manifestOnly is the connector of a platform without a module. Its module has no path, so every operation returns notFound.
type manifestOnly struct{ *hosted }

func (c manifestOnly) AuthType() (manifest.AuthType, error) {
	return "", notFound(c.m.manifest.Platform)
}
