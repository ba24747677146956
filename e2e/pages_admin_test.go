package e2e_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/storage"
)

// notes are a developer's setup notes, with content that must not appear in a page.
const notes = `1. Open **Settings**, then [Applications](https://crm.example/apps).\n2. Register one.\n\n<script>alert(1)</script>\n\n![x](https://evil.example/x.png) [y](javascript:alert(1))`

// withNotes gives the organisation's platform setup notes.
func withNotes(f *edgetest.Options) {
	file := filepath.Join(f.Connectors, "practice.json")
	if b, err := os.ReadFile(file); err == nil {
		_ = os.WriteFile(file, []byte(strings.Replace(string(b), `{"enabled": true}`, `{"enabled": true, "setupNotes": "`+notes+`"}`, 1)), 0o600)
	}
}

// office signs an admin in to the page, in a new browser.
func (g *gate) office(token string) *visitor {
	g.t.Helper()
	v := g.visitor()
	if a := v.send("/admin/session", url.Values{"token": {token}}); a.status != 303 || a.header.Get("Location") != "/admin" {
		g.t.Fatalf("not signed in: %d %s", a.status, a.body)
	}
	return v
}

func application(client, secret string) url.Values {
	return url.Values{"fields[clientId]": {client}, "fields[clientSecret]": {secret}}
}

const homeTitle = "Your organisation&#39;s CRMs"

func TestAdminSignsIn(t *testing.T) {
	t.Parallel()
	g := organised(t)
	v := g.visitor()
	v.get("/admin").wantPage(t, 200, "Your organisation's CRMs", `action="/admin/session"`, `name="token"`)
	v.send("/admin/session", nil).wantPage(t, 400, "Your organisation's CRMs", "Enter a token.")
	v.send("/admin/session", url.Values{"token": {"wrong"}}).wantPage(t, 400, "Your organisation's CRMs", "This token is not valid.")
	v.send("/admin/session", url.Values{"token": {practicecrm.RCUserToken}}).wantPage(t, 403, "Your organisation's CRMs", "This token does not belong to an administrator.")
	if left := v.cookies(); left != "" {
		t.Errorf("cookies after a refused sign-in: %s", left)
	}
	a := v.send("/admin/session", url.Values{"token": {"Bearer " + practicecrm.RCAdminToken}})
	cookie := a.cookieNamed(t, "crmgate-admin")
	for _, part := range []string{"httponly", "samesite=strict", "path=/", "max-age=1800"} {
		if !strings.Contains(strings.ToLower(cookie), part) {
			t.Errorf("%s is not in %s", part, cookie)
		}
	}
	v.get("/admin").wantPage(t, 200, homeTitle, "Account <strong>1</strong>", "Signed in as extension 101.", `href="/admin/practice"`, "Not set up")
	v.send("/admin/leave", nil).wantHeader(t, "Location", "/admin")
	v.get("/admin").wantPage(t, 200, "Your organisation's CRMs")

	extension := g.visitor()
	if a := extension.do("POST", "/admin/session", "", "X-RC-Access-Token", practicecrm.RCAdminToken); a.status != 200 || !strings.Contains(a.body, `"adminUrl":"`+g.URL+`/admin"`) {
		t.Errorf("an extension: %d %s", a.status, a.body)
	}
	extension.get("/admin/practice").wantPage(t, 200, "Practice CRM")
	g.do("POST", "/admin/session", "", "X-RC-Access-Token", practicecrm.RCUserToken).want(t, 403, "Admin validation failed")
	if a := g.do("OPTIONS", "/admin/session", "", "Access-Control-Request-Headers", "x-rc-access-token"); a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("other sites may send cookies")
	}
}

