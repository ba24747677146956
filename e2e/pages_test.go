package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// newPages starts a gate with a platform for every page. Besides the practice connectors: one with a list of hosts, one with
// a host to paste, one with every kind of field, one with another redirect URI, one that organisations set up, and one with
// only a manifest.
func newPages(t *testing.T, more ...func(*edgetest.Options)) *gate {
	t.Helper()
	return newGate(t, append([]func(*edgetest.Options){func(f *edgetest.Options) {
		crm := f.Settings["PRACTICE_URL"]
		fill := strings.NewReplacer("$CRM", crm, "$HOST", strings.TrimPrefix(crm, "http://"))
		oauth := func(client, redirect string) string {
			return `"auth": {"type": "oauth", "oauth": {"authUrl": "$CRM/oauth/authorize", "clientId": "` + client + `", "redirectUri": "` + redirect + `"` +
				`, "adminManaged": {"enabled": ` + map[bool]string{true: "true", false: "false"}[client == ""] + `, "setupNotes": "1. Open **Settings**, *Applications*.\n2. Press *New application*, and [read what it may do](https://org.example/help)."}}}, "crmgate": {"hosts": ["$HOST"]}`
		}
		const here = "{publicUrl}/redirect.html"
		for name, members := range map[string]string{
			"Choose": `"name": "Choice CRM", "environment": {"type": "selectable", "selections": [
				{"const": "https://eu.choice.example", "name": "Europe"}, {"const": "https://us.choice.example", "name": "United States"}]}, ` + oauth(practicecrm.ClientID, here),
			"paste": `"name": "Paste CRM", "environment": {"type": "dynamic", "urlIdentifier": "*.paste.example/app*",
				"instructions": ["Log in to your Paste CRM", "Copy the whole address and paste it here"]}, ` + oauth(practicecrm.ClientID, here),
			"elsewhere": `"name": "Elsewhere CRM", ` + oauth(practicecrm.ClientID, "https://client.example/redirect.html"),
			"org":       `"name": "Organisation CRM", ` + oauth("", here),
			"only":      `"name": "Only CRM", ` + oauth(practicecrm.ClientID, here),
			"fields": `"name": "Fields CRM", "environment": {"type": "dynamic", "urlIdentifier": "*.fields.example", "instructions": ["Log in", "Copy the address"]},
				"auth": {"type": "apiKey", "apiKey": {"page": {"title": "Fields", "warning": "Your key opens all that you can see. Give it to nobody.", "content": [
				{"const": "intro", "description": "You find these under Settings, Integrations.", "uiSchema": {"ui:field": "typography"}},
				{"const": "where", "title": "Show me where", "uiSchema": {"ui:field": "link", "ui:href": "https://fields.example/help?a=1&b=2"}},
				{"const": "username", "title": "User name", "type": "string", "required": true, "description": "As you write it when you log in."},
				{"const": "apiKey", "title": "API key", "type": "string", "required": true},
				{"const": "region", "title": "Region", "required": true, "options": [{"const": "eu", "title": "Europe"}, {"const": "us", "title": "United States"}]},
				{"const": "note", "title": "Note", "default": "from crmgate", "uiSchema": {"ui:widget": "textarea"}},
				{"const": "shared", "title": "Shared secret", "managed": true}]}}}, "crmgate": {"hosts": ["$HOST"]}`,
		} {
			edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, name+".json"), []byte(fill.Replace(`{"platforms": {"`+name+`": {`+members+`}}}`)), 0o600))
			if name == "only" {
				continue
			}
			g := guest{"getAuthType": `{"type":"oauth"}`, "getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-` + name + `","name":"Wired"}}`}
			switch name {
			case "fields":
				g["getAuthType"], g["getBasicAuth"] = `{"type":"apiKey"}`, `{"basic":"x"}`
			case "org":
				g["getOauthInfo"] = `{"accessTokenUri":"` + crm + `/oauth/token"}`
			default:
				g["getOauthInfo"] = `{"clientId":"` + practicecrm.ClientID + `","clientSecret":"` + practicecrm.ClientSecret + `","accessTokenUri":"` + crm + `/oauth/token"}`
			}
			edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, name+".wasm"), []byte(g.wasm()), 0o600))
		}
	}}, more...)...)
}

// visitor is a client that keeps cookies and sends Sec-Fetch-Site, like a browser.
type visitor struct {
	*gate
	jar *cookiejar.Jar
}

func (g *gate) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	edgetest.Must(g.t, err)
	v := *g
	client := *g.client
	client.Jar, v.client = jar, &client
	return &visitor{&v, jar}
}

// send sends a form like a page.
func (v *visitor) send(path string, form url.Values, header ...string) answer {
	v.t.Helper()
	return v.do("POST", path, form.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}, header...)...)
}

// follow returns the URL that a page leads to.
func (a answer) follow(t *testing.T) string {
	t.Helper()
	_, to, ok := strings.Cut(a.header.Get("Refresh"), "0; url=")
	if a.status != 200 || !ok {
		t.Fatalf("the page has no link: %d %v %s", a.status, a.header, a.body)
	}
	return to
}

// landing sends the form of a platform and has a person sign in at the CRM. It returns the landed path and query.
func (v *visitor) landing(platform, person string, form url.Values) string {
	v.t.Helper()
	return v.landingAt(v.send("/connect/"+platform, form).follow(v.t), person)
}

func (v *visitor) landingAt(authURL, person string) string {
	v.t.Helper()
	landed := v.land(edgetest.Composed{AuthURL: authURL}, person)
	path, ok := strings.CutPrefix(landed, v.URL)
	if !ok {
		v.t.Fatalf("the CRM sent the browser to %s", landed)
	}
	return path
}

// cookies lists the names of the stored cookies.
func (v *visitor) cookies() string {
	u, err := url.Parse(v.URL)
	edgetest.Must(v.t, err)
	var names []string
	for _, c := range v.jar.Cookies(u) {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

var heading = regexp.MustCompile(`(?s)<h1>(.*?)</h1>`)

// wantPage checks a page's status, heading, texts and security headers.
func (a answer) wantPage(t *testing.T, status int, title string, texts ...string) {
	t.Helper()
	m := heading.FindStringSubmatch(a.body)
	if a.status != status || m == nil || m[1] != title {
		t.Errorf("got  %d %s\nwant %d with the heading %q", a.status, a.body, status, title)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("%q is not in %s", text, a.body)
		}
	}
	a.wantHeader(t, "X-Frame-Options", "DENY", "Cache-Control", "no-store", "X-Content-Type-Options", "nosniff", "Content-Security-Policy",
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	if strings.Contains(a.body, "<style") || strings.Contains(a.body, "<script>") || strings.Contains(a.body, " onclick") {
		t.Errorf("the page has inline code: %s", a.body)
	}
}

// cookieNamed returns a cookie of an answer.
func (a answer) cookieNamed(t *testing.T, name string) string {
	t.Helper()
	for _, c := range a.header.Values("Set-Cookie") {
		if strings.HasPrefix(c, name+"=") {
			return c
		}
	}
	t.Fatalf("no cookie %s in %v", name, a.header)
	return ""
}

func TestConnectByOAuth(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	v.get("/connect/practice").wantPage(t, 200, "Connect Practice CRM", `action="/connect/practice"`)
	v.get("/CONNECT/practice/").wantPage(t, 200, "Connect Practice CRM")
	a := v.send("/connect/practice", nil)
	cookie := a.cookieNamed(t, "crmgate-login")
	for _, part := range []string{"HttpOnly", "SameSite=Lax", "path=/", "max-age=600"} {
		if !strings.Contains(strings.ToLower(cookie), strings.ToLower(part)) {
			t.Errorf("%s is not in %s", part, cookie)
		}
	}
	a.wantPage(t, 200, "Continue to Practice CRM")
	at := a.follow(t)
	if !strings.Contains(at, "state=cg.") || !strings.Contains(at, "code_challenge=") {
		t.Errorf("not a bound sign-in: %s", at)
	}
	landed := v.landingAt(at, "robert")
	v.get(landed).wantPage(t, 200, "You are connected", "Signed in as Robert &#34;Bobby&#34; &lt;b&gt;Tables&lt;/b&gt;", `data-clean="/redirect.html?state=cg.`)
	if _, err := g.directory().Entries(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestConnectCookiesByHTTPS(t *testing.T) {
	t.Parallel()
	g := newPages(t, func(f *edgetest.Options) { f.PublicURL = "https://gate.example" })
	a := g.visitor().send("/connect/practice", nil)
	if c := a.cookieNamed(t, "__Host-crmgate-login"); !strings.Contains(strings.ToLower(c), "; secure") || strings.Contains(strings.ToLower(c), "domain") {
		t.Errorf("cookie %s", c)
	}
	b := g.postJSON("/authSession", `{"platform":"practice"}`)
	if c := b.cookieNamed(t, "__Host-crmgate-session"); !strings.Contains(strings.ToLower(c), "; secure") || !strings.Contains(c, "HttpOnly") {
		t.Errorf("cookie %s", c)
	}
}

// TestConnectForgedForms: a page of another site cannot send the form.
func TestConnectForgedForms(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	post := func(path string, header ...string) answer {
		return g.do("POST", path, "fields%5BapiKey%5D="+practicecrm.APIKey, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
	}
	before := g.CRM.Counts()
	for _, path := range []string{"/connect/practice", "/connect/practicekey"} {
		for name, header := range map[string][]string{
			"cross-site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"}, "none": {"Sec-Fetch-Site", "none"},
			"another origin": {"Origin", "https://evil.example"}, "null": {"Origin", "null"}, "no header": nil,
			"cross-site with our origin": {"Sec-Fetch-Site", "cross-site", "Origin", g.URL},
		} {
			a := post(path, header...)
			a.wantPage(t, 403, "This did not work", "not sent by a page of this server")
			if len(a.header.Values("Set-Cookie")) != 0 || a.header.Get("Refresh") != "" {
				t.Errorf("%s: a sign-in was begun", name)
			}
		}
	}
	if after := g.CRM.Counts(); after.Me != before.Me {
		t.Error("a forged form reached the CRM")
	}
	post("/connect/practicekey", "Origin", g.URL).wantPage(t, 200, "You are connected") // browsers without Sec-Fetch-Site
}

// TestConnectLoginCSRF: the landing URL of an attacker's sign-in does not sign another person in as the attacker.
func TestConnectLoginCSRF(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	attacker, victim := g.visitor(), g.visitor()
	landed := attacker.landing("practice", "ada", nil)
	victim.send("/connect/practice", nil) // the victim has also begun a sign-in
	tokens := g.CRM.Counts().Token
	victim.get(landed).wantPage(t, 400, "This sign-in cannot be completed here", "This sign-in was already used or replaced, or it was started in another browser.")
	g.visitor().get(landed).wantPage(t, 400, "This sign-in cannot be completed here", "This sign-in was already used or replaced, or it was started in another browser.")
	if g.CRM.Counts().Token != tokens {
		t.Error("the attacker's code was redeemed")
	}
	attacker.get(landed).wantPage(t, 200, "You are connected")
	victim.get(landed).wantPage(t, 400, "This sign-in cannot be completed here", "This sign-in was already used or replaced, or it was started in another browser.")
}

func TestConnectReplayed(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	a := v.send("/connect/practice", nil)
	secret, _, _ := strings.Cut(a.cookieNamed(t, "crmgate-login"), ";")
	landed := v.landingAt(a.follow(t), "ada")
	tokens := g.CRM.Counts().Token
	first := g.get(landed, "Cookie", secret)
	first.wantPage(t, 200, "You are connected")
	u, err := url.Parse(landed)
	edgetest.Must(t, err)
	withoutCode := "/redirect.html?state=" + url.QueryEscape(u.Query().Get("state")) // where the page's script leads
	for _, again := range []string{landed, withoutCode} {
		g.get(again, "Cookie", secret).want(t, 200, first.body)
		g.get(again).wantPage(t, 400, "This sign-in cannot be completed here")
	}
	g.Pass(2 * time.Minute)
	g.get(landed, "Cookie", secret).wantPage(t, 400, "This sign-in has ended", "already used", `href="/connect/practice"`)
	g.get(withoutCode, "Cookie", secret).wantPage(t, 400, "This sign-in has ended", "Please start again.")
	if n := g.CRM.Counts().Token - tokens; n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
}

func TestConnectEndings(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	v.get(v.landing("practice", "deny", nil)).wantPage(t, 400, "Not connected", `href="/connect/practice"`, "Try again")
	landed := v.landing("practice", "ada", nil)
	g.Pass(11 * 60e9)
	v.get(landed).wantPage(t, 400, "This took too long", "Try again")
	g.CRM.SetMood(practicecrm.Mood{Token: "html with status 502"})
	v.get(v.landing("practice", "ada", nil)).wantPage(t, 400, "This did not work", "HTTP status 502")

	v.get("/connect/nobody").wantPage(t, 404, "There is nothing to connect here")
	v.get("/connect/only").wantPage(t, 404, "There is nothing to connect here")
	v.get("/connect/a-b_c").wantPage(t, 404, "There is nothing to connect here")
	v.get("/connect/elsewhere").wantPage(t, 400, "This did not work", "sends people to client.example and not back to this page")
	v.send("/connect/elsewhere", nil).wantPage(t, 400, "This did not work", "client.example")
	v.get("/connect/org").wantPage(t, 200, "Connect Organisation CRM")
	v.send("/connect/org", nil).wantPage(t, 404, "Not set up yet", "ask your administrator")
	for _, path := range []string{"/connect", "/connect/", "/connect//practice", "/connect/%70ractice", "/connect/practice/x", "/connect/practice//", "/connect/../connect/practice", "/connect/./practice", "/connect/practice%2f", "/connect/pr.actice", "/connect//", "/authSession//"} {
		if a := v.get(path); a.status != 404 || strings.Contains(a.body, "<html") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	v.do("DELETE", "/connect/practice", "").wantError(t, 405, "/connect/{platform} takes GET and POST only.")
}

// TestConnectReasons: a page shows the CRM's own words, cut and escaped, and the log has all of them. A forged redirect shows
// nothing of its text.
func TestConnectReasons(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	reason := "policy <b>requires</b> PKCE\u202e" + strings.Repeat("x", 500) + "end"
	refused := func(code string) string {
		at, err := url.Parse(v.send("/connect/practice", nil).follow(t))
		edgetest.Must(t, err)
		return "/redirect.html?" + url.Values{"error": {code}, "error_description": {reason}, "state": {at.Query().Get("state")}}.Encode()
	}
	for code, heading := range map[string]string{"invalid_request": "This did not work", "access_denied": "Not connected", "odd_code": "This did not work"} {
		forged := g.visitor().get(refused(code))
		if forged.wantPage(t, 400, "This sign-in cannot be completed here"); strings.Contains(forged.body, "PKCE") {
			t.Errorf("another browser is shown %s", forged.body)
		}
		a := v.get(refused(code))
		a.wantPage(t, 400, heading, "policy &lt;b&gt;requires&lt;/b&gt; PKCE")
		if strings.Contains(a.body, "xend") || strings.Count(a.body, "PKCE") != 1 || code != "odd_code" && !strings.Contains(a.body, `PKCE\u202exxx`) {
			t.Errorf("%s: %s", code, a.body)
		}
	}
	if n := strings.Count(g.Log.String(), "xend"); n != 3 {
		t.Errorf("the log has %d reasons, want 3", n)
	}
	g.CRM.SetMood(practicecrm.Mood{Error: "invalid_scope"})
	v.get(v.landing("practice", "ada", nil)).wantPage(t, 400, "This did not work", "The requested scope is invalid", "The CRM says: &#34;The CRM is in that mood.&#34;")
	g.CRM.SetMood(practicecrm.Mood{})
	v.get(v.landing("practice", "ada", nil)+"&iss=https%3A%2F%2Fevil.example").wantPage(t, 400, "This did not work", "The issuer (iss) of the callback is not practice.")
	if !strings.Contains(g.Log.String(), `iss \"https://evil.example\" is not on a host of the manifest`) {
		t.Error("the log does not name the issuer")
	}
}

func TestConnectEnvironments(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	v.get("/connect/Choose").wantPage(t, 200, "Connect Choice CRM", "Europe", "us.choice.example")
	v.get("/connect/Choose?hostname=us.choice.example").wantPage(t, 200, "Connect Choice CRM", `value="https://us.choice.example" required checked`)
	v.send("/connect/Choose", nil).wantPage(t, 400, "Connect Choice CRM", "Please choose one.")
	v.send("/connect/Choose", url.Values{"hostname": {"https://evil.example"}}).wantPage(t, 400, "Connect Choice CRM", "Please choose one.")
	v.get(v.landing("Choose", "ada", url.Values{"hostname": {"https://us.choice.example"}})).wantPage(t, 200, "You are connected")

	v.get("/connect/paste").wantPage(t, 200, "Connect Paste CRM", "<li>Log in to your Paste CRM</li>", `placeholder="https://your-company.paste.example"`)
	v.send("/connect/paste", nil).wantPage(t, 400, "Connect Paste CRM", "Please paste the address")
	v.send("/connect/paste", url.Values{"hostname": {`"><script>alert(1)</script>`}}).wantPage(t, 400, "Connect Paste CRM",
		"This is not a Paste CRM address. It should look like https://your-company.paste.example.", `aria-invalid="true"`, `value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"`)
	v.send("/connect/paste", url.Values{"hostname": {"https://paste.example.evil.example/"}}).wantPage(t, 400, "Connect Paste CRM", "not a Paste CRM address")
	v.get(v.landing("paste", "ada", url.Values{"hostname": {" https://acme.paste.example/app/deals?x=1 "}})).wantPage(t, 200, "You are connected")
	for _, platform := range []string{"Choose", "paste"} {
		p := g.only(keyOf(platform).Platform, keyOf(platform).ID)
		if want := map[string]string{"Choose": "us.choice.example", "paste": "acme.paste.example"}[platform]; p.User.Key.Hostname != want {
			t.Errorf("%s: hostname %q, want %q", platform, p.User.Key.Hostname, want)
		}
	}
}

func TestConnectByKey(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	a := v.get("/connect/fields")
	a.wantPage(t, 200, "Connect Fields", "under Settings, Integrations", `href="https://fields.example/help?a=1&amp;b=2"`, "Give it to nobody",
		`name="fields[username]"`, `type="password"`, "<textarea", "from crmgate", `<option value="eu">Europe</option>`)
	if strings.Contains(a.body, "Shared secret") {
		t.Error("a managed field is shown")
	}
	form := url.Values{"hostname": {"acme.fields.example"}, "fields[username]": {"a<b>"}, "fields[apiKey]": {"canary-key"}, "fields[region]": {"mars"}, "fields[shared]": {"x"}}
	a = v.send("/connect/fields", form)
	a.wantPage(t, 400, "Connect Fields", "Please choose one from the list.", `value="a&lt;b&gt;"`, "<title>Error: Connect Fields</title>")
	if strings.Contains(a.body, "canary-key") {
		t.Error("a secret is shown again")
	}
	form.Set("fields[region]", "eu")
	v.send("/connect/fields", form).wantPage(t, 200, "You are connected", "Signed in as Wired.")
	// Fields of six bytes and more are not in the log.
	if log := g.Log.String(); !strings.Contains(log, `a\\u003cb\\u003e`) && !strings.Contains(log, "a<b>") || strings.Contains(log, `\"shared\"`) {
		t.Error("the connector did not get exactly the form's fields")
	}
	v.send("/connect/practicekey", url.Values{}).wantPage(t, 400, "Connect Practice CRM", "Please fill this in.")
	v.send("/connect/practicekey", url.Values{"fields[apiKey]": {"wrong"}}).wantPage(t, 400, "Connect Practice CRM", "did not accept the API key")
	v.send("/connect/practicekey", url.Values{"fields[apiKey]": {" " + practicecrm.APIKey + "\n"}}).wantPage(t, 200, "You are connected", "Grace Hopper")
}

func TestAssets(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	page := g.get("/connect/practice").body
	for _, m := range regexp.MustCompile(`(?:href|src)="(/ui/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		a := g.get(strings.ReplaceAll(m[1], "&amp;", "&"))
		if a.status != http.StatusOK || a.body == "" || !strings.Contains(a.header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", m[1], a.status, a.header)
		}
	}
	if n := strings.Count(page, `"/ui/`); n != 3 {
		t.Errorf("%d assets, want 3", n)
	}
}

// TestConnectTooLarge: a form that is too large is refused as on any route, and is not logged as an error.
func TestConnectTooLarge(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	n := 1<<20 + 1
	g.raw(fmt.Sprintf("POST /connect/practicekey HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", n, strings.Repeat("x", n))).want(t, 413, `{"error":"The body is too large."}`)
	if strings.Contains(g.Log.String(), `"level":"ERROR"`) {
		t.Errorf("it was logged as an error: %s", g.Log)
	}
}
