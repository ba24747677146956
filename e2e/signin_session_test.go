package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

func keyOf(platform string) crmgate.UserKey {
	return crmgate.UserKey{Platform: crmgate.Platform(platform), ID: crmgate.UserID("7-" + platform)}
}

// waiting is an auth session in its client.
type waiting struct {
	ID          string `json:"id"`
	LoginSecret string `json:"loginSecret"`
	ConnectURL  string `json:"connectUrl"`
	ExpiresIn   int    `json:"expiresIn"`
}

// wait begins a sign-in in a browser.
func (v *visitor) wait(platform string, header ...string) waiting {
	v.t.Helper()
	var w waiting
	a := v.postJSON("/authSession", `{"platform":"`+platform+`"}`, header...)
	if err := json.Unmarshal([]byte(a.body), &w); err != nil || w.ID == "" || w.LoginSecret == "" || w.ExpiresIn != 600 {
		v.t.Fatalf("authSession: %d %s", a.status, a.body)
	}
	return w
}

type polled struct {
	Status  string
	Token   string `json:"jwtToken"`
	Name    string
	Message *struct{ Message string } `json:"returnMessage"`
}

func (g *gate) poll(w waiting) polled {
	g.t.Helper()
	var p polled
	a := g.get("/authSession/"+w.ID, "X-Crmgate-Login", w.LoginSecret)
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != 200 {
		g.t.Errorf("poll: %d %s", a.status, a.body)
	}
	return p
}

// within polls with a short wait.
func (g *gate) within(d time.Duration, w waiting) (body string, err error) {
	ctx, cancel := context.WithTimeout(g.t.Context(), d)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", g.URL+"/authSession/"+w.ID, nil)
	edgetest.Must(g.t, err)
	req.Header.Set("X-Crmgate-Login", w.LoginSecret)
	resp, err := g.client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return "", err
}

// asked waits until n polls wait.
func (g *gate) asked(n int) {
	g.t.Helper()
	want := fmt.Sprintf("\ncrmgate_auth_session_polls %d\n", n)
	for end := time.Now().Add(inTime); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(g.Metrics(), want) {
			return
		}
	}
	g.t.Fatalf("not %d polls wait", n)
}

func (v *visitor) complete(w waiting) {
	v.t.Helper()
	path := strings.TrimPrefix(w.ConnectURL, v.URL)
	v.get(path).wantPage(v.t, 200, "Connect Practice CRM", "The app in this browser", w.ID)
	v.get(v.landing("practice", "ada", url.Values{"session": {w.ID}})).wantPage(v.t, 200, "You are connected", "The app continues by itself.")
}

// TestAuthSession: polls may come before, during and after the sign-in. One of them gets the session token.
func TestAuthSession(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	after := v.wait("practice")
	v.complete(after)
	p := g.poll(after)
	if p.Status != "completed" || p.Name != "Ada Lovelace" || p.Token == "" || p.Message.Message != "Connected to Practice CRM." {
		t.Errorf("after: %+v", p)
	}
	if a := g.get("/authValidation", bearer(p.Token)...); a.body != `{"successful":true}` {
		t.Errorf("the token is not accepted: %s", a.body)
	}
	if p := g.poll(after); p != (polled{Status: "collected"}) {
		t.Errorf("once more: %+v", p)
	}

	before := v.wait("practice")
	done := make(chan polled)
	go func() { done <- g.poll(before) }()
	g.asked(1)
	v.complete(before)
	if p := <-done; p.Status != "completed" || p.Token == "" {
		t.Errorf("before: %+v", p)
	}

	w := v.wait("practice")
	landed := v.landing("practice", "ada", url.Values{"session": {w.ID}})
	g.WhenAsked(func(r *http.Request) { // while the code is exchanged
		if r.URL.Path == "/oauth/token" {
			go func() { done <- g.poll(w) }()
			g.asked(1)
		}
	})
	v.get(landed)
	g.WhenAsked(nil)
	if p := <-done; p.Status != "completed" {
		t.Errorf("during: %+v", p)
	}
	g.asked(0)

	key := v.wait("practicekey")
	v.send("/connect/practicekey", url.Values{"session": {key.ID}, "fields[apiKey]": {"wrong"}}).wantPage(t, 400, "Connect Practice CRM", key.ID)
	v.send("/connect/practicekey", url.Values{"session": {key.ID}, "fields[apiKey]": {practicecrm.APIKey}}).wantPage(t, 200, "You are connected")
	if p := g.poll(key); p.Status != "completed" || p.Name != "Grace Hopper" {
		t.Errorf("API key: %+v", p)
	}
	v.get("/connect/practicekey?session="+key.ID).wantPage(t, 400, "This sign-in has ended")
}

func TestAuthSessionFails(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	w := v.wait("practice")
	v.get(v.landing("practice", "deny", url.Values{"session": {w.ID}})).wantPage(t, 400, "Not connected", "connect again in the app.")
	if p := g.poll(w); p.Status != "failed" || !strings.Contains(p.Message.Message, "denied") {
		t.Errorf("denied: %+v", p)
	}
	w = v.wait("practice")
	landed := v.landing("practice", "ada", url.Values{"session": {w.ID}})
	g.Pass(10 * time.Minute)
	if p := g.poll(w); p.Status != "expired" {
		t.Errorf("expired: %+v", p)
	}
	v.get(landed).wantPage(t, 400, "This took too long")
	v.get("/connect/practice?session="+w.ID).wantPage(t, 400, "This took too long")
	if p := g.poll(waiting{ID: strings.Repeat("A", 22)}); p.Status != "expired" {
		t.Errorf("unknown: %+v", p)
	}
	g.postJSON("/authSession", `{"platform":"only"}`).wantError(t, 404, "does not connect to a CRM of that name")
	g.postJSON("/authSession", `{"platform":"paste","hostname":"evil.example"}`).wantError(t, 400, "evil.example")
	g.postJSON("/authSession", `{}`).want(t, 400, "Missing platform name")
}

