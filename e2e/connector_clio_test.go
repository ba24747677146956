package e2e_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// clioRegions are the hosts and the operator's settings for each.
var clioRegions = map[string]struct{ config, id, secret string }{
	"app.clio.com":    {"CLIO_", "us-id", "us secret/+"},
	"eu.app.clio.com": {"CLIO_EU_", "eu-id", "eu secret/+"},
	"au.app.clio.com": {"CLIO_AU_", "au-id", "au secret/+"},
	"ca.app.clio.com": {"CLIO_CA_", "ca-id", "ca secret/+"},
}

// clio imitates Clio's authorization server and who_am_i as documented, separately for each region.
type clio struct {
	mu     sync.Mutex
	next   int
	codes  map[string]url.Values // the requests to /oauth/authorize, by host and code; guarded by mu
	tokens map[string]bool       // live access and refresh tokens, by host and token; guarded by mu
	rotate bool                  // guarded by mu
}

func newClio() *clio { return &clio{codes: map[string]url.Values{}, tokens: map[string]bool{}} }

func (c *clio) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	region, ok := clioRegions[r.Host]
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == "GET" && r.URL.Path == "/oauth/authorize":
		q := r.URL.Query()
		if q.Get("client_id") != region.id || q.Get("response_type") != "code" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		code := c.mint(r.Host, "code")
		c.codes[r.Host+" "+code] = q
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case r.Method == "POST" && r.URL.Path == "/oauth/token":
		c.token(w, r)
	case r.Method == "GET" && r.URL.Path == "/api/v4/users/who_am_i.json":
		if !c.tokens[r.Host+" "+bearerOf(r)] {
			clioSays(w, 401, `{"error":{"type":"UnauthorizedError","message":"User is not authorized"}}`)
			return
		}
		clioSays(w, 200, `{"data":{"id":354010458,"name":"Ada Lovelace","time_zone":"Arizona"}}`)
	case r.Method == "POST" && r.URL.Path == "/oauth/deauthorize":
		if token := bearerOf(r); !c.tokens[r.Host+" "+token] || r.PostFormValue("token") != token {
			clioSays(w, 401, `{"error":"invalid_token"}`)
			return
		}
		clear(c.tokens)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (c *clio) token(w http.ResponseWriter, r *http.Request) {
	region := clioRegions[r.Host]
	if r.PostFormValue("client_id") != region.id || r.PostFormValue("client_secret") != region.secret {
		clioSays(w, 401, `{"error":"invalid_client","error_description":"Client authentication failed due to unknown client."}`)
		return
	}
	invalid := func() { clioSays(w, 400, `{"error":"invalid_grant","error_description":"not valid"}`) }
	refresh := ""
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		key := r.Host + " " + r.PostFormValue("code")
		asked := c.codes[key]
		delete(c.codes, key)
		hash := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		challenge := asked.Get("code_challenge")
		if asked == nil || asked.Get("redirect_uri") != r.PostFormValue("redirect_uri") ||
			challenge != "" && challenge != base64.RawURLEncoding.EncodeToString(hash[:]) {
			invalid()
			return
		}
		refresh = c.mint(r.Host, "rt")
	case "refresh_token":
		old := r.Host + " " + r.PostFormValue("refresh_token")
		if !c.tokens[old] {
			invalid()
			return
		}
		if c.rotate {
			delete(c.tokens, old)
			refresh = c.mint(r.Host, "rt")
		}
	}
	answer := map[string]any{"token_type": "bearer", "access_token": c.mint(r.Host, "at"), "expires_in": 2592000}
	if refresh != "" {
		answer["refresh_token"] = refresh
	}
	b, _ := json.Marshal(answer)
	clioSays(w, 200, string(b))
}

// mint makes a region's token or code: "eu-id-at-3".
func (c *clio) mint(host, kind string) string {
	c.next++
	t := fmt.Sprintf("%s-%s-%d", clioRegions[host].id, kind, c.next)
	c.tokens[host+" "+t] = kind != "code"
	return t
}

func (c *clio) setRotate(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rotate = on
}

func clioSays(w http.ResponseWriter, status int, body string) {
	says(status, "application/json; charset=utf-8", body)(w, nil)
}

