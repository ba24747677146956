package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// The organisation's own application at the practice CRM.
const (
	ownClient = "acme-client"
	ownSecret = "acme-secret+/%~="
)

// organised starts a gate without an application for the practice CRM, so that each organisation enters its own.
func organised(t *testing.T, change ...func(*edgetest.Options)) *gate {
	t.Helper()
	g := newGate(t, append([]func(*edgetest.Options){func(f *edgetest.Options) {
		file := filepath.Join(f.Connectors, "practice.json")
		b, err := os.ReadFile(file)
		edgetest.Must(t, err)
		text := strings.NewReplacer(`"clientId": "practice-client"`, `"adminManaged": {"enabled": true}`, `"config"`,
			`"revoke": {"url": "`+f.Settings["PRACTICE_URL"]+`/oauth/revoke"}, "config"`).Replace(string(b))
		edgetest.Must(t, os.WriteFile(file, []byte(text), 0o600))
		delete(f.Settings, "PRACTICE_CLIENT_SECRET")
	}}, change...)...)
	g.CRM.Register(ownClient, ownSecret)
	return g
}

// organisation makes a request of a route of section 5; rc is the RingCentral token.
func (g *gate) organisation(method, path, rc, body string) answer {
	g.t.Helper()
	return g.do(method, path, body, "X-RC-Access-Token", rc, "Content-Type", map[bool]string{true: "application/json"}[body != ""])
}

func entered(client, secret, more string) string {
	return `{"values":{"clientId":"` + client + `","clientSecret":"` + secret + `"` + more + `}}`
}

const (
	cachePath   = "/admin/managedOAuth/cache"
	accountPath = "/admin/managedOAuth/account?platform=practice"
	statePath   = "/oauthManagedAuthState?platform=practice"
	done        = `{"successful":true}`
)

// enter has the admin enter the organisation's application.
func (g *gate) enter(client, secret string) {
	g.t.Helper()
	g.organisation("POST", cachePath, practicecrm.RCAdminToken, entered(client, secret, "")).want(g.t, 200, done)
}

// managed signs a person in with their RingCentral token, by an authorization URL of the server.
func (g *gate) managed(person, rc string) answer {
	g.t.Helper()
	a := g.get("/authUrl?platform=practice&mode=bound", "X-RC-Access-Token", rc)
	var c edgetest.Composed
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.AuthURL == "" {
		return a
	}
	return g.callback(g.land(c, person), c.LoginSecret)
}

// plainly signs a person in like App Connect's clients: they compose the URL from the answer of the state route.
func (g *gate) plainly(person, client, account string) answer {
	g.t.Helper()
	landed := g.land(edgetest.Composed{AuthURL: g.CRMURL + "/oauth/authorize?response_type=code&client_id=" + client + "&state=platform=practice&redirect_uri=" + g.URL + "/redirect.html"}, person)
	return g.get("/oauth-callback?callbackUri=" + landed + "&rcAccountId=" + account)
}

// ends checks that a session has ended.
func (g *gate) ends(what, session string) {
	g.t.Helper()
	if a := g.get("/hostname", bearer(session)...); a.status != 400 || a.body != noSession {
		g.t.Errorf("%s: %d %s", what, a.status, a.body)
	}
}

// lives checks that a session is good.
func (g *gate) lives(what, session string) {
	g.t.Helper()
	if a := g.get("/authValidation", bearer(session)...); a.status != 200 || !strings.Contains(a.body, `"successful":true`) {
		g.t.Errorf("%s: %d %s", what, a.status, a.body)
	}
}

