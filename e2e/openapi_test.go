package e2e_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// step is a request and the expected status.
type step struct {
	operation string // "GET /isAlive"
	query     string
	body      string
	header    []string
	status    int
}

// take takes a step. A request that succeeds must be in the document.
func (g *gate) take(c step) answer {
	g.t.Helper()
	method, path, _ := strings.Cut(c.operation, " ")
	if c.query != "" {
		path += "?" + c.query
	}
	header := c.header
	if c.body != "" {
		header = append([]string{"Content-Type", "application/json"}, header...)
	}
	req := g.request(method, path, c.body, header...)
	a := g.exchange(req)
	if a.status != c.status {
		g.t.Errorf("%s %s: got %d %s, want %d", c.operation, c.query, a.status, a.body, c.status)
	}
	if a.status < 400 {
		if err := permitted(g.t.Context(), req); err != nil {
			g.t.Errorf("%s %s %s succeeds, but the OpenAPI document does not allow it: %v", c.operation, c.query, c.body, err)
		}
	}
	return a
}

// unused returns the documented answers that have not occurred.
func unused(t *testing.T, gates ...*gate) []string {
	t.Helper()
	doc, err := openAPI()
	edgetest.Must(t, err)
	return slices.DeleteFunc(documented(doc), func(name string) bool {
		return slices.ContainsFunc(gates, func(g *gate) bool { _, ok := g.seen.Load(name); return ok })
	})
}

// TestOpenAPIExamples checks the document's examples against its schemas.
func TestOpenAPIExamples(t *testing.T) {
	t.Parallel()
	doc, err := openAPI()
	edgetest.Must(t, err)
	edgetest.Must(t, doc.Validate(t.Context()))
}

// TestOpenAPIAnswers gets every answer of the OpenAPI document once.
func TestOpenAPIAnswers(t *testing.T) {
	t.Parallel()
	w := withFields(t)
	g := w.gate
	w.answersWithoutSession()
	w.answersOfSessions()
	w.answersOfAdmins()
	w.answersInTrouble()
	w.answersOfFieldsPages()
	o, operator := operated(t)
	o.answersToOtherAccounts(operator)
	o.answersOfAdminPages(operator)
	p := newPages(t)
	p.answersOfPages()
	u := newGate(t, func(f *edgetest.Options) { f.RequireAccountProof = true })
	u.answersToUnproven()
	for _, name := range unused(t, g, o, p, u) {
		switch name {
		case "GET /authSession/{id} 503": // needs a thousand waiting polls
			continue
		case "POST /admin/end/{platform} 200": // needs more people than one step signs out
			continue
		}
		t.Errorf("the document has %s, but no request got that answer", name)
	}
}

