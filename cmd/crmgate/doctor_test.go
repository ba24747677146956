package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// patient is a practice CRM, and how it is examined.
type patient struct {
	*options
	edge.Subject
	crm *practicecrm.CRM
}

// newPatient has members in the connector's crmgate.token.
func newPatient(t *testing.T, members string) *patient {
	t.Helper()
	p := &patient{crm: practicecrm.New(practicecrm.Config{}), Subject: edge.Subject{Platform: "practice"}}
	hs := httptest.NewServer(p.crm)
	t.Cleanup(hs.Close)
	dir := t.TempDir()
	ship(t, dir, "practice", practiceAddr, strings.TrimPrefix(hs.URL, "http://"), `"config"`, `"token": {`+members+`}, "config"`)
	ship(t, dir, "practicekey")
	p.options = &options{
		Config: edge.Config{
			Data: filepath.Join(t.TempDir(), "none"), Cache: built.cache, Connectors: dir, AllowEgress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			PublicURL: "http://127.0.0.1:8080", Logger: slog.New(slog.DiscardHandler),
		},
		preset: map[string]string{"PRACTICE_URL": hs.URL, "PRACTICE_CLIENT_SECRET": practicecrm.ClientSecret},
	}
	p.Setting = p.setting
	return p
}

// examined is what an examination found, also as text.
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

// outcome is that of one check, the last of its name.
func (e examined) outcome(check string) (outcome, message string) {
	for _, f := range e.Findings {
		if f.Check == check {
			outcome, message = f.Outcome, f.Message
		}
	}
	return outcome, message
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	const authorize, pkce, endpoint = "authorization URL", "PKCE", "token endpoint"
	for _, c := range []struct {
		name    string
		members string
		mood    practicecrm.Mood
		all     bool // --try-all-styles
		// wrong is the check that fails, and what it says; "": none.
		wrong, says string
		requests    int // to the token endpoint
		suggest     map[string]any
	}{
		{name: "a good day", requests: 1},
		{name: "encoded Basic", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "basic"}}, requests: 1},
		{name: "encoded Basic, all styles allowed", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "basic"}}, all: true, requests: 1},
		{name: "Basic that is not encoded", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "basicRaw"}}, wrong: endpoint, says: `authenticates by "basic"`, requests: 1},
		{name: "Basic that is not encoded, all styles", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "basicRaw"}}, all: true,
			wrong: endpoint, says: `authenticates by "basic"`, requests: 2, suggest: map[string]any{"auth": "basicRaw"}},
		{name: "in the body, all styles", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "body"}}, all: true,
			wrong: endpoint, says: `authenticates by "basic"`, requests: 3, suggest: map[string]any{"auth": "body"}},
		{name: "in the body, declared", members: `"auth": "body"`, mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Auth: "body"}}, requests: 1},
		{name: "a client that is not known, all styles", mood: practicecrm.Mood{Error: "invalid_client"}, all: true, wrong: endpoint, says: "refuses the client", requests: 3},
		{name: "JSON, undeclared", mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Body: "json"}}, all: true, wrong: endpoint, says: "grant_type is missing", requests: 1},
		{name: "JSON, declared", members: `"body": "json"`, mood: practicecrm.Mood{Quirks: practicecrm.Quirks{Body: "json"}}, requests: 1},
		{name: "no PKCE", mood: practicecrm.Mood{NoPKCE: true}, wrong: pkce, says: "invalid_request", requests: 1, suggest: map[string]any{"pkce": false}},
		{name: "no PKCE, declared", members: `"pkce": false`, mood: practicecrm.Mood{NoPKCE: true}, requests: 1},
		{name: "another scope", mood: practicecrm.Mood{AuthorizeScope: "read"}, wrong: authorize, says: "invalid_scope", requests: 1},
		{name: "429", mood: practicecrm.Mood{Status: 429, RetryAfter: 30 * time.Second}, all: true, wrong: endpoint, says: "no more requests for now (for 30s)", requests: 1},
		{name: "500", mood: practicecrm.Mood{Status: 500}, all: true, wrong: endpoint, says: "does not answer as a token endpoint", requests: 1},
		{name: "a page", mood: practicecrm.Mood{Status: 200}, all: true, wrong: endpoint, says: "does not answer as a token endpoint", requests: 1},
		{name: "cut", mood: practicecrm.Mood{CutBefore: true}, all: true, wrong: endpoint, says: "cannot be reached", requests: 1},
		{name: "an error of its own", mood: practicecrm.Mood{Error: "weather"}, all: true, wrong: endpoint, says: "weather", requests: 1},
		{name: "a locked client", mood: practicecrm.Mood{Error: "account_locked"}, all: true, wrong: endpoint, says: "no more requests for now", requests: 1},
		{name: "access denied", mood: practicecrm.Mood{Error: "unauthorized_client"}, wrong: endpoint, says: "refuses the client", requests: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t, c.members)
			p.crm.SetMood(c.mood)
			p.AllStyles = c.all
			e := p.examine(t)
			must(t, e.err)
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
				t.Errorf("no word of %q: %s", c.says, e.text)
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
				t.Errorf("the folder of the data was made: %v", err)
			}
		})
	}
}

