package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/crmgate/crmgate/proxy/practice"
)

func TestSignInByOAuth(t *testing.T) {
	g := newGate(t)
	for _, mode := range []string{"bound", "compat"} {
		c := g.compose(mode)
		a := g.callback(g.land(c, "ada"), c.LoginSecret)
		token := g.token(a)
		if !strings.Contains(a.body, `"name":"Ada Lovelace"`) {
			t.Errorf("%s: %s", mode, a.body)
		}
		if a := g.get("/authValidation", bearer(token)...); a.body != `{"successful":true}` {
			t.Errorf("%s: %d %s", mode, a.status, a.body)
		}
	}
}

// The unencoded forms, as they stand on the wire.
func TestUnencodedCallbacks(t *testing.T) {
	g := newGate(t)
	for _, stateFirst := range []bool{false, true} {
		c := g.compose("bound")
		u, err := url.Parse(g.land(c, "ada"))
		must(t, err)
		code, state := u.Query().Get("code"), u.Query().Get("state")
		u.RawQuery = ""
		query := "?callbackUri=" + u.String() + "?code=" + code + "&state=" + state + "&hostname=undefined&rcAccountId=123"
		if stateFirst {
			query = "?callbackUri=" + u.String() + "?state=" + state + "&code=" + code + "&hostname=undefined"
		}
		g.token(g.get("/oauth-callback"+query, "X-Crmgate-Login", c.LoginSecret))
	}
}

func TestBoundStates(t *testing.T) {
	g := newGate(t)
	c := g.compose("bound")
	landed := g.land(c, "ada")
	tokens := func() int { return g.crm.Counts().Token }
	before := tokens()

	g.callback(landed, "").wantError(t, 400, "started by another browser")
	g.callback(landed, "wrong").wantError(t, 400, "started by another browser")
	flip := func(s string, i int) string { return s[:i] + string(s[i]^1) + s[i+1:] }
	at := strings.Index(landed, "cg.") + 40
	g.callback(flip(landed, at), c.LoginSecret).wantError(t, 400, "not valid")
	g.callback(strings.Replace(landed, "platform%3Dpractice", "platform%3Dpracticekey", 1), c.LoginSecret).wantError(t, 400, "not valid")
	g.callback(strings.Replace(landed, "redirect.html", "other.html", 1), c.LoginSecret).wantError(t, 400, "Redirected path")
	if n := tokens() - before; n != 0 {
		t.Fatalf("%d token requests for callbacks that are wrong", n)
	}
	g.token(g.callback(landed, c.LoginSecret)) // it could still be used
	g.callback(landed, c.LoginSecret).wantError(t, 400, "used already")
	if n := tokens() - before; n != 1 {
		t.Errorf("%d token requests, want 1: a replay reached the CRM", n)
	}
}

func TestPlainStateCanBeRefused(t *testing.T) {
	g := newGate(t, func(f *serveFlags) { f.CompatState = "off" })
	g.callback(g.land(g.compose("compat"), "ada"), "").wantError(t, 400, "mode=bound")
	g.oauth("ada")
}

func TestAccountProof(t *testing.T) {
	g := newGate(t, func(f *serveFlags) { f.AccountProof = "required" })
	landed := g.land(g.compose("compat"), "ada")
	path := "/oauth-callback?rcAccountId=1&callbackUri=" + url.QueryEscape(landed)
	g.get(path).wantError(t, 403, "proof of the account")
	g.get(path+"&rcAccessToken=wrong").wantError(t, 400, "Request failed with status code 401")
	g.token(g.get(path, "X-RC-Access-Token", "Bearer "+practice.RCUserToken))
}

func TestCallbackRefusals(t *testing.T) {
	g := newGate(t)
	landed := g.land(g.compose("compat"), "ada")
	before := g.crm.Counts().Token
	plain := func(q string) answer { return g.get("/oauth-callback?" + q) }
	plain("").want(t, 400, "Missing callbackUri")
	plain("callbackUri=undefined").want(t, 400, "Missing callbackUri")
	plain("callbackUri=redirect.html&state=platform=practice").wantError(t, 400, "Invalid URL")
	plain("callbackUri=https://x.example/?code=A&state=platform%3Dx%25zz").wantError(t, 400, "URI malformed")
	plain("callbackUri=https://x.example/?code=A").wantError(t, 400, "no state")
	plain("callbackUri=https://x.example/?code=A&state=abc").want(t, 400, "Missing platform name")
	plain("callbackUri=https://x.example/?code=A&state=platform=nowhere").wantError(t, 400, "Connector not found for platform: nowhere")
	plain("callbackUri=https://x.example/redirect.html?code=A&state=platform=practicekey").wantError(t, 400, "practicekey signs people in with an API key")
	plain("callbackUri=https://x.example/redirect.html?code=A&state=platform=practice").wantError(t, 400, "Redirected origin should match")
	plain("callbackUri=a&callbackUri=b").wantError(t, 400, "more than once")
	plain("callbackUri=%ff").wantError(t, 400, "UTF-8")
	plain("state="+strings.Repeat("x", 20<<10)).wantError(t, 431, "too long")
	plain("tokenUrl=https://evil.example/&callbackUri="+url.QueryEscape(landed)).wantError(t, 400, "tokenUrl")
	plain("apiUrl=http://169.254.169.254/&callbackUri="+url.QueryEscape(landed)).wantError(t, 400, "apiUrl")
	denied := strings.Replace(landed, "code=", "error=access_denied&x=", 1)
	g.callback(denied, "").wantError(t, 400, "The resource owner or authorization server denied the request.")
	if n := g.crm.Counts().Token - before; n != 0 {
		t.Errorf("%d token requests for callbacks that are wrong", n)
	}
	g.callback(strings.Replace(landed, "code=", "code=x", 1), "").wantError(t, 400, "The provided authorization grant")
	g.token(g.callback(landed, ""))
}