func TestWireManagedOAuth(t *testing.T) {
	t.Parallel()
	const admin, user, other = practicecrm.RCAdminToken, practicecrm.RCUserToken, practicecrm.RCOtherAdminToken
	type step struct {
		name                   string
		method, path, rc, body string
		want                   answer
	}
	ok := func(body string) answer { return answer{200, nil, body} }
	none := `"hasAccountOAuth":false,"hasPendingOAuth":false}`
	// The endpoints that an admin need not enter come from the connector and the manifest.
	endpointsOf := func(g *gate) string {
		return `"accessTokenUri":"` + g.CRMURL + `/oauth/token","authorizationUri":"` + g.CRMURL + `/oauth/authorize"`
	}
	pendingOf := func(g *gate) string {
		return `{"isAdmin":true,"hasAccountOAuth":false,"hasPendingOAuth":true,"pendingValues":{` + endpointsOf(g) + `,"clientId":"acme-client","clientSecret":"********"}}`
	}
	missing := answer{400, nil, errorBody("Request failed with status code 401")}
	notAdmin := answer{403, nil, "Admin validation failed"}
	run := func(t *testing.T, g *gate, steps []step) {
		t.Helper()
		for _, s := range steps {
			a := g.organisation(s.method, s.path, s.rc, s.body)
			if a.status != s.want.status || a.body != s.want.body {
				t.Errorf("%s:\ngot  %d %s\nwant %d %s", s.name, a.status, a.body, s.want.status, s.want.body)
			}
		}
	}
	t.Run("state", func(t *testing.T) {
		t.Parallel()
		g := organised(t)
		run(t, g, []step{
			{"managedState: no platform", "GET", "/oauthManagedAuthState", "", "", answer{400, nil, "Missing platform name"}},
			{"managedState: no token", "GET", statePath, "", "", answer{400, nil, "Missing RingCentral access token"}},
			{"managedState: a wrong token", "GET", statePath, "wrong", "", missing},
			{"managedState: no application", "GET", statePath, user, "", ok(`{"isAdmin":false,` + none)},
			{"managedState: an unknown platform", "GET", "/oauthManagedAuthState?platform=nowhere", admin, "", ok(`{"isAdmin":true,` + none)},
			{"no token enters", "POST", cachePath, "", entered(ownClient, ownSecret, ""), missing},
			{"a user enters", "POST", cachePath, user, entered(ownClient, ownSecret, ""), notAdmin},
			{"a user drops", "DELETE", cachePath, user, "", notAdmin},
			{"removeApp: a user removes", "DELETE", "/admin/managedOAuth/account", user, "", notAdmin},
			{"removeApp: no platform", "DELETE", "/admin/managedOAuth/account", admin, "", answer{400, nil, "Missing platform name"}},
			{"enterApp: entered", "POST", cachePath, admin, entered(ownClient, ownSecret, `,"unknown":"x","scopes":""`), ok(done)},
			{"7.13 the state for an admin", "GET", statePath, admin, "", ok(pendingOf(g))},
			{"managedState: another admin of the account", "GET", statePath, practicecrm.RCSecondToken, "", ok(pendingOf(g))},
			{"managedState: a user", "GET", statePath, user, "", ok(`{"isAdmin":false,` + none)},
			{"managedState: another organisation", "GET", statePath, other, "", ok(`{"isAdmin":true,` + none)},
			{"dropPendingApp: another organisation drops", "DELETE", cachePath, other, "", ok(done)},
			{"managedState: is still there", "GET", statePath, admin, "", ok(pendingOf(g))},
			{"dropPendingApp: dropped", "DELETE", cachePath, admin, "", ok(done)},
			{"dropPendingApp: gone", "GET", statePath, admin, "", ok(`{"isAdmin":true,` + none)},
			{"dropPendingApp: dropped twice", "DELETE", cachePath, admin, "", ok(done)},
			{"enterApp: entered again", "POST", cachePath, admin, entered(ownClient, ownSecret, ""), ok(done)},
			{"dropPendingApp: no values", "POST", cachePath, admin, `{"values":{"clientId":"","unknown":"x"}}`, ok(done)},
			{"dropPendingApp: gone again", "GET", statePath, admin, "", ok(`{"isAdmin":true,` + none)},
		})
		g.enter(ownClient, ownSecret)
		g.Pass(24*time.Hour + time.Second)
		run(t, g, []step{{"enterApp: a day is over", "GET", statePath, admin, "", ok(`{"isAdmin":true,` + none)}})
	})
	t.Run("7.31 the form shows what is wrong", func(t *testing.T) {
		t.Parallel()
		g := organised(t)
		for _, c := range []struct{ name, body, want string }{
			{"7.31 a wrong secret", entered(ownClient, "wrong", ""), "Practice CRM does not accept this application."},
			{"7.31 a wrong id", entered("wrong", ownSecret, ""), "Practice CRM does not accept this application."},
			{"7.31 no id", `{"values":{"clientSecret":"x"}}`, `Expected "clientId" to exist`},
			{"7.31 a token endpoint of another host", entered(ownClient, ownSecret, `,"accessTokenUri":"https://evil.example/token"`), notAnAddress("evil.example", "Practice CRM")},
			{"7.31 an authorization endpoint of another host", `{"platform":"practice",` + entered(ownClient, ownSecret, `,"authorizationUri":"https://evil.example/"`)[1:], notAnAddress("evil.example", "Practice CRM")},
			{"7.31 a script for a URL", `{"platform":"practice",` + entered(ownClient, ownSecret, `,"authorizationUri":"javascript:alert(1)"`)[1:], notAnAddress("javascript:alert(1)", "Practice CRM")},
			{"7.31 a value with a line break", entered(ownClient, `a\nb`, ""), "single line"},
			{"7.31 a value that is too long", entered(strings.Repeat("x", 5000), "x", ""), "at most 4096 bytes"},
			{"7.31 not a text", `{"values":{"clientId":["a"]}}`, "wrong type"},
			{"7.31 a list of what is not a text", `{"values":{"clientId":"a","scopes":[["a"]]}}`, "wrong type"},
			{"7.31 7.42 a number", `{"values":{"clientId":7}}`, "Practice CRM does not accept this application."},
			{"7.14 a platform without OAuth", `{"platform":"practicekey",` + entered(ownClient, ownSecret, "")[1:], "API key"},
			{"7.14 an unknown platform", `{"platform":"nowhere",` + entered(ownClient, ownSecret, "")[1:], "Connector not found"},
		} {
			before := g.CRM.Counts().Token
			g.organisation("POST", cachePath, admin, c.body).wantError(t, 400, c.want)
			if n := g.CRM.Counts().Token - before; n > 1 {
				t.Errorf("%s: %d requests", c.name, n)
			}
		}
		if a := g.organisation("GET", statePath, admin, ""); a.body != `{"isAdmin":true,`+none {
			t.Errorf("something was stored: %s", a.body)
		}
		for _, mood := range []practicecrm.Mood{{Status: 503}, {CutBefore: true}} { // the CRM cannot check the secret
			g.CRM.SetMood(mood)
			g.enter(ownClient, "cannot be tried")
		}
		for sent, want := range map[string]string{
			`["read","write"]`: `,"scopes":"read write"`, `"read write"`: `,"scopes":"read write"`, `["read"]`: `,"scopes":"read"`, `""`: "", `[]`: "", `null`: "", `[7,true]`: `,"scopes":"7 true"`,
		} {
			body := `{"platform":"practice","values":{"clientId":12345678901234567890,"clientSecret":true,"other":{},"scopes":` + sent + `}}`
			g.organisation("POST", cachePath, admin, body).want(t, 200, done)
			if a := g.organisation("GET", statePath, admin, ""); !strings.Contains(a.body, `"clientId":"12345678901234567890","clientSecret":"********"`+want+`}`) {
				t.Errorf("scopes %s: the application is %s", sent, a.body)
			}
		}
	})
	t.Run("life", func(t *testing.T) {
		t.Parallel()
		g := organised(t)
		a := g.managed("ada", user)
		a.wantError(t, 404, "ask your administrator")
		g.enter(ownClient, ownSecret)
		if a := g.managed("grace", user); a.status != 404 {
			t.Errorf("3.1.7c a user tries the admin's application by a bound sign-in: %d %s", a.status, a.body)
		}
		mine := g.token(g.managed("ada", admin))
		run(t, g, []step{
			{"3.1.12a confirmed", "GET", statePath, user, "", ok(`{"isAdmin":false,"hasAccountOAuth":true,"hasPendingOAuth":false,"oauthValues":{` + endpointsOf(g) + `,"clientId":"acme-client"}}`)},
			{"managedState: the confirmed application is used", "POST", cachePath, admin, entered(ownClient, ownSecret, ""), ok(done)},
			{"managedState: another application is pending", "GET", statePath, admin, "", ok(`{"isAdmin":true,"hasAccountOAuth":true,"hasPendingOAuth":false,"oauthValues":{` + endpointsOf(g) + `,"clientId":"acme-client"}}`)},
			{"managedState: another organisation", "GET", statePath, other, "", ok(`{"isAdmin":true,` + none)},
		})
		theirs := g.token(g.managed("grace", user))
		plain := g.token(g.plainly("alan", ownClient, "1"))
		g.Pass(2 * time.Hour)
		for what, session := range map[string]string{"7.20 the admin": mine, "7.20 a user": theirs, "3.1.7c by App Connect's client": plain} {
			g.lives(what, session)
		}
		if n := g.CRM.Counts(); n.Refreshes != 3 || n.Reuses != 0 {
			t.Errorf("7.20 %d refreshes with the organisation's application", n.Refreshes)
		}
		revoked := g.CRM.Counts().Revoke
		run(t, g, []step{{"7.30 removed", "DELETE", accountPath, admin, "", ok(done)}, {"7.30 gone", "GET", statePath, admin, "", ok(`{"isAdmin":true,` + none)}})
		for what, session := range map[string]string{"7.30 the admin": mine, "7.30 a user": theirs, "7.30 by App Connect's client": plain} {
			g.ends(what, session)
		}
		for deadline := time.Now().Add(inTime); g.CRM.LiveRefreshOf("ada")+g.CRM.LiveRefreshOf("grace")+g.CRM.LiveRefreshOf("alan") > 0; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("removeApp: its grants are still valid at the CRM (%d revocations)\n%s", g.CRM.Counts().Revoke-revoked, g.Log)
			}
		}
	})
	t.Run("3.1.12a App Connect's own client", func(t *testing.T) {
		t.Parallel()
		g := organised(t)
		g.enter(ownClient, ownSecret)
		g.plainly("ada", ownClient, "2").wantTold(t, "clientId") // of another account
		if a := g.organisation("GET", statePath, admin, ""); a.body != pendingOf(g) {
			t.Errorf("3.1.12a the application is not pending after a failure: %s", a.body)
		}
		session := g.token(g.plainly("ada", ownClient, "1"))
		g.lives("7.1 with the application that is still pending", session)
		if a := g.organisation("GET", statePath, admin, ""); a.body != pendingOf(g) {
			t.Errorf("7.1 an account without proof confirms the application: %s", a.body)
		}
		g.get("/admin/settings", append(bearer(session), "X-RC-Access-Token", admin)...).want(t, 200, `{"customConnector":null,"userSettings":{}}`)
		if a := g.organisation("GET", statePath, user, ""); !strings.Contains(a.body, `"hasAccountOAuth":true`) {
			t.Errorf("7.1 the proof does not confirm the application: %s", a.body)
		}
		g.lives("7.1 after the proof", session)
		g.wantAudit("managed app/admin/ok//practice//", "sign-in/oauth/error/no app/practice//",
			"sign-in/oauth/ok/unproven account/practice/1-practice/1", "proof/person/ok//practice/1-practice/1", "promotion/person/ok//practice/1-practice/1")
	})
	t.Run("the placeholder", func(t *testing.T) {
		t.Parallel()
		g := organised(t)
		run(t, g, []step{{"7.13 nothing is stored", "POST", cachePath, admin, entered(ownClient, "********", ""), answer{400, nil, errorBody("No client secret is stored. Enter it.")}}})
		g.enter(ownClient, ownSecret)
		g.CRM.Register("other-client", ownSecret)
		another := answer{400, nil, errorBody("You changed the client ID, the token URL or the host name. Enter the client secret again.")}
		run(t, g, []step{
			{"7.13 for a pending application", "POST", cachePath, admin, entered(ownClient, "********", `,"scopes":"read"`), ok(done)},
			{"7.13 the values that were shown", "POST", cachePath, admin, entered(ownClient, "********", `,`+endpointsOf(g)), ok(done)},
			{"7.13 another id", "POST", cachePath, admin, entered("other-client", "********", ""), another},
			{"7.13 another token URL", "POST", cachePath, admin, entered(ownClient, "********", `,"accessTokenUri":"`+g.CRMURL+`/oauth/refresh"`), another},
			{"7.13 another host", "POST", cachePath, admin, entered(ownClient, "********", `,"hostname":"evil.example"`), another},
		})
		g.token(g.managed("ada", admin))
	})
	t.Run("7.14 two platforms", func(t *testing.T) {
		t.Parallel()
		g := organised(t, func(f *edgetest.Options) {
			plain, err := os.ReadFile(filepath.Join(f.Connectors, "practice.json"))
			edgetest.Must(t, err)
			practices(t, f, f.Settings["PRACTICE_URL"], "")
			text := strings.NewReplacer(`"practice": {`, `"practicz": {`, "PRACTICE_", "PRACTICZ_", `"adminManaged": {"enabled": true}`, `"clientId": "practice-client"`).Replace(string(plain))
			edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, "practicz.json"), []byte(text), 0o600))
			wasm, err := os.ReadFile(filepath.Join(f.Connectors, "practice.wasm"))
			edgetest.Must(t, err)
			edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, "practicz.wasm"), []byte(strings.ReplaceAll(string(wasm), "PRACTICE_", "PRACTICZ_")), 0o600))
			f.Settings["PRACTICZ_URL"], f.Settings["PRACTICZ_CLIENT_SECRET"] = f.Settings["PRACTICE_URL"], practicecrm.ClientSecret
		})
		g.Freeze()
		g.organisation("POST", cachePath, admin, entered(ownClient, ownSecret, "")).wantError(t, 400, "The platform of this application is not clear")
		run(t, g, []step{
			{"7.14 named in the query", "POST", cachePath + "?platform=practice", admin, entered(ownClient, ownSecret, ""), ok(done)},
			{"7.14 the other platform", "GET", "/oauthManagedAuthState?platform=practicb", admin, "", ok(`{"isAdmin":true,` + none)},
			{"7.14 its own", "GET", statePath, admin, "", ok(pendingOf(g))},
			{"7.14 named in the body", "POST", cachePath, admin, `{"platform":"practicb",` + entered(ownClient, ownSecret, "")[1:], ok(done)},
		})
		g.token(g.managed("ada", admin))
		run(t, g, []step{{"3.1.12a the other platform's application is not confirmed", "GET", "/oauthManagedAuthState?platform=practicb", admin, "", ok(pendingOf(g))}})

		// Both platforms, and one to which organisations bring no application, have these endpoints.
		endpoints := `,"accessTokenUri":"` + g.CRMURL + `/oauth/token"`
		enter := func(secret string) answer {
			return g.organisation("POST", cachePath, other, entered(ownClient, secret, endpoints))
		}
		seen := func(platform, rc string) bool {
			return strings.Contains(g.organisation("GET", "/oauthManagedAuthState?platform="+platform, rc, "").body, "pendingValues")
		}
		const unclear = "The platform of this application is not clear"
		enter(ownSecret).wantError(t, 400, unclear)
		for _, step := range []struct{ name, platform, rc string }{
			{"another organisation's admin names one", "practicb", admin}, {"nobody can bring an application to the one that is named", "practicz", other},
			{"a platform without OAuth", "practicekey", other},
		} {
			seen(step.platform, step.rc)
			if a := enter(ownSecret); !strings.Contains(a.body, unclear) {
				t.Errorf("7.14 %s: %d %s", step.name, a.status, a.body)
			}
		}
		seen("practicb", other)
		g.Pass(10 * time.Minute)
		enter(ownSecret).wantError(t, 400, unclear)
		seen("practice", other)
		seen("practicb", other) // the last one counts
		g.Pass(10*time.Minute - time.Second)
		enter("wrong").wantError(t, 400, "does not accept this application")
		enter(ownSecret).want(t, 200, done)
		if seen("practice", other) || seen("practicz", other) || !seen("practicb", other) {
			t.Error("7.14 the application is not bound to the platform that was named last")
		}
		enter(crmgate.Placeholder).want(t, 200, done)
		g.organisation("GET", "/oauthManagedAuthState?platform=practice", other, "")
		g.organisation("POST", cachePath, other, entered(ownClient, ownSecret, `,"accessTokenUri":"https://evil.example/token"`)).wantError(t, 400, notAnAddress("evil.example", "Practice CRM"))
	})
}