func TestAdminCookieByHTTPS(t *testing.T) {
	t.Parallel()
	g := organised(t, func(f *edgetest.Options) { f.PublicURL = "https://gate.example/base" })
	a := g.do("POST", "/admin/session", "token="+practicecrm.RCAdminToken, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
	if c := a.cookieNamed(t, "__Host-crmgate-admin"); !strings.Contains(strings.ToLower(c), "; secure") || a.header.Get("Location") != "/base/admin" {
		t.Errorf("cookie %s, location %s", c, a.header.Get("Location"))
	}
}

// adminRoutes are the requests that only an admin may send.
var adminRoutes = []struct{ method, path, body string }{
	{"GET", "/admin", ""}, {"GET", "/admin/practice", ""}, {"GET", "/admin/people/practice", ""},
	{"GET", "/admin/remove/practice", ""}, {"GET", "/admin/end/practice", ""}, {"GET", "/admin/end/practice?user=ada-practice", ""},
	{"POST", "/admin/practice", application(ownClient, ownSecret).Encode()}, {"POST", "/admin/try/practice", ""}, {"POST", "/admin/drop/practice", ""}, {"POST", "/admin/retry/practice", ""},
	{"POST", "/admin/remove/practice", ""}, {"POST", "/admin/end/practice", ""}, {"POST", "/admin/end/practice", "user=ada-practice"},
}

// apps returns an account's applications, by their entries.
func (g *gate) apps(account crmgate.AccountID) (confirmed, pending string) {
	g.t.Helper()
	apps, err := g.Edge.DB().Applications(g.t.Context(), account, "practice")
	edgetest.Must(g.t, err)
	if apps.Confirmed != nil {
		confirmed = apps.Confirmed.Entry
	}
	if apps.Pending != nil {
		pending = apps.Pending.Entry
	}
	return confirmed, pending
}

// TestAdminRefuses: without a valid admin cookie, or from another site, a request shows and changes nothing.
func TestAdminRefuses(t *testing.T) {
	t.Parallel()
	g := organised(t)
	g.enter(ownClient, ownSecret)
	ada := g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.enter(ownClient, ownSecret)
	confirmed, pending := g.apps("1")
	a := g.do("POST", "/admin/session", "", "X-RC-Access-Token", practicecrm.RCAdminToken)
	good, _, _ := strings.Cut(a.cookieNamed(t, "crmgate-admin"), ";")
	composed := g.compose1("/authUrl?platform=practice&mode=bound", practicecrm.RCAdminToken)
	state, _, _ := strings.Cut(strings.TrimPrefix(composed.Query().Get("state"), "cg."), ",")
	ours := []string{"Sec-Fetch-Site", "same-origin"}
	for name, header := range map[string][]string{
		"no cookie":       ours,
		"a forged cookie": append([]string{"Cookie", "crmgate-admin=Zm9yZ2Vk"}, ours...),
		"one bit changed": append([]string{"Cookie", flip(good)}, ours...),
		"a sealed state":  append([]string{"Cookie", "crmgate-admin=" + state}, ours...),
		"another name":    append([]string{"Cookie", strings.Replace(good, "admin=", "login=", 1)}, ours...),
		"cross-site":      {"Cookie", good, "Sec-Fetch-Site", "cross-site"},
		"same-site":       {"Cookie", good, "Sec-Fetch-Site", "same-site"},
		"another origin":  {"Cookie", good, "Origin", "https://evil.example"},
		"no origin":       {"Cookie", good},
	} {
		for _, r := range adminRoutes {
			if r.method == "GET" && strings.Contains(strings.Join(header, " "), good) {
				continue // a browser protects reads: the cookie is Strict, and another site cannot read the answer
			}
			a := g.do(r.method, r.path, r.body, append([]string{"Content-Type", map[string]string{"POST": "application/x-www-form-urlencoded"}[r.method]}, header...)...)
			if r.method == "POST" && a.status != 403 || strings.Contains(a.body, ownClient) || strings.Contains(a.body, "Ada") || a.header.Get("Refresh") != "" {
				t.Errorf("%s: %s %s: %d %s", name, r.method, r.path, a.status, a.body)
			}
		}
	}
	g.Pass(30*time.Minute + time.Second)
	for _, r := range adminRoutes {
		a := g.do(r.method, r.path, r.body, append([]string{"Cookie", good, "Content-Type", map[string]string{"POST": "application/x-www-form-urlencoded"}[r.method]}, ours...)...)
		if a.status != 403 || strings.Contains(a.body, ownClient) {
			t.Errorf("expired: %s %s: %d %s", r.method, r.path, a.status, a.body)
		}
	}
	if c, p := g.apps("1"); c != confirmed || p != pending {
		t.Error("something was changed")
	}
	g.lives("a person of the organisation", ada)
}

// flip changes the second-last character of a cookie.
func flip(cookie string) string {
	b := []byte(cookie)
	if at := len(b) - 2; b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	return string(b)
}

// compose1 requests an authorization URL with a RingCentral token.
func (g *gate) compose1(path, rc string) *url.URL {
	g.t.Helper()
	a := g.get(path, "X-RC-Access-Token", rc)
	_, rest, _ := strings.Cut(a.body, `"authUrl":"`)
	at, _, _ := strings.Cut(rest, `"`)
	u, err := url.Parse(strings.ReplaceAll(at, `\u0026`, "&"))
	edgetest.Must(g.t, err)
	return u
}

// TestAdminOfAnotherAccount: an admin of account 2 sees and changes nothing of account 1.
func TestAdminOfAnotherAccount(t *testing.T) {
	t.Parallel()
	g := organised(t)
	g.enter(ownClient, ownSecret)
	ada := g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.enter(ownClient, ownSecret)
	confirmed, pending := g.apps("1")
	other := g.office(practicecrm.RCOtherAdminToken)
	for _, r := range adminRoutes {
		a := other.do(r.method, r.path, strings.ReplaceAll(r.body, ownClient, "other-client"), "Sec-Fetch-Site", "same-origin", "Content-Type", map[string]string{"POST": "application/x-www-form-urlencoded"}[r.method])
		if strings.Contains(a.body, ownClient) || strings.Contains(a.body, "Ada") {
			t.Errorf("%s %s shows: %d %s", r.method, r.path, a.status, a.body)
		}
	}
	other.get("/admin/end/practice?user="+url.QueryEscape(string(keyOfAda(t, g).ID))).wantPage(t, 404, "There is nothing here")
	other.send("/admin/end/practice", url.Values{"user": {string(keyOfAda(t, g).ID)}}).wantPage(t, 404, "There is nothing here")
	if c, p := g.apps("1"); c != confirmed || p != pending {
		t.Error("something was changed")
	}
	g.lives("a person of account 1", ada)
}

// keyOfAda returns the key of the only person in the store.
func keyOfAda(t *testing.T, g *gate) crmgate.UserKey {
	t.Helper()
	all, err := g.directory().Entries(t.Context())
	edgetest.Must(t, err)
	if len(all) != 1 {
		t.Fatalf("%d people", len(all))
	}
	return all[0].Key()
}

// TestAdminUntestedSecret: a CRM that looks at the code before the client, or that is down, does not show whether a secret is
// right. The page says so, and waits.
func TestAdminUntestedSecret(t *testing.T) {
	t.Parallel()
	g := organised(t)
	v := g.office(practicecrm.RCAdminToken)
	for _, mood := range []practicecrm.Mood{{CodeFirst: true}, {Status: 503}} {
		g.CRM.SetMood(mood)
		a := v.send("/admin/practice", application(ownClient, "mistyped"))
		a.wantPage(t, 200, "Continue to Practice CRM", "Practice CRM did not show whether the client ID and the client secret are right.", `class="primary" href="`)
		if a.header.Get("Refresh") != "" {
			t.Errorf("%+v: the page goes on by itself", mood)
		}
	}
	g.CRM.SetMood(practicecrm.Mood{})
	v.send("/admin/practice", application(ownClient, ownSecret)).follow(t)
}

func TestAdminLifecycle(t *testing.T) {
	t.Parallel()
	g := organised(t, withNotes)
	v := g.office(practicecrm.RCAdminToken)
	a := v.get("/admin/practice")
	a.wantPage(t, 200, "Practice CRM", "Set up the application", `value="`+g.URL+`/redirect.html"`, `href="https://crm.example/apps"`, "<strong>Settings</strong>")
	if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "evil.example") || strings.Contains(a.body, "javascript:") {
		t.Errorf("the page contains unsafe notes: %s", a.body)
	}
	v.send("/admin/practice", nil).wantPage(t, 400, "Practice CRM", "Please fill this in.", "<title>Error: Practice CRM</title>")
	a = v.send("/admin/practice", application(ownClient, "wrong-secret"))
	a.wantPage(t, 400, "Practice CRM", "Practice CRM does not accept this application.", `value="`+ownClient+`"`)
	if _, pending := g.apps("1"); pending != "" || strings.Contains(a.body, "wrong-secret") {
		t.Error("a wrong secret was stored, or is shown")
	}
	landed := v.landingAt(v.send("/admin/practice", application(ownClient, ownSecret)).follow(t), "ada")
	a = v.get("/admin/practice")
	a.wantPage(t, 200, "Practice CRM", "Waiting for a sign-in", "Entered by extension 101", "Change the application", "<dd>set</dd>")
	if strings.Contains(a.body, ownSecret) {
		t.Error("the secret is shown")
	}
	v.get("/admin").wantPage(t, 200, homeTitle, "Waiting for a sign-in")
	v.get(landed).wantPage(t, 200, "The application works", `href="/admin/practice"`)
	v.get("/admin").wantPage(t, 200, homeTitle, "In use", "Client ID "+ownClient)
	grace := g.token(g.managed("grace", practicecrm.RCUserToken))
	g.Pass(time.Minute)
	v.get("/admin/practice").wantPage(t, 200, "Practice CRM", "Replace the application", "2 people will have to sign in again")

	// A form that was opened before the first set-up does not replace the application in use.
	v.send("/admin/practice", application(ownClient, "")).wantPage(t, 400, "Practice CRM", "The application was changed after this page was opened.")

	g.CRM.Register("acme-second", "second-secret")
	replacing := application("acme-second", "mistyped")
	replacing.Set("revision", v.revision("/admin/practice"))
	v.send("/admin/practice", replacing).wantPage(t, 400, "Practice CRM", "does not accept this application")
	replacing.Set("fields[clientSecret]", "second-secret")
	before := g.oauthInfoCalls()
	v.send("/admin/practice", replacing).follow(t)
	if n := g.oauthInfoCalls() - before; n != 1 {
		t.Errorf("entering an application calls getOauthInfo %d times, want 1", n)
	}
	v.get("/admin/practice").wantPage(t, 200, "Practice CRM", "In use", "A replacement is waiting for a sign-in.")
	seen := url.Values{"revision": {v.revision("/admin/practice")}}
	v.send("/admin/drop/practice", seen).wantHeader(t, "Location", "/admin/practice")
	if _, pending := g.apps("1"); pending != "" {
		t.Error("the pending application was not discarded")
	}
	v.send("/admin/practice", replacing).follow(t)
	v.get(v.landingAt(v.send("/admin/try/practice", seen).follow(t), "deny")).wantPage(t, 400, "Not connected", `href="/admin/practice"`)
	g.lives("while another one waits", grace)
	g.token(g.managed("grace", practicecrm.RCUserToken)) // with the application in use
	v.get(v.landingAt(v.send("/admin/try/practice", seen).follow(t), "ada")).wantPage(t, 200, "The application works")
	g.ends("after it was replaced", grace)
	e, err := g.directory().Entry(t.Context(), crmgate.UserKey{Platform: "practice", ID: "2-practice"})
	if err != nil || e.State != "needs_login" || e.Reason != storage.AppRetired {
		t.Errorf("the operator sees %q, %q, %v", e.State, e.Reason, err)
	}
	v.get("/admin/practice").wantPage(t, 200, "Practice CRM", "<dd>acme-second</dd>")

	g.Pass(time.Minute)
	v = g.office(practicecrm.RCAdminToken)
	v.get("/admin/remove/practice").wantPage(t, 200, "Remove the application for Practice CRM?", "1 person will be signed out")
	v.send("/admin/remove/practice", url.Values{"revision": {v.revision("/admin/remove/practice")}}).wantHeader(t, "Location", "/admin/practice")
	if confirmed, _ := g.apps("1"); confirmed != "" {
		t.Error("the application is still there")
	}
	if strings.Contains(g.Log.String(), "second-secret") || strings.Contains(g.Log.String(), "mistyped") {
		t.Error("a secret is in the log")
	}
}

