// Insightly is the connector for Insightly, with API keys. Each instance of Insightly is in a pod with its own API URL. The
// person pastes the URL beside the key.
package main

import (
	"errors"
	"strings"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/zone"
)

func main() {}

//go:wasmexport getAuthType
func getAuthType() int32 { return sdk.Answer(authType) }

//go:wasmexport getBasicAuth
func getBasicAuth() int32 { return sdk.Answer(basicAuth) }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return sdk.Answer(userInfo) }

//go:wasmexport unAuthorize
func unAuthorize() int32 { return sdk.Answer(logout) }

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "apiKey"}, nil }

// basicAuth returns the key as the user name, with an empty password. The server has removed the blanks that pasted keys often
// have around them: a handle stands for the key without them.
func basicAuth(in sdk.BasicAuthRequest) (sdk.BasicAuth, error) {
	return sdk.BasicAuth{Basic: sdk.Basic(in.APIKey, "")}, nil
}

func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	base, err := apiURL(in.AdditionalInfo.String("apiUrl"))
	if err != nil {
		return sdk.UserInfo{ReturnMessage: sdk.Warning("The API URL "+err.Error()+". Please copy it from the API section of your "+
			"Insightly User Settings: it looks like https://api.na1.insightly.com/v3.1/", 5*sdk.Second)}, nil
	}
	a, err := sdk.Get(sdk.URL(base, sdk.ConfigOr("INSIGHTLY_API_VERSION", "v3.1"), "users", "me"), in.AuthHeader)
	switch {
	case err != nil:
		return sdk.UserInfo{}, err
	case a.Status == 401 || a.Status == 403:
		return sdk.UserInfo{ReturnMessage: sdk.Warning("Could not load user information. Please check your API key and try again.", 3*sdk.Second,
			"Insightly was unable to fetch information for the currently logged in user. Please check your permissions in Insightly "+
				"and make sure you have permission to access and read user information.")}, nil
	case !a.OK():
		return sdk.UserInfo{}, sdk.StatusError(a)
	}
	me := a.JSON()
	id, name := me.Text("USER_ID"), strings.TrimSpace(me.String("FIRST_NAME")+" "+me.String("LAST_NAME"))
	timeZone := me.String("TIMEZONE_ID") // Windows' name of the zone
	if err := me.Err(); err != nil {
		return sdk.UserInfo{}, err
	}
	if id == "" {
		return sdk.UserInfo{}, errors.New("the CRM did not say who the person is")
	}
	return sdk.UserInfo{Successful: true, ReturnMessage: sdk.Success("Connected to Insightly.", sdk.Second), PlatformUserInfo: &sdk.PlatformUserInfo{
		ID: id + "-insightly", Name: name, TimezoneName: timeZone, TimezoneOffset: zone.Offset(timeZone, sdk.Now()),
		PlatformAdditionalInfo: map[string]any{"apiUrl": base},
	}}, nil
}

// logout succeeds without a request: a key is valid until its owner makes another.
func logout(sdk.UserRequest) (sdk.Outcome, error) {
	return sdk.Outcome{Successful: true, ReturnMessage: sdk.Success("Logged out of Insightly", sdk.Second)}, nil
}

// apiURL returns the address of a pod's API, without a version. It accepts the URL that Insightly shows, a URL of its
// documentation, a host, or the pod alone. The error completes "The API URL …".
//
// The key is sent to this address. So only api.insightly.com and api.POD.insightly.com are accepted.
func apiURL(pasted string) (string, error) {
	const domain = ".insightly.com"
	s := strings.ToLower(strings.TrimSpace(pasted))
	if s == "" {
		return "", errors.New("is missing")
	}
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "https", s
	}
	if scheme != "https" && scheme != "http" {
		return "", errors.New("is not one of Insightly's")
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	host := strings.TrimSuffix(rest, ":443")
	if label(host) && host != "api" { // the pod: na1, eu1, …
		host = "api." + host + domain
	}
	api, ok := strings.CutSuffix(host, domain)
	pod, hasPod := strings.CutPrefix(api, "api.")
	if !ok || api != "api" && !(hasPod && label(pod)) {
		return "", errors.New("is not one of Insightly's")
	}
	return "https://" + host, nil
}

// label reports whether s is one label of a host name.
func label(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-' && s[len(s)-1] != '-'
}
