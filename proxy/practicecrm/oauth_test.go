package practicecrm_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

func TestSignIn(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	got := a.signIn("ada")
	if got.Life != 3600 {
		t.Errorf("expires_in is %d, want 3600", got.Life)
	}
	a.wantLive(got, true, true)
	const ada = `{"id":1,"name":"Ada Lovelace","email":"ada@practice.example","timezone":{"name":"Europe/London","offset":0}}`
	me := a.get("/api/me", "Bearer "+got.Access)
	if me.status != 200 || me.body != ada || me.header.Get("Date") != "Wed, 02 Jan 2030 03:04:05 GMT" {
		t.Errorf("me: %+v", me)
	}
	a.advance(time.Hour)
	a.wantLive(got, false, true)
	a.refused(a.get("/api/me", "Bearer "+got.Access), 401, "invalid_token")
	want := practicecrm.Counts{Authorize: 1, Consents: 1, Token: 1, Exchanges: 1, Me: 2}
	if n := a.crm.Counts(); n != want {
		t.Errorf("got %+v, want %+v", n, want)
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	page := a.get(strings.TrimPrefix(a.authURL(), a.url), "")
	for _, want := range []string{`value="ada">Ada Lovelace<`, `value="deny"`, `&lt;b&gt;Tables`} {
		if page.status != 200 || !strings.Contains(page.body, want) {
			t.Errorf("%d %s lacks %s", page.status, page.body, want)
		}
	}
	for _, c := range []struct{ name, person, key, value, want string }{
		{"denied", "deny", "", "", "error=access_denied"},
		{"denied by an unlisted login", "nobody", "", "", "error=access_denied"},
		{"other response type", "ada", "response_type", "token", "error=unsupported_response_type"},
		{"plain challenge", "ada", "code_challenge_method", "plain", "error=invalid_request"},
		{"challenge of another length", "ada", "code_challenge", "abc", "error=invalid_request"},
		{"other callback", "ada", "redirect_uri", "http://127.0.0.1:1/oauth-callback", "code="},
	} {
		landed, err := practicecrm.Browse(t.Context(), a.client, a.authURL(c.key, c.value), c.person)
		if err != nil || !strings.Contains(landed, c.want) || !strings.Contains(landed, "state=platform%3D") {
			t.Errorf("%s: %q %v", c.name, landed, err)
		}
	}
	for _, c := range []struct{ name, person, key, value string }{
		{"unknown client", "ada", "client_id", "other"},
		{"relative address", "ada", "redirect_uri", "/redirect.html"},
		{"script", "ada", "redirect_uri", "javascript:x/redirect.html"},
		{"address that is not registered", "ada", "redirect_uri", "https://gate.example/other.html"},
		{"unknown person", "eve", "", ""},
	} {
		if landed, err := practicecrm.Browse(t.Context(), a.client, a.authURL(c.key, c.value), c.person); err == nil {
			t.Errorf("%s: landed on %s", c.name, landed)
		}
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	code := a.code("grace")
	for _, c := range []struct{ key, value string }{
		{"code", "other"}, {"redirect_uri", "https://gate.example/redirect.html"}, {"code_verifier", "other"}, {"code_verifier", ""},
	} {
		form := exchangeForm(code)
		form.Set(c.key, c.value)
		a.refused(a.token(form), 400, "invalid_grant")
	}
	twice := exchangeForm(code)
	twice.Add("code", code)
	a.refused(a.token(twice), 400, "invalid_request")

	got := a.granted(a.token(exchangeForm(code)))
	a.wantLive(got, true, true)
	a.refused(a.token(exchangeForm(code)), 400, "invalid_grant")
	a.wantLive(got, false, false) // one of the two uses may be an attack

	code = a.code("grace")
	a.advance(10 * time.Minute)
	a.refused(a.token(exchangeForm(code)), 400, "invalid_grant")

	without, err := practicecrm.Code(t.Context(), a.client, strings.Replace(a.authURL(), "code_challenge", "x", 2), "ada")
	must(t, err)
	form := exchangeForm(without)
	a.refused(a.token(form), 400, "invalid_grant") // a verifier without a challenge
	form.Del("code_verifier")
	a.granted(a.token(form))
}

func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	refresh := a.signIn("ada").Refresh
	inBody := func(id, secret string) url.Values {
		return url.Values{"client_id": {id}, "client_secret": {secret}}
	}
	for _, c := range []struct {
		name, header string
		body         url.Values
		status       int
		err          string
	}{
		{"encoded", client(), nil, 200, ""},
		{"raw", basic(practicecrm.ClientID, practicecrm.ClientSecret), nil, 200, ""},
		{"in the body", "", inBody(practicecrm.ClientID, practicecrm.ClientSecret), 200, ""},
		{"Basic and the same id", client(), url.Values{"client_id": {practicecrm.ClientID}}, 200, ""},
		{"both ways", client(), inBody(practicecrm.ClientID, practicecrm.ClientSecret), 400, "invalid_request"},
		{"two ids", client(), url.Values{"client_id": {"other"}}, 400, "invalid_request"},
		{"not at all", "", nil, 401, "invalid_client"},
		{"other secret", basic(practicecrm.ClientID, "other"), nil, 401, "invalid_client"},
		{"other secret in the body", "", inBody(practicecrm.ClientID, "other"), 401, "invalid_client"},
		{"encoded in the body", "", inBody(practicecrm.ClientID, url.QueryEscape(practicecrm.ClientSecret)), 401, "invalid_client"},
	} {
		form := refreshForm(refresh)
		for k, v := range c.body {
			form[k] = v
		}
		r := a.send(t.Context(), "/oauth/token", c.header, form)
		if c.err == "" {
			refresh = a.granted(r).Refresh
			continue
		}
		t.Log(c.name)
		a.refused(r, c.status, c.err)
	}
	a.refused(a.token(url.Values{"grant_type": {"password"}}), 400, "unsupported_grant_type")
	a.refused(a.token(url.Values{}), 400, "invalid_request")
}

func TestReuseEndsTheFamily(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	first, other := a.signIn("ada"), a.signIn("ada")
	second := a.granted(a.token(refreshForm(first.Refresh)))
	a.wantLive(first, true, false)
	a.wantLive(second, true, true)
	a.refused(a.token(refreshForm(first.Refresh)), 400, "invalid_grant")
	a.wantLive(second, false, false)
	a.refused(a.token(refreshForm(second.Refresh)), 400, "invalid_grant")
	a.wantLive(other, true, true) // of another consent
	if n := a.crm.Counts(); n.Refreshes != 3 || n.Reuses != 1 {
		t.Errorf("counts: %+v", n)
	}
}

func TestGrace(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{Grace: time.Minute})
	first := a.signIn("ada")
	second := a.granted(a.token(refreshForm(first.Refresh)))
	a.advance(time.Minute - 1)
	third := a.granted(a.token(refreshForm(first.Refresh)))
	a.wantLive(second, true, true)
	a.wantLive(third, true, true)
	a.advance(1) // the grace counts from the first use
	a.refused(a.token(refreshForm(first.Refresh)), 400, "invalid_grant")
	a.wantLive(third, false, false)
}

func TestManyRefreshesAtOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	refresh := a.signIn("ada").Refresh
	const n = 20
	statuses := make(chan int, n)
	for range n {
		go func() { statuses <- a.token(refreshForm(refresh)).status }()
	}
	good := 0
	for range n {
		if <-statuses == 200 {
			good++
		}
	}
	if c := a.crm.Counts(); good != 1 || c.Refreshes != n || c.Reuses != 1 {
		t.Errorf("%d of %d were granted: %+v", good, n, c)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	revoke := func(authorization, token string) reply {
		return a.send(t.Context(), "/oauth/revoke", authorization, url.Values{"token": {token}})
	}
	for _, c := range []struct {
		name   string
		header func(tokens) string
		token  func(tokens) string
	}{
		{"the refresh token, by the client", func(tokens) string { return client() }, func(g tokens) string { return g.Refresh }},
		{"the access token, by the client", func(tokens) string { return client() }, func(g tokens) string { return g.Access }},
		{"the access token, by itself", func(g tokens) string { return "bearer " + g.Access }, func(g tokens) string { return g.Access }},
		{"the refresh token, by the access token", func(g tokens) string { return "Bearer " + g.Access }, func(g tokens) string { return g.Refresh }},
	} {
		g := a.signIn("ada")
		a.crm.ExpireAccess() // an expired token may still sign out
		if r := revoke(c.header(g), c.token(g)); r.status != 200 {
			t.Errorf("%s: %+v", c.name, r)
		}
		a.wantLive(g, false, false)
	}
	g, other := a.signIn("ada"), a.signIn("grace")
	for _, r := range []reply{revoke(client(), "unknown"), revoke("Bearer "+other.Access, g.Refresh)} {
		if r.status != 200 {
			t.Errorf("%+v", r)
		}
	}
	a.refused(revoke(client(), ""), 400, "invalid_request")
	a.refused(revoke("", g.Refresh), 401, "invalid_client")
	a.refused(revoke("Bearer unknown", g.Refresh), 401, "invalid_token")
	a.wantLive(g, true, true)
}

func TestEndGrants(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	ada, grace, code := a.signIn("ada"), a.signIn("grace"), a.code("ada")
	a.crm.EndGrants("ada")
	a.wantLive(ada, false, false)
	a.wantLive(grace, true, true)
	a.refused(a.token(refreshForm(ada.Refresh)), 400, "invalid_grant")
	a.refused(a.token(exchangeForm(code)), 400, "invalid_grant")
	a.crm.ExpireAccess()
	a.wantLive(grace, false, true)
}

func TestAPIKeyAndRingCentral(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	for _, header := range []string{basic(practicecrm.APIKey, ""), basic(practicecrm.APIKey, "x"), "basic " + base64.StdEncoding.EncodeToString([]byte(practicecrm.APIKey))} {
		if r := a.get("/api/me", header); r.status != 200 || !strings.HasPrefix(r.body, `{"id":2,"name":"Grace Hopper",`) {
			t.Errorf("%s: %+v", header, r)
		}
	}
	for _, header := range []string{"", basic("other", ""), "Bearer " + practicecrm.APIKey, "Basic %", practicecrm.APIKey} {
		a.refused(a.get("/api/me", header), 401, "invalid_token")
	}
	const extension = "/restapi/v1.0/account/~/extension/~"
	for token, want := range map[string]string{
		practicecrm.RCAdminToken: `{"id":101,"account":{"id":"1"},"permissions":{"admin":{"enabled":true}}}`,
		practicecrm.RCUserToken:  `{"id":102,"account":{"id":"1"},"permissions":{"admin":{"enabled":false}}}`,

		practicecrm.RCOtherAdminToken: `{"id":202,"account":{"id":"2"},"permissions":{"admin":{"enabled":true}}}`,
	} {
		if r := a.get(extension, "Bearer "+token); r.status != 200 || r.body != want {
			t.Errorf("RingCentral: %+v", r)
		}
	}
	if r := a.get(extension, "Bearer other"); r.status != 401 {
		t.Errorf("RingCentral with an unknown token: %+v", r)
	}
}
