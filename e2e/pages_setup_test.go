package e2e_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// holding returns the header of a RingCentral token.
func holding(token string) []string { return []string{"X-RC-Access-Token", token} }

// TestConnectSetsUpAnOrganisation: the first admin enters the application on the page. A wrong secret is refused before
// anything is stored. Later, other people connect without a form.
func TestConnectSetsUpAnOrganisation(t *testing.T) {
	t.Parallel()
	g := organised(t, func(f *edgetest.Options) {
		file := filepath.Join(f.Connectors, "practice.json")
		b, err := os.ReadFile(file)
		edgetest.Must(t, err)
		text := strings.Replace(string(b), `"adminManaged": {"enabled": true`, `"adminManaged": {"enabled": true, "setupNotes": "Open *Settings* of the CRM. <script>alert(1)</script>"`, 1)
		edgetest.Must(t, os.WriteFile(file, []byte(text), 0o600))
	})

	user := g.visitor()
	session := user.wait("practice", holding(practicecrm.RCUserToken)...).ID
	user.get("/connect/practice?session="+session).wantPage(t, 404, "Not set up yet", "Please ask your administrator")
	form := func(session, id, secret string) url.Values {
		return url.Values{"session": {session}, "fields[clientId]": {id}, "fields[clientSecret]": {secret}}
	}
	user.send("/connect/practice", form(session, ownClient, ownSecret)).wantPage(t, 404, "Not set up yet")
	user.send("/connect/practice", form("", ownClient, ownSecret)).wantPage(t, 404, "Not set up yet") // an admin needs a session

	admin := g.visitor()
	first := admin.wait("practice", holding(practicecrm.RCAdminToken)...)
	session = first.ID
	page := admin.get("/connect/practice?session=" + session)
	page.wantPage(t, 200, "Set up Practice CRM", "Client ID", "Client secret", g.URL+"/redirect.html", "<em>Settings</em>")
	if strings.Contains(page.body, "<script>alert") {
		t.Error("the page contains a script from the notes")
	}
	before := g.CRM.Counts().Token
	admin.send("/connect/practice", form(session, "", "")).wantPage(t, 400, "Set up Practice CRM", "<title>Error: Set up Practice CRM</title>", "Please fill this in.")
	admin.send("/connect/practice", form(session, ownClient, "mistyped")).wantPage(t, 400, "Set up Practice CRM", "<title>Error: Set up Practice CRM</title>", "does not accept this application")
	if n := g.CRM.Counts().Token - before; n != 1 {
		t.Errorf("%d token requests to check a wrong secret", n)
	}
	if a := g.organisation("GET", statePath, practicecrm.RCAdminToken, ""); strings.Contains(a.body, "pendingValues") {
		t.Errorf("something is stored: %s", a.body)
	}
	other := g.visitor() // another person who has the link, such as another organisation's admin
	other.send("/connect/practice", form(session, ownClient, ownSecret)).wantPage(t, 403, "This sign-in cannot be completed here")

	calls := g.oauthInfoCalls()
	going := admin.send("/connect/practice", form(session, ownClient, ownSecret))
	if n := g.oauthInfoCalls() - calls; n != 1 {
		t.Errorf("getOauthInfo was called %d times, want once", n)
	}
	if strings.Contains(going.body, "acme-secret") {
		t.Error("the page shows the secret")
	}
	admin.get(admin.landingAt(going.follow(t), "ada")).wantPage(t, 200, "You are connected")
	g.lives("the admin", g.poll(first).Token)

	second := user.wait("practice", holding(practicecrm.RCUserToken)...)
	session = second.ID
	user.get("/connect/practice?session="+session).wantPage(t, 200, "Connect Practice CRM")
	user.get(user.landing("practice", "grace", url.Values{"session": {session}})).wantPage(t, 200, "You are connected")
	theirs := g.poll(second).Token
	g.lives("another person in the organisation", theirs)

	session = admin.wait("practice", holding(practicecrm.RCOtherAdminToken)...).ID
	admin.get("/connect/practice?session="+session).wantPage(t, 200, "Set up Practice CRM") // another organisation has no application
	g.organisation("DELETE", accountPath, practicecrm.RCAdminToken, "").want(t, 200, done)
	g.ends("after it was removed", theirs)
}
