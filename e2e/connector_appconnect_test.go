package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// appConnect has the connectors in the style of App Connect's documentation.
var appConnect = filepath.Join("..", "wasmhost", "quickjs", "prelude", "testdata")

// bundled returns such a connector as its author would bundle it: with moment, and without axios.
func bundled(t *testing.T, file string) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); errors.Is(err, exec.ErrNotFound) {
		skip(t, "install nodejs and npm to bundle connectors")
	}
	dir := t.TempDir()
	for _, name := range []string{"npm/package.json", "npm/package-lock.json", "appconnect/" + file} {
		b, err := os.ReadFile(filepath.Join(appConnect, filepath.FromSlash(name)))
		edgetest.Must(t, err)
		putFile(t, dir, filepath.Base(name), string(b))
	}
	run := func(name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("%s: %v\n%s", name, err, failed.Stderr)
		}
		edgetest.Must(t, err)
		return string(out)
	}
	run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	return run(filepath.Join(dir, "node_modules", ".bin", "esbuild"), "--bundle", "--format=cjs", "--platform=node", "--external:axios", "--log-level=warning", file)
}

// acme imitates the CRM of acme.js.
type acme struct {
	mu     sync.Mutex
	next   int
	tokens map[string]bool // live codes, access and refresh tokens; guarded by mu
}

func (a *acme) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /oauth/authorize":
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {a.mint("code")}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case "POST /oauth/token":
		id, secret, _ := r.BasicAuth()
		used := r.FormValue("code") + r.FormValue("refresh_token")
		if id+r.FormValue("client_id") != "acme-id" || secret+r.FormValue("client_secret") != "acme-secret" || !a.tokens[used] {
			says(400, "application/json", `{"error":"invalid_grant"}`)(w, r)
			return
		}
		delete(a.tokens, used)
		says(200, "application/json", fmt.Sprintf(`{"access_token":%q,"refresh_token":%q,"expires_in":3600}`, a.mint("at"), a.mint("rt")))(w, r)
	case "GET /api/v1/users/me":
		if !a.tokens[bearerOf(r)] {
			says(401, "application/json", `{}`)(w, r)
			return
		}
		w.Header().Set("X-RateLimit-Remaining", "9")
		says(200, "application/json", `{"data":{"id":7,"name":"Ada Lovelace","time_zone":"Europe/London","utc_offset":60,"company_id":3,"created_at":"2020-02-29T23:30:00-02:00"}}`)(w, r)
	case "POST /oauth/revoke":
		delete(a.tokens, r.FormValue("token"))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (a *acme) mint(kind string) string {
	a.next++
	t := fmt.Sprintf("acme-%s-%d", kind, a.next)
	a.tokens[t] = true
	return t
}

const acmeManifest = `{"platforms": {"acme": {"name": "acme", "environment": {"type": "fixed", "url": "https://acme.example"},
	"auth": {"type": "oauth", "oauth": {"authUrl": "https://acme.example/oauth/authorize", "clientId": "acme-id", "redirectUri": "{publicUrl}/redirect.html"}},
	"crmgate": {"hosts": ["acme.example"], "config": ["ACME_CLIENT_ID", "ACME_CLIENT_SECRET", "ACME_REDIRECT_URI"], "reveal": ["refreshToken", "clientSecret"]}}}}`