// TestAuthSessionsInTwoTabs: a newer sign-in of the same browser replaces the older one, and the older one's page says so.
func TestAuthSessionsInTwoTabs(t *testing.T) {
	t.Parallel()
	v := newPages(t).visitor()
	older, newer := v.wait("practice"), v.wait("practice")
	v.get("/connect/practice?session="+older.ID).wantPage(t, 403, "This sign-in cannot be completed here", "a newer one in this browser has replaced it", "connect again in the app")
	v.get("/connect/practice?session="+newer.ID).wantPage(t, 200, "Connect Practice CRM")
}

// TestAuthSessionOfAnAttacker: an attacker sends a victim a link with the attacker's session. The attacker must not get the
// victim's sign-in.
func TestAuthSessionOfAnAttacker(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	attacker, victim := g.visitor(), g.visitor()
	own := victim.wait("practice") // the victim is also signing in
	for _, platform := range []string{"practice", "practicekey"} {
		trap := attacker.wait(platform)
		for _, v := range []*visitor{victim, g.visitor()} {
			a := v.get("/connect/" + platform + "?session=" + trap.ID)
			a.wantPage(t, 403, "This sign-in cannot be completed here", "If you got a link from another person")
			if strings.Contains(a.body, "<form") {
				t.Error("the trap has a form")
			}
			before := g.CRM.Counts()
			a = v.send("/connect/"+platform, url.Values{"session": {trap.ID}, "fields[apiKey]": {practicecrm.APIKey}})
			a.wantPage(t, 403, "This sign-in cannot be completed here")
			if a.header.Get("Refresh") != "" || g.CRM.Counts() != before {
				t.Error("the trap has a link")
			}
		}
		// The link of an auth session is not enough to collect its token.
		g.get("/authSession/"+trap.ID).wantError(t, 403, "X-Crmgate-Login")
		g.get("/authSession/"+trap.ID, "X-Crmgate-Login", own.LoginSecret).wantError(t, 403, "X-Crmgate-Login")
		attacker.get("/connect/"+platform+"?session="+trap.ID).wantPage(t, 200, "Connect Practice CRM")
	}
	// The attacker goes as far as the CRM, then the victim signs in there and lands without a login cookie.
	trap := attacker.wait("practice")
	landed := attacker.landing("practice", "ada", url.Values{"session": {trap.ID}})
	victim.get(landed).wantPage(t, 400, "This sign-in cannot be completed here")
	attacker.send("/connect/Choose", url.Values{"session": {trap.ID}, "hostname": {"https://eu.choice.example"}}).wantPage(t, 400, "This did not work", "another CRM")
	if _, err := g.within(50*time.Millisecond, trap); err == nil {
		t.Error("the attacker got a session token")
	}
	// A page of another site begins a session in the victim's browser. It cannot read the answer, since a browser does not show
	// answers for "*" to requests with cookies.
	a := victim.postJSON("/authSession", `{"platform":"practice"}`, "Origin", "https://evil.example")
	a.wantHeader(t, "Access-Control-Allow-Origin", "*", "Access-Control-Allow-Credentials", "")
	if c := a.cookieNamed(t, "crmgate-session"); !strings.Contains(c, "SameSite=Lax") || strings.Contains(a.body, strings.TrimSuffix(strings.TrimPrefix(c, "crmgate-session="), ";")) {
		t.Errorf("%s with %s", c, a.body)
	}
}

func TestAuthSessionIsCollectedOnce(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	w := v.wait("practicekey")
	v.send("/connect/practicekey", url.Values{"session": {w.ID}, "fields[apiKey]": {practicecrm.APIKey}}).wantPage(t, 200, "You are connected")
	var got atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if p := g.poll(w); p.Token != "" {
				got.Add(1)
			} else if p.Status != "collected" {
				t.Errorf("%+v", p)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Errorf("%d got the token, want 1", got.Load())
	}
}

// TestAuthSessionPollsAreBounded: a session has one poll at a time, and waiting polls do not keep the server from stopping.
func TestAuthSessionPollsAreBounded(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	w := v.wait("practice")
	done := make(chan polled)
	go func() { done <- g.poll(w) }()
	g.asked(1)
	go func() { done <- g.poll(w) }()
	if p := <-done; p.Status != "pending" {
		t.Errorf("the poll before: %+v", p)
	}
	g.asked(1)
	began := time.Now()
	g.Stop()
	if p := <-done; p.Status != "pending" {
		t.Errorf("at the end: %+v", p)
	}
	if d := time.Since(began); soak() && d > 5*time.Second {
		t.Errorf("the server stopped after %s", d)
	}
}

// TestAuthSessionProvesTheAccount: the account that the client proved for the session is that of the sign-in.
func TestAuthSessionProvesTheAccount(t *testing.T) {
	t.Parallel()
	g := newPages(t)
	v := g.visitor()
	w := v.wait("practice", "X-RC-Access-Token", practicecrm.RCUserToken, "rc-extension-id", "hashed")
	v.complete(w)
	p, err := g.Edge.DB().Person(t.Context(), crmgate.UserKey{Platform: "practice", ID: "1-practice"})
	if err != nil || p.User.Account != "1" || p.User.HashedExtension != "hashed" {
		t.Errorf("%+v, %v", p.User, err)
	}
	v.postJSON("/authSession", `{"platform":"practice"}`, "X-RC-Access-Token", "wrong").wantError(t, 400, "status code 401")
}
