package e2e_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/revoke"
)

// TestCRMInEveryMood: each failure of the CRM ends in a clear error and stores nothing, and the next sign-in works.
func TestCRMInEveryMood(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for _, c := range []struct {
		name, want string
		mood       practicecrm.Mood
	}{
		{"token endpoint down", "HTTP status 500", practicecrm.Mood{Status: 500}},
		{"token endpoint busy", "HTTP status 429", practicecrm.Mood{Status: 429, RetryAfter: time.Second}},
		{"token request cut", "Unable to connect to", practicecrm.Mood{CutBefore: true}},
		{"token answer lost", "Unable to connect to", practicecrm.Mood{CutAfter: true}},
		{"token answer a page", "HTTP status 502", practicecrm.Mood{Token: "html with status 502"}},
		{"client not known", appRejected, practicecrm.Mood{Error: "invalid_client"}},
		{"user info 500", "500", practicecrm.Mood{Me: "500"}},
		{"user info 429", "429", practicecrm.Mood{Me: "429"}},
		{"user info a page", "", practicecrm.Mood{Me: "html"}},
		{"user info empty", "", practicecrm.Mood{Me: "empty"}},
		{"user info cut", "", practicecrm.Mood{Me: "cut"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			co := g.compose("bound")
			landed := g.land(co, "alan")
			g.CRM.SetMood(c.mood)
			g.callback(landed, co.LoginSecret).wantTold(t, cmp.Or(c.want, " "))
			if c.mood.Me != "" {
				g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`).wantError(t, 400, c.want)
			}
			g.CRM.SetMood(practicecrm.Mood{})
			if _, err := g.directory().Entry(t.Context(), crmgate.UserKey{Platform: "practice", ID: "3-practice"}); err == nil {
				t.Error("a sign-in that failed was stored")
			}
			g.oauth("ada")
		})
	}
	t.Run("user info refused", func(t *testing.T) {
		co := g.compose("bound")
		landed := g.land(co, "alan")
		g.CRM.SetMood(practicecrm.Mood{Me: "401"})
		a := g.callback(landed, co.LoginSecret)
		g.CRM.SetMood(practicecrm.Mood{})
		var in signIn
		if json.Unmarshal([]byte(a.body), &in) != nil || a.status != 200 || in.Token != "" || in.Message.Message == "" {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("RingCentral", func(t *testing.T) {
		for mood, status := range map[string]int{"500": 400, "html": 503, "empty": 503, "cut": 503} {
			g.CRM.SetMood(practicecrm.Mood{RingCentral: mood})
			g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"x","rcAccessToken":"`+practicecrm.RCAdminToken+`"}`).wantError(t, status, "")
		}
		g.CRM.SetMood(practicecrm.Mood{})
		g.token(g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`","rcAccessToken":"`+practicecrm.RCAdminToken+`"}`))
	})
}

// TestSignedInWhileTheCRMFails calls the session routes while the CRM fails.
func TestSignedInWhileTheCRMFails(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	token := g.oauth("ada")
	refresh := func() string {
		t.Helper()
		a := g.do("POST", "/user/refreshInfo", "", bearer(token)...)
		if a.status != 200 {
			t.Errorf("refreshInfo: %d", a.status)
		}
		return a.body
	}
	if b := refresh(); !strings.HasPrefix(b, `{"successful":true`) {
		t.Errorf("refreshInfo: %s", b)
	}
	for mood, want := range map[string]string{
		"429": `"message":"Rate limit exceeded"`, "403": `"message":"Authorization error"`, "500": `"message":"Error performing refreshUserInfo"`, "cut": `"message":"Error performing refreshUserInfo"`,
	} {
		g.CRM.SetMood(practicecrm.Mood{Me: mood})
		if b := refresh(); !strings.Contains(b, want) || !strings.Contains(b, `"successful":false`) {
			t.Errorf("%s: %s", mood, b)
		}
		if a := g.get("/licenseStatus", bearer(token)...); a.status != 200 {
			t.Errorf("licenseStatus: %d %s", a.status, a.body)
		}
	}
	g.CRM.SetMood(practicecrm.Mood{Me: "500"})
	g.get("/authValidation", bearer(token)...).wantError(t, 400, "")
	g.CRM.SetMood(practicecrm.Mood{})
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)

	// The grant ends at the CRM: the connector reports it, and a logout succeeds even if the CRM refuses the revocation.
	g.CRM.ExpireAccess()
	if a := g.get("/authValidation", bearer(token)...); a.status != 200 || !strings.Contains(a.body, `{"successful":false,"returnMessage":`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	g.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
	if a := g.do("POST", "/unAuthorize", "", bearer(token)...); a.status != 200 || !strings.Contains(a.body, `"messageType":"success"`) {
		t.Errorf("logout: %d %s", a.status, a.body)
	}
	g.get("/authValidation", bearer(token)...).want(t, 200, endedBody)
	p, err := g.Edge.DB().Person(t.Context(), crmgate.UserKey{Platform: "practice", ID: "1-practice"})
	if err != nil || !p.Grant.Empty() || p.User.Name == "" {
		t.Errorf("after logout: %+v, %v; want the person without a grant", p, err)
	}
}