// oauthInfoCalls returns how often the connector's getOauthInfo has been called.
func (g *gate) oauthInfoCalls() int {
	g.t.Helper()
	_, rest, _ := strings.Cut(g.Metrics(), `crmgate_connector_seconds_count{operation="getOauthInfo",outcome="ok",platform="practice"} `)
	count, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(count)
	edgetest.Must(g.t, err)
	return n
}

// TestAdminSeesTrouble: the page reports an application that the CRM rejects.
func TestAdminSeesTrouble(t *testing.T) {
	t.Parallel()
	g := organised(t)
	g.enter(ownClient, ownSecret)
	session := g.token(g.managed("ada", practicecrm.RCAdminToken))
	g.CRM.Register(ownClient, "rotated-at-the-crm")
	g.Pass(2 * time.Hour)
	g.get("/authValidation", bearer(session)...)
	g.Stop()
	g.Start()
	v := g.office(practicecrm.RCAdminToken)
	v.get("/admin").wantPage(t, 200, homeTitle, "Rejected", "has rejected it since", "The CRM says: &#34;Unknown client, or wrong secret.&#34;.")
	v.get("/admin/practice").wantPage(t, 200, "Practice CRM", "Practice CRM rejects the application", "The CRM says: &#34;Unknown client, or wrong secret.&#34;. Access has not", `action="/admin/retry/practice"`, "Try again now")
	v.get("/admin/people/practice").wantPage(t, 200, "People on Practice CRM", "Paused", "Unknown client, or wrong secret.")

	g.office(practicecrm.RCOtherAdminToken).send("/admin/retry/practice", nil).wantHeader(t, "Location", "/admin/practice")
	g.CRM.Register(ownClient, ownSecret)
	if n := g.refreshes(session); n != 0 {
		t.Errorf("another organisation's admin retried it: %d requests", n)
	}
	v.send("/admin/retry/practice", nil).wantHeader(t, "Location", "/admin/practice")
	g.Stop()
	g.Start()
	v = g.office(practicecrm.RCAdminToken)
	a := v.get("/admin/practice")
	a.wantPage(t, 200, "Practice CRM", "It will be tried when the next person uses it.")
	if strings.Contains(a.body, "/admin/retry/") {
		t.Error("the page offers to retry it again")
	}
	if n := g.refreshes(session); n != 1 {
		t.Errorf("%d requests after a retry", n)
	}
	if a := v.get("/admin/practice"); strings.Contains(a.body, "rejects the application") {
		t.Error("the application works again, and the page says that it does not")
	}
}