// answersWithoutSession calls the operations that need no session.
func (w *wired) answersWithoutSession() {
	w.t.Helper()
	hash := "rcAccountId=" + sha("1:salt")
	user := rc(practicecrm.RCUserToken)
	for _, c := range []step{
		{"GET /", "", "", []string{"Accept", "text/html"}, 200},
		{"GET /", "", "", nil, 404},
		{"GET /isAlive", "", "", nil, 200},
		{"GET /openapi.yaml", "", "", nil, 200},
		{"GET /serverVersionInfo", "", "", nil, 200},
		{"GET /releaseNotes", "", "", nil, 200},
		{"GET /crmManifest", "platformName=practice", "", nil, 200},
		{"GET /crmManifest", "platformName=nowhere", "", nil, 400},
		{"GET /implementedInterfaces", "platform=practice", "", nil, 200},
		{"GET /implementedInterfaces", "", "", nil, 400},
		{"GET /userInfoHash", "extensionId=102&accountId=1", "", nil, 200},
		{"GET /authUrl", "platform=practice", "", nil, 200},
		{"GET /authUrl", "platform=practice&mode=other", "", nil, 400},
		{"GET /redirect.html", "state=platform=practice", "", nil, 200},
		{"POST /redirect.html", "", "state=platform%3Dpractice&code=x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 303},
		{"POST /redirect.html", "", "state=#", []string{"Content-Type", "application/x-www-form-urlencoded"}, 400},
		{"POST /redirect.html", "", "{}", nil, 415},
		{"GET /oauth-callback", "", "", nil, 400},
		{"GET /oauth-callback", "callbackUri=x", "", nil, 400},
		{"POST /apiKeyLogin", "", `{"platform":"practicekey","apiKey":"wrong"}`, nil, 400},
		{"POST /apiKeyLogin", "", `{"platform":"nowhere"}`, nil, 400},
		{"POST /apiKeyLogin", "", `{"platform":"wirefields","rcAccessToken":"` + practicecrm.RCUserToken + `"}`, nil, 400},
		{"POST /apiKeyLogin", "", `{}`, nil, 400},
		{"GET /apiKeyManagedAuthState", "platform=wirefields", "", user, 200},
		{"GET /apiKeyManagedAuthState", "platform=wireplain&rcAccessToken=" + practicecrm.RCUserToken, "", nil, 200},
		{"GET /apiKeyManagedAuthState", "", "", nil, 400},
		{"GET /oauthManagedAuthState", "platform=practice", "", user, 200},
		{"GET /oauthManagedAuthState", "platform=practice", "", nil, 400},
		{"GET /user/preloadSettings", hash, "", nil, 200},
		{"GET /user/preloadSettings", "", "", user, 200},
		{"GET /user/preloadSettings", "", "", nil, 400},
	} {
		w.take(c)
	}
	w.take(step{"POST /apiKeyLogin", "", w.example("POST /apiKeyLogin"), nil, 200})
	w.take(step{"POST /apiKeyLogin", "", "platform=wirefields&additionalInfo[apiKey]=k", []string{"Content-Type", "application/x-www-form-urlencoded"}, 200})
	composed := w.compose("bound")
	landed := "callbackUri=" + url.QueryEscape(w.land(composed, "ada"))
	w.take(step{"GET /oauth-callback", landed, "", []string{"X-Crmgate-Login", composed.LoginSecret}, 200})
	proven := w.take(step{"GET /authUrl", "platform=practice&mode=bound&origin=" + w.URL, "", user, 200})
	w.take(step{"GET /authUrl", "platform=practice&mode=bound&origin=https://app.example", "", user, 403})
	edgetest.Must(w.t, json.Unmarshal([]byte(proven.body), &composed))
	landed = "callbackUri=" + url.QueryEscape(w.land(composed, "ada"))
	w.take(step{"GET /oauth-callback", landed, "", []string{"X-Crmgate-Login", "another"}, 400})
	w.take(step{"GET /oauth-callback", landed, "", rc(practicecrm.RCOtherToken, "X-Crmgate-Login", composed.LoginSecret), 403})
}

// answersOfSessions calls the operations that need a session.
func (w *wired) answersOfSessions() {
	w.t.Helper()
	session := bearer(w.oauth("ada"))
	hash := "rcAccountId=" + sha("1:salt")
	for _, c := range []step{
		{"GET /hostname", "", "", session, 200},
		{"GET /authValidation", "", "", session, 200},
		{"GET /licenseStatus", "", "", session, 200},
		{"GET /licenseStatus", "", "", nil, 200},
		{"GET /licenseStatus", "jwtToken=x", "", nil, 400},
		{"POST /user/refreshInfo", "", "", session, 200},
		{"GET /user/settings", hash, "", session, 200},
		{"POST /user/settings", "", w.example("POST /user/settings"), session, 200},
		{"POST /user/settings", "", `{"userSettings":[]}`, session, 400},
		{"GET /user/settings", hash, "", session, 200},
		{"POST /user/refreshInfo", "jwtToken=x", "", nil, 200},
		{"POST /unAuthorize", "", "", session, 200},
		{"GET /authValidation", "", "", session, 200},
	} {
		w.take(c)
	}
	for _, s := range sessionRoutes {
		w.do(s.method, s.path, "")
		w.do(s.method, s.path+"?jwtToken=x", "")
		w.do(s.method, s.path, "", session...)
	}
}

// answersOfAdmins calls the operations for admins.
func (w *wired) answersOfAdmins() {
	w.t.Helper()
	admin, user := rc(practicecrm.RCAdminToken), rc(practicecrm.RCUserToken)
	session := bearer(w.filled("wirefields", "k-1", rcAdmin))
	both := append(slices.Clone(session), admin...)
	const options = "platform=wirefields"
	for _, c := range []step{
		{"GET /admin/managedAuth", "", "", both, 200},
		{"GET /admin/managedAuth", "", "", session, 400},
		{"GET /admin/managedAuth", "", "", rc(practicecrm.RCUserToken, session...), 403},
		{"GET /admin/managedAuth", "", "", rc(practicecrm.RCOtherAdminToken, session...), 403},
		{"POST /admin/managedAuth", "", w.example("POST /admin/managedAuth"), both, 200},
		{"POST /admin/managedAuth", "", `{"scope":"user"}`, both, 400},
		{"POST /admin/managedAuth", "", `{}`, rc(practicecrm.RCUserToken, session...), 403},
		{"GET /admin/managedAuth", "", "", both, 200},
		{"POST /admin/managedAuth/options", options, w.example("POST /admin/managedAuth/options"), admin, 200},
		{"POST /admin/managedAuth/options", options, `{}`, admin, 400},
		{"POST /admin/managedAuth/options", options, `{"fieldConst":"companyId"}`, user, 403},
		{"POST /admin/managedOAuth/cache", "", w.example("POST /admin/managedOAuth/cache"), admin, 400},
		{"POST /admin/managedOAuth/cache", "", `{}`, user, 403},
		{"GET /admin/settings", "", "", both, 200},
		{"POST /admin/settings", "", w.example("POST /admin/settings"), admin, 200},
		{"POST /admin/settings", "", `{"adminSettings":[]}`, admin, 400},
		{"POST /admin/settings", "", `{}`, user, 403},
		{"GET /admin/settings", "", "", both, 200},
		{"GET /admin/settings", "", "", rc(practicecrm.RCUserToken, session...), 403},
		{"GET /user/preloadSettings", "rcAccountId=" + sha("1:salt"), "", nil, 200},
	} {
		w.take(c)
	}
	w.CRM.Register(ownClient, ownSecret)
	for _, c := range []step{
		{"POST /admin/managedOAuth/cache", "", w.example("POST /admin/managedOAuth/cache"), admin, 200},
		{"GET /oauthManagedAuthState", "platform=practice", "", admin, 200},
		{"DELETE /admin/managedOAuth/cache", "platform=practice", "", admin, 200},
		{"DELETE /admin/managedOAuth/cache", "", "", nil, 400},
		{"DELETE /admin/managedOAuth/cache", "", "", user, 403},
		{"DELETE /admin/managedOAuth/account", "platform=practice", "", admin, 200},
		{"DELETE /admin/managedOAuth/account", "", "", admin, 400},
		{"DELETE /admin/managedOAuth/account", "", "", user, 403},
	} {
		w.take(c)
	}
}

// answersInTrouble sends bodies of a wrong type or size, and requests while other servers are down.
func (w *wired) answersInTrouble() {
	w.t.Helper()
	doc, err := openAPI()
	edgetest.Must(w.t, err)
	session := bearer(w.oauth("ada"))
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		post := doc.Paths.Value(path).Post
		if post == nil || post.RequestBody == nil || post.RequestBody.Value.Content["application/json"] == nil {
			continue
		}
		w.take(step{"POST " + path, "platform=x", `{"fieldConst":"x"}`, append([]string{"Content-Type", "text/plain"}, session...), 415})
		w.conforms(w.request("POST", path, ""), w.announce(path, 1<<20+1))
	}
	w.CRM.SetMood(practicecrm.Mood{Me: "500"})
	w.take(step{"GET /authValidation", "", "", session, 400})
	w.Pass(2 * time.Hour)
	w.CRM.SetMood(practicecrm.Mood{Status: 500, RingCentral: "html"})
	w.take(step{"GET /authValidation", "", "", session, 503})
	for _, c := range []step{
		{"GET /authUrl", "platform=practice", "", nil, 503},
		{"GET /oauth-callback", "callbackUri=" + url.QueryEscape(w.URL+"/redirect.html?code=x&state=platform=practice"), "", nil, 503},
		{"POST /apiKeyLogin", "", `{"platform":"practicekey","apiKey":"x"}`, nil, 503},
		{"GET /apiKeyManagedAuthState", "platform=wirefields", "", nil, 503},
		{"GET /admin/managedAuth", "", "", nil, 503},
		{"POST /admin/managedAuth", "", `{}`, nil, 503},
		{"POST /admin/managedAuth/options", "platform=wirefields", `{"fieldConst":"x"}`, nil, 503},
		{"GET /oauthManagedAuthState", "platform=practice", "", nil, 503},
		{"POST /admin/managedOAuth/cache", "", `{}`, nil, 503},
		{"DELETE /admin/managedOAuth/cache", "", "", nil, 503},
		{"DELETE /admin/managedOAuth/account", "platform=practice", "", nil, 503},
		{"GET /user/preloadSettings", "", "", nil, 503},
		{"POST /authSession", "", `{"platform":"practicekey"}`, nil, 503},
		{"POST /admin/session", "", "", nil, 503},
		{"GET /admin/settings", "", "", nil, 503},
		{"POST /admin/settings", "", `{}`, nil, 503},
	} {
		c.header = rc("not-known-yet", session...)
		w.take(c)
	}
}

