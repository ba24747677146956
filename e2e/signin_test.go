package e2e_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

func TestSignInByOAuth(t *testing.T) {
	t.Parallel()
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

// TestUnencodedCallbacks sends the unencoded forms of real clients.
func TestUnencodedCallbacks(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for _, stateFirst := range []bool{false, true} {
		c := g.compose("bound")
		u, err := url.Parse(g.land(c, "ada"))
		edgetest.Must(t, err)
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
	t.Parallel()
	g := newGate(t)
	c := g.compose("bound")
	landed := g.land(c, "ada")
	tokens := func() int { return g.CRM.Counts().Token }
	before := tokens()

	g.callback(landed, "").wantError(t, 400, "started by another browser")
	g.callback(landed, "wrong").wantError(t, 400, "started by another browser")
	flip := func(s string, i int) string { return s[:i] + string(s[i]^1) + s[i+1:] }
	at := strings.Index(landed, "cg.") + 40
	g.callback(flip(landed, at), c.LoginSecret).wantError(t, 400, "not valid")
	g.callback(strings.Replace(landed, "platform%3Dpractice", "platform%3Dpracticekey", 1), c.LoginSecret).wantError(t, 400, "not valid")
	g.callback(strings.Replace(landed, "redirect.html", "other.html", 1), c.LoginSecret).wantError(t, 400, "Redirected path")
	if n := tokens() - before; n != 0 {
		t.Fatalf("%d token requests for wrong callbacks", n)
	}
	first := g.callback(landed, c.LoginSecret) // the code was not used yet
	g.token(first)
	g.callback(landed, c.LoginSecret).want(t, 200, first.body)
	g.Pass(3 * time.Minute)
	g.callback(landed, c.LoginSecret).want(t, 200, told("warning", "This sign-in link was already used. Please start again."))
	if n := tokens() - before; n != 1 {
		t.Errorf("%d token requests, want 1: a replay reached the CRM", n)
	}
}

func TestPlainStateCanBeRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { f.RefusePlainState = true })
	g.callback(g.land(g.compose("compat"), "ada"), "").wantError(t, 400, "mode=bound")
	g.oauth("ada")
}

func TestAccountProof(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { f.RequireAccountProof = true })
	landed := g.land(g.compose("compat"), "ada")
	path := "/oauth-callback?rcAccountId=1&callbackUri=" + url.QueryEscape(landed)
	g.get(path+"&rcAccessToken=wrong").wantError(t, 400, "Request failed with status code 401")
	g.lives("a sign-in with a RingCentral token", g.token(g.get(path, "X-RC-Access-Token", "Bearer "+practicecrm.RCUserToken)))
}

// TestReplayedAtOnce: a hundred simultaneous equal callbacks get one answer, and the CRM gets one request.
func TestReplayedAtOnce(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	c := g.compose("bound")
	landed := g.land(c, "ada")
	before := g.CRM.Counts().Token
	var answers sync.Map
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/oauth-callback?callbackUri="+url.QueryEscape(landed), nil)
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
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 || !strings.Contains(string(b), "jwtToken") {
				t.Errorf("%d %s, %v", resp.StatusCode, b, err)
			}
			answers.Store(string(b), true)
		})
	}
	wg.Wait()
	different := 0
	answers.Range(func(any, any) bool { different++; return true })
	if n := g.CRM.Counts().Token - before; n != 1 || different != 1 {
		t.Errorf("%d token requests, %d different answers; want one of each", n, different)
	}
}

func TestComposeRefusalsAndLanding(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.get("/authUrl?platform=practicekey").wantError(t, 400, "API key")
	g.get("/authUrl").wantError(t, 400, "platform")
	g.get("/authUrl?platform=practice&mode=odd").wantError(t, 400, "mode")
	g.get("/authUrl?platform=practice&rcAccessToken=wrong&mode=bound").wantError(t, 400, "status code 401")
	a := g.get("/redirect.html?code=1&state=%3Cscript%3E")
	if a.status != 200 || strings.Contains(a.body, "<script>alert") || !strings.Contains(a.header.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(a.body, `"*"`) {
		t.Errorf("redirect.html: %+v", a)
	}
}