// refreshes returns how many token requests a session check causes.
func (g *gate) refreshes(session string) int {
	g.t.Helper()
	before := g.CRM.Counts().Token
	g.get("/authValidation", bearer(session)...)
	return g.CRM.Counts().Token - before
}

func TestAdminPeople(t *testing.T) {
	t.Parallel()
	g := organised(t)
	g.enter(ownClient, ownSecret)
	ada := g.token(g.managed("ada", practicecrm.RCAdminToken))
	grace := g.token(g.managed("grace", practicecrm.RCUserToken))
	v := g.office(practicecrm.RCAdminToken)
	a := v.get("/admin/people/practice")
	a.wantPage(t, 200, "People on Practice CRM", "2 people in your organisation", "Ada Lovelace", "Connected")
	_, rest, _ := strings.Cut(a.body, `<a href="/admin/end/practice?user=`)
	user, _, _ := strings.Cut(rest, `"`)
	id, err := url.QueryUnescape(user)
	edgetest.Must(t, err)
	v.get("/admin/end/practice?user="+user).wantPage(t, 200, "End the session of Ada Lovelace?", `value="`+id+`"`)
	v.send("/admin/end/practice", url.Values{"user": {id}}).wantHeader(t, "Location", "/admin/people/practice")
	g.ends("the person's session", ada)
	g.lives("another person's session", grace)
	v.get("/admin/people/practice").wantPage(t, 200, "People on Practice CRM", "Signed out")
	v.get("/admin/end/practice").wantPage(t, 200, "End all sessions on Practice CRM?", "1 person will be signed out")
	v.send("/admin/end/practice", nil).wantHeader(t, "Location", "/admin/people/practice")
	g.ends("after all were ended", grace)
	_, err = g.Edge.DB().DeletePerson(t.Context(), crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(id)})
	edgetest.Must(t, err)
	v.get("/admin/people/practice").wantPage(t, 200, "People on Practice CRM", "1 person in your organisation")
	v.get("/admin/people/nobody").wantPage(t, 404, "There is nothing here", `href="/admin"`)
}