// answersToUnproven calls the operations that need a session with one that is unproven, and while RingCentral is down.
func (g *gate) answersToUnproven() {
	g.t.Helper()
	session := bearer(g.unproven("ada", "1"))
	g.take(step{"GET /hostname", "", "", session, 403})
	g.CRM.SetMood(practicecrm.Mood{RingCentral: "html"})
	for _, name := range []string{
		"GET /authValidation", "GET /licenseStatus", "POST /user/refreshInfo", "GET /user/settings", "POST /user/settings", "POST /unAuthorize",
	} {
		g.take(step{name, "", "", session, 403})
		g.take(step{name, "", "", rc(practicecrm.RCUserToken, session...), 503})
	}
}

// form is the headers of a page's form.
var form = []string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}

// answersOfAdminPages calls the operations of an admin's browser.
func (g *gate) answersOfAdminPages(token string) {
	g.t.Helper()
	v := g.visitor()
	for _, c := range []step{
		{"GET /admin", "", "", nil, 200},
		{"GET /admin", "", "", []string{"Cookie", "crmgate-admin=x"}, 403},
		{"POST /admin/session", "", "", rc(token), 200},
		{"POST /admin/session", "", "token=wrong", form, 400},
		{"POST /admin/session", "", "", rc("wrong"), 400},
		{"POST /admin/session", "", "", rc("other:" + token), 403},
		{"POST /admin/session", "", "token=x", form[:2], 403},
		{"POST /admin/session", "", "x", []string{"Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin"}, 415},
		{"POST /admin/session", "", "token=" + token, form, 303},
		{"GET /admin", "", "", nil, 200},
		{"GET /admin/practice", "", "", nil, 200},
		{"POST /admin/practice", "", "fields[clientId]=", form, 400},
		{"POST /admin/practice", "", application(ownClient, ownSecret).Encode(), form, 200},
		{"POST /admin/try/practice", "", "", form, 200},
		{"POST /admin/drop/practice", "", "revision=outdated", form, 400},
		{"POST /admin/drop/practice", "", "", form, 303},
		{"POST /admin/retry/practice", "", "", form, 303},
		{"POST /admin/try/practice", "", "", form, 400},
		{"GET /admin/remove/practice", "", "", nil, 200},
		{"POST /admin/remove/practice", "", "revision=outdated", form, 400},
		{"POST /admin/remove/practice", "", "", form, 303},
		{"GET /admin/people/practice", "", "", nil, 200},
		{"GET /admin/end/practice", "", "", nil, 200},
		{"GET /admin/end/practice", "user=nobody", "", nil, 404},
		{"POST /admin/end/practice", "", "user=nobody", form, 404},
		{"POST /admin/end/practice", "", "", form, 303},
		{"GET /admin/audit", "", "", nil, 200},
		{"GET /admin/audit", "from=x", "", nil, 400},
		{"GET /admin/nowhere", "", "", nil, 404},
	} {
		v.take(c)
	}
	g.refusalsOfAdminPages(v)
	v.take(step{"POST /admin/leave", "", "", form, 303})
}

