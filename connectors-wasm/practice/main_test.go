//go:build !wasip1

package main

import (
	"encoding/json"
	"testing"

	"github.com/crmgate/crmgate/connectors-wasm/sdk"
	"github.com/crmgate/crmgate/connectors-wasm/sdk/sdktest"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	sdktest.Replay(t, "practice.vectors.json", map[string]func() int32{
		"getAuthType":      getAuthType,
		"getOauthInfo":     getOauthInfo,
		"getUserInfo":      getUserInfo,
		"authValidation":   authValidation,
		"refreshUserInfo":  refreshUserInfo,
		"getLicenseStatus": getLicenseStatus,
		"unAuthorize":      unAuthorize,
	})
}

func TestConfigurationWins(t *testing.T) {
	t.Parallel()
	r, err := sdk.Run(sdk.Host{Config: map[string]string{
		"PRACTICE_URL": "https://crm.example", "PRACTICE_CLIENT_ID": "id", "PRACTICE_CLIENT_SECRET": "secret",
	}}, sdk.None{}, getOauthInfo)
	if err != nil {
		t.Fatal(err)
	}
	var got sdk.OAuthInfo
	if err := json.Unmarshal(r.Output, &got); err != nil {
		t.Fatal(err)
	}
	want := sdk.OAuthInfo{ClientID: "id", ClientSecret: "secret", AccessTokenURI: "https://crm.example/oauth/token"}
	if r.Code != 0 || got != want {
		t.Errorf("got %d %+v, want 0 %+v", r.Code, got, want)
	}
}