func TestAdminFields(t *testing.T) {
	t.Parallel()
	w := withFields(t)
	v := w.office(practicecrm.RCAdminToken)
	v.get("/admin").wantPage(t, 200, homeTitle, `href="/admin/fields/wirefields"`)
	v.get("/admin/fields/wireplain").wantPage(t, 404, "There is nothing here")
	a := v.get("/admin/fields/wirefields")
	if a.status != 200 || !strings.Contains(a.body, "API key") || strings.Contains(a.body, "companyId") {
		t.Errorf("%d %s", a.status, a.body)
	}
	v.send("/admin/fields/wirefields", url.Values{"fields[apiKey]": {"canary-key"}, "fields[region]": {"x"}}).wantHeader(t, "Location", "/admin/fields/wirefields")
	a = v.get("/admin/fields/wirefields")
	if !strings.Contains(a.body, "(set)") || !strings.Contains(a.body, `value="apiKey"`) || strings.Contains(a.body, "canary-key") {
		t.Errorf("%d %s", a.status, a.body)
	}
	a = v.get("/admin/fields/wirefields?extension=102")
	if !strings.Contains(a.body, `<option value="7">Analytical Engines</option>`) || strings.Contains(a.body, "(set)") {
		t.Errorf("%d %s", a.status, a.body)
	}
	v.send("/admin/fields/wirefields", url.Values{"extension": {"102"}, "name": {"Grace"}, "fields[companyId]": {"7"}}).wantHeader(t, "Location", "/admin/fields/wirefields?extension=102")
	if a = v.get("/admin/fields/wirefields"); !strings.Contains(a.body, "Grace") {
		t.Errorf("%d %s", a.status, a.body)
	}
	other := w.office(practicecrm.RCOtherAdminToken)
	if a = other.get("/admin/fields/wirefields"); strings.Contains(a.body, "(set)") || strings.Contains(a.body, "Grace") {
		t.Errorf("another account sees %s", a.body)
	}
	other.send("/admin/fields/wirefields", url.Values{"remove": {"apiKey"}}).wantHeader(t, "Location", "/admin/fields/wirefields")
	if a = v.get("/admin/fields/wirefields"); !strings.Contains(a.body, "(set)") {
		t.Error("another account removed it")
	}
	v.do("POST", "/admin/fields/wirefields", "remove=apiKey", "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site").wantPage(t, 403, "This did not work")
	v.send("/admin/fields/wirefields", url.Values{"remove": {"apiKey"}, "revision": {v.revision("/admin/fields/wirefields")}}).wantHeader(t, "Location", "/admin/fields/wirefields")
	if a = v.get("/admin/fields/wirefields"); strings.Contains(a.body, "(set)") {
		t.Error("it was not removed")
	}
}