// TestAppConnectOAuth: a connector in App Connect's style signs a person in, refreshes the token and logs the person out.
func TestAppConnectOAuth(t *testing.T) {
	t.Parallel()
	crm := &acme{tokens: map[string]bool{}}
	s := newStandIn(t, crm)
	source := bundled(t, "acme.js")
	g := newGate(t, s.reached, func(o *edgetest.Options) {
		putFile(t, o.Connectors, "acme.js", source)
		putFile(t, o.Connectors, "acme.json", acmeManifest)
		o.Settings["ACME_CLIENT_ID"], o.Settings["ACME_CLIENT_SECRET"] = "acme-id", "acme-secret"
	})
	var c edgetest.Composed
	a := g.get("/authUrl?platform=acme&hostname=acme.example&mode=bound")
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.AuthURL == "" {
		t.Fatalf("authUrl: %d %s", a.status, a.body)
	}
	a = g.callback(s.browse(t, c.AuthURL), c.LoginSecret)
	token := g.token(a)
	a.want(t, 200, `{"jwtToken":"`+token+`","name":"Ada Lovelace","returnMessage":{"messageType":"success","message":"Connected to Acme.","ttl":1000},"successful":true}`)
	p := g.only("acme", "7-acme")
	if got, want := string(p.User.AdditionalInfo), `{"companyId":3,"memberSince":"2020-03-01","rateLimit":"9"}`; got != want || p.Grant.AccessToken.Reveal() != "acme-at-2" {
		t.Errorf("kept %s with the user, want %s", got, want)
	}
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
	s.take()

	_, err := g.Edge.DB().UpdatePerson(t.Context(), p.User.Key, func(p *crmgate.Person) error {
		p.Grant.Issued, p.Grant.Expiry = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		return nil
	})
	edgetest.Must(t, err)
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
	asked := s.take()
	if len(asked) != 2 || !strings.HasPrefix(asked[0], "POST https://acme.example/oauth/token\n") || !strings.HasSuffix(asked[0], "grant_type=refresh_token&refresh_token=acme-rt-3") ||
		!strings.Contains(asked[1], "Bearer acme-at-4") {
		t.Errorf("the refresh asked\n%s", strings.Join(asked, "\n\n"))
	}
	if p := g.only("acme", "7-acme"); p.Grant.AccessToken.Reveal() != "acme-at-4" || p.Grant.RefreshToken.Reveal() != "acme-rt-5" || !p.Grant.Expiry.After(time.Now()) {
		t.Errorf("after the refresh: %+v", p.Grant)
	}

	g.do("POST", "/unAuthorize", "", bearer(token)...).want(t, 200, `{"messageType":"success","message":"Logged out of Acme","ttl":1000}`)
	if asked := s.take(); len(asked) != 1 || !strings.HasPrefix(asked[0], "POST https://acme.example/oauth/revoke\n") || !strings.HasSuffix(asked[0], "token=acme-at-4") {
		t.Errorf("the logout asked\n%s", strings.Join(asked, "\n\n"))
	}
	g.get("/hostname", bearer(token)...).want(t, 400, noSession)
	for _, secret := range []string{"acme-secret", "acme-at-", "acme-rt-"} {
		if strings.Contains(g.Log.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

const keyedManifest = `{"platforms": {"keyed": {"name": "keyed", "environment": {"type": "fixed", "url": "https://api.keyed.example"},
	"auth": {"type": "apiKey", "apiKey": {"page": {"title": "Keyed", "content": [
		{"const": "apiKey", "title": "API key", "type": "string", "required": true, "uiSchema": {"ui:widget": "password"}},
		{"const": "apiUrl", "title": "API URL", "type": "string", "required": true},
		{"const": "username", "title": "User name", "type": "string", "required": true}]}}},
	"crmgate": {"hosts": ["api.keyed.example"], "config": ["KEYED_SIGNING_KEY", "KEYED_API_VERSION"]}}}}`

// TestAppConnectAPIKey: a connector in App Connect's style signs a person in with an API key, and logs the person out.
func TestAppConnectAPIKey(t *testing.T) {
	t.Parallel()
	s := newStandIn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, _ := r.BasicAuth(); user != "keyed-key-1" || r.URL.Path != "/v3.1/users/me" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		says(200, "application/json", `{"USER_ID":5,"FIRST_NAME":"Ada","LAST_NAME":"Lovelace","TIMEZONE_ID":"UTC","USER_KEY":"keyed-key-2"}`)(w, r)
	}))
	source := bundled(t, "keyed.js")
	g := newGate(t, s.reached, func(o *edgetest.Options) {
		putFile(t, o.Connectors, "keyed.js", source)
		putFile(t, o.Connectors, "keyed.json", keyedManifest)
		o.Settings["KEYED_SIGNING_KEY"], o.Settings["KEYED_API_VERSION"] = "keyed-signing-key", "v3.1"
	})
	form := func(key string) string {
		return `{"platform":"keyed","apiKey":"` + key + `","hostname":"api.keyed.example","additionalInfo":{"apiKey":"` + key + `","apiUrl":"https://api.keyed.example/v3.1","username":"ada"}}`
	}
	g.postJSON("/apiKeyLogin", form("another-key")).want(t, 400, `{"returnMessage":{"messageType":"warning","message":"Failed to get user info.","ttl":3000}}`)
	s.take()
	a := g.postJSON("/apiKeyLogin", form("keyed-key-1"))
	token := g.token(a)
	a.want(t, 200, `{"jwtToken":"`+token+`","name":"Ada Lovelace","returnMessage":{"messageType":"success","message":"Connected to Keyed.","ttl":1000}}`)
	if asked := s.take(); len(asked) != 1 || !strings.Contains(asked[0], "X-Signature: ") {
		t.Errorf("the sign-in asked\n%s", strings.Join(asked, "\n\n"))
	}
	p := g.only("keyed", "5-keyed")
	if got := string(p.User.AdditionalInfo); p.Grant.APIKey.Reveal() != "keyed-key-2" || got != `{"apiKey":"keyed-key-1","apiUrl":"https://api.keyed.example","checkedAt":"1970-01-01T00:00:00.000Z","username":"ada"}` {
		t.Errorf("kept %s with the user", got)
	}
	g.do("POST", "/unAuthorize", "", bearer(token)...).want(t, 200, `{"messageType":"success","message":"Logged out of Keyed","ttl":1000}`)
	g.get("/hostname", bearer(token)...).want(t, 400, noSession)
	if strings.Contains(g.Log.String(), "keyed-key") || strings.Contains(g.Log.String(), "keyed-signing") {
		t.Error("the log has a key")
	}
}