func bearerOf(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// newClioGate starts a gate with the Clio connector, set up for all regions.
func newClioGate(t *testing.T, change ...func(*edgetest.Options)) (*gate, *clio, *standIn) {
	crm := newClio()
	s := newStandIn(t, crm)
	setUp := func(f *edgetest.Options) {
		edgetest.Ship(t, f.Connectors, "clio")
		for _, r := range clioRegions {
			f.Settings[r.config+"CLIENT_ID"], f.Settings[r.config+"CLIENT_SECRET"] = r.id, r.secret
		}
	}
	return newGate(t, append([]func(*edgetest.Options){s.reached, setUp}, change...)...), crm, s
}

// clioURL requests the authorization URL.
func (g *gate) clioURL(hostname, mode string) edgetest.Composed {
	g.t.Helper()
	var c edgetest.Composed
	a := g.get("/authUrl?platform=clio&hostname=" + hostname + "&mode=" + mode)
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.AuthURL == "" {
		g.t.Fatalf("authUrl: %d %s", a.status, a.body)
	}
	return c
}

// clioLand has a person consent at Clio. It removes these requests from those of the stand-in.
func (g *gate) clioLand(s *standIn, hostname, mode string) (landed string, c edgetest.Composed) {
	g.t.Helper()
	c = g.clioURL(hostname, mode)
	landed = s.browse(g.t, c.AuthURL)
	s.take()
	return landed, c
}

func (g *gate) clioSignIn(s *standIn, hostname string) (token string) {
	g.t.Helper()
	landed, c := g.clioLand(s, hostname, "bound")
	return g.token(g.callback(landed, c.LoginSecret))
}

const (
	clioConnected = `"name":"Ada Lovelace","returnMessage":{"message":"Connected to Clio.","messageType":"success","ttl":1000}}`
	clioRefused   = `{"returnMessage":{"message":"Could not load user information","messageType":"warning","ttl":3000,` +
		`"details":[{"title":"Details","items":[{"id":"1","type":"text","text":"Clio was unable to fetch information for the currently logged in user. ` +
		`Please check your permissions in Clio and make sure you have permission to access and read user information."}]}]}}`
	clioLoggedOut = `{"message":"Logged out of Clio","messageType":"success","ttl":1000}`
)

// tokenRequest returns the expected token request; form has its parameters without the client.
func tokenRequest(host string, form url.Values) string {
	form.Set("client_id", clioRegions[host].id)
	form.Set("client_secret", clioRegions[host].secret)
	return "POST https://" + host + "/oauth/token\nAccept: application/json, application/x-www-form-urlencoded\n" +
		"Content-Type: application/x-www-form-urlencoded\n" + form.Encode()
}

func whoAmI(host, token string) string {
	return "GET https://" + host + "/api/v4/users/who_am_i.json?fields=id,name,time_zone\nAccept: application/json\nAuthorization: Bearer " + token
}

func deauthorized(host, token string) string {
	return "POST https://" + host + "/oauth/deauthorize\nAuthorization: Bearer " + token +
		"\nContent-Type: application/x-www-form-urlencoded\ntoken=" + token
}

// clioPerson returns the person Ada of the region in which she signed in last.
func (g *gate) clioPerson() (latest crmgate.Person) {
	g.t.Helper()
	for _, key := range g.clioPeople() {
		p, err := g.Edge.DB().Person(g.t.Context(), key)
		edgetest.Must(g.t, err)
		if p.User.SignedIn.After(latest.User.SignedIn) {
			latest = p
		}
	}
	return latest
}

// clioPeople returns the keys of Ada: one for each region in which she has signed in.
func (g *gate) clioPeople() []crmgate.UserKey {
	g.t.Helper()
	keys, err := g.Edge.DB().Namesakes(g.t.Context(), "clio", "354010458-clio")
	edgetest.Must(g.t, err)
	return keys
}

// TestClioInEveryRegion signs a person in and out in each region and mode, and checks every request to Clio.
func TestClioInEveryRegion(t *testing.T) {
	t.Parallel()
	g, _, s := newClioGate(t)
	for _, c := range []struct{ asked, host string }{
		{"", "app.clio.com"},
		{"undefined", "app.clio.com"},
		{"app.clio.com", "app.clio.com"},
		{"https://app.clio.com/nc/%23/contacts", "app.clio.com"},
		{"eu.app.clio.com", "eu.app.clio.com"},
		{"https://AU.app.clio.com", "au.app.clio.com"},
		{"ca.app.clio.com", "ca.app.clio.com"},
	} {
		asked, host := c.asked, c.host
		for _, mode := range []string{"compat", "bound"} {
			t.Run(mode+" "+asked, func(t *testing.T) {
				landed, c := g.clioLand(s, asked, mode)
				redirect := g.URL + "/redirect.html"
				prefix := "https://" + host + "/oauth/authorize?response_type=code&client_id=" + clioRegions[host].id + "&state="
				tail := "platform=clio&redirect_uri=" + url.QueryEscape(redirect)
				if !strings.HasPrefix(c.AuthURL, prefix) || !strings.Contains(c.AuthURL, tail) || mode == "compat" && c.AuthURL != prefix+tail {
					t.Errorf("got  %s\nwant %s…%s", c.AuthURL, prefix, tail)
				}
				u, err := url.Parse(landed)
				edgetest.Must(t, err)
				code := u.Query().Get("code")
				// A tokenUrl of another region is allowed and has no effect. A bound state has the host name in it.
				path := "/oauth-callback?tokenUrl=" + url.QueryEscape("https://eu.app.clio.com/oauth/token") + "&callbackUri=" + url.QueryEscape(landed)
				if mode == "compat" {
					path += "&hostname=" + asked
				}
				a := g.get(path, "X-Crmgate-Login", c.LoginSecret)
				token := g.token(a)
				a.want(t, 200, `{"jwtToken":"`+token+`",`+strings.TrimSuffix(clioConnected, "}")+`,"successful":true}`)
				p := g.clioPerson()
				if p.User.Key.Hostname != host || p.User.TimezoneName != "Arizona" || string(p.User.TimezoneOffset) != "-7" {
					t.Errorf("stored %+v", p.User)
				}
				access := p.Grant.AccessToken.Reveal()
				form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}}
				requests := s.take()
				if mode == "bound" { // the verifier is random; Clio has checked it
					_, body, _ := strings.Cut(requests[0], "urlencoded\n")
					sent, err := url.ParseQuery(body)
					edgetest.Must(t, err)
					form.Set("code_verifier", sent.Get("code_verifier"))
				}
				wantRequests(t, requests, tokenRequest(host, form), whoAmI(host, access))

				g.get("/hostname", bearer(token)...).want(t, 200, host)
				g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
				s.want(t) // nothing was due
				g.do("POST", "/unAuthorize", "", bearer(token)...).want(t, 200, clioLoggedOut)
				s.want(t, deauthorized(host, access))
				g.get("/hostname", bearer(token)...).want(t, 400, noSession)
			})
		}
	}
}

