package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// The script begins with a store at rest, in which three answers are kept that could not be read. The CRM is there.
func TestJournalScripts(t *testing.T) {
	g := newGate(t)
	session := g.oauth("ada")
	g.crm.SetMood(practicecrm.Mood{Token: "custom path"})
	g.pass(2 * time.Hour)
	g.get("/authValidation", bearer(session)...).wantError(t, 400, "with status 200 and no token")
	for _, person := range []string{"grace", "alan"} {
		c := g.compose("bound")
		g.callback(g.land(c, person), c.LoginSecret).wantError(t, 400, "no token")
	}
	entries, err := g.node.DB().Journal(t.Context())
	must(t, err)
	if len(entries) != 3 {
		t.Fatalf("%d answers are kept", len(entries))
	}
	ada, err := g.node.DB().Person(t.Context(), crmgate.UserKey{Platform: "practice", ID: "1-practice"})
	must(t, err)
	g.stop()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "journal"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", g.flags.Data)
			e.Setenv("CONNECTORS", g.flags.Connectors)
			e.Setenv("CRMGATE_CACHE", built.cache)
			for name, value := range g.flags.preset {
				e.Setenv(name, value)
			}
			e.Setenv("DROPPED", entries[0].ID) // the latest first
			e.Setenv("SIGNIN", entries[1].ID)
			e.Setenv("REFRESH", entries[2].ID)
			e.Setenv("BEFORE", ada.Grant.Expiry.UTC().Format("2006-01-02T15:04"))
			_, canary, _ := strings.Cut(entries[0].Body.Reveal(), `"access_token":"`)
			e.Setenv("CANARY", canary[:16])
			b, err := os.ReadFile(filepath.Join(g.flags.Connectors, "practice.json"))
			if err != nil {
				return err
			}
			mended := strings.Replace(string(b), `"config"`, `"token": {"path": "result.oauth"}, "config"`, 1)
			return os.WriteFile(filepath.Join(e.WorkDir, "mended.json"), []byte(mended), 0o600)
		},
	})
}