// refusalsOfAdminPages sends each admin page requests that it refuses; v is an admin's browser.
func (g *gate) refusalsOfAdminPages(v *visitor) {
	g.t.Helper()
	doc, err := openAPI()
	edgetest.Must(g.t, err)
	for path, item := range doc.Paths.Map() {
		at := func(platform string) string { return strings.ReplaceAll(path, "{platform}", platform) }
		for method, op := range item.Operations() {
			if op.Tags[0] != "Administration" || path == "/admin/session" {
				continue
			}
			if method == "GET" {
				g.take(step{"GET " + at("practice"), "", "", []string{"Cookie", "crmgate-admin=x"}, 403})
			} else {
				v.take(step{method + " " + at("practice"), "", "", form[:2], 403})
			}
			if op.Responses.Status(404) != nil {
				v.take(step{method + " " + at("no.name"), "", "", form, 404})
			}
			if op.Responses.Status(415) != nil {
				v.take(step{method + " " + at("practice"), "", "x", []string{"Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin"}, 415})
			}
			if query := op.Parameters[0].Value; op.Responses.Status(400) != nil && method == "GET" {
				if query.In != "query" {
					query = op.Parameters[1].Value
				}
				v.take(step{"GET " + at("practice"), query.Name + "=a&" + query.Name + "=b", "", nil, 400})
			}
		}
	}
}