// TestShownEndpoints: an admin enters only a client id and a secret. The answer has all that clients need for the URL.
func TestShownEndpoints(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{
		"wire":      {},
		"wireown":   {"getOauthInfo": `{"clientId":"x","clientSecret":"y","accessTokenUri":"$CRM/token","authorizationUri":"$CRM/own","scopes":"read write"}`},
		"wirelater": {},
	})
	w.endpoint.says(400, `{"error":"invalid_grant"}`) // the answer to a made-up code
	url := w.endpoint.URL
	const client = `"clientId":"acme-client","clientSecret":"********"`
	for _, c := range []struct{ name, platform, more, want string }{
		{"5.2a from the manifest", "wire", "", `"accessTokenUri":"` + url + `/token","authorizationUri":"` + url + `/authorize",` + client},
		{"5.2a from the connector", "wireown", "", `"accessTokenUri":"` + url + `/token","authorizationUri":"` + url + `/own",` + client + `,"scopes":"read write"`},
		{"5.2a from the admin", "wireown", `,"authorizationUri":"` + url + `/ours","scopes":"all"`, `"accessTokenUri":"` + url + `/token","authorizationUri":"` + url + `/ours",` + client + `,"scopes":"all"`},
		{"5.2a from a connector that fails", "wirelater", "", `"authorizationUri":"` + url + `/authorize",` + client},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := "?platform=" + c.platform
			w.organisation("POST", cachePath+at, practicecrm.RCAdminToken, entered(ownClient, ownSecret, c.more)).want(t, 200, done)
			if c.platform == "wirelater" {
				w.swap(c.platform, guest{"getOauthInfo": `!{"message":"Not now."}`})
			}
			w.organisation("GET", "/oauthManagedAuthState"+at, practicecrm.RCAdminToken, "").want(t, 200, `{"isAdmin":true,"hasAccountOAuth":false,"hasPendingOAuth":true,"pendingValues":{`+c.want+`}}`)
		})
	}
}

