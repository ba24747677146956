package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// audit returns the audit log.
func (g *gate) audit() (all []operator.AuditEntry) {
	g.t.Helper()
	edgetest.Must(g.t, g.operator().Audit(g.t.Context(), time.Time{}, "", "", func(e operator.AuditEntry) error {
		all = append(all, e)
		return nil
	}))
	return all
}

// wantAudit checks the entries of the audit log and verifies the log.
func (g *gate) wantAudit(want ...string) {
	g.t.Helper()
	var got []string
	for _, e := range g.audit() {
		got = append(got, fmt.Sprint(e.What, "/", e.By, "/", e.Outcome, "/", e.Reason, "/", e.Platform, "/", e.User, "/", e.Account))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		g.t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	report, err := g.operator().VerifyAudit(g.t.Context(), func(problem string) error {
		g.t.Error(problem)
		return nil
	})
	if err != nil || report.Problems != 0 {
		g.t.Errorf("verify: %+v, %v", report, err)
	}
}

func TestAuditOfSignIns(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	token := g.oauth("ada")
	g.apiKey()
	g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"wrong"}`)
	g.postJSON("/apiKeyLogin", `{"platform":"practice","apiKey":"wrong"}`)
	g.postJSON("/apiKeyLogin", `{"platform":"nobodys","apiKey":"wrong"}`).wantError(t, 400, "nobodys")
	g.callback("https://somewhere.example/redirect.html?code=A&state=platform=practice", "")
	g.callback(g.land(g.compose("compat"), "deny"), "")
	g.do("POST", "/unAuthorize", "", bearer(token)...)
	g.forget("practicekey", "2-practicekey")
	g.wantAudit(
		"sign-in/oauth/ok//practice/1-practice/",
		"sign-in/apiKey/ok//practicekey//",
		"sign-in/apiKey/refused/not accepted/practicekey//",
		"sign-in/apiKey/error/request/practice//",
		"sign-in/oauth/error/request/practice//",
		"sign-in/oauth/unfinished/denied/practice//",
		"logout/person/ok//practice/1-practice/",
		"deletion/operator/ok//practicekey//")
}

// TestAuditAndLogNameRequestAndPerson: an entry, the answer and the lines of the log can be found from each other. The log names a
// person as the audit log does.
func TestAuditAndLogNameRequestAndPerson(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	c := g.compose("bound")
	a := g.callback(g.land(c, "ada"), c.LoginSecret)
	logout := g.do("POST", "/unAuthorize", "", bearer(g.token(a))...)
	all := g.audit()
	for i, answer := range []answer{a, logout} {
		if id := answer.header.Get("X-Request-Id"); len(all) != 2 || id == "" || all[i].Request != id {
			t.Fatalf("the answer names the request %q, the log %+v", id, all)
		}
	}
	lines := 0
	for line := range strings.Lines(g.Log.String()) {
		var l struct{ Msg, Person, Request string }
		_ = json.Unmarshal([]byte(strings.Replace(line, "request_id", "request", 1)), &l)
		if l.Msg == "sign-in" && l.Request == all[0].Request || l.Msg == "logout" && l.Request == all[1].Request {
			lines++
			if l.Person != operator.ShortHash(all[0].UserHash) {
				t.Errorf("the log names the person %q, the audit log %q", l.Person, all[0].UserHash)
			}
		}
	}
	if lines != 2 || strings.Contains(g.Log.String(), "1-practice") {
		t.Errorf("%d lines name the person, or one has the id:\n%s", lines, g.Log.String())
	}
}

// TestAuditOfUnfinishedSignIns: what people do in their browsers is not counted as an error.
func TestAuditOfUnfinishedSignIns(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	v := g.visitor()
	v.get(v.landing("practice", "deny", nil))
	landed := v.landing("practice", "ada", nil)
	v.get(landed)
	older := v.send("/connect/practice", nil).follow(t)
	v.get(v.landing("practice", "ada", nil))
	v.get(v.landingAt(older, "ada"))
	c := g.compose("bound")
	g.token(g.callback(g.land(c, "ada"), c.LoginSecret))
	g.callback(g.land(c, "ada"), c.LoginSecret).want(t, 200, told("warning", "This sign-in link was already used. Please start again.")) // back, and again
	g.Pass(11 * time.Minute)
	g.callback(g.land(c, "ada"), c.LoginSecret)
	g.postJSON("/apiKeyLogin", `{"platform":"practicekey"}`, "X-RC-Access-Token", practicecrm.RCUserToken)
	const ok = "sign-in/oauth/ok//practice/1-practice/"
	g.wantAudit("sign-in/oauth/unfinished/denied/practice//", ok, "sign-in/oauth/unfinished/other browser/practice//",
		"sign-in/oauth/unfinished/used before/practice//", "sign-in/oauth/unfinished/too late/practice//", "sign-in/apiKey/unfinished/fields missing/practicekey//")
	metrics := g.Metrics()
	if want := `crmgate_flows_total{flow="oauth",outcome="unfinished",platform="practice"} 4`; !strings.Contains(metrics, want) || strings.Contains(metrics, `outcome="error",platform="practice`) {
		t.Errorf("%s is not in the metrics, or errors are", want)
	}
}

