// Acme is the example connector in Go. The folders beside it have the same connector in other languages.
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

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "oauth"}, nil }

func oauthInfo(sdk.OAuthInfoRequest) (sdk.OAuthInfo, error) {
	id, _ := sdk.Config("ACME_CLIENT_ID")
	secret, _ := sdk.Config("ACME_CLIENT_SECRET")
	return sdk.OAuthInfo{ClientID: id, ClientSecret: secret, AccessTokenURI: "https://api.acme.example/oauth/token"}, nil
}

func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	r, err := sdk.Get("https://api.acme.example/me", in.AuthHeader)
	switch {
	case err != nil:
		return sdk.UserInfo{}, err
	case r.Status == 401:
		return sdk.UserInfo{ReturnMessage: sdk.Warning("Acme did not accept the sign-in. Connect again.", 5*sdk.Second)}, nil
	case !r.OK():
		return sdk.UserInfo{}, sdk.StatusError(r)
	}
	me := r.JSON()
	id := me.Text("id")
	user := sdk.PlatformUserInfo{
		ID: id + "-acme", Name: me.String("name"), TimezoneName: me.String("timezone", "name"), TimezoneOffset: me.Get("timezone", "offset"),
		PlatformAdditionalInfo: map[string]any{"email": me.String("email")},
	}
	if err := me.Err(); err != nil {
		return sdk.UserInfo{}, err
	}
	if id == "" {
		return sdk.UserInfo{}, errors.New("the CRM did not say who the person is")
	}
	return sdk.UserInfo{Successful: true, ReturnMessage: sdk.Success("Connected to Acme.", 3*sdk.Second), PlatformUserInfo: &user}, nil
}