// TestManagedSecretsStay: no answer and no log line contains the secret of an organisation's application.
func TestManagedSecretsStay(t *testing.T) {
	t.Parallel()
	g := organised(t)
	var answers strings.Builder
	see := func(a answer) { answers.WriteString(a.body) }
	for _, secret := range []string{ownSecret, "wrong-" + ownSecret} {
		see(g.organisation("POST", cachePath, practicecrm.RCAdminToken, entered(ownClient, secret, "")))
	}
	see(g.organisation("GET", statePath, practicecrm.RCAdminToken, ""))
	see(g.managed("ada", practicecrm.RCAdminToken))
	see(g.organisation("GET", statePath, practicecrm.RCAdminToken, ""))
	see(g.organisation(http.MethodDelete, accountPath, practicecrm.RCAdminToken, ""))
	g.Stop()
	for where, text := range map[string]string{"an answer": answers.String(), "the log": g.Log.String()} {
		if strings.Contains(text, "acme-secret") {
			t.Errorf("the secret is in %s: %s", where, text)
		}
	}
}

// TestAdminTokens: an installation has admins of its own, beside those of RingCentral or in place of them.
func TestAdminTokens(t *testing.T) {
	t.Parallel()
	token, line, err := identity.NewAdminToken("ops", []string{"acme"})
	edgetest.Must(t, err)
	file := filepath.Join(t.TempDir(), "admins")
	edgetest.Must(t, os.WriteFile(file, []byte(line), 0o600))
	t.Run("1.2g beside RingCentral", func(t *testing.T) {
		g := organised(t, func(f *edgetest.Options) { f.AdminTokenFile = file })
		admin := func(token string) {
			if a := g.organisation("GET", statePath, token, ""); a.status != 200 || !strings.HasPrefix(a.body, `{"isAdmin":true,`) {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		admin(token.Reveal())
		unknown, _, err := identity.NewAdminToken("ops", []string{"acme"})
		edgetest.Must(t, err)
		for _, sent := range []string{unknown.Reveal(), "acme:" + unknown.Reveal()} {
			g.organisation("GET", statePath, sent, "").want(t, 400, errorBody("This admin token is not valid."))
		}
		if n := g.CRM.Counts().RingCentral; n != 0 {
			t.Errorf("RingCentral got %d admin tokens", n)
		}
		admin(practicecrm.RCAdminToken)
	})
	g := organised(t, func(f *edgetest.Options) { f.AdminTokenFile, f.RingCentralURL = file, "" })
	t.Run("1.2h without RingCentral", func(t *testing.T) {
		g.organisation("GET", statePath, practicecrm.RCAdminToken, "").want(t, 400, errorBody("This is not an admin token, and this server does not accept tokens of RingCentral."))
	})
	g.organisation("POST", cachePath, token.Reveal(), entered(ownClient, ownSecret, "")).want(t, 200, done)
	session := g.token(g.managed("ada", token.Reveal()))
	g.token(g.plainly("grace", ownClient, "acme"))
	g.organisation("DELETE", accountPath, token.Reveal(), "").want(t, 200, done)
	g.ends("after the application was removed", session)
	if n := g.CRM.Counts().RingCentral; n != 0 {
		t.Errorf("RingCentral was asked %d times", n)
	}
}