// TestClioSecretsStayInTheirRegion: a region's client id and secret reach only that region's host.
func TestClioSecretsStayInTheirRegion(t *testing.T) {
	t.Parallel()
	g, crm, s := newClioGate(t, func(f *edgetest.Options) {
		f.Settings["CLIO_AU_CLIENT_SECRET"] = "wrong"
		f.Settings["CLIO_CA_ACCESS_TOKEN_URI"] = "https://ca.app.clio.com/oauth/token?from=operator"
	})
	crm.setRotate(true)
	var all []string
	for host := range clioRegions {
		landed, c := g.clioLand(s, host, "bound")
		a := g.callback(landed, c.LoginSecret)
		if host == "au.app.clio.com" {
			a.wantTold(t, appRejected)
		} else {
			token := g.token(a)
			g.expire()
			g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
			g.do("POST", "/unAuthorize", "", bearer(token)...)
		}
		all = append(all, s.take()...)
	}
	seen := 0
	for _, request := range all {
		for host, r := range clioRegions {
			if strings.Contains(request, " https://"+host+"/") {
				continue
			}
			for _, text := range []string{r.id, r.secret, url.QueryEscape(r.secret)} { // codes and tokens begin with the id
				if strings.Contains(request, text) {
					t.Errorf("%q of %s is in\n%s", text, host, request)
				}
			}
		}
		if strings.Contains(request, "/oauth/token?from=operator\n") {
			seen++
		}
	}
	if len(all) != 4*3+1 || seen != 2 {
		t.Errorf("%d requests, %d at the operator's token endpoint", len(all), seen)
	}
}

// expire makes Ada's stored access token expired.
func (g *gate) expire() {
	g.t.Helper()
	_, err := g.Edge.DB().UpdatePerson(g.t.Context(), g.clioPerson().User.Key, func(p *crmgate.Person) error {
		p.Grant.Issued, p.Grant.Expiry = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		return nil
	})
	edgetest.Must(g.t, err)
}

