package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
)

// tamper is a program of the scripts: it deletes the first entry of the audit log from the store in a folder.
func tamper() {
	engine, err := badger.Open(badger.Config{Dir: os.Args[1], Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = engine.Update(context.Background(), func(tx storage.Tx) error {
			var first []byte
			err := tx.Scan([]byte("a/"), func(key, _ []byte) error {
				if first == nil {
					first = key
				}
				return nil
			})
			return errors.Join(err, tx.Delete(first))
		})
		err = errors.Join(err, engine.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The scripts begin with a store at rest.
func TestAuditScripts(t *testing.T) {
	g := newGate(t)
	g.oauth("ada")
	g.apiKey()
	g.stop()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "audit"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", g.flags.Data)
			e.Setenv("CONNECTORS", g.flags.Connectors)
			return nil
		},
	})
}

// runAudit runs crmgate audit against the running server and returns its entries.
func runAudit(t *testing.T, g *gate, args ...string) []operator.AuditEntry {
	t.Helper()
	var out, errs bytes.Buffer
	if status := run(append(append([]string{"audit", "show", "--json"}, args...), "--data", g.flags.Data), &out, &errs); status != 0 {
		t.Fatalf("audit %v: status %d: %s", args, status, errs.String())
	}
	var all []operator.AuditEntry
	for line := range strings.Lines(out.String()) {
		var e operator.AuditEntry
		must(t, json.Unmarshal([]byte(line), &e))
		all = append(all, e)
	}
	return all
}

func wantAudit(t *testing.T, g *gate, want ...string) {
	t.Helper()
	var got []string
	for _, e := range runAudit(t, g) {
		got = append(got, fmt.Sprint(e.What, "/", e.By, "/", e.Outcome, "/", e.Reason, "/", e.Platform, "/", e.User, "/", e.Account))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var out, errs bytes.Buffer
	if status := run([]string{"audit", "verify", "--data", g.flags.Data}, &out, &errs); status != 0 {
		t.Errorf("verify: status %d: %s%s", status, out.String(), errs.String())
	}
}

func TestAuditOfSignIns(t *testing.T) {
	g := newGate(t)
	token := g.oauth("ada")
	g.apiKey()
	g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"wrong"}`)
	g.postJSON("/apiKeyLogin", `{"platform":"practice","apiKey":"wrong"}`)
	g.postJSON("/apiKeyLogin", `{"platform":"nobodys","apiKey":"wrong"}`).wantError(t, 400, "nobodys")
	g.callback("https://somewhere.example/redirect.html?code=A&state=platform=practice", "")
	g.callback(g.land(g.compose("compat"), "deny"), "")
	g.do("POST", "/unAuthorize", "", bearer(token)...)
	runUsers(t, g, "delete", "practicekey", "2-practicekey")
	wantAudit(t, g,
		"sign-in/oauth/ok//practice/1-practice/",
		"sign-in/apiKey/ok//practicekey//",
		"sign-in/apiKey/refused/not accepted/practicekey//",
		"sign-in/apiKey/error/request/practice//",
		"sign-in/oauth/error/request/practice//",
		"sign-in/oauth/error/request/practice//",
		"logout/person/ok//practice/1-practice/",
		"deletion/operator/ok//practicekey//")
}

// Who fails again and again leaves a hundred lines, and one that says how often.
func TestAuditOfAFlood(t *testing.T) {
	g := newGate(t)
	for range 120 {
		g.postJSON("/apiKeyLogin", `{"platform":"practice","apiKey":"wrong"}`)
	}
	metrics := g.metrics()
	for _, want := range []string{`crmgate_audit_entries_total{kind="sign-in",outcome="written"} 100`, `crmgate_audit_entries_total{kind="sign-in",outcome="left out"} 20`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	g.stop()
	var out bytes.Buffer
	if status := run([]string{"audit", "--data", g.flags.Data}, &out, &out); status != 0 || strings.Count(out.String(), "\n") != 102 {
		t.Errorf("status %d, %d lines, want a head, 100 failures, and how many more", status, strings.Count(out.String(), "\n"))
	}
	if !strings.Contains(out.String(), "left out: 20 failures") {
		t.Errorf("the failures that were left out are not told:\n%s", out.String())
	}
}

func TestAuditOfAnAccountNamedWithoutProof(t *testing.T) {
	g := newGate(t)
	c := g.compose("compat")
	g.token(g.get("/oauth-callback?rcAccountId=4711&callbackUri=" + url.QueryEscape(g.land(c, "ada"))))
	wantAudit(t, g, "sign-in/oauth/ok/unproven account/practice/1-practice/4711")
}

func TestAuditOfARefreshThatFailedForGood(t *testing.T) {
	for _, tt := range []struct {
		name string
		mood practicecrm.Mood
		want []string
	}{
		{"the CRM ends the grant", practicecrm.Mood{Error: "invalid_grant"}, []string{"refresh/server/refused/user dead/practice/1-practice/"}},
		{"the CRM rejects the application", practicecrm.Mood{Error: "invalid_client"}, []string{"refresh/server/refused/app dead/practice/1-practice/"}},
		{"the CRM is away", practicecrm.Mood{Status: 503}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGate(t)
			token := g.oauth("ada")
			g.crm.SetMood(tt.mood)
			g.pass(24 * time.Hour)
			g.get("/authValidation", bearer(token)...)
			g.get("/authValidation", bearer(token)...)
			// Once: neither a dead grant nor a paused application is asked for again.
			wantAudit(t, g, append([]string{"sign-in/oauth/ok//practice/1-practice/"}, tt.want...)...)
		})
	}
}

func TestAgesAndMoments(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"90m": now.Add(-90 * time.Minute), "7d": now.AddDate(0, 0, -7), "2026-11-24T10:00:00Z": now.Add(-26 * time.Hour), "0": {},
		"2026-11-24": time.Date(2026, 11, 24, 0, 0, 0, 0, time.Local), "2026-11-24 08:30:00": time.Date(2026, 11, 24, 8, 30, 0, 0, time.Local),
	} {
		var m moment
		must(t, m.UnmarshalText([]byte(text)))
		if got := m.before(now); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-1h", "-1d", "d", "1.5d", "99999999d", "2026-13-01"} {
		var m moment
		var a age
		if m.UnmarshalText([]byte(text)) == nil || a.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
