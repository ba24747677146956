// The connector of the practice CRM for people who sign in with an API key.
package main

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
)

func main() {} // a reactor: the host calls the exports

//go:wasmexport getAuthType
func getAuthType() int32 {
	return sdk.Answer(func(struct{}) (sdk.AuthType, error) { return sdk.AuthType{Type: "apiKey"}, nil })
}

//go:wasmexport getBasicAuth
func getBasicAuth() int32 { return sdk.Answer(basicAuth) }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return sdk.Answer(userInfo) }

// basicAuth makes the key the user name of Basic authentication, without a password, as many CRMs want it.
func basicAuth(r sdk.BasicAuthRequest) (sdk.BasicAuth, error) {
	return sdk.BasicAuth{Basic: base64.StdEncoding.EncodeToString([]byte(r.APIKey + ":"))}, nil
}

func userInfo(r sdk.UserInfoRequest) (sdk.UserInfo, error) {
	var me struct {
		ID       int    `json:"id"`
		Name     string `json:"name"`
		Timezone struct {
			Name   string `json:"name"`
			Offset int    `json:"offset"`
		} `json:"timezone"`
	}
	err := sdk.GetJSON(sdk.ConfigOr("PRACTICEKEY_URL", "http://127.0.0.1:8081")+"/api/me", r.AuthHeader, &me)
	var e *sdk.Error
	if errors.As(err, &e) && e.Status == 401 {
		return sdk.UserInfo{Message: &sdk.ReturnMessage{MessageType: "warning", Message: "The practice CRM does not know this API key.", TTL: 3000}}, nil
	}
	if err != nil {
		return sdk.UserInfo{}, err
	}
	if me.ID == 0 {
		return sdk.UserInfo{}, &sdk.Error{Message: "The practice CRM did not say who you are."}
	}
	return sdk.UserInfo{
		Successful: true,
		User: &sdk.PlatformUser{
			ID: fmt.Sprintf("%d-practicekey", me.ID), Name: me.Name, TimezoneName: me.Timezone.Name, TimezoneOffset: me.Timezone.Offset,
		},
		Message: &sdk.ReturnMessage{MessageType: "success", Message: "Connected to the practice CRM.", TTL: 3000},
	}, nil
}
