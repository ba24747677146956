package e2e_test

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// wireApp is the application of wired connectors; more is added to it.
func wireApp(more string) string {
	return `{"clientId":"` + wireID + `","clientSecret":"` + wireSecret + `","accessTokenUri":"$CRM/token"` + more + `}`
}

// newEdited is newWired with other manifests.
func newEdited(t *testing.T, guests map[string]guest, settings func(crm string) map[string]string, edit func(name, manifest string) string) *wired {
	t.Helper()
	e := newEndpoint(t)
	g := newGate(t, func(o *edgetest.Options) {
		for name, answers := range guests {
			e.connector(t, o.Connectors, name, answers)
			file := filepath.Join(o.Connectors, name+".json")
			b, err := os.ReadFile(file)
			edgetest.Must(t, err)
			edgetest.Must(t, os.WriteFile(file, []byte(edit(name, string(b))), 0o600))
		}
		o.Strict = false // a platform may be left out
		maps.Copy(o.Settings, settings(e.URL))
	})
	return &wired{gate: g, endpoint: e}
}

// TestRevocationURI: a connector names the revocation endpoint. It must be on a host of the manifest, before a code is sent.
func TestRevocationURI(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{
		"named":     {"getOauthInfo": wireApp(`,"revocationUri":"$CRM/revoke?a=b"`)},
		"elsewhere": {"getOauthInfo": wireApp(`,"revocationUri":"https://other.example/revoke"`)},
		"none":      {},
	})
	for platform, want := range map[string]int{"named": 2, "none": 0} {
		token := w.token(w.in(platform, "&username=ada%20l"))
		w.wantGot(platform, "getOauthInfo", `"username":"ada l"`)
		w.wantGot(platform, "getUserInfo", `"username":"ada l"`)
		w.endpoint.asked()
		w.do("POST", "/unAuthorize", "", bearer(token)...)
		asked := w.endpoint.asked()
		if len(asked) != want {
			t.Fatalf("%s: %d requests, want %d", platform, len(asked), want)
		}
		for i, r := range asked {
			token := []string{"refresh-token-1", "access-token-1"}[i]
			if _, secret, _ := r.BasicAuth(); r.RequestURI != "/revoke?a=b" || r.PostForm.Get("token") != token || secret == "" {
				t.Errorf("%s: asked %s %v, want a revocation of %s", platform, r.RequestURI, r.PostForm, token)
			}
		}
		if in := w.got(platform, "getOauthInfo"); strings.Contains(in, "username") {
			t.Errorf("%s: the connector got a user name for a stored grant: %s", platform, in)
		}
	}
	if a := w.in("elsewhere", ""); !strings.Contains(a.body, `\"other.example\" is not an address of Wire CRM`) {
		t.Errorf("a host that is not declared: got %d %s", a.status, a.body)
	}
	if asked := w.endpoint.asked(); len(asked) > 0 {
		t.Errorf("a code was sent: %s", asked[0].RequestURI)
	}
}

// TestHeaderOfAnotherScheme: getBasicAuth answers the whole header. It reaches the CRM's operations, and logs do not contain it.
func TestHeaderOfAnotherScheme(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{
		"whole":   {"getBasicAuth": `{"header":"Token token=\"key-123456\", user=\"ada-lovelace\""}`, "authValidation": `{"successful":true}`, "fields": `{"const":"apiKey","required":true}`},
		"neither": {"getBasicAuth": `{}`, "fields": `{"const":"apiKey","required":true}`},
		"both":    {"getBasicAuth": `{"basic":"a","header":"Token b"}`, "fields": `{"const":"apiKey","required":true}`},
	})
	in := w.postJSON("/apiKeyLogin", `{"platform":"whole","apiKey":"key-123456"}`)
	w.get("/authValidation", bearer(w.token(in))...).want(t, 200, `{"successful":true}`)
	for _, operation := range []string{"getUserInfo", "authValidation"} {
		w.wantGot("whole", operation, `"authHeader":"Token [secret]"`)
	}
	for platform, want := range map[string]string{"neither": "basic is missing", "both": "basic and header are both given"} {
		w.postJSON("/apiKeyLogin", `{"platform":"`+platform+`","apiKey":"key-123456"}`).wantError(t, 400, want)
	}
}

// TestUnAuthorizeGetsTheRefreshToken: the manifest of wired connectors reveals it. No other operation on a person gets it.
func TestUnAuthorizeGetsTheRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {"unAuthorize": `{"successful":true}`, "authValidation": `{"successful":true}`}})
	token := w.token(w.in("wire", ""))
	w.get("/authValidation", bearer(token)...)
	w.do("POST", "/unAuthorize", "", bearer(token)...)
	w.wantGot("wire", "unAuthorize", `"refreshToken":"[secret]"`)
	if in := w.got("wire", "authValidation"); in == "" || strings.Contains(in, "refreshToken") {
		t.Errorf("authValidation got %s", in)
	}
}

