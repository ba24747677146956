package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// The scripts begin with the store of a stopped server. It keeps three unreadable answers. The CRM runs.
func TestJournalScripts(t *testing.T) {
	t.Parallel()
	n := edgetest.New(t)
	session, err := n.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	n.CRM.SetMood(practicecrm.Mood{Token: "custom path"})
	n.Pass(2 * time.Hour)
	if err := n.Ask(t.Context(), "GET", "/authValidation", "", &struct{}{}, "Authorization", "Bearer "+session); err == nil {
		t.Error("a refresh without a token worked")
	}
	for _, person := range []string{"grace", "alan"} {
		if _, err := n.OAuth(t.Context(), person); err == nil {
			t.Error("a sign-in without a token worked")
		}
	}
	entries, err := n.Edge.DB().Journal(t.Context())
	edgetest.Must(t, err)
	if len(entries) != 3 {
		t.Fatalf("%d answers are kept", len(entries))
	}
	for _, want := range []string{`{kind="refresh",platform="practice"} 1`, `{kind="sign-in",platform="practice"} 2`} {
		if !strings.Contains(n.Metrics(), "crmgate_journal_entries"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	ada, err := n.Edge.DB().Person(t.Context(), crmgate.UserKey{Platform: "practice", ID: "1-practice"})
	edgetest.Must(t, err)
	n.Stop()
	runScripts(t, filepath.Join("testdata", "journal"), func(e *testscript.Env) error {
		e.Setenv("DATA", n.Data)
		e.Setenv("CONNECTORS", n.Connectors)
		for name, value := range n.Settings {
			e.Setenv(name, value)
		}
		e.Setenv("DROPPED", entries[0].ID) // the latest first
		e.Setenv("SIGNIN", entries[1].ID)
		e.Setenv("REFRESH", entries[2].ID)
		e.Setenv("BEFORE", ada.Grant.Expiry.UTC().Format("2006-01-02T15:04"))
		_, canary, _ := strings.Cut(entries[0].Body.Reveal(), `"access_token":"`)
		e.Setenv("CANARY", canary[:16])
		b, err := os.ReadFile(filepath.Join(n.Connectors, "practice.json"))
		if err != nil {
			return err
		}
		mended := strings.Replace(string(b), `"config"`, `"token": {"path": "result.oauth"}, "config"`, 1)
		return os.WriteFile(filepath.Join(e.WorkDir, "mended.json"), []byte(mended), 0o600)
	})
}
