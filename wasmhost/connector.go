package wasmhost

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
)

// hosted is the connector of a platform with a module.
type hosted struct{ m *module }

var _ connector.Connector = (*hosted)(nil)

// callOperation runs an operation with an input document.
func callOperation[D document](ctx context.Context, m *module, operation, hostname string, in any, secrets ...string) (D, error) {
	return runCall[D](ctx, &call{module: m, operation: operation, hostname: hostname, input: encode(in), secrets: secrets})
}

// callForUser runs an operation for a signed-in user.
func callForUser[D document](ctx context.Context, m *module, operation string, r connector.UserRequest) (D, error) {
	return runCall[D](ctx, userCall(m, operation, r))
}

func userCall(m *module, operation string, r connector.UserRequest) *call {
	in := userIn{userOf(r), r.AuthHeader.Reveal()}
	return &call{
		module: m, operation: operation, hostname: r.User.Key.Hostname, input: encode(in), secrets: headerSecrets(r.AuthHeader), rejected: r.Rejected,
	}
}

// runCall calls the guest and decodes its answer.
func runCall[D document](ctx context.Context, c *call) (D, error) {
	out, err := c.module.invoke(ctx, c)
	if err != nil {
		var none D
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
	d, err := callOperation[oauthInfoOut](ctx, c.m, "getOauthInfo", r.Hostname, oauthInfoIn{r.Hostname, r.TokenURL, r.Account, r.UserEmail})
	return d.info(), err
}

func (c *hosted) OverridingOAuthOption(ctx context.Context, r connector.OAuthOptionRequest) (connector.OAuthOption, error) {
	code := r.Code.Reveal()
	d, err := callOperation[oauthOptionOut](ctx, c.m, "getOverridingOAuthOption", r.OAuth.Hostname,
		oauthOptionIn{code, r.State, visibleOAuthInfo(r.OAuth, c.m.manifest)}, code, r.OAuth.ClientSecret.Reveal())
	return connector.OAuthOption(d), err
}

func (c *hosted) BasicAuth(ctx context.Context, apiKey crmgate.Secret) (crmgate.Secret, error) {
	d, err := callOperation[basicAuthOut](ctx, c.m, "getBasicAuth", "", basicAuthIn{apiKey.Reveal()}, apiKey.Reveal())
	return crmgate.NewSecret(d.Basic), err
}

func (c *hosted) UserInfo(ctx context.Context, r connector.UserInfoRequest) (connector.UserInfo, error) {
	in := userInfoIn{
		AuthHeader: r.AuthHeader.Reveal(), Hostname: r.Hostname, Platform: c.m.manifest.Platform, Query: r.Query,
		CallbackURI: r.CallbackURI, TokenURL: r.TokenURL, APIURL: r.APIURL, Username: r.Username, Data: r.Data,
		APIKey: r.APIKey.Reveal(), AdditionalInfo: json.RawMessage(r.AdditionalInfo.Reveal()),
	}
	d, err := callOperation[userInfoOut](ctx, c.m, "getUserInfo", r.Hostname, in,
		append(append(formSecrets(r.AdditionalInfo), headerSecrets(r.AuthHeader)...), r.APIKey.Reveal())...)
	if err != nil {
		return connector.UserInfo{}, err
	}
	return d.info(), nil
}

func (c *hosted) AuthValidation(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	d, err := callForUser[validationOut](ctx, c.m, "authValidation", r)
	return d.outcome(), err
}

func (c *hosted) RefreshUserInfo(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	d, err := callForUser[validationOut](ctx, c.m, "refreshUserInfo", r)
	return d.outcome(), err
}

func (c *hosted) UnAuthorize(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	call := userCall(c.m, "unAuthorize", r)
	d, err := runCall[outcomeOut](ctx, call)
	out := d.outcome()
	out.Told = call.lastStatus != 0
	return out, err
}

func (c *hosted) PostSaveUserInfo(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	d, err := callForUser[outcomeOut](ctx, c.m, "postSaveUserInfo", r)
	return d.outcome(), err
}

func (c *hosted) LicenseStatus(ctx context.Context, r connector.UserRequest) (json.RawMessage, error) {
	d, err := callForUser[licenseOut](ctx, c.m, "getLicenseStatus", r)
	return d.RawMessage, err
}

func (c *hosted) RefreshAccessToken(ctx context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
	in := refreshIn{userIn{userOf(r.UserRequest), r.AuthHeader.Reveal()}, visibleOAuthInfo(r.OAuth, c.m.manifest), ""}
	if c.m.manifest.Reveals("refreshToken") {
		in.RefreshToken = r.RefreshToken.Reveal()
	}
	d, err := runCall[refreshOut](ctx, &call{
		module: c.m, operation: "checkAndRefreshAccessToken", hostname: r.User.Key.Hostname, input: encode(in), answered: r.Answered, kept: r.Fetches,
		secrets: append(headerSecrets(r.AuthHeader), r.RefreshToken.Reveal(), r.OAuth.ClientSecret.Reveal()),
	})
	return connector.RefreshAnswer{
		AccessToken: crmgate.NewSecret(d.AccessToken), RefreshToken: crmgate.NewSecret(d.RefreshToken),
		ExpiresIn: int64(min(max(float64(d.ExpiresIn), 0), 1e12)), AdditionalInfo: nullToNil(d.User.AdditionalInfo),
	}, err
}

func (c *hosted) ManagedAuthOptions(ctx context.Context, r connector.ManagedAuthOptionsRequest) ([]connector.ManagedAuthOption, error) {
	in := managedOptionsIn{r.FieldConst, map[string]string{}}
	var secrets []string
	for name, v := range r.AccountValues {
		in.AccountValues[name] = v.Reveal()
		secrets = append(secrets, v.Reveal())
	}
	d, err := callOperation[managedOptionsOut](ctx, c.m, "getManagedAuthOptions", "", in, secrets...)
	return d.options(), err
}

// headerSecrets returns the secrets in an Authorization header: the credential as it is sent first, then the user name and
// password that a Basic credential encodes.
func headerSecrets(h crmgate.Secret) []string {
	scheme, credential, _ := strings.Cut(h.Reveal(), " ")
	if scheme != "Basic" {
		return []string{credential}
	}
	decoded, _ := base64.StdEncoding.DecodeString(credential) // a credential that is not base64 encodes nothing
	user, password, _ := strings.Cut(string(decoded), ":")
	return []string{credential, user, password}
}

// formSecrets returns the strings of a form: any of them may be a credential.
func formSecrets(form crmgate.Secret) []string {
	var fields map[string]any
	if json.Unmarshal([]byte(form.Reveal()), &fields) != nil {
		return nil
	}
	var all []string
	for _, v := range fields {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// manifestOnly is the connector of a platform without a module. Its module has no path, so every operation returns notFound.
type manifestOnly struct{ *hosted }

func (c manifestOnly) AuthType() (manifest.AuthType, error) {
	return "", notFound(c.m.manifest.Platform)
}
