// Command acme is the connector of Acme. Each exported function is an operation that crmgate calls. ABI.md of crmgate says what each of them
// gets and answers. Replace the addresses and the members of the answers with those of your CRM.
package main

import (
	"errors"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
)

func main() {}

//go:wasmexport getAuthType
func getAuthType() int32 { return sdk.Answer(authType) }

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return sdk.Answer(oauthInfo) }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return sdk.Answer(userInfo) }

func base() string { return sdk.ConfigOr("ACME_URL", "http://127.0.0.1:8081") }

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "oauth"}, nil }

// oauthInfo returns the application at the CRM. What is missing here comes from the manifest.
func oauthInfo(sdk.OAuthInfoRequest) (sdk.OAuthInfo, error) {
	id, _ := sdk.Config("ACME_CLIENT_ID")
	secret, _ := sdk.Config("ACME_CLIENT_SECRET")
	return sdk.OAuthInfo{ClientID: id, ClientSecret: secret, AccessTokenURI: base() + "/oauth/token"}, nil
}

// userInfo says who has signed in.
func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	r, err := sdk.Get(base()+"/api/me", in.AuthHeader)
	switch {
	case err != nil:
		return sdk.UserInfo{}, err
	case r.Status == 401:
		return sdk.UserInfo{ReturnMessage: sdk.Warning("Acme did not accept the sign-in. Connect again.", 0)}, nil
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
