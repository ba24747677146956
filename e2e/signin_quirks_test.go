package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestSignInWithQuirks goes from the authorization URL to a refresh, at a CRM where each step is unusual.
func TestSignInWithQuirks(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) {
		file := filepath.Join(f.Connectors, "practice.json")
		b, err := os.ReadFile(file)
		edgetest.Must(t, err)
		text := strings.NewReplacer(`"scope": ""`, `"scope": "read write"`, `"config"`, `
			"token": {"pkce": false, "auth": "body", "body": "json", "rename": {"code": "key"}, "scope": true, "scopeSeparator": "+",
				"paths": {"accessToken": "result.key", "refreshToken": "renewal.key", "expiresIn": "result.left"}},
			"refresh": {"url": "`+f.Settings["PRACTICE_URL"]+`/oauth/refresh", "auth": "basic", "body": "query"}, "config"`).Replace(string(b))
		edgetest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	})
	g.CRM.SetMood(practicecrm.Mood{
		NoPKCE: true, AuthorizeScope: "read+write", Token: "custom paths",
		Quirks:        practicecrm.Quirks{Auth: "body", Body: "json", Rename: map[string]string{"code": "key"}, Scope: "read+write"},
		RefreshQuirks: &practicecrm.Quirks{Auth: "basic", Body: "query", Path: "/oauth/refresh", Omit: []string{"scope"}, Rename: map[string]string{"code": "key"}},
	})
	for _, mode := range []string{"compat", "bound"} {
		c := g.compose(mode)
		token := g.token(g.callback(g.land(c, "ada"), c.LoginSecret))
		before := g.CRM.Counts()
		g.Pass(2 * time.Hour)
		a := g.do(http.MethodGet, "/authValidation", "", bearer(token)...)
		if a.status != 200 || !strings.Contains(a.body, `"successful":true`) {
			t.Errorf("%s: %d %s", mode, a.status, a.body)
		}
		if n := g.CRM.Counts(); n.Refreshes != before.Refreshes+1 || n.Token != before.Token+1 || n.Reuses != 0 {
			t.Errorf("%s: the CRM counts %+v, and before %+v", mode, n, before)
		}
	}
}