// TestClioRefresh: Clio's refresh tokens do not expire and are not rotated. If Clio rotates one, the new one is used.
func TestClioRefresh(t *testing.T) {
	t.Parallel()
	g, crm, s := newClioGate(t)
	token := g.clioSignIn(s, "eu.app.clio.com")
	first := g.clioPerson().Grant
	s.take()
	refresh := func(with string) crmgate.Grant {
		t.Helper()
		g.expire()
		g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
		s.want(t, tokenRequest("eu.app.clio.com", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {with}}))
		return g.clioPerson().Grant
	}
	old := first.RefreshToken.Reveal()
	kept := refresh(old)
	if kept.RefreshToken.Reveal() != old || kept.AccessToken.Reveal() == first.AccessToken.Reveal() || !kept.Expiry.After(time.Now()) {
		t.Errorf("a refresh without a new refresh token: %+v", kept)
	}
	crm.setRotate(true)
	rotated := refresh(old).RefreshToken.Reveal()
	if rotated == old {
		t.Error("the new refresh token was not kept")
	}
	refresh(rotated)

	// A person who revokes the application at Clio must sign in again.
	g.do("POST", "/unAuthorize", "", bearer(g.clioSignIn(s, "eu.app.clio.com"))...)
	token = g.clioSignIn(s, "eu.app.clio.com")
	crm.mu.Lock()
	clear(crm.tokens)
	crm.mu.Unlock()
	g.expire()
	g.get("/authValidation", bearer(token)...).want(t, 200,
		`{"successful":false,"returnMessage":{"message":"User session expired. Please connect again.","messageType":"warning","ttl":5000}}`)
}

func TestClioHostnames(t *testing.T) {
	t.Parallel()
	g, _, s := newClioGate(t)
	landed, _ := g.clioLand(s, "app.clio.com", "compat")
	for _, host := range []string{"evil.example", "clio.com", "us.app.clio.com", "app.clio.com.evil.example", "app.clio.com:8443", "evilapp.clio.com", "a%20b"} {
		g.get("/authUrl?platform=clio&hostname="+host).wantError(t, 400, "is not an address of Clio")
		g.get("/authUrl?platform=clio&mode=bound&hostname="+host).wantError(t, 400, "is not an address of Clio")
		g.get("/oauth-callback?callbackUri="+url.QueryEscape(landed)+"&hostname="+host).wantTold(t, "is not an address of Clio")
	}
	g.get("/oauth-callback?callbackUri="+url.QueryEscape(landed)+"&tokenUrl=https://evil.example/token").wantTold(t, "is not an address of Clio")
	s.want(t)
	// The code still works at its own region, and only there.
	g.get("/oauth-callback?callbackUri="+url.QueryEscape(landed)+"&hostname=eu.app.clio.com").wantTold(t, "The provided authorization grant")
	g.token(g.get("/oauth-callback?callbackUri=" + url.QueryEscape(landed) + "&hostname=app.clio.com"))
}

// TestClioInEveryMood: each failure gives the person a message and stores nothing, and the next sign-in works.
func TestClioInEveryMood(t *testing.T) {
	t.Parallel()
	g, _, s := newClioGate(t)
	const token, me, page = "/oauth/token", "/api/v4/users/who_am_i.json", "<html><body>Bad gateway</body></html>"
	const ours = "application/json; charset=utf-8"
	for _, c := range []struct {
		name, path string
		mood       http.HandlerFunc
		want       string // the whole answer, or a part of the message
	}{
		{"an unknown application", token, says(401, ours, `{"error":"invalid_client"}`), appRejected},
		{"the token endpoint is busy", token, says(429, ours, ""), "HTTP status 429"},
		{"the token endpoint is down", token, says(503, "text/html", page), "HTTP status 503"},
		{"the token endpoint answers with a page", token, says(200, "text/html", page), ""},
		{"the token answer is cut", token, cut, ""},
		{"the token is refused", me, says(401, ours, `{"error":{"type":"UnauthorizedError"}}`), clioRefused},
		{"a permission is missing", me, says(403, ours, `{"error":{"type":"ForbiddenError"}}`), clioRefused},
		{"too many requests", me, says(429, ours, `{"error":{"type":"RateLimited"}}`), "Request failed with status code 429"},
		{"a server error", me, says(500, "text/html", page), "Request failed with status code 500"},
		{"a page", me, says(200, "text/html", page), "the CRM's answer is not the JSON that was expected: byte 0 is not a value"},
		{"an answer without a person", me, says(200, ours, `{"data":{}}`), "the CRM did not say who the person is"},
		{"cut", me, cut, ""},
		{"a redirect away", me, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example/", http.StatusFound)
		}, "Request failed with status code 302"},
	} {
		t.Run(c.name, func(t *testing.T) {
			landed, co := g.clioLand(s, "eu.app.clio.com", "bound")
			s.setMood(c.path, c.mood)
			a := g.callback(landed, co.LoginSecret)
			s.setMood(c.path, nil)
			if c.want == clioRefused {
				a.want(t, 200, strings.TrimSuffix(c.want, "}")+`,"successful":false}`)
			} else {
				a.wantTold(t, cmp.Or(c.want, " "))
			}
			if keys := g.clioPeople(); len(keys) != 0 {
				t.Errorf("a sign-in that failed was stored: %v", keys)
			}
		})
	}
	for name, mood := range map[string]http.HandlerFunc{
		"revoked already": says(401, ours, `{"error":"invalid_token"}`), "down": says(502, "text/html", page), "cut": cut,
	} {
		session := g.clioSignIn(s, "eu.app.clio.com")
		s.setMood("/oauth/deauthorize", mood)
		a := g.do("POST", "/unAuthorize", "", bearer(session)...)
		s.setMood("/oauth/deauthorize", nil)
		if a.status != 200 || !strings.HasPrefix(a.body, `{"message":"Logged out of Clio","messageType":"success",`) {
			t.Errorf("logout, %s: %d %s", name, a.status, a.body)
		}
		if p := g.clioPerson(); !p.Grant.Empty() {
			t.Errorf("logout, %s: the grant was kept", name)
		}
	}
}

