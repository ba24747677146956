package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// wantGrants waits until the CRM has this many live grants of Ada.
func (g *gate) wantGrants(n int) {
	g.t.Helper()
	for deadline := time.Now().Add(inTime); g.CRM.LiveRefreshOf("ada") != n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("%d grants live at the CRM, want %d\n%s", g.CRM.LiveRefreshOf("ada"), n, g.Log)
		}
	}
}

// withoutUnAuthorize gives a node a connector without unAuthorize, which would need no client secret.
func withoutUnAuthorize(f *edgetest.Options) {
	file := filepath.Join(f.Connectors, "practice.wasm")
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.Remove(file) // the other tests have the same file
	}
	if err == nil {
		err = os.WriteFile(file, bytes.ReplaceAll(b, []byte("unAuthorize"), []byte("unAuthorizf")), 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// TestLogoutWaitsForItsApplication: a logout while the client secret is wrong is kept over a restart. The CRM is told once an
// admin retries the corrected application.
func TestLogoutWaitsForItsApplication(t *testing.T) {
	t.Parallel()
	g := organised(t, withoutUnAuthorize)
	g.enter(ownClient, ownSecret)
	session := g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.CRM.Register(ownClient, "rotated-at-the-crm")
	g.do("POST", "/unAuthorize", "", bearer(session)...)
	g.ends("the session", session)
	g.Stop()
	g.CRM.Register(ownClient, ownSecret)
	g.Start()
	if n := g.CRM.LiveRefreshOf("ada"); n != 1 {
		t.Fatalf("%d grants live at the CRM before the retry", n)
	}
	g.office(practicecrm.RCAdminToken).send("/admin/retry/practice", nil).wantHeader(t, "Location", "/admin/practice")
	g.wantGrants(0)
}

// TestOperatorRetriesAnApplication: the waiting revocations of an application that the operator retries are tried at once.
func TestOperatorRetriesAnApplication(t *testing.T) {
	t.Parallel()
	g := organised(t, withoutUnAuthorize)
	g.enter(ownClient, ownSecret)
	session := g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.CRM.Register(ownClient, "rotated-at-the-crm")
	g.do("POST", "/unAuthorize", "", bearer(session)...)
	g.CRM.Register(ownClient, ownSecret)
	time.Sleep(3 * time.Second) // the worker has looked at the queue, and looks again after half a minute
	began := time.Now()
	if n, err := g.operator().RetryApplications(t.Context(), "practice", nil); n != 1 || err != nil {
		t.Fatalf("retried %d, %v", n, err)
	}
	g.wantGrants(0)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the CRM was told after %v", took)
	}
}

// TestReplacedSignIn: with "replaced" in the manifest, the CRM is told of the sign-in before, if need be after a restart.
func TestReplacedSignIn(t *testing.T) {
	t.Parallel()
	g := organised(t, func(f *edgetest.Options) {
		file := filepath.Join(f.Connectors, "practice.json")
		b, err := os.ReadFile(file)
		edgetest.Must(t, err)
		edgetest.Must(t, os.WriteFile(file, []byte(strings.Replace(string(b), `/oauth/revoke"`, `/oauth/revoke", "replaced": true`, 1)), 0o600))
	})
	g.enter(ownClient, ownSecret)
	g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
	session := g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.wantGrants(2)
	g.Stop()
	g.CRM.SetMood(practicecrm.Mood{})
	g.Pass(time.Hour)
	g.Start()
	g.wantGrants(1)
	g.lives("the second sign-in's", session)
}