// TestAdminFieldsOfHosts: where people choose the host of their CRM, the page asks for it first.
func TestAdminFieldsOfHosts(t *testing.T) {
	t.Parallel()
	n := withTenants(t)
	v := n.office(practicecrm.RCAdminToken)
	const page = "/admin/fields/practicekey"
	goodPage, otherPage := page+"?"+query("hostname", goodHost), page+"?"+query("hostname", otherHost)
	title := "Practice CRM (API key)"
	a := v.get(page)
	a.wantPage(t, 200, title, "Address of your Practice CRM (API key)", `name="hostname"`, `method="get" action="`+page+`"`)
	if strings.Contains(a.body, "fields[apiKey]") || strings.Contains(a.body, "without an address") {
		t.Errorf("before a host is chosen: %s", a.body)
	}
	for _, host := range []string{"evil.example", "a b", "https://"} {
		v.get(page+"?"+query("hostname", host)).wantPage(t, 400, title, "This is not a Practice CRM (API key) address. It should look like https://your-company.crm.example:8099.", "<title>Error: ")
	}
	v.send(page, url.Values{"hostname": {"evil.example"}, "fields[apiKey]": {"k-1"}}).wantPage(t, 400, title, "This is not a Practice CRM")
	v.send(page, url.Values{"fields[apiKey]": {"k-1"}}).wantPage(t, 400, title, "Please paste the address")

	v.get(page+"?"+query("hostname", "https://GOOD.crm.example:8099/app")).wantPage(t, 200, title, "Credentials of the organisation at "+goodHost, `name="hostname" value="`+goodHost+`"`)
	v.send(page, url.Values{"hostname": {goodHost}, "fields[apiKey]": {"k-1"}}).wantHeader(t, "Location", goodPage)
	v.get(goodPage).wantPage(t, 200, title, "(set)", `href="`+page+`"`)
	if a := v.get(otherPage); strings.Contains(a.body, "(set)") {
		t.Errorf("another host has the value: %s", a.body)
	}
	v.get(page).wantPage(t, 200, title, `<a href="`+goodPage+`">`+goodHost+`</a>`)
	n.wantLogin(t, goodHost, "", rcUser, "k-1")
	n.wantAsked(t, otherHost, rcUser)
	v.send(page, url.Values{"hostname": {otherHost}, "remove": {"apiKey"}}).wantHeader(t, "Location", otherPage)
	v.get(goodPage).wantPage(t, 200, title, "(set)")
	v.send(page, url.Values{"hostname": {goodHost}, "remove": {"apiKey"}, "revision": {v.revision(goodPage)}}).wantHeader(t, "Location", goodPage)
	n.wantAsked(t, goodHost, rcUser)

	// Values of an earlier version have no host until the admin chooses one.
	n.unplaced(t, "k-2")
	v.get(page).wantPage(t, 200, title, "saved credentials have no address")
	if a := v.get(otherPage); strings.Contains(a.body, "(set)") || !strings.Contains(a.body, "Use these credentials at "+otherHost) {
		t.Errorf("%d %s", a.status, a.body)
	}
	v.send(page, url.Values{"hostname": {otherHost}, "place": {"yes"}}).wantHeader(t, "Location", otherPage)
	a = v.get(otherPage)
	a.wantPage(t, 200, title, "(set)")
	if strings.Contains(a.body, "Use these credentials at") {
		t.Errorf("they still have no host: %s", a.body)
	}
	n.wantLogin(t, otherHost, "", rcUser, "k-2")
}

