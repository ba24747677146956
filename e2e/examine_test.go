package e2e_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// patient is a practice CRM and the options of its examination.
type patient struct {
	*edgetest.Options
	edge.Subject
	crm *practicecrm.CRM
}

// newPatient starts a practice CRM and adds members to the connector's crmgate.token.
func newPatient(t *testing.T, members string) *patient {
	t.Helper()
	p := &patient{crm: practicecrm.New(practicecrm.Config{}), Subject: edge.Subject{Platform: "practice"}}
	hs := httptest.NewServer(p.crm)
	t.Cleanup(hs.Close)
	dir := t.TempDir()
	edgetest.Ship(t, dir, "practice", edgetest.PracticeAddr, strings.TrimPrefix(hs.URL, "http://"), `"config"`, `"token": {`+members+`}, "config"`)
	edgetest.Ship(t, dir, "practicekey", edgetest.PracticeAddr, strings.TrimPrefix(hs.URL, "http://"))
	p.Options = edgetest.NewOptions(t, hs.URL)
	p.Data, p.Connectors, p.PublicURL, p.Logger = filepath.Join(t.TempDir(), "none"), dir, "http://127.0.0.1:8080", slog.New(slog.DiscardHandler)
	return p
}

// examined is the result of an examination, also as text.
type examined struct {
	edge.Examination
	text string
	err  error
}

func (p *patient) examine(t *testing.T) examined {
	t.Helper()
	x, err := edge.Examine(t.Context(), p.Config, p.Subject)
	if err != nil {
		return examined{err: err}
	}
	return examined{Examination: *x, text: fmt.Sprint(x)}
}

// outcome returns the outcome of the last check with a name.
func (e examined) outcome(check string) (outcome, message string) {
	for _, f := range e.Findings {
		if f.Check == check {
			outcome, message = f.Outcome, f.Message
		}
	}
	return outcome, message
}

func TestExamine(t *testing.T) {
	t.Parallel()
	const authorize, pkce, endpoint = "authorization URL", "PKCE", "token endpoint"
	for _, c := range []struct {
		name    string
		members string
		mood    practicecrm.Mood
		all     bool // --try-all-styles
		// wrong is the check that fails; "" if none fails. says is part of its message.
		wrong, says string
		requests    int // to the token endpoint
		suggest     map[string]any
	}{
		{name: "everything is right", requests: 2},
		{name: "encoded Basic", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "basic"}}, requests: 2},
		{name: "encoded Basic, all styles allowed", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "basic"}}, all: true, requests: 2},
		{name: "Basic that is not encoded", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "basicRaw"}}, wrong: endpoint, says: `authenticates by "basic"`, requests: 1},
		{name: "Basic that is not encoded, all styles", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "basicRaw"}}, all: true,
			wrong: endpoint, says: `authenticates by "basic"`, requests: 3, suggest: map[string]any{"auth": "basicRaw"}},
		{name: "in the body, all styles", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "body"}}, all: true,
			wrong: endpoint, says: `authenticates by "basic"`, requests: 4, suggest: map[string]any{"auth": "body"}},
		{name: "in the body, declared", members: `"auth": "body"`, mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "body"}}, requests: 2},
		{name: "an unknown client, all styles", mood: practicecrm.Mood{Error: "invalid_client"}, all: true, wrong: endpoint, says: "refuses the client", requests: 3},
		{name: "JSON, undeclared", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Body: "json"}}, all: true, wrong: endpoint, says: "grant_type is missing", requests: 1},
		{name: "JSON, declared", members: `"body": "json"`, mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Body: "json"}}, requests: 2},
		{name: "no PKCE", mood: practicecrm.Mood{NoPKCE: true}, wrong: pkce, says: "invalid_request", requests: 2, suggest: map[string]any{"pkce": false}},
		{name: "no PKCE, declared", members: `"pkce": false`, mood: practicecrm.Mood{NoPKCE: true}, requests: 2},
		{name: "PKCE required", mood: practicecrm.Mood{NeedPKCE: true}, requests: 2},
		{name: "PKCE required, but not declared", members: `"pkce": false`, mood: practicecrm.Mood{NeedPKCE: true}, wrong: pkce, says: `does not use it. Without a code challenge: It answers with the error "invalid_request": "policy requires PKCE".`, requests: 2, suggest: map[string]any{"pkce": true}},
		{name: "another scope", mood: practicecrm.Mood{AuthorizeScope: "read"}, wrong: authorize, says: "invalid_scope", requests: 2},
		{name: "429", mood: practicecrm.Mood{Status: 429, RetryAfter: 30 * time.Second}, all: true, wrong: endpoint, says: "limits the rate of requests (for 30s)", requests: 1},
		{name: "500", mood: practicecrm.Mood{Status: 500}, all: true, wrong: endpoint, says: "does not answer like a token endpoint", requests: 1},
		{name: "a page", mood: practicecrm.Mood{Status: 200}, all: true, wrong: endpoint, says: "does not answer like a token endpoint", requests: 1},
		{name: "cut", mood: practicecrm.Mood{CutBefore: true}, all: true, wrong: endpoint, says: "cannot be reached", requests: 1},
		{name: "a custom error", mood: practicecrm.Mood{Error: "weather"}, all: true, wrong: endpoint, says: "weather", requests: 1},
		{name: "a locked client", mood: practicecrm.Mood{Error: "account_locked"}, all: true, wrong: endpoint, says: "limits the rate of requests", requests: 1},
		{name: "access denied", mood: practicecrm.Mood{Error: "unauthorized_client"}, wrong: endpoint, says: "refuses the client", requests: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, c.members)
			p.crm.SetMood(c.mood)
			p.AllStyles = c.all
			e := p.examine(t)
			edgetest.Must(t, e.err)
			if e.Failed() != (c.wrong != "") {
				t.Errorf("failed: %v, want %v", e.Failed(), c.wrong != "")
			}
			found := c.wrong == ""
			for _, f := range e.Findings {
				found = found || f.Check == c.wrong && f.Outcome == "failed" && strings.Contains(f.Message, c.says)
				if f.Outcome == "failed" && f.Check != c.wrong {
					t.Errorf("%s fails: %s", f.Check, f.Message)
				}
			}
			if !found {
				t.Errorf("%q is not in: %s", c.says, e.text)
			}
			if n := p.crm.Counts(); n.Token != c.requests || n.Consents != 0 {
				t.Errorf("%d token requests, want %d; %+v", n.Token, c.requests, n)
			}
			if fmt.Sprint(e.Suggest) != fmt.Sprint(c.suggest) {
				t.Errorf("it suggests %v, want %v", e.Suggest, c.suggest)
			}
			if strings.Contains(e.text, "practice-secret") {
				t.Errorf("the secret is shown: %s", e.text)
			}
			if _, err := os.Stat(p.Data); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the data folder was created: %v", err)
			}
		})
	}
}