func TestAPIKeyRefusals(t *testing.T) {
	g := newGate(t)
	missing := func(a answer) { t.Helper(); a.want(t, 400, "Missing platform name") }
	missing(g.do("POST", "/apiKeyLogin", ""))
	missing(g.postJSON("/apiKeyLogin", "[]"))
	missing(g.postJSON("/apiKeyLogin?state=platform=practicekey", "{}"))
	g.do("POST", "/apiKeyLogin", `<x/>`, "Content-Type", "application/xml").wantError(t, 415, "application/json")
	g.do("POST", "/apiKeyLogin", `{"platform":"practicekey"}`, "Content-Type", "text/plain").wantError(t, 415, "application/json")
	g.postJSON("/apiKeyLogin", `{"platform":`).wantError(t, 400, "not a JSON object")
	g.postJSON("/apiKeyLogin", `"x"`).wantError(t, 400, "not a JSON object")
	g.postJSON("/apiKeyLogin", `{"platform":7}`).wantError(t, 400, "platform is of the wrong type")
	g.postJSON("/apiKeyLogin", "{\"platform\":\"\xff\"}").wantError(t, 400, "not a JSON object")
	g.postJSON("/apiKeyLogin", deep(20_000)).wantError(t, 400, "not a JSON object")
	g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"x","additionalInfo":`+deep(9_000)+"}").want(t, 400, wrongKey)
	g.announce(2<<20).wantError(t, 413, "too large")
	g.token(g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practice.APIKey+`","x":"`+strings.Repeat("x", 1000_000)+`"}`))
	g.postJSON("/apiKeyLogin", `{"platform":"nowhere","apiKey":"x"}`).wantError(t, 400, "Connector not found for platform: nowhere")
	g.postJSON("/apiKeyLogin", `{"platform":"practice","apiKey":"x"}`).wantError(t, 400, "OAuth")
	g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"x","additionalInfo":"y"}`).wantError(t, 400, "additionalInfo must be an object")
	g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"x","hostname":"a b"}`).wantError(t, 400, "hostname")
	g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"x","rcAccessToken":"wrong"}`).wantError(t, 400, "Request failed with status code 401")

	var in signIn
	a := g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"wrong"}`)
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.status != 400 || in.Token != "" || in.Message.Message == "" {
		t.Errorf("a wrong key: %d %s", a.status, a.body)
	}
	a = g.postJSON("/apiKeyLogin", `{"platform":"practicekey","rcAccessToken":"`+practice.RCUserToken+`"}`)
	if a.status != 400 || !strings.Contains(a.body, `"missingRequiredFieldConsts":["apiKey"]`) {
		t.Errorf("a missing field: %d %s", a.status, a.body)
	}
	g.apiKey()
	form := url.Values{"platform": {"practicekey"}, "additionalInfo[apiKey]": {practice.APIKey}}
	g.token(g.do("POST", "/apiKeyLogin", form.Encode(), "Content-Type", "application/x-www-form-urlencoded"))
}