// TestAdminFieldsOfAnExtensionAtAHost: the pages of an extension stay at the host.
func TestAdminFieldsOfAnExtensionAtAHost(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) {
		addPlatforms(f, []string{"team"})
		teamAtHosts(f)
	})
	v := g.office(practicecrm.RCAdminToken)
	const page, extension = "/admin/fields/team", "/admin/fields/team?extension=102&hostname=eu.team.example"
	v.get(page).wantPage(t, 200, "Team CRM", `<input type="radio" name="hostname" value="https://eu.team.example"`)
	v.get(page+"?hostname=de.team.example").wantPage(t, 400, "Team CRM", "Please choose one.")
	v.get(page+"?hostname=https://eu.team.example&extension=102").wantPage(t, 200, "Team CRM", "Credentials of extension 102 at eu.team.example", `<option value="7">Analytical Engines</option>`)
	v.send(page, url.Values{"hostname": {"eu.team.example"}, "extension": {"102"}, "name": {"Grace"}, "fields[companyId]": {"7"}}).wantHeader(t, "Location", extension)
	v.get(page+"?hostname=eu.team.example").wantPage(t, 200, "Team CRM", "Credentials of single extensions at eu.team.example", `<a href="`+strings.ReplaceAll(extension, "&", "&amp;")+`">Grace</a>`)
	v.get(extension).wantPage(t, 200, "Team CRM", "(set)", `<a href="/admin/fields/team?hostname=eu.team.example">Credentials of the organisation</a>`)
	if a := v.get("/admin/fields/team?extension=102&hostname=us.team.example"); strings.Contains(a.body, "(set)") {
		t.Errorf("another host has the value: %s", a.body)
	}
}

