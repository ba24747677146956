// Command acme is the connector of Acme. Each exported function is an operation that crmgate calls. ABI.md of crmgate says what each of them
// gets and answers. Replace the addresses and the members of the answers with those of your CRM.
package main

import (
	"encoding/base64"
	"errors"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
)

func main() {}

//go:wasmexport getAuthType
func getAuthType() int32 { return sdk.Answer(authType) }

//go:wasmexport getBasicAuth
func getBasicAuth() int32 { return sdk.Answer(basicAuth) }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return sdk.Answer(userInfo) }

func base() string { return sdk.ConfigOr("ACME_URL", "http://127.0.0.1:8081") }

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "apiKey"}, nil }

// basicAuth says how the key is sent: here as the user name of Basic, without a password. AuthHeader is what this makes of it.
func basicAuth(in sdk.BasicAuthRequest) (sdk.BasicAuth, error) {
	return sdk.BasicAuth{Basic: base64.StdEncoding.EncodeToString([]byte(in.APIKey + ":"))}, nil
}

// userInfo says who has signed in.
func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	r, err := sdk.Get(base()+"/api/me", in.AuthHeader)
	switch {
	case err != nil:
		return sdk.UserInfo{}, err
	case r.Status == 401:
		return sdk.UserInfo{ReturnMessage: sdk.Warning("Acme did not accept the API key. Check it, and try again.", 0)}, nil
	case !r.OK():
		return sdk.UserInfo{}, sdk.StatusError(r)
	}
	me := r.JSON()
	id, name := me.Text("id"), me.String("name")
	if err := me.Err(); err != nil {
		return sdk.UserInfo{}, err
	}
	if id == "" {
		return sdk.UserInfo{}, errors.New("Acme did not say who has signed in")
	}
	return sdk.UserInfo{Successful: true, PlatformUserInfo: &sdk.PlatformUserInfo{ID: id + "-acme", Name: name}}, nil
}
