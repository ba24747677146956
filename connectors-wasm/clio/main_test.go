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
	sdktest.Replay(t, "clio.vectors.json", map[string]func() int32{
		"getAuthType":  getAuthType,
		"getOauthInfo": getOauthInfo,
		"getUserInfo":  getUserInfo,
		"unAuthorize":  unAuthorize,
	})
}

func TestEachRegionHasItsOwnApplication(t *testing.T) {
	t.Parallel()
	config := map[string]string{"CLIO_REDIRECT_URI": "https://gate.example/redirect.html"}
	for _, prefix := range []string{"CLIO_", "CLIO_AU_", "CLIO_EU_"} { // Canada is not set up
		config[prefix+"CLIENT_ID"], config[prefix+"CLIENT_SECRET"] = prefix+"id", prefix+"secret"
	}
	config["CLIO_AU_ACCESS_TOKEN_URI"] = "https://au.app.clio.com/other/token"
	app := func(prefix, tokenURL string) sdk.OAuthInfo {
		return sdk.OAuthInfo{ClientID: prefix + "id", ClientSecret: prefix + "secret", AccessTokenURI: tokenURL, RedirectURI: config["CLIO_REDIRECT_URI"]}
	}
	for _, c := range []struct {
		name, hostname string
		want           sdk.OAuthInfo
	}{
		{"no region", "", app("CLIO_", "https://app.clio.com/oauth/token")},
		{"the United States", "app.clio.com", app("CLIO_", "https://app.clio.com/oauth/token")},
		{"capitals", "App.Clio.com", app("CLIO_", "https://app.clio.com/oauth/token")},
		{"the European Union", "eu.app.clio.com", app("CLIO_EU_", "https://eu.app.clio.com/oauth/token")},
		{"Australia, with a token endpoint of the operator's", "au.app.clio.com", app("CLIO_AU_", "https://au.app.clio.com/other/token")},
		{"Canada, which is not set up", "ca.app.clio.com", sdk.OAuthInfo{AccessTokenURI: "https://ca.app.clio.com/oauth/token", RedirectURI: config["CLIO_REDIRECT_URI"]}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := sdk.Run(sdk.Host{Config: config}, sdk.OAuthInfoRequest{Hostname: c.hostname}, getOauthInfo)
			if err != nil {
				t.Fatal(err)
			}
			var got sdk.OAuthInfo
			if err := json.Unmarshal(r.Output, &got); err != nil || r.Code != 0 || got != c.want {
				t.Errorf("got  %d %+v (%v)\nwant 0 %+v", r.Code, got, err, c.want)
			}
		})
	}
}