// TestClioIsNotSetUp: the server names missing settings before it sends a person to Clio, and sends Clio no requests.
func TestClioIsNotSetUp(t *testing.T) {
	t.Parallel()
	g, _, s := newClioGate(t, func(f *edgetest.Options) {
		for name := range f.Settings {
			if strings.HasPrefix(name, "CLIO_") && !strings.HasPrefix(name, "CLIO_EU_") {
				delete(f.Settings, name)
			}
		}
	})
	const rest = " is not available here. Ask your administrator."
	g.get("/authUrl?platform=clio").wantError(t, 400, "Clio"+rest)
	g.get("/authUrl?platform=clio&hostname=ca.app.clio.com&mode=bound").wantError(t, 400, "Clio CA"+rest)
	g.get("/oauth-callback?callbackUri="+url.QueryEscape(g.URL+"/redirect.html?code=A&state=platform=clio")).want(t, 200, told("danger", `Expected "clientId" to exist`))
	s.want(t)
	g.clioSignIn(s, "eu.app.clio.com")
}

// TestClioOfThePublishedManifest uses App Connect's own manifest. Its client ids and redirect URI apply unless the operator
// sets others.
func TestClioOfThePublishedManifest(t *testing.T) {
	t.Parallel()
	const published = `{"author": {"name": "Somebody"}, "platforms": {"clio": {"name": "clio", "environment": {"type": "selectable",
		"selections": [{"const": "https://app.clio.com", "name": "US"}, {"const": "https://au.app.clio.com", "name": "AU"}]},
		"auth": {"type": "oauth", "oauth": {"authUrl": "https://app.clio.com/oauth/authorize", "clientId": "us-id", "redirectUri": "https://somebody.example/embed/redirect.html"}},
		"override": [{"triggerType": "hostname", "triggerValue": "au.app.clio.com", "overrideObjects": [
			{"path": "auth.oauth.authUrl", "value": "https://au.app.clio.com/oauth/authorize"}, {"path": "auth.oauth.clientId", "value": "au-id"}]}]}}}`
	g, _, s := newClioGate(t, func(f *edgetest.Options) {
		edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, "manifest.json"), []byte(published), 0o600))
		for _, r := range clioRegions {
			delete(f.Settings, r.config+"CLIENT_ID")
		}
	})
	for _, host := range []string{"app.clio.com", "au.app.clio.com"} {
		landed, c := g.clioLand(s, host, "bound")
		g.token(g.callback(landed, c.LoginSecret))
		exchange := s.take()[0]
		for _, text := range []string{"POST https://" + host + "/oauth/token\n", "client_id=" + clioRegions[host].id + "&", "redirect_uri=https%3A%2F%2Fsomebody.example%2Fembed%2Fredirect.html"} {
			if !strings.Contains(exchange, text) {
				t.Errorf("%s is not in\n%s", text, exchange)
			}
		}
	}
	// An operator can set another registered redirect URI.
	g.Options.Settings["CLIO_CLIENT_ID"], g.Options.Settings["CLIO_REDIRECT_URI"] = "us-id", g.URL+"/redirect.html"
	g.get("/oauth-callback?callbackUri="+url.QueryEscape("https://somebody.example/embed/redirect.html?code=A&state=platform=clio")).wantError(t, 400, "Redirected")
}
