package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// manyPlatforms has the same shapes as App Connect's published manifest, with other names.
const manyPlatforms = `{
 "serverUrl": "https://x.example", "author": {"name": "Somebody"}, "version": "1.2.3", "redirectUri": "https://ignored.example/",
 "platforms": {
  "sheets": {"environment": {"type": "fixed", "url": "https://docs.sheets.example/spreadsheets"}, "auth": {"type": "oauth", "oauth": {
    "authUrl": "https://accounts.example/o/oauth2/auth", "clientId": "12-ab.apps.example", "redirectUri": "https://app.example/redirect.html",
    "scope": "access_type=offline&prompt=consent&scope=https://www.example/auth/a https://www.example/auth/b https://www.example/auth/c",
    "customState": "platform=sheets"}}},
  "suite": {"environment": {"type": "dynamic", "urlIdentifier": "*.app.suite.example/app*"}, "auth": {"type": "oauth", "oauth": {
    "authUrl": "https://system.suite.example/authorize.nl", "clientId": "0b", "redirectUri": "https://app.example/redirect.html",
    "scope": "scope=restlets+rest_webservices", "customState": "fillerString,platform=suite"}}},
  "level": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://level.example/choose", "clientId": "68-m", "customState": "", "scope": "scope=a.write b/c.readonly"}}},
  "law": {"environment": {"type": "selectable", "selections": [{"const": "https://app.law.example"}, {"const": "https://au.app.law.example"}]},
   "auth": {"type": "oauth", "oauth": {"authUrl": "https://app.law.example/oauth/authorize", "clientId": "us", "redirectUri": "https://app.example/redirect.html"}},
   "override": [{"triggerType": "hostname", "triggerValue": "au.app.law.example", "overrideObjects": [
     {"path": "auth.oauth.authUrl", "value": "https://au.app.law.example/oauth/authorize"}, {"path": "auth.oauth.clientId", "value": "au"}]},
    {"triggerType": "meta", "overrideObjects": [{"path": "author.name", "value": "x"}]}]},
  "keys": {"environment": {"type": "dynamic", "urlIdentifier": "*.keys.example"}, "auth": {"type": "apiKey", "apiKey": {"page": {"content": [{"const": "apiKey", "required": true}]}},
    "oauth": {"authUrl": "", "clientId": "", "customState": "", "scope": ""}}}
 }}`

func TestAuthURLOfManyPlatforms(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) {
		f.Connectors = edgetest.Folder(t, "127.0.0.1:1", map[string]string{"manifest.json": manyPlatforms})
	})
	const redirect = "&redirect_uri=https%3A%2F%2Fapp.example%2Fredirect.html"
	for _, c := range []struct{ query, want string }{
		{"platform=sheets", "https://accounts.example/o/oauth2/auth?response_type=code&client_id=12-ab.apps.example&access_type=offline&prompt=consent" +
			"&scope=https://www.example/auth/a%20https://www.example/auth/b%20https://www.example/auth/c&state=platform=sheets" + redirect},
		{"platform=sheets&hostname=https://docs.sheets.example/x", "https://accounts.example/o/oauth2/auth?response_type=code&client_id=12-ab.apps.example&access_type=offline&prompt=consent" +
			"&scope=https://www.example/auth/a%20https://www.example/auth/b%20https://www.example/auth/c&state=platform=sheets" + redirect},
		{"platform=suite&hostname=7.app.suite.example", "https://system.suite.example/authorize.nl?response_type=code&client_id=0b&scope=restlets+rest_webservices&state=fillerString,platform=suite" + redirect},
		{"platform=level", "https://level.example/choose?response_type=code&client_id=68-m&scope=a.write%20b/c.readonly&state=platform=level" +
			"&redirect_uri=https%3A%2F%2Fapps.ringcentral.com%2Fintegration%2Fringcentral-embeddable%2Flatest%2Fredirect.html"},
		{"platform=law&hostname=undefined", "https://app.law.example/oauth/authorize?response_type=code&client_id=us&state=platform=law" + redirect},
		{"platform=law&hostname=AU.app.law.example", "https://au.app.law.example/oauth/authorize?response_type=code&client_id=au&state=platform=law" + redirect},
	} {
		var got edgetest.Composed
		a := g.get("/authUrl?" + c.query)
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 || got.AuthURL != c.want || got.LoginSecret != "" {
			t.Errorf("%s:\ngot  %s\nwant %s", c.query, a.body, c.want)
		}
	}
	g.get("/authUrl?platform=law&hostname=evil.example").wantError(t, 400, notAnAddress("evil.example", "law"))
	g.get("/authUrl?platform=suite&hostname=evilapp.suite.example").wantError(t, 400, notAnAddress("evilapp.suite.example", "suite"))
	g.get("/authUrl?platform=keys").wantError(t, 400, "keys signs people in with an API key")
	g.get("/authUrl?platform=nowhere").wantError(t, 400, "Connector not found for platform: nowhere")

	g.get("/serverVersionInfo").want(t, 200, `{"version":"1.2.3"}`)
	a := g.get("/crmManifest?platformName=")
	if a.status != 200 || a.body != manyPlatforms || a.header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("the manifest is not served as it is: %d %s", a.status, a.body)
	}
	// A platform with only a manifest has authorization URLs, but no other operation.
	g.get("/implementedInterfaces?platform=law").wantError(t, 400, "Connector not found for platform: law")
	g.get("/oauth-callback?callbackUri="+url.QueryEscape("https://app.example/redirect.html?code=A&state=platform=law")).
		wantError(t, 400, "Connector not found for platform: law")
	g.postJSON("/apiKeyLogin", `{"platform":"keys","apiKey":"x"}`).wantError(t, 400, "Connector not found for platform: keys")

	var bound edgetest.Composed
	a = g.get("/authUrl?platform=sheets&mode=bound")
	if err := json.Unmarshal([]byte(a.body), &bound); err != nil || bound.LoginSecret == "" {
		t.Fatalf("bound: %s", a.body)
	}
	u, err := url.Parse(bound.AuthURL)
	edgetest.Must(t, err)
	q := u.Query()
	if !strings.HasPrefix(q.Get("state"), "cg.") || !strings.HasSuffix(q.Get("state"), ",platform=sheets") ||
		q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || strings.Contains(q.Get("state"), "&") {
		t.Errorf("bound: %s", bound.AuthURL)
	}
}

