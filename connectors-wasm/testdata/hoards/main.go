// Hoards is a connector with deliberate mistakes. It stores the access token in the person's additional info, puts the CRM's
// answer into an error, and panics if the CRM does not answer.
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

//go:wasmexport authValidation
func authValidation() int32 { return sdk.Answer(validate) }

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "oauth"}, nil }

func oauthInfo(sdk.OAuthInfoRequest) (sdk.OAuthInfo, error) {
	return sdk.OAuthInfo{AccessTokenURI: "http://127.0.0.1:8081/oauth/token"}, nil
}

func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	r, err := sdk.Get("http://127.0.0.1:8081/api/me", in.AuthHeader)
	if err != nil {
		return sdk.UserInfo{}, err
	}
	me := r.JSON()
	id, name := me.Text("id"), me.String("name")
	if !r.OK() || me.Err() != nil || id == "" {
		return sdk.UserInfo{}, sdk.Error{Message: r.Body, Status: r.Status}
	}
	return sdk.UserInfo{Successful: true, PlatformUserInfo: &sdk.PlatformUserInfo{
		ID: id + "-hoards", Name: name, PlatformAdditionalInfo: map[string]any{"token": in.AuthHeader},
	}}, nil
}

func validate(in sdk.UserRequest) (sdk.Outcome, error) {
	if _, err := sdk.Get("http://127.0.0.1:8081/api/me", in.AuthHeader); err != nil {
		panic(errors.New("the CRM should have answered"))
	}
	return sdk.Outcome{Successful: true}, nil
}