// TestExamineOtherConfigurations checks the outcomes and messages for other configurations.
func TestExamineOtherConfigurations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		change         func(*patient)
		check, outcome string
		says           string
		failed         bool
		err            string
	}{
		{"an API key", func(p *patient) { p.Platform = "practicekey" }, "API key", "ok", `refuses a made-up API key with status 401; it says "Practice CRM did not accept the API key`, false, ""},
		{"an API key, and the answer is cut", inMood(practicecrm.Mood{Me: "cut"}), "API key", "warning", "or the connection broke", false, ""},
		{"an API key, and the CRM fails", inMood(practicecrm.Mood{Me: "500"}), "API key", "failed", "answers with status 500", true, ""},
		{"an API key, and the CRM is busy", inMood(practicecrm.Mood{Me: "429"}), "API key", "failed", "limits the rate of requests", true, ""},
		{"an API key, and another endpoint", inMood(practicecrm.Mood{Me: "404"}), "API key", "warning", "answers a made-up API key with status 404; connector practicekey", false, ""},
		{"an API key, and no request", func(p *patient) { p.Platform, p.Settings["PRACTICEKEY_URL"] = "practicekey", "nothing" }, "API key", "warning", "The connector sent no request to the CRM", false, ""},
		{"an API key, and a request to another host", func(p *patient) { p.Platform, p.Settings["PRACTICEKEY_URL"] = "practicekey", "https://b.example" }, "API key", "failed", "add b.example to crmgate.hosts", true, ""},
		{"a field that the form does not have", func(p *patient) { p.Platform, p.Form = "practicekey", map[string]string{"url": "x"} }, "form", "failed", `no field "url"`, true, ""},
		{"a required field", func(p *patient) {
			p.Platform = "practicekey"
			p.rewrite(t, "practicekey", `"content": [`, `"content": [{"const": "apiUrl", "title": "API URL", "type": "string", "required": true},`)
		}, "form", "warning", "also asks for apiUrl, which the connector may need: give it with --field apiUrl=VALUE", false, ""},
		{"the code before the client", func(p *patient) {
			p.Settings["PRACTICE_CLIENT_SECRET"] = "practice-secret-wrong"
			p.crm.SetMood(practicecrm.Mood{CodeFirst: true})
		}, "token endpoint", "warning", "gives the same answer to a made-up secret. Only a sign-in shows", false, ""},
		{"the code before a public client", func(p *patient) {
			delete(p.Settings, "PRACTICE_CLIENT_SECRET")
			p.crm.SetMood(practicecrm.Mood{CodeFirst: true})
		}, "token endpoint", "warning", "gives the same answer to a made-up client id.", false, ""},
		{"PKCE required", func(p *patient) { p.crm.SetMood(practicecrm.Mood{NeedPKCE: true}) }, "PKCE", "warning",
			`clients that compose plain URLs cannot sign in. Without a code challenge: It answers with the error "invalid_request": "policy requires PKCE".`, false, ""},
		{"an unknown client id", func(p *patient) { p.rewrite(t, "practice", `"clientId": "practice-client"`, `"clientId": "unknown"`) }, "authorization URL", "failed", `status 400 and "Unknown client_id."`, true, ""},
		{"no such platform", func(p *patient) { p.Platform = "nothing" }, "", "", "", false, "nothing"},
		{"a wrong hostname", func(p *patient) { p.Hostname = "a b" }, "", "", "", false, "Hostname"},
		{"an address that is not allowed", func(p *patient) { p.AllowEgress = nil }, "token endpoint", "failed", "No request was sent to ", true, ""},
		{"a redirect URI in the clear", func(p *patient) { p.PublicURL = "http://gate.example" }, "redirect URI", "failed", "unencrypted", true, ""},
		{"no secret", func(p *patient) { delete(p.Settings, "PRACTICE_CLIENT_SECRET") }, "application", "ok", "without a secret", true, ""},
		{"a wrong secret", func(p *patient) { p.Settings["PRACTICE_CLIENT_SECRET"] = "practice-secret-wrong" }, "token endpoint", "warning", "--try-all-styles", true, ""},
		{"a token URL of another host", func(p *patient) { p.Settings["PRACTICE_URL"] = "https://b.example" }, "application", "failed", "accessTokenUri", true, ""},
		{"{hostname} in authUrl", func(p *patient) {
			atPersonsHost(t, p)
			p.Hostname = strings.TrimPrefix(p.Settings["PRACTICE_URL"], "http://")
		}, "authorization URL", "ok", "/oauth/authorize answers", false, ""},
		{"{hostname} in authUrl, but no host", func(p *patient) { atPersonsHost(t, p) }, "authorization URL", "failed", "http://{hostname}/oauth/authorize is at the person's host: name one with --hostname", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, "")
			c.change(p)
			e := p.examine(t)
			outcome, message := e.outcome(c.check)
			if outcome != c.outcome || !strings.Contains(message, c.says) || e.Failed() != c.failed || (e.err == nil) != (c.err == "") || e.err != nil && !strings.Contains(e.err.Error(), c.err) {
				t.Errorf("got %s %q, %v, %v", outcome, message, e.Failed(), e.err)
			}
			if strings.Contains(e.text, "practice-secret") {
				t.Errorf("the secret is shown: %s", e.text)
			}
		})
	}
}

