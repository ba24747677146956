// Practicekey is the connector for the practice CRM, with API keys. It has only the operations that every such connector
// needs. {hostname} in PRACTICEKEY_URL stands for the person's host.
package main

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
)

func main() {}

//go:wasmexport getAuthType
func getAuthType() int32 { return sdk.Answer(authType) }

//go:wasmexport getBasicAuth
func getBasicAuth() int32 { return sdk.Answer(basicAuth) }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return sdk.Answer(userInfo) }

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "apiKey"}, nil }

// basicAuth returns the key as the user name, with an empty password.
func basicAuth(in sdk.BasicAuthRequest) (sdk.BasicAuth, error) {
	return sdk.BasicAuth{Basic: base64.StdEncoding.EncodeToString([]byte(in.APIKey + ":"))}, nil
}

func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	base := strings.ReplaceAll(sdk.ConfigOr("PRACTICEKEY_URL", "http://127.0.0.1:8081"), "{hostname}", in.Hostname)
	r, err := sdk.Get(base+"/api/me", in.AuthHeader)
	switch {
	case err != nil:
		return sdk.UserInfo{}, err
	case r.Status == 401:
		return sdk.UserInfo{ReturnMessage: sdk.Warning("Practice CRM did not accept the API key. Please check it and try again.", 5*sdk.Second)}, nil
	case !r.OK():
		return sdk.UserInfo{}, sdk.StatusError(r)
	}
	me := r.JSON()
	id := me.Text("id")
	user := sdk.PlatformUserInfo{
		ID: id + "-practicekey", Name: me.String("name"),
		TimezoneName: me.String("timezone", "name"), TimezoneOffset: me.Get("timezone", "offset"),
	}
	switch err := me.Err(); {
	case err != nil:
		return sdk.UserInfo{}, err
	case id == "":
		return sdk.UserInfo{}, errors.New("the CRM did not say who the person is")
	}
	return sdk.UserInfo{Successful: true, ReturnMessage: sdk.Success("Connected to Practice CRM.", 3*sdk.Second), PlatformUserInfo: &user}, nil
}