// TestSecretHeaders: the operator's values are sent with exchanges and refreshes, of a client that sends no code. Without a value
// nothing is sent.
func TestSecretHeaders(t *testing.T) {
	t.Parallel()
	const rules = `"config": ["$UPPER_KEY"], "token": {"parameters": {"grant_type": "client_credentials"}, "omit": ["code", "redirect_uri"], "secretHeaders": {"X-Api-Key": "$UPPER_KEY", "Authorization": "$UPPER_KEY"}},
		"refresh": {"parameters": {}, "omit": []}, "x":`
	w := newEdited(t, map[string]guest{"keyed": {"authValidation": `{"successful":true}`}, "unset": {}}, func(string) map[string]string { return map[string]string{"KEYED_KEY": "subscription-key-1"} },
		func(name, manifest string) string {
			return strings.Replace(manifest, `"token":`, strings.ReplaceAll(rules, "$UPPER", strings.ToUpper(name)), 1)
		})
	w.endpoint.says(200, `{"access_token":"access-token-1","refresh_token":"refresh-token-1","expires_in":60}`)
	token := w.token(w.in("keyed", ""))
	if a := w.in("unset", ""); !strings.Contains(a.body, "Wire CRM cannot be reached with this configuration") {
		t.Errorf("without the value: got %d %s", a.status, a.body)
	}
	if !strings.Contains(w.Log.String(), "UNSET_KEY is not set: the manifest of unset sends it as the header") {
		t.Error("the log does not say what is not set")
	}
	w.Clock.Pass(45 * time.Second)
	w.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
	asked := w.endpoint.asked()
	if len(asked) != 2 {
		t.Fatalf("%d token requests, want an exchange and a refresh", len(asked))
	}
	for i, r := range asked {
		if r.Header.Get("X-Api-Key") != "subscription-key-1" || r.Header.Get("Authorization") != "subscription-key-1" {
			t.Errorf("request %d has the headers %v", i, r.Header)
		}
	}
	if f := asked[0].PostForm; f.Has("code") || f.Has("redirect_uri") || f.Get("grant_type") != "client_credentials" {
		t.Errorf("the exchange has the parameters %v", f)
	}
	if f := asked[1].PostForm; f.Get("grant_type") != "refresh_token" || f.Get("refresh_token") != "refresh-token-1" {
		t.Errorf("the refresh has the parameters %v", f)
	}
}

// TestConfiguredHost: the operator's configuration names the host of the CRM. Without it, the platform is left out and the log says why.
func TestConfiguredHost(t *testing.T) {
	t.Parallel()
	w := newEdited(t, map[string]guest{"hosted": {}, "nowhere": {}}, func(crm string) map[string]string { return map[string]string{"HOSTED_SERVER": crm + "/api"} },
		func(name, manifest string) string {
			before, after, _ := strings.Cut(manifest, `"hosts":["`)
			_, after, _ = strings.Cut(after, `"]`)
			setting := strings.ToUpper(name) + "_SERVER"
			return before + `"config":["` + setting + `"],"hosts":["{config:` + setting + `}"]` + after
		})
	w.token(w.in("hosted", ""))
	if asked := w.endpoint.asked(); len(asked) != 1 {
		t.Errorf("%d token requests", len(asked))
	}
	w.in("nowhere", "").wantError(t, 400, "Connector not found for platform: nowhere")
	if !strings.Contains(w.Log.String(), "NOWHERE_SERVER is not set: set it to the host of the CRM") {
		t.Error("the log does not say what is not set")
	}
}

// TestConnectPageAsksForTheUserName: it reaches the connector before and after the exchange, and a page without the field ignores it.
func TestConnectPageAsksForTheUserName(t *testing.T) {
	t.Parallel()
	g := newPages(t, func(o *edgetest.Options) {
		crm := o.Settings["PRACTICE_URL"]
		connector := guest{"getAuthType": `{"type":"oauth"}`, "getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-named","name":"Wired"}}`,
			"getOauthInfo": `{"clientId":"` + practicecrm.ClientID + `","clientSecret":"` + practicecrm.ClientSecret + `","accessTokenUri":"` + crm + `/oauth/token"}`}
		for name, asks := range map[string]string{"named": `"username": true, `, "unnamed": ""} {
			manifest := `{"platforms": {"` + name + `": {"name": "Named CRM", "auth": {"type": "oauth", "oauth": {"authUrl": "` + crm + `/oauth/authorize", "clientId": "` + practicecrm.ClientID +
				`", "redirectUri": "{publicUrl}/redirect.html"}}, "crmgate": {` + asks + `"hosts": ["` + strings.TrimPrefix(crm, "http://") + `"]}}}}`
			edgetest.Must(t, os.WriteFile(filepath.Join(o.Connectors, name+".json"), []byte(manifest), 0o600))
			edgetest.Must(t, os.WriteFile(filepath.Join(o.Connectors, name+".wasm"), []byte(connector.wasm()), 0o600))
		}
	})
	w := &wired{gate: g}
	v := g.visitor()
	v.get("/connect/named").wantPage(t, 200, "Connect Named CRM", "Your user name at Named CRM")
	v.send("/connect/named", nil).wantPage(t, 400, "Connect Named CRM", "Please fill this in.")
	v.send("/connect/named", url.Values{"username": {strings.Repeat("a", 257)}}).wantPage(t, 400, "Connect Named CRM", "This is not a user name.")
	landed := v.landing("named", "ada", url.Values{"username": {" ada l "}})
	w.wantGot("named", "getOauthInfo", `"username":"ada l"`)
	v.get(landed).wantPage(t, 200, "You are connected")
	for _, operation := range []string{"getOauthInfo", "getUserInfo"} {
		w.wantGot("named", operation, `"username":"ada l"`)
	}
	v.get(v.landing("unnamed", "ada", url.Values{"username": {"ada"}})).wantPage(t, 200, "You are connected")
	if in := w.got("unnamed", "getUserInfo"); in == "" || strings.Contains(in, "username") {
		t.Errorf("the connector got %s", in)
	}
}
