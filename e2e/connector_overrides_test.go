package e2e_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// overriding is a gate with a connector in C that says most in its answers: see overrides.c.
func overriding(t *testing.T) *wired {
	t.Helper()
	e := newEndpoint(t)
	g := newGate(t, func(f *edgetest.Options) {
		text := strings.NewReplacer("$CRM", e.URL, "$HOST", strings.TrimPrefix(e.URL, "http://")).Replace(`{"platforms": {"overrides": {"name": "Overrides CRM",
			"environment": {"type": "selectable", "selections": [{"const": "https://crm.example"}, {"const": "https://eu.crm.example"}]},
			"auth": {"type": "oauth", "oauth": {"authUrl": "$CRM/authorize", "clientId": "us-client", "redirectUri": "` + wireRedirect + `"}},
			"override": [{"triggerType": "hostname", "triggerValue": "eu.crm.example", "overrideObjects": [{"path": "auth.oauth.authUrl", "value": "$CRM/eu/authorize"},
				{"path": "crmgate.issuer", "value": "https://eu.crm.example"}]}],
			"crmgate": {"hosts": ["$HOST"], "config": ["OVERRIDES_URL", "OVERRIDES_METHOD"]}}}}`)
		edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, "overrides.json"), []byte(text), 0o600))
		wasmtest.Connector(t, filepath.Join(f.Connectors, "overrides.wasm"), filepath.Join("..", "wasmhost", "connectortest", "testdata", "c", "overrides.c"))
		f.Settings["OVERRIDES_URL"] = e.URL
	})
	return &wired{gate: g, endpoint: e}
}

// TestApplicationOfTheConnector: what getOauthInfo answers decides for the authorization URL, the token request, the person
// and later requests, in place of the manifest and of what the client sent.
func TestApplicationOfTheConnector(t *testing.T) {
	t.Parallel()
	w := overriding(t)
	callback := "/oauth-callback?callbackUri=" + wireRedirect + "?code=" + w.code() + "&state=platform%3Doverrides%26x%3D1&hostname=crm.example"
	if a := w.get("/authUrl?platform=overrides&hostname=crm.example"); !strings.Contains(a.body, w.endpoint.URL+"/eu/authorize?response_type=code&client_id=overrides-client&") {
		t.Errorf("the URL is not of the connector's application at its host: %s", a.body)
	}
	w.get(callback).wantError(t, 400, "lacks its issuer") // the override of the corrected host
	session := w.token(w.get(callback + "&iss=https://eu.crm.example&tokenUrl=" + url.QueryEscape(w.endpoint.URL+"/elsewhere")))
	w.get("/hostname", "Authorization", "Bearer "+session).want(t, 200, "eu.crm.example")
	p := w.only("overrides", "7-overrides")
	if p.User.Key.Hostname != "eu.crm.example" || p.User.Name != "eu.crm.example "+w.endpoint.URL+"/token" || p.Grant.App.TokenURL != w.endpoint.URL+"/token" || p.Grant.App.ClientID != "overrides-client" {
		t.Errorf("stored %+v, %+v", p.User, p.Grant.App)
	}

	asked := w.endpoint.asked()
	if len(asked) != 1 || asked[0].URL.Path != "/token" || asked[0].PostForm.Get("client_id") != "" {
		t.Fatalf("asked %d times: %v", len(asked), asked)
	}
	h := asked[0].Header
	if _, sent := h["Authorization"]; sent || h.Get("X-State") != "platform=overrides&x=1" {
		t.Errorf("an empty Authorization should be removed, and the state repeated: %v", h)
	}
}

// TestTokenEndpointAuthMethod: the words of RFC 7591 are taken as tokenAuth, and any other word is an error that says so.
func TestTokenEndpointAuthMethod(t *testing.T) {
	t.Parallel()
	w := overriding(t)
	callback := func() answer {
		return w.get("/oauth-callback?callbackUri=" + wireRedirect + "?code=" + w.code() + "&state=platform=overrides&iss=https://eu.crm.example")
	}
	for method, want := range map[string]string{"client_secret_basic": "", "client_secret_post": "overrides-client overrides-secret", "none": "overrides-client "} {
		w.Options.Settings["OVERRIDES_METHOD"] = method
		w.token(callback())
		form := w.endpoint.asked()[0].PostForm
		if got := form.Get("client_id") + " " + form.Get("client_secret"); strings.TrimLeft(got, " ") != want {
			t.Errorf("%s: the form has %q, want %q", method, got, want)
		}
	}
	w.Options.Settings["OVERRIDES_METHOD"] = "private_key_jwt"
	callback().wantTold(t, "tokenEndpointAuthMethod is not client_secret_basic, client_secret_post or none")
	if n := len(w.endpoint.asked()); n != 0 {
		t.Errorf("%d requests with an unknown authentication", n)
	}
}

// TestConnectPageOfTheConnectorsApplication: a platform has a connect page if its sign-ins come back to it, and the connector
// decides that before the manifest.
func TestConnectPageOfTheConnectorsApplication(t *testing.T) {
	t.Parallel()
	g := newPages(t, func(f *edgetest.Options) {
		f.PublicURL = "https://connect.example.com"
		text := `{"platforms": {"moved": {"name": "Moved CRM", "auth": {"type": "oauth", "oauth": {"authUrl": "https://crm.example/authorize", "clientId": "m",
			"redirectUri": "https://client.example/redirect.html"}}, "crmgate": {"hosts": ["crm.example"]}}}}`
		connector := guest{"getAuthType": `{"type":"oauth"}`, "getUserInfo": `{"successful":false}`,
			"getOauthInfo": `{"accessTokenUri":"https://crm.example/token","redirectUri":"https://connect.example.com/redirect.html"}`}
		edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, "moved.json"), []byte(text), 0o600))
		edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, "moved.wasm"), []byte(connector.wasm()), 0o600))
	})
	g.visitor().get("/connect/moved").wantPage(t, 200, "Connect Moved CRM")
	g.visitor().get("/connect/elsewhere").wantPage(t, 400, "This did not work", "sends people to client.example")
}
