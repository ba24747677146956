package authflow_test

import (
	"strings"
	"testing"

	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/proxytest"
)

// TestGrantsThatCannotBeRenewed: the log warns once of a platform whose CRM gives no refresh token where one is needed.
func TestGrantsThatCannotBeRenewed(t *testing.T) {
	t.Parallel()
	const warning = `level=WARN msg="the CRM gave no refresh token`
	for _, c := range []struct {
		name, answer, scopes string
		kept                 bool   // an earlier sign-in brought a refresh token
		want                 string // in the warning; empty if there is none
	}{
		{"a refresh token", "json", "api offline_access", false, ""},
		{"none, and a lifetime", "no refresh_token", "api", false, "refresh_token_asked=false scopes_asked=api scopes_granted="},
		{"none, although it was asked for", "no refresh_token", "api offline_access", false, `refresh_token_asked=true scopes_asked="api offline_access" scopes_granted=`},
		{"none, and an earlier one is kept", "no refresh_token", "api offline_access", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := proxytest.NewVirtualWorld(t, nil)
			w.Conn.Manifest().OAuth.Scope = c.scopes
			if c.kept {
				_, err := signIn(w)
				proxytest.Must(t, err)
			}
			w.CRM.SetMood(practicecrm.Mood{Token: c.answer})
			for range 3 {
				_, err := signIn(w)
				proxytest.Must(t, err)
			}
			n := strings.Count(w.Log(), warning)
			if c.want == "" && n != 0 || c.want != "" && (n != 1 || !strings.Contains(w.Log(), c.want)) {
				t.Errorf("%d warnings: %s", n, w.Log())
			}
		})
	}
}