// TestAuditOfAFlood: repeated failures are written as at most 300 entries and one entry with the number of the rest.
func TestAuditOfAFlood(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for range 320 {
		g.postJSON("/apiKeyLogin", `{"platform":"practice","apiKey":"wrong"}`)
	}
	metrics := g.Metrics()
	for _, want := range []string{`crmgate_audit_entries_total{kind="sign-in",outcome="written"} 300`, `crmgate_audit_entries_total{kind="sign-in",outcome="left out"} 20`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("%s is not in the metrics", want)
		}
	}
	g.Stop()
	all := g.audit()
	if last := all[len(all)-1]; len(all) != 301 || last.Outcome != "left out" || last.Count != 20 {
		t.Errorf("%d entries, the last one %+v; want 300 failures, and one for 20 more", len(all), last)
	}
}

// TestAuditOfRepeats: after a person's first sign-in of an hour, the others are an entry with their number.
func TestAuditOfRepeats(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.Freeze()
	for range 4 {
		g.apiKey()
	}
	g.wantAudit("sign-in/apiKey/ok//practicekey/2-practicekey/")
	if want := `crmgate_audit_entries_total{kind="sign-in",outcome="counted"} 3`; !strings.Contains(g.Metrics(), want) {
		t.Errorf("%s is not in the metrics", want)
	}
	g.Pass(time.Hour)
	g.apiKey()
	g.Pass(time.Second)
	g.Stop()
	var got []uint64
	for _, e := range g.audit() {
		got = append(got, e.Count)
	}
	if fmt.Sprint(got) != "[0 0 3]" {
		t.Errorf("the entries have the counts %v, want 0, 0 and 3", got)
	}
}

func TestAuditOfAnAccountNamedWithoutProof(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	c := g.compose("compat")
	g.token(g.get("/oauth-callback?rcAccountId=4711&callbackUri=" + url.QueryEscape(g.land(c, "ada"))))
	g.wantAudit("sign-in/oauth/ok/unproven account/practice/1-practice/4711")
}

func TestAuditOfARefreshThatFailedForGood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		mood practicecrm.Mood
		want []string
	}{
		{"the CRM ends the grant", practicecrm.Mood{Error: "invalid_grant"}, []string{"refresh/server/refused/user dead/practice/1-practice/"}},
		{"the CRM rejects the application", practicecrm.Mood{Error: "invalid_client"}, []string{"refresh/server/refused/app dead/practice/1-practice/"}},
		{"the CRM is down", practicecrm.Mood{Status: 503}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			token := g.oauth("ada")
			g.CRM.SetMood(tt.mood)
			g.Pass(24 * time.Hour)
			g.get("/authValidation", bearer(token)...)
			g.get("/authValidation", bearer(token)...)
			// Once: the server does not refresh a dead grant or use a paused application again.
			g.wantAudit(append([]string{"sign-in/oauth/ok//practice/1-practice/"}, tt.want...)...)
		})
	}
}