// announce says that a form of n bytes comes, and reads the answer without sending it: a server that closes while a body
// is under way may reset the connection, and the answer be lost to who is still writing.
func (g *gate) announce(n int) answer {
	g.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	must(g.t, err)
	defer c.Close()
	fmt.Fprintf(c, "POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", n)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(g.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(g.t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// wrongKey is what the connector says of a key that the CRM does not know.
const wrongKey = `{"returnMessage":{"message":"Practice CRM did not accept the API key. Please check it and try again.","messageType":"warning","ttl":5000}}`

// deep is an object in an object, n times.
func deep(n int) string {
	return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
}

func TestConventions(t *testing.T) {
	g := newGate(t)
	a := g.do("OPTIONS", "/no/such/path", "", "Access-Control-Request-Headers", "authorization,x-a")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET,POST,PATCH,PUT,DELETE",
		"Access-Control-Allow-Headers": "authorization,x-a", "Vary": "Access-Control-Request-Headers",
		"Access-Control-Expose-Headers": "x-refreshed-jwt-token",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("OPTIONS: %s is %q, want %q", name, got, want)
		}
	}
	a.want(t, 204, "")
	if a := g.get("/ISALIVE/"); a.body != "OK" || a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("isAlive: %+v", a)
	}
	g.do("HEAD", "/isAlive", "").want(t, 200, "")
	g.get("/nowhere").wantError(t, 404, "nothing")
	g.get("/a/%2e%2e/isAlive").wantError(t, 404, "nothing")
	g.get("//isAlive").wantError(t, 404, "nothing")
	a = g.get("/apiKeyLogin")
	a.wantError(t, 405, "POST")
	if a.header.Get("Allow") != http.MethodPost {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
	g.get("/serverVersionInfo").want(t, 200, `{"version":"unknown"}`)
	g.get("/crmManifest").want(t, 400, "Platform not found")
	g.get("/implementedInterfaces").want(t, 400, "Please provide platform.")
	g.get("/implementedInterfaces?platform=x").wantError(t, 400, "Connector not found for platform: x")
	a = g.get("/implementedInterfaces?platform=practice")
	if !strings.HasPrefix(a.body, `{"getAuthType":true,"getOauthInfo":true,"getUserInfo":true,"createCallLog":false,`) || !strings.HasSuffix(a.body, `,"cacheCallNote":false}`) {
		t.Errorf("implementedInterfaces: %s", a.body)
	}
	a = g.get("/crmManifest?platformName=practice")
	if a.status != 200 || strings.Contains(a.body, `"crmgate":`) || !json.Valid([]byte(a.body)) {
		t.Errorf("crmManifest: %d %s", a.status, a.body)
	}
	a = g.get("/authUrl?platform=practicekey")
	a.wantError(t, 400, "API key")
	g.get("/authUrl").wantError(t, 400, "platform")
	g.get("/authUrl?platform=practice&mode=odd").wantError(t, 400, "mode")
	g.get("/authUrl?platform=practice&rcAccessToken=wrong&mode=bound").wantError(t, 400, "status code 401")
	a = g.get("/redirect.html?code=1&state=%3Cscript%3E")
	if a.status != 200 || strings.Contains(a.body, "<script>alert") || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(a.body, `"*"`) {
		t.Errorf("redirect.html: %+v", a)
	}
}

func TestUserInfoHash(t *testing.T) {
	t.Setenv("CRMGATE_HASH_KEY", "salt")
	g := newGate(t)
	// Reference values: printf '%s' '1,2:salt' | sha256sum, and so on.
	g.get("/userInfoHash?extensionId=1&extensionId=2").want(t, 200,
		`{"extensionId":"`+sha("1,2:salt")+`","accountId":"`+sha("undefined:salt")+`"}`)
	g.get("/userInfoHash?extensionId=&accountId=7").want(t, 200,
		`{"extensionId":"`+sha(":salt")+`","accountId":"`+sha("7:salt")+`"}`)
}

func TestDebugHeader(t *testing.T) {
	g := newGate(t, func(f *serveFlags) { f.DebugHeader = true })
	c := g.compose("bound")
	a := g.callback(g.land(c, "ada"), c.LoginSecret, "is-debug", "true")
	for _, want := range []string{`"_debug":{`, `"requestId":"` + a.header.Get("X-Request-Id") + `"`, `"exchanged"`, `"stored"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%s lacks %s", a.body, want)
		}
	}
	if a := g.get("/hostname", "is-debug", "true"); a.body != noSession {
		t.Errorf("a text was changed: %s", a.body)
	}
	off := newGate(t)
	if a := off.get("/serverVersionInfo", "is-debug", "true"); strings.Contains(a.body, "_debug") {
		t.Errorf("a trace without the operator's leave: %s", a.body)
	}
}

// TestReplayedAtOnce: of a hundred equal callbacks at the same instant one is let through, and the CRM sees one request.
func TestReplayedAtOnce(t *testing.T) {
	g := newGate(t)
	c := g.compose("bound")
	landed := g.land(c, "ada")
	before := g.crm.Counts().Token
	var signedIn atomic.Int64
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/oauth-callback?callbackUri="+url.QueryEscape(landed), nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("X-Crmgate-Login", c.LoginSecret)
			resp, err := g.client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode == 200 {
				signedIn.Add(1)
			}
		})
	}
	wg.Wait()
	if n := g.crm.Counts().Token - before; n != 1 || signedIn.Load() != 1 {
		t.Errorf("%d token requests, %d sign-ins; want one of each", n, signedIn.Load())
	}
}
