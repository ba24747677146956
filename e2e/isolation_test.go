package e2e_test

import (
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestWithoutProcesses: connectors work in the server's process too, from the sign-in to the logout.
func TestWithoutProcesses(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(o *edgetest.Options) { o.GuestProcesses = 0 })
	session := g.oauth("ada")
	g.Pass(2 * time.Hour)
	g.lives("the session", session)
	g.get("/authValidation", bearer(session)...).want(t, 200, `{"successful":true}`)
	g.do("POST", "/unAuthorize", "", bearer(session)...)
	g.ends("the session", session)
	if n := g.CRM.Counts().Revoke; n != 1 {
		t.Errorf("the CRM was told of the logout %d times", n)
	}
	g.apiKey()
}
