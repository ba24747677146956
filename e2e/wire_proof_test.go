package e2e_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// userHash is the hash of a RingCentral id, which anyone can ask for.
func (g *gate) userHash(query, member string) string {
	g.t.Helper()
	_, rest, _ := strings.Cut(g.get("/userInfoHash?"+query).body, `"`+member+`":"`)
	hash, _, _ := strings.Cut(rest, `"`)
	return hash
}

// unproven signs a person in like App Connect's clients, without proof of the account.
func (g *gate) unproven(person, account string) string {
	g.t.Helper()
	return g.token(g.get("/oauth-callback?rcAccountId=" + account + "&callbackUri=" + url.QueryEscape(g.land(g.compose("compat"), person))))
}

// TestStrangerNamesAnAccount: a stranger with an access to the CRM names an organisation's account. The stranger is marked, and
// does not confirm the organisation's application.
func TestStrangerNamesAnAccount(t *testing.T) {
	t.Parallel()
	g := organised(t)
	admin := g.visitor()
	admin.do("POST", "/admin/session", "", "X-RC-Access-Token", practicecrm.RCAdminToken)
	g.enter(ownClient, ownSecret)
	stranger := g.token(g.plainly("alan", ownClient, "1"))
	for what, header := range map[string][]string{
		"7.1 a token of another account":                                      {"X-RC-Access-Token", practicecrm.RCOtherAdminToken},
		"7.1 an invalid token":                                                {"X-RC-Access-Token", "made-up"},
		"7.1 hashes of the organisation":                                      {"rc-account-id", g.userHash("accountId=1", "accountId"), "rc-extension-id", g.userHash("extensionId=101", "extensionId")},
		"7.1 another organisation's token, and the organisation in the query": {"X-RC-Access-Token", practicecrm.RCOtherToken, "rc-account-id", "1"},
	} {
		g.get("/user/settings?rcAccountId=1", append(bearer(stranger), header...)...).want(t, 200, `{}`)
		g.get("/authValidation", append(bearer(stranger), header...)...).want(t, 200, done)
		if p := g.only("practice", "3-practice"); !p.User.Unproven || p.User.Account != "1" {
			t.Errorf("%s: the stranger is %+v", what, p.User)
		}
	}
	app := admin.get("/admin/practice").body
	for _, want := range []string{`<h2 id="waits">Waiting for the admin&#39;s session</h2>`, "A person signed in with this application on "} {
		if !strings.Contains(app, want) {
			t.Errorf("the page of the application lacks %s:\n%s", want, app)
		}
	}
	if people := admin.get("/admin/people/practice").body; !strings.Contains(people, "Not verified: ") {
		t.Errorf("the stranger is not marked:\n%s", people)
	}
	g.organisation("GET", statePath, practicecrm.RCUserToken, "").want(t, 200, `{"isAdmin":false,"hasAccountOAuth":false,"hasPendingOAuth":false}`)

	t.Run("7.1 the admin's session confirms the application", func(t *testing.T) {
		session := g.token(g.plainly("ada", ownClient, "1"))
		g.get("/admin/settings?rcAccessToken="+practicecrm.RCAdminToken, bearer(session)...).want(t, 200, `{"customConnector":null,"userSettings":{}}`)
		if a := g.organisation("GET", statePath, practicecrm.RCUserToken, ""); !strings.Contains(a.body, `"hasAccountOAuth":true`) {
			t.Errorf("not confirmed: %s", a.body)
		}
		if p := g.only("practice", "1-practice"); p.User.Unproven {
			t.Error("the admin is unproven")
		}
		if p := g.only("practice", "3-practice"); !p.User.Unproven {
			t.Error("the stranger is proven")
		}
	})
	t.Run("7.1 a discarded application ends the sessions that used it", func(t *testing.T) {
		g := organised(t)
		g.enter(ownClient, ownSecret)
		session := g.token(g.plainly("ada", ownClient, "1"))
		g.organisation("DELETE", cachePath, practicecrm.RCAdminToken, "").want(t, 200, done)
		g.ends("the session of a discarded application", session)
		g.get("/admin/settings", append(bearer(session), "X-RC-Access-Token", practicecrm.RCAdminToken)...).want(t, 400, noSession)
	})
}

// TestProofIsRequired: with --account-proof=required an unproven session is refused everything, until a request proves it.
func TestProofIsRequired(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { f.RequireAccountProof = true })
	session := g.unproven("ada", "1")
	const refusal = `{"error":"The RingCentral account of this session is not proven: send a RingCentral access token of the account with this request."}`
	for _, route := range []string{
		"GET /hostname", "GET /authValidation", "GET /licenseStatus", "POST /user/refreshInfo", "GET /user/settings", "POST /user/settings",
		"GET /admin/settings", "GET /admin/managedAuth", "POST /admin/managedAuth", "POST /unAuthorize",
	} {
		method, path, _ := strings.Cut(route, " ")
		if a := g.do(method, path, "", bearer(session)...); a.status != 403 || a.body != refusal {
			t.Errorf("7.1 %s: %d %s", route, a.status, a.body)
		}
	}
	with := func(path, rc string) answer { return g.get(path, append(bearer(session), "X-RC-Access-Token", rc)...) }
	with("/user/settings", practicecrm.RCOtherToken).want(t, 403, refusal)
	with("/user/settings", "made-up").wantError(t, 400, "Request failed with status code 401")
	with("/hostname", practicecrm.RCUserToken).want(t, 403, refusal) // it reads only the store
	g.CRM.SetMood(practicecrm.Mood{RingCentral: "cut"})
	with("/user/settings", practicecrm.RCUserToken).wantError(t, 503, "RingCentral could not verify who you are")
	g.CRM.SetMood(practicecrm.Mood{})
	with("/user/settings", practicecrm.RCUserToken).want(t, 200, `{}`)
	g.lives("7.1 after the proof", session)

	again := g.unproven("ada", "1")
	if a := g.get("/user/settings", bearer(again)...); a.status != 403 {
		t.Errorf("7.1 the next sign-in is not proven by the one before: %d %s", a.status, a.body)
	}
	g.lives("7.1 a sign-in without an account has nothing to prove", g.oauth("grace"))

	g.get("/user/settings", append(bearer(again), "X-RC-Access-Token", practicecrm.RCUserToken)...).want(t, 200, `{}`)
	g.do("POST", "/unAuthorize", "", bearer(again)...)
	without := g.oauth("ada")
	if a := g.get("/user/settings", bearer(without)...); a.status != 403 || !g.only("practice", "1-practice").User.Unproven {
		t.Errorf("7.1 a sign-in that leaves the account out is proven by an earlier one: %d %s", a.status, a.body)
	}
}