func TestLogoutTellsTheCRM(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	token := g.oauth("ada")
	access := func() string {
		p, err := g.Edge.DB().Person(t.Context(), crmgate.UserKey{Platform: "practice", ID: "1-practice"})
		edgetest.Must(t, err)
		return p.Grant.AccessToken.Reveal()
	}
	granted := access()
	g.do("POST", "/unAuthorize", "", bearer(token)...)
	if g.CRM.Live(granted) || g.CRM.Counts().Revoke != 1 {
		t.Error("the access token is still valid at the CRM")
	}
	g.oauth("ada")
	granted = access()
	if told := g.forget("practice", "1-practice"); told != revoke.Now {
		t.Errorf("delete: %s", told)
	}
	if g.CRM.Live(granted) || g.CRM.Counts().Revoke != 2 {
		t.Error("the access token of a deleted user is still valid at the CRM")
	}
	g.oauth("ada")
	g.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
	if told := g.forget("practice", "1-practice"); told != revoke.Later {
		t.Errorf("delete while the CRM is down: %s", told)
	}
	g.apiKey()
	if told := g.forget("practicekey", "2-practicekey"); told != revoke.Nothing {
		t.Errorf("delete an API key: %s", told)
	}
}

func TestOperatorEndpoints(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { f.AdminListen = "127.0.0.1:0" })
	g.apiKey()
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		resp, err := g.client.Get("http://" + g.Edge.AdminAddr() + path)
		edgetest.Must(t, err)
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || b.String() != want {
			t.Errorf("%s: %d %q", path, resp.StatusCode, b.String())
		}
	}
}

// TestLeftOut: a platform with a wrong module or manifest is left out, and the operator sees which and why. The others work.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) {
		f.Strict = false
		for name, text := range map[string]string{"bad.wasm": "nonsense", "bad.json": `{"platforms":{"bad":{"auth":{"type":"apiKey"}}}}`, "worse.json": "{\n"} {
			edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, name), []byte(text), 0o600))
		}
	})
	g.apiKey()
	g.get("/implementedInterfaces?platform=bad").wantError(t, 400, "Connector not found for platform: bad")
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		g.Edge.Operator().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	ready := ask("/readyz")
	if lines := strings.Split(ready.Body.String(), "\n"); ready.Code != 200 || len(lines) != 4 || lines[0] != "ready" ||
		!strings.HasPrefix(lines[1], "bad is left out: bad.wasm: ") || !strings.HasPrefix(lines[2], "worse is left out: worse.json: expected JSON") {
		t.Errorf("/readyz: %d %s", ready.Code, ready.Body)
	}
	for _, platform := range []string{"bad", "worse"} {
		if want := `crmgate_platforms_left_out{platform="` + platform + `"} 1`; !strings.Contains(ask("/metrics").Body.String(), want) {
			t.Errorf("no metric %s", want)
		}
		if want := "left out a platform"; strings.Count(g.Log.String(), want) != 2 || !strings.Contains(g.Log.String(), `"platform":"`+platform+`"`) {
			t.Errorf("the log has no line about %s: %s", platform, g.Log.String())
		}
	}
}

func TestNoGoroutineLeaks(t *testing.T) {
	before := goleak.IgnoreCurrent()
	g := newGate(t)
	g.oauth("ada")
	g.apiKey()
	c := g.compose("bound")
	g.get("/oauth-callback?callbackUri=" + url.QueryEscape(g.land(c, "deny")))
	g.Stop()
	g.client.CloseIdleConnections()
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http/httptest.(*Server).goServe.func1"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),    // one for the process
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2")) // sleeps for ten seconds before it checks whether to stop
}

// TestLogIsReadable: each event has a log line with the request id of the answer.
func TestLogIsReadable(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	a := g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`)
	found := false
	for line := range strings.Lines(g.Log.String()) {
		var l struct {
			Msg, Platform, Outcome string
			ID                     string `json:"request_id"`
			Level                  slog.Level
		}
		edgetest.Must(t, json.Unmarshal([]byte(line), &l))
		found = found || l.Msg == "sign-in" && l.Platform == "practicekey" && l.Outcome == "ok" && l.ID == a.header.Get("X-Request-Id")
	}
	if !found {
		t.Errorf("the log has no line for the sign-in:\n%s", g.Log)
	}
}

// TestUserAgentOfTheProduct: the CRM sees the name of the server, and not that of Go's HTTP client.
func TestUserAgentOfTheProduct(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { f.Version = "1.2" })
	g.CRM.SetMood(practicecrm.Mood{Quirks: practicecrm.Quirks{Headers: map[string]string{"User-Agent": "crmgate/1.2 (+https://github.com/crmgate/crmgate)"}}})
	c := g.compose("compat")
	g.token(g.callback(g.land(c, "ada"), c.LoginSecret))
}
