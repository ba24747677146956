// Practice is the connector for the practice CRM, by OAuth. It shows the operations that an OAuth connector usually has.
package main

import (
	"errors"
	"strings"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
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

//go:wasmexport refreshUserInfo
func refreshUserInfo() int32 { return sdk.Answer(refresh) }

//go:wasmexport getLicenseStatus
func getLicenseStatus() int32 { return sdk.Answer(license) }

//go:wasmexport unAuthorize
func unAuthorize() int32 { return sdk.Answer(revoke) }

func base() string { return sdk.ConfigOr("PRACTICE_URL", "http://127.0.0.1:8081") }

func authType(sdk.None) (sdk.AuthType, error) { return sdk.AuthType{Type: "oauth"}, nil }

func oauthInfo(sdk.OAuthInfoRequest) (sdk.OAuthInfo, error) {
	id, _ := sdk.Config("PRACTICE_CLIENT_ID") // the manifest has one too
	secret, _ := sdk.Config("PRACTICE_CLIENT_SECRET")
	return sdk.OAuthInfo{ClientID: id, ClientSecret: secret, AccessTokenURI: base() + "/oauth/token"}, nil
}

func userInfo(in sdk.UserInfoRequest) (sdk.UserInfo, error) {
	p, problem, err := me(in.AuthHeader)
	if err != nil || problem != nil {
		return sdk.UserInfo{ReturnMessage: problem}, err
	}
	return sdk.UserInfo{Successful: true, ReturnMessage: sdk.Success("Connected to Practice CRM.", 3*sdk.Second), PlatformUserInfo: &sdk.PlatformUserInfo{
		ID: p.id + "-practice", Name: p.name, TimezoneName: p.zone, TimezoneOffset: p.offset,
		PlatformAdditionalInfo: p.additional(),
	}}, nil
}

func validate(in sdk.UserRequest) (sdk.Outcome, error) {
	_, problem, err := me(in.AuthHeader)
	return sdk.Outcome{Successful: problem == nil, ReturnMessage: problem}, err
}

func refresh(in sdk.UserRequest) (sdk.Outcome, error) {
	p, problem, err := me(in.AuthHeader)
	if err != nil || problem != nil {
		return sdk.Outcome{ReturnMessage: problem}, err
	}
	return sdk.Outcome{
		Successful: true, ReturnMessage: sdk.Success("User information refreshed.", 3*sdk.Second), User: &sdk.UserChange{PlatformAdditionalInfo: p.additional()},
	}, nil
}

func license(sdk.UserRequest) (sdk.LicenseStatus, error) {
	return sdk.LicenseStatus{IsLicenseValid: true, LicenseStatus: "Valid", LicenseStatusDescription: "Practice"}, nil
}

func revoke(in sdk.UserRequest) (sdk.Outcome, error) {
	token := strings.TrimPrefix(in.AuthHeader, "Bearer ")
	r, err := sdk.PostForm(base()+"/oauth/revoke", map[string]string{"Authorization": in.AuthHeader}, sdk.Parameters{{"token", token}})
	if err == nil && !r.OK() {
		err = sdk.StatusError(r)
	}
	return sdk.Outcome{Successful: err == nil, ReturnMessage: sdk.Success("Logged out of Practice CRM", 3*sdk.Second)}, err
}

// person is the CRM's data about the signed-in person.
type person struct {
	id, name, email, zone string
	offset                json.Value
}

// additional returns the data that the server stores with the user.
func (p person) additional() map[string]any { return map[string]any{"email": p.email} }

// me reads the signed-in person from the CRM. It returns a message for the person if the CRM rejects the token.
func me(authHeader string) (person, *sdk.ReturnMessage, error) {
	r, err := sdk.Get(base()+"/api/me", authHeader)
	switch {
	case err != nil:
		return person{}, nil, err
	case r.Status == 401:
		return person{}, sdk.Warning("Practice CRM did not accept the sign-in. Please connect again.", 5*sdk.Second), nil
	case !r.OK():
		return person{}, nil, sdk.StatusError(r)
	}
	v := r.JSON()
	p := person{v.Text("id"), v.String("name"), v.String("email"), v.String("timezone", "name"), v.Get("timezone", "offset")}
	if err := v.Err(); err != nil {
		return p, nil, err
	}
	if p.id == "" {
		return p, nil, errors.New("the CRM did not say who the person is")
	}
	return p, nil, nil
}
