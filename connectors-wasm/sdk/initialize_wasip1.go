package sdk

import (
	"encoding/json"
	"reflect"
)

// init lets package json analyze the documents of this package. Every call starts with the memory as it is after
// initialization, so a call does not repeat this work. For a getUserInfo it was two thirds of the time.
func init() {
	for _, document := range []any{
		None{}, AuthType{}, OAuthInfoRequest{}, OAuthInfo{}, OAuthOptionRequest{}, OAuthOption{}, BasicAuthRequest{}, BasicAuth{},
		UserInfoRequest{}, UserInfo{}, UserRequest{}, Outcome{}, LicenseStatus{}, RefreshRequest{}, Refreshed{},
		ManagedAuthRequest{}, ManagedAuthOptions{}, Request{}, Response{}, failure{}, Error{}, Derivation{},
	} {
		_ = json.Unmarshal(encode(document), reflect.New(reflect.TypeOf(document)).Interface())
	}
}