func TestAdminAudit(t *testing.T) {
	t.Parallel()
	g := organised(t)
	g.enter(ownClient, ownSecret)
	for range 3 {
		g.token(g.managed("ada", practicecrm.RCAdminToken))
	}
	for range 60 {
		g.organisation("DELETE", cachePath, practicecrm.RCAdminToken, "").want(t, 200, done)
	}
	g.Stop() // writes the count of repeated sign-ins
	g.Start()
	v := g.office(practicecrm.RCAdminToken)
	rows, pages := "", 0
	for path := "/admin/audit"; path != "" && pages < 5; pages++ {
		a := v.get(path)
		a.wantPage(t, 200, "Audit log")
		rows += a.body
		_, rest, _ := strings.Cut(a.body, `href="/admin/audit?from=`)
		next, _, more := strings.Cut(rest, `"`)
		if path = ""; more {
			path = "/admin/audit?from=" + next
		}
	}
	if n := strings.Count(rows, "<li>"); n != 65 || pages != 2 { // entered, promoted and signed in, again and again, dropped
		t.Errorf("%d entries on %d pages", n, pages)
	}
	if !strings.Contains(rows, "<p class=\"help\">1 more time within the hour</p>") {
		t.Error("the repeated sign-in is not counted")
	}
	if n := strings.Count(rows, "by extension 101"); n != 61 { // not the sign-ins
		t.Errorf("%d entries name the admin", n)
	}
	if strings.Index(rows, "promotion") < strings.Index(rows, "managed app") || !strings.Contains(rows, "Ada Lovelace") {
		t.Error("the latest does not come first")
	}
	other := g.office(practicecrm.RCOtherAdminToken)
	if a := other.get("/admin/audit"); strings.Contains(a.body, "<li>") {
		t.Errorf("another account sees %s", a.body)
	}
	v.get("/admin/audit?from=x").wantPage(t, 400, "This did not work")
}

// TestRejectedAtSignIn: if the CRM rejects the application, people are sent to their administrator, and administrators see why.
func TestRejectedAtSignIn(t *testing.T) {
	t.Parallel()
	g := newPages(t, func(f *edgetest.Options) { f.Settings["PRACTICE_CLIENT_SECRET"] = "mistyped" })
	v := g.visitor()
	landed := v.landing("practice", "ada", nil)
	a := v.get(landed)
	a.wantPage(t, 400, "This did not work", appRejected, `data-clean="/connect/practice"`)
	if strings.Contains(a.body, "Try again") || strings.Contains(a.body, "Client authentication failed") {
		t.Errorf("a person: %s", a.body)
	}
	if !strings.Contains(g.Log.String(), `"level":"ERROR","msg":"the CRM rejects the application at a sign-in`) || strings.Contains(g.Log.String(), "mistyped") {
		t.Errorf("the log: %s", g.Log.String())
	}

	g = organised(t)
	g.enter(ownClient, ownSecret)
	g.token(g.managed("ada", practicecrm.RCAdminToken))
	admin := g.office(practicecrm.RCAdminToken)
	g.CRM.Register("acme-second", "second-secret")
	replacing := application("acme-second", "second-secret")
	replacing.Set("revision", admin.revision("/admin/practice"))
	landed = admin.landingAt(admin.send("/admin/practice", replacing).follow(t), "ada")
	g.CRM.Register("acme-second", "rotated-at-the-crm")
	admin.get(landed).wantPage(t, 400, "The CRM rejects the application", "Check the client ID and the client secret. The CRM answered: Unknown client, or wrong secret.", `href="/admin/practice"`)
	admin.send("/admin/drop/practice", url.Values{"revision": {admin.revision("/admin/practice")}})

	g.CRM.Register(ownClient, "rotated-at-the-crm")
	g.managed("grace", practicecrm.RCUserToken).wantTold(t, appRejected)
	admin.get("/admin").wantPage(t, 200, homeTitle, "Rejected")
	a = admin.get("/admin/practice")
	a.wantPage(t, 200, "Practice CRM", "Practice CRM rejects the application", "The CRM says: &#34;Unknown client, or wrong secret.&#34;. Sign-ins have failed since")
	if strings.Contains(a.body, "/admin/retry/") {
		t.Error("the next sign-in tries the application anyway")
	}
	g.CRM.Register(ownClient, ownSecret)
	g.token(g.managed("grace", practicecrm.RCUserToken))
	if a = admin.get("/admin/practice"); strings.Contains(a.body, "rejects the application") {
		t.Error("the application works again, and the page says that it does not")
	}
}