// TestAuthURLOfTheConnectorsApplication: the application of the connector's configuration goes before the manifest's, in the
// authorization URL and at the token endpoint.
func TestAuthURLOfTheConnectorsApplication(t *testing.T) {
	t.Parallel()
	withClientID := func(id string) func(f *edgetest.Options) {
		return func(f *edgetest.Options) {
			path := filepath.Join(f.Connectors, "practice.json")
			b, err := os.ReadFile(path)
			edgetest.Must(t, err)
			edgetest.Must(t, os.WriteFile(path, bytes.ReplaceAll(b, []byte(`"practice-client"`), []byte(`"`+id+`"`)), 0o600))
		}
	}
	configured := func(f *edgetest.Options) { f.Settings["PRACTICE_CLIENT_ID"] = "practice-client" }
	wantURL := func(g *gate) {
		t.Helper()
		want := g.CRMURL + "/oauth/authorize?response_type=code&client_id=practice-client&state=platform=practice&redirect_uri=" + url.QueryEscape(g.URL+"/redirect.html")
		if got := g.compose("compat").AuthURL; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}

	wantURL(newGate(t))
	var g *gate
	for _, id := range []string{"", "another-client"} {
		g = newGate(t, withClientID(id), configured)
		wantURL(g)
		for _, mode := range []string{"compat", "bound"} {
			c := g.compose(mode)
			g.token(g.callback(g.land(c, "ada"), c.LoginSecret))
		}
	}
	// The operator sets another application while a person is at the CRM.
	c := g.compose("bound")
	landed := g.land(c, "ada")
	g.Options.Settings["PRACTICE_CLIENT_ID"] = "another"
	g.callback(landed, c.LoginSecret).wantTold(t, "was changed during this sign-in")

	g = newGate(t, withClientID(""))
	const want = `{"error":"Practice CRM is not available here. Ask your administrator."}`
	g.get("/authUrl?platform=practice").want(t, 400, want)
	g.get("/authUrl?platform=practice&mode=bound").want(t, 400, want)
}

// TestAuthURLOfAHostileConnector: clients open this URL, so a connector's URL gets the same checks as a manifest's.
// wantURL checks that an answer of /authUrl has a URL.
func (a answer) wantURL(t *testing.T) {
	t.Helper()
	if a.status != 200 || !strings.HasPrefix(a.body, `{"authUrl":"http`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestAuthURLForAnOrigin: an origin to which the landing page hands nothing gets no URL. If the CRM sends people to another
// page, any origin gets one.
func TestAuthURLForAnOrigin(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) {
		f.AllowedOrigins = []string{"https://app.example", "chrome-extension://abcdef"}
	})
	const refused = `The origin "https://evil.example" may not receive sign-ins from this server. The operator allows it with --allowed-origin.`
	for _, mode := range []string{"compat", "bound", ""} {
		at := "/authUrl?platform=practice&mode=" + mode
		for _, origin := range []string{"https://app.example", "HTTPS://App.example", "chrome-extension://abcdef"} {
			g.get(at + "&origin=" + url.QueryEscape(origin)).wantURL(t)
			g.get(at, "Origin", origin).wantURL(t)
		}
		g.get(at).wantURL(t) // such as from a server
		g.get(at, "Origin", "https://evil.example").wantError(t, 403, refused)
		g.get(at+"&origin=https://evil.example", "Origin", "https://app.example").wantError(t, 403, refused)
		g.get(at, "Origin", "null").wantError(t, 403, `"null"`)
		g.get(at+"&origin=https://app.example.evil.example").wantError(t, 403, "may not receive")
	}
	if !strings.Contains(g.Log.String(), `The origin \"https://evil.example\" may not receive sign-ins`) {
		t.Error("the log does not name the origin")
	}
	g = newGate(t, func(f *edgetest.Options) {
		file := filepath.Join(f.Connectors, "practice.json")
		b, err := os.ReadFile(file)
		edgetest.Must(t, err)
		edgetest.Must(t, os.WriteFile(file, []byte(strings.Replace(string(b), `{publicUrl}/redirect.html`, `https://client.example/redirect.html`, 1)), 0o600))
	})
	g.get("/authUrl?platform=practice", "Origin", "https://client.example").wantURL(t)
}

func TestAuthURLOfAHostileConnector(t *testing.T) {
	t.Parallel()
	info := func(uri string) guest {
		return guest{"getOauthInfo": `{"clientId":"x","clientSecret":"s","accessTokenUri":"$CRM/token","authorizationUri":"` + uri + `"}`}
	}
	w := newWired(t, map[string]guest{"script": info("javascript:alert(document.domain)//"), "odd": info("nonsense"), "fine": info("https://crm.example/consent")})
	for _, mode := range []string{"compat", "bound"} {
		w.get("/authUrl?platform=script&mode="+mode).wantError(t, 400, "authorizationUri that is not an http or https URL")
		w.get("/authUrl?platform=odd&mode="+mode).wantError(t, 400, "authorizationUri")
		if a := w.get("/authUrl?platform=fine&mode=" + mode); a.status != 200 || !strings.Contains(a.body, `"https://crm.example/consent?response_type=code`) {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
}