// inMood examines the platform with API keys while the CRM is in a mood.
func inMood(m practicecrm.Mood) func(*patient) {
	return func(p *patient) {
		p.Platform = "practicekey"
		p.crm.SetMood(m)
	}
}

// atPersonsHost writes {hostname} into the patient's authUrl.
func atPersonsHost(t *testing.T, p *patient) {
	t.Helper()
	p.rewrite(t, "practice", p.Settings["PRACTICE_URL"]+"/oauth/authorize", "http://{hostname}/oauth/authorize")
}

// rewrite replaces a text in a manifest.
func (p *patient) rewrite(t *testing.T, platform, old, text string) {
	t.Helper()
	file := filepath.Join(p.Connectors, platform+".json")
	b, err := os.ReadFile(file)
	edgetest.Must(t, err)
	if !strings.Contains(string(b), old) {
		t.Fatalf("%s not found in %s", old, b)
	}
	edgetest.Must(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(b), old, text)), 0o600))
}

// TestExamineTLS: the CRM has a self-signed certificate.
func TestExamineTLS(t *testing.T) {
	t.Parallel()
	p := newPatient(t, "")
	hs := httptest.NewUnstartedServer(http.NotFoundHandler())
	hs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	hs.StartTLS()
	t.Cleanup(hs.Close)
	address := strings.TrimPrefix(p.Settings["PRACTICE_URL"], "http://")
	for _, platform := range []string{"practice", "practicekey"} {
		p.rewrite(t, platform, address, strings.TrimPrefix(hs.URL, "https://"))
	}
	p.rewrite(t, "practice", "http://127", "https://127")
	p.Settings["PRACTICE_URL"], p.Settings["PRACTICEKEY_URL"] = hs.URL, hs.URL
	for check, platform := range map[string]crmgate.Platform{"authorization URL": "practice", "token endpoint": "practice", "API key": "practicekey"} {
		p.Platform = platform
		outcome, message := p.examine(t).outcome(check)
		if want := "could not connect to " + strings.TrimPrefix(hs.URL, "https://") + ": x509: certificate signed by unknown authority"; outcome != "failed" || !strings.Contains(message, want) {
			t.Errorf("%s: %s %q", check, outcome, message)
		}
	}
}
