// The connector of the practice CRM: OAuth. It is the one to copy when you write your own.
package main

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
)

func main() {} // a reactor: the host calls the exports

//go:wasmexport getAuthType
func getAuthType() int32 {
	return sdk.Answer(func(struct{}) (sdk.AuthType, error) { return sdk.AuthType{Type: "oauth"}, nil })
}

//go:wasmexport getOauthInfo
func getOauthInfo() int32 { return sdk.Answer(oauthInfo) }

//go:wasmexport getUserInfo
func getUserInfo() int32 { return sdk.Answer(userInfo) }

//go:wasmexport authValidation
func authValidation() int32 { return sdk.Answer(validate) }

//go:wasmexport refreshUserInfo
func refreshUserInfo() int32 { return sdk.Answer(refresh) }

//go:wasmexport unAuthorize
func unAuthorize() int32 { return sdk.Answer(revoke) }

//go:wasmexport getLicenseStatus
func getLicenseStatus() int32 { return sdk.Answer(license) }

// base is where the practice CRM is; every other connector's is its CRM's.
func base() string { return sdk.ConfigOr("PRACTICE_URL", "http://127.0.0.1:8081") }

func oauthInfo(sdk.OAuthInfoRequest) (sdk.OAuthInfo, error) {
	return sdk.OAuthInfo{
		ClientID:       sdk.ConfigOr("PRACTICE_CLIENT_ID", "practice-client"),
		ClientSecret:   sdk.ConfigOr("PRACTICE_CLIENT_SECRET", ""),
		AccessTokenURI: base() + "/oauth/token",
	}, nil
}

// me is what the CRM says of a person.
type me struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Timezone struct {
		Name   string `json:"name"`
		Offset int    `json:"offset"`
	} `json:"timezone"`
}

func ask(authHeader string) (me, error) {
	var m me
	err := sdk.GetJSON(base()+"/api/me", authHeader, &m)
	if err == nil && m.ID == 0 {
		err = &sdk.Error{Message: "The practice CRM did not say who you are."}
	}
	return m, err
}

// refused reports whether the CRM does not know the token.
func refused(err error) bool {
	var e *sdk.Error
	return errors.As(err, &e) && e.Status == 401
}

func userInfo(r sdk.UserInfoRequest) (sdk.UserInfo, error) {
	m, err := ask(r.AuthHeader)
	if refused(err) {
		return sdk.UserInfo{Message: &sdk.ReturnMessage{MessageType: "warning", Message: "The practice CRM does not accept this sign-in.", TTL: 3000}}, nil
	}
	if err != nil {
		return sdk.UserInfo{}, err
	}
	return sdk.UserInfo{
		Successful: true,
		User: &sdk.PlatformUser{
			ID: fmt.Sprintf("%d-practice", m.ID), Name: m.Name,
			TimezoneName: m.Timezone.Name, TimezoneOffset: m.Timezone.Offset,
			AdditionalInfo: map[string]any{"email": m.Email},
		},
		Message: &sdk.ReturnMessage{MessageType: "success", Message: "Connected to the practice CRM.", TTL: 3000},
	}, nil
}

func validate(r sdk.UserRequest) (sdk.Outcome, error) {
	_, err := ask(r.AuthHeader)
	if refused(err) {
		return sdk.Outcome{Message: &sdk.ReturnMessage{MessageType: "warning", Message: "It seems like your practice CRM session is expired. Please connect again.", TTL: 3000}}, nil
	}
	return sdk.Outcome{Successful: err == nil}, err
}

func refresh(r sdk.UserRequest) (sdk.Outcome, error) {
	m, err := ask(r.AuthHeader)
	if err != nil {
		return sdk.Outcome{}, err
	}
	return sdk.Outcome{Successful: true, User: &sdk.UserChange{AdditionalInfo: map[string]any{"email": m.Email}}}, nil
}

func revoke(r sdk.UserRequest) (sdk.Outcome, error) {
	const bearer = len("Bearer ")
	token := r.AuthHeader[min(bearer, len(r.AuthHeader)):]
	a, err := sdk.Fetch(sdk.Request{
		Method: "POST", URL: base() + "/oauth/revoke", Body: url.Values{"token": {token}}.Encode(),
		Headers: map[string]string{"content-type": "application/x-www-form-urlencoded", "authorization": r.AuthHeader},
	})
	if err == nil && a.Status != 200 {
		err = &sdk.Error{Message: fmt.Sprintf("Request failed with status code %d", a.Status), Status: a.Status}
	}
	return sdk.Outcome{Successful: err == nil, Message: &sdk.ReturnMessage{MessageType: "success", Message: "Logged out of the practice CRM", TTL: 3000}}, err
}

func license(sdk.UserRequest) (sdk.LicenseStatus, error) {
	return sdk.LicenseStatus{Valid: true, Status: "Valid", Description: "The practice CRM costs nothing."}, nil
}