// answersOfFieldsPages calls the page of managed fields.
func (w *wired) answersOfFieldsPages() {
	w.t.Helper()
	w.CRM.SetMood(practicecrm.Mood{})
	v := w.office(practicecrm.RCAdminToken)
	for _, c := range []step{
		{"GET /admin/fields/wirefields", "", "", nil, 200},
		{"GET /admin/fields/wirefields", "extension=102", "", nil, 200},
		{"GET /admin/fields/wireplain", "", "", nil, 404},
		{"POST /admin/fields/wirefields", "", "fields[apiKey]=k-2&revision=outdated", form, 400},
		{"POST /admin/fields/wirefields", "", "fields[apiKey]=" + strings.Repeat("x", 9<<10), form, 400},
		{"POST /admin/fields/wireplain", "", "", form, 404},
	} {
		v.take(c)
	}
	for _, body := range []string{"fields[apiKey]=k-2", "extension=102&name=Grace&fields[companyId]=7", "remove=apiKey"} {
		page := "/admin/fields/wirefields"
		if strings.HasPrefix(body, "extension") {
			page += "?extension=102"
		}
		v.take(step{"POST /admin/fields/wirefields", "", body + "&revision=" + v.revision(page), form, 303})
	}
}

// answersOfPages calls the operations of a browser, and of the client that waits for a sign-in.
func (g *gate) answersOfPages() {
	g.t.Helper()
	v, other := g.visitor(), g.visitor()
	var w waiting
	a := v.take(step{"POST /authSession", "", g.example("POST /authSession"), nil, 200})
	edgetest.Must(g.t, json.Unmarshal([]byte(a.body), &w))
	poll := []string{"X-Crmgate-Login", w.LoginSecret}
	for _, c := range []step{
		{"GET /connect/practice", "session=" + w.ID, "", nil, 200},
		{"GET /connect/Choose", "hostname=us.choice.example", "", nil, 200},
		{"GET /connect/elsewhere", "", "", nil, 400},
		{"GET /connect/nowhere", "", "", nil, 404},
		{"GET /connect/no.name", "", "", nil, 404},
		{"POST /connect/practicekey", "", "fields[apiKey]=" + practicecrm.APIKey, form, 200},
		{"POST /connect/practicekey", "", "fields[apiKey]=wrong", form, 400},
		{"POST /connect/practicekey", "", "fields[apiKey]=" + practicecrm.APIKey, form[:2], 403},
		{"POST /connect/nowhere", "", "", form, 404},
		{"POST /connect/practicekey", "", "{}", []string{"Content-Type", "text/plain", "Sec-Fetch-Site", "same-origin"}, 415},
		{"GET /ui/page.js", "", "", nil, 200},
		{"GET /ui/style.css", "", "", nil, 200},
		{"GET /ui/icon.svg", "", "", nil, 200},
		{"GET /ui/other.js", "", "", nil, 404},
		{"POST /authSession", "", `{"platform":"nowhere"}`, nil, 404},
		{"POST /authSession", "", `{"platform":"paste","hostname":"evil.example"}`, nil, 400},
		{"POST /authSession", "", `{}`, nil, 400},
		{"GET /authSession/" + w.ID, "", "", nil, 403},
		{"GET /authSession/no.id", "", "", nil, 404},
	} {
		v.take(c)
	}
	other.take(step{"GET /connect/practice", "session=" + w.ID, "", nil, 403})
	landed := v.landing("practice", "ada", url.Values{"session": {w.ID}})
	other.take(step{"GET /redirect.html", strings.TrimPrefix(landed, "/redirect.html?"), "", nil, 400})
	v.take(step{"GET /redirect.html", strings.TrimPrefix(landed, "/redirect.html?"), "", nil, 200})
	v.take(step{"GET /authSession/" + w.ID, "", "", poll, 200})
	v.take(step{"GET /authSession/" + w.ID, "", "", poll, 200})
}