// TestDoctorPrints has what people read.
func TestDoctorPrints(t *testing.T) {
	t.Parallel()
	p := newPatient(t, "")
	p.crm.SetMood(practicecrm.Mood{NoPKCE: true})
	e := p.examine(t)
	must(t, e.err)
	var out strings.Builder
	printExamination(&out, &e.Examination)
	for _, line := range []string{
		`ok       application: Client "practice-client", with a secret.`,
		"ok       redirect URI: http://127.0.0.1:8080/redirect.html",
		"failed   PKCE: With a code challenge: It answers with the error \"invalid_request\".",
		`For the manifest's crmgate object: {"token":{"pkce":false}}`,
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, &out)
		}
	}
}

func TestDoctorOfOtherConfigurations(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		change         func(*patient)
		check, outcome string
		says           string
		failed         bool
		err            string
	}{
		{"an API key", func(p *patient) { p.Platform = "practicekey" }, "authentication", "ok", "API key", false, ""},
		{"no such platform", func(p *patient) { p.Platform = "nothing" }, "", "", "", false, "nothing"},
		{"a hostname of nobody's", func(p *patient) { p.Hostname = "a b" }, "", "", "", false, "Hostname"},
		{"no way out", func(p *patient) { p.AllowEgress = nil }, "token endpoint", "failed", "was not asked: 127.0.0.1 has an address that is not allowed: if it is the CRM's, name the address in --allow-egress.", true, ""},
		{"a redirect URI in the clear", func(p *patient) { p.PublicURL = "http://gate.example" }, "redirect URI", "failed", "in the clear", true, ""},
		{"no secret", func(p *patient) { delete(p.preset, "PRACTICE_CLIENT_SECRET") }, "application", "ok", "without a secret", true, ""},
		{"a wrong secret", func(p *patient) { p.preset["PRACTICE_CLIENT_SECRET"] = "practice-secret-wrong" }, "token endpoint", "warning", "--try-all-styles", true, ""},
		{"a token URL of another host", func(p *patient) { p.preset["PRACTICE_URL"] = "https://b.example" }, "application", "failed", "accessTokenUri", true, ""},
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

// TestDoctorSeesTLS: a certificate that nobody signed for.
func TestDoctorSeesTLS(t *testing.T) {
	t.Parallel()
	p := newPatient(t, "")
	hs := httptest.NewUnstartedServer(http.NotFoundHandler())
	hs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	hs.StartTLS()
	t.Cleanup(hs.Close)
	b, err := os.ReadFile(filepath.Join(p.Connectors, "practice.json"))
	must(t, err)
	old := strings.TrimPrefix(p.preset["PRACTICE_URL"], "http://")
	text := strings.ReplaceAll(strings.ReplaceAll(string(b), "http://"+old, hs.URL), old, strings.TrimPrefix(hs.URL, "https://"))
	must(t, os.WriteFile(filepath.Join(p.Connectors, "practice.json"), []byte(text), 0o600))
	p.preset["PRACTICE_URL"] = hs.URL
	e := p.examine(t)
	for _, check := range []string{"authorization URL", "token endpoint"} {
		if outcome, message := e.outcome(check); outcome != "failed" || !strings.Contains(message, "TLS certificate is not good: x509: ") {
			t.Errorf("%s: %s %q", check, outcome, message)
		}
	}
}

func TestDoctorIsCalledWrongly(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if status := run([]string{"doctor"}, &out, &errs); status != 2 {
		t.Errorf("status %d without a platform", status)
	}
	if status := run([]string{"doctor", "practice", "--connectors", filepath.Join(t.TempDir(), "none"), "--cache", built.cache}, &out, &errs); status != 1 {
		t.Errorf("status %d without connectors", status)
	}
}
