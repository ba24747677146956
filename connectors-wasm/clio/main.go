// Clio is the connector for Clio Manage, by OAuth.
//
// Clio keeps its customers' data in four regions. Each region has its own host, and knows only the applications that were
// registered there.
package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/zone"
)

func main() {}

//go:wasmexport getAuthType
func getAuthType() int32 { return sdk.Answer(authType) }

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return sdk.Answer(oauthInfo) }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return sdk.Answer(userInfo) }

//go:wasmexport unAuthorize
func unAuthorize() int32 { return sdk.Answer(deauthorize) }

// region is a region of Clio: its host, and the prefix of its configuration names.
type region struct{ host, config string }

// regions lists all regions. The first is the default.
var regions = []region{
	{"app.clio.com", "CLIO_"},
	{"au.app.clio.com", "CLIO_AU_"},
	{"ca.app.clio.com", "CLIO_CA_"},
	{"eu.app.clio.com", "CLIO_EU_"},
}

func regionOf(hostname string) (region, error) {
	if hostname == "" {
		return regions[0], nil
	}
	for _, r := range regions {
		if strings.EqualFold(r.host, hostname) {
			return r, nil
		}
	}
	return region{}, errors.New(strconv.Quote(hostname) + " is not a host of Clio")
}

func (r region) url(path string) string { return "https://" + r.host + path }

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "oauth"}, nil }

// oauthInfo ignores the request's tokenUrl, because it comes from the client. A region's secret goes to the region, or to
// the endpoint that the operator has configured.
func oauthInfo(in sdk.OAuthInfoRequest) (sdk.OAuthInfo, error) {
	r, err := regionOf(in.Hostname)
	if err != nil {
		return sdk.OAuthInfo{}, err
	}
	return sdk.OAuthInfo{
		ClientID:       sdk.ConfigOr(r.config+"CLIENT_ID", ""),
		ClientSecret:   sdk.ConfigOr(r.config+"CLIENT_SECRET", ""),
		AccessTokenURI: sdk.ConfigOr(r.config+"ACCESS_TOKEN_URI", r.url("/oauth/token")),
		RedirectURI:    sdk.ConfigOr("CLIO_REDIRECT_URI", ""),
	}, nil
}

func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	r, err := regionOf(in.Hostname)
	if err != nil {
		return sdk.UserInfo{}, err
	}
	a, err := sdk.Get(r.url("/api/v4/users/who_am_i.json?fields=id,name,time_zone"), in.AuthHeader)
	switch {
	case err != nil:
		return sdk.UserInfo{}, err
	case a.Status == 401 || a.Status == 403:
		return sdk.UserInfo{ReturnMessage: sdk.Warning("Could not load user information", 3*sdk.Second,
			"Clio was unable to fetch information for the currently logged in user. Please check your permissions in Clio "+
				"and make sure you have permission to access and read user information.")}, nil
	case !a.OK():
		return sdk.UserInfo{}, sdk.StatusError(a)
	}
	me := a.JSON()
	id, name, timeZone := me.Text("data", "id"), me.String("data", "name"), me.String("data", "time_zone")
	if err := me.Err(); err != nil {
		return sdk.UserInfo{}, err
	}
	if id == "" {
		return sdk.UserInfo{}, errors.New("the CRM did not say who the person is")
	}
	return sdk.UserInfo{Successful: true, ReturnMessage: sdk.Success("Connected to Clio.", sdk.Second), PlatformUserInfo: &sdk.PlatformUserInfo{
		ID: id + "-clio", Name: name, TimezoneName: timeZone, TimezoneOffset: zone.Offset(timeZone, sdk.Now()),
		OverridingHostname: r.host,
	}}, nil
}

// deauthorize revokes the access token, and with it the refresh token. Clio answers 401 if the token is already dead.
func deauthorize(in sdk.UserRequest) (sdk.Outcome, error) {
	r, err := regionOf(in.User.Hostname)
	if err != nil {
		return sdk.Outcome{}, err
	}
	token := strings.TrimPrefix(in.AuthHeader, "Bearer ")
	a, err := sdk.PostForm(r.url("/oauth/deauthorize"), map[string]string{"Authorization": in.AuthHeader}, sdk.Parameters{{"token", token}})
	switch {
	case err != nil:
		return sdk.Outcome{}, err
	case !a.OK() && a.Status != 401:
		return sdk.Outcome{}, sdk.StatusError(a)
	}
	return sdk.Outcome{Successful: true, ReturnMessage: sdk.Success("Logged out of Clio", sdk.Second)}, nil
}