// operated starts a gate without RingCentral and without an application, and returns a token from its operator.
func operated(t *testing.T) (g *gate, operator string) {
	t.Helper()
	token, line, err := identity.NewAdminToken("ops", []string{"acme"})
	edgetest.Must(t, err)
	file := filepath.Join(t.TempDir(), "admins")
	edgetest.Must(t, os.WriteFile(file, []byte(line), 0o600))
	return organised(t, func(f *edgetest.Options) { f.AdminTokenFile, f.RingCentralURL = file, "" }), token.Reveal()
}

// answersToOtherAccounts uses the operator's token for an account that it is not valid for.
func (g *gate) answersToOtherAccounts(operator string) {
	g.t.Helper()
	g.take(step{"GET /authUrl", "platform=practice", "", rc(operator), 404})
	for _, c := range []step{
		{"GET /authUrl", "platform=practice", "", nil, 403},
		{"POST /apiKeyLogin", "", `{"platform":"practicekey","apiKey":"x"}`, nil, 403},
		{"GET /apiKeyManagedAuthState", "platform=practicekey", "", nil, 403},
		{"GET /oauthManagedAuthState", "platform=practice", "", nil, 403},
		{"POST /admin/managedOAuth/cache", "", `{}`, nil, 403},
		{"GET /user/preloadSettings", "", "", nil, 403},
		{"POST /authSession", "", `{"platform":"practicekey"}`, nil, 403},
	} {
		c.header = rc("other:" + operator)
		g.take(c)
	}
}

// example returns the document's example of an operation's body.
func (g *gate) example(operation string) string {
	g.t.Helper()
	doc, err := openAPI()
	edgetest.Must(g.t, err)
	method, path, _ := strings.Cut(operation, " ")
	b, err := json.Marshal(doc.Paths.Value(path).GetOperation(method).RequestBody.Value.Content.Get("application/json").Example)
	edgetest.Must(g.t, err)
	return string(b)
}
