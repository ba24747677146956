package e2e_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

const (
	updated       = "Admin settings updated"
	emptySettings = `{"customConnector":null,"userSettings":{}}`
	noAdmin       = "Admin validation failed"
	// oddJSON is JSON that Go's encoder would write differently.
	oddJSON = `[12345678901234567890.10,1e999,"<&>\u00e9\ud800\/é"]`
)

// settled starts a gate with known hashes and a frozen clock.
func settled(t *testing.T) *gate {
	t.Helper()
	g := newGate(t, withSalt)
	g.Freeze()
	return g
}

// rc appends the header of a RingCentral token to those of a session.
func rc(token string, session ...string) []string { return append(session, "X-RC-Access-Token", token) }

// administer sets settings as the admin of account 1.
func (g *gate) administer(settings string) {
	g.t.Helper()
	g.postJSON("/admin/settings", `{"adminSettings":`+settings+`}`, rc(practicecrm.RCAdminToken)...).want(g.t, 200, updated)
}

// nested is JSON of objects in each other.
func nested(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }

func TestWireAdminSettings(t *testing.T) {
	t.Parallel()
	g := settled(t)
	session := bearer(g.oauth("ada"))
	read := func(t *testing.T) string {
		t.Helper()
		a := g.get("/admin/settings", rc(practicecrm.RCAdminToken, session...)...)
		if a.status != 200 {
			t.Errorf("%d %s", a.status, a.body)
		}
		return a.body
	}
	post := func(body, token string) answer {
		t.Helper()
		return g.postJSON("/admin/settings", body, rc(token)...)
	}
	stamp := func(d time.Duration) string { return g.Now().Add(d).UTC().Format("2006-01-02T15:04:05.000Z") }
	t.Run("adminSettings: nothing stored", func(t *testing.T) {
		g.get("/admin/settings", rc(practicecrm.RCAdminToken, session...)...).want(t, 200, emptySettings)
	})
	t.Run("setAdminSettings: nothing given", func(t *testing.T) {
		g.do("POST", "/admin/settings", "", rc(practicecrm.RCAdminToken)...).want(t, 200, updated)
		for _, body := range []string{`{}`, `[]`, `{"adminSettings":null}`, `{"adminSettings":{}}`} {
			post(body, practicecrm.RCAdminToken).want(t, 200, updated)
		}
		if got := read(t); got != emptySettings {
			t.Errorf("stored: %s", got)
		}
	})
	for _, c := range []struct {
		name   string
		token  string
		status int
		body   string
	}{
		{"setAdminSettings: not an admin", practicecrm.RCUserToken, 403, noAdmin},
		{"setAdminSettings: no token", "", 400, errorBody("Request failed with status code 401")},
		{"setAdminSettings: a bad token", "bad", 400, errorBody("Request failed with status code 401")},
	} {
		t.Run(c.name, func(t *testing.T) {
			post(`{"adminSettings":{"userSettings":{"a":{"value":1}}}}`, c.token).want(t, c.status, c.body)
			post(`{"adminSettings":5}`, c.token).want(t, c.status, c.body)
			g.get("/admin/settings", rc(c.token, session...)...).want(t, c.status, c.body)
			if got := read(t); got != emptySettings {
				t.Errorf("stored: %s", got)
			}
		})
	}
	t.Run("adminSettings: the session takes precedence", func(t *testing.T) {
		g.get("/admin/settings", rc("bad")...).want(t, 400, noSession)
		g.get("/admin/settings?jwtToken=bad", rc("bad")...).want(t, 400, "User not found")
	})
	t.Run("setAdminSettings: parts", func(t *testing.T) {
		g.administer(`{"userMappings":[{"a": 1}]}`)
		first := stamp(0)
		record := `{"id":"` + sha("1:salt") + `","userSettings":%s,"customAdapter":%s,"userMappings":%s,"createdAt":"` + first + `","updatedAt":"%s"}`
		if got, want := read(t), fmt.Sprintf(record, "{}", "null", `[{"a":1}]`, first); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		g.Pass(90 * time.Millisecond)
		g.postJSON("/admin/settings", `{"rcAccessToken":"Bearer `+practicecrm.RCAdminToken+`","adminSettings":{"userSettings":{"a":{"value":1}},"customAdapter":"x"}}`).want(t, 200, updated)
		if got, want := read(t), fmt.Sprintf(record, `{"a":{"value":1}}`, `"x"`, `[{"a":1}]`, stamp(0)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		g.administer(`{"userSettings":{"b":{"value":2}},"customAdapter":null}`)
		if got, want := read(t), fmt.Sprintf(record, `{"b":{"value":2}}`, "null", `[{"a":1}]`, stamp(0)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
	t.Run("7.10 other members", func(t *testing.T) {
		before := read(t)
		g.administer(`{"id":"` + sha("2:salt") + `","adminAccessToken":"canary","adminRefreshToken":"canary","adminTokenExpiry":"canary","createdAt":"canary","usersettings":{"canary":1},"__proto__":{"userSettings":{"canary":1}}}`)
		if got := read(t); got != before {
			t.Errorf("got  %s\nwant %s", got, before)
		}
		g.get("/user/preloadSettings?rcAccountId="+sha("2:salt")).want(t, 200, `{}`)
	})
	t.Run("7.10 another account", func(t *testing.T) {
		before := read(t)
		post(`{"rcAccountId":"`+sha("1:salt")+`","adminSettings":{"id":"`+sha("1:salt")+`","userSettings":{"theirs":{"value":1}}}}`, practicecrm.RCOtherAdminToken).want(t, 200, updated)
		if got := read(t); got != before {
			t.Errorf("got  %s\nwant %s", got, before)
		}
		g.get("/user/preloadSettings", rc(practicecrm.RCOtherToken)...).want(t, 200, `{"userSettings":{"theirs":{"value":1}}}`)
	})
	t.Run("6.1g a session of another account", func(t *testing.T) {
		c := g.compose("compat")
		token := g.token(g.get("/oauth-callback?callbackUri=" + url.QueryEscape(g.land(c, "grace")) + "&rcAccountId=2"))
		p, err := g.Edge.DB().Person(t.Context(), crmgate.UserKey{Platform: "practice", ID: "2-practice"})
		if edgetest.Must(t, err); p.User.Account != "2" {
			t.Fatalf("Grace's account is %q", p.User.Account)
		}
		g.get("/admin/settings", rc(practicecrm.RCAdminToken, bearer(token)...)...).want(t, 200, read(t))
		g.get("/admin/settings", rc(practicecrm.RCUserToken, bearer(token)...)...).want(t, 403, noAdmin)
	})
	for _, c := range []struct{ name, settings, want string }{
		{"7.32 a list", `[]`, "The body's adminSettings is of the wrong type."},
		{"7.32 a text", `"x"`, "The body's adminSettings is of the wrong type."},
		{"7.32 a list of settings", `{"userSettings":[],"customAdapter":1}`, "The body's adminSettings.userSettings is of the wrong type."},
		{"7.32 a text as settings", `{"userSettings":"{}"}`, "The body's adminSettings.userSettings is of the wrong type."},
		{"7.32 too large", `{"userMappings":"` + strings.Repeat("x", 256<<10) + `"}`, "The settings are larger than 256 KB."},
		{"7.32 too large with the stored settings", `{"customAdapter":"` + strings.Repeat("x", 256<<10-25) + `"}`, "The settings are larger than 256 KB."},
		{"7.32 too deep", `{"userMappings":` + nested(100) + `}`, "The body's adminSettings is nested more than 100 levels deep."},
		{"7.32 as deep as JSON goes", `{"userMappings":` + nested(9_990) + `}`, "The body's adminSettings is nested more than 100 levels deep."},
		{"7.32 deeper", nested(100_000), "The body is not a JSON object."},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := read(t)
			post(`{"adminSettings":`+c.settings+`}`, practicecrm.RCAdminToken).want(t, 400, errorBody(c.want))
			if got := read(t); got != before {
				t.Errorf("got  %s\nwant %s", got, before)
			}
		})
	}
	t.Run("6.1h as they were written", func(t *testing.T) {
		g.administer(`{"userSettings": {"a&":{"value": ` + oddJSON + ` }}, "customAdapter":` + nested(99) + `,"userMappings":` + oddJSON + `}`)
		got := read(t)
		for _, want := range []string{`"userSettings":{"a&":{"value":` + oddJSON + `}},`, `"customAdapter":` + nested(99), `"userMappings":` + oddJSON} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in %s", want, got)
			}
		}
	})
	t.Run("6.1i at the same time", func(t *testing.T) {
		g.administer(`{"userSettings":null,"customAdapter":null,"userMappings":null}`)
		var all sync.WaitGroup
		for _, part := range []string{`"userSettings":{}`, `"customAdapter":1`, `"userMappings":2`} {
			all.Go(func() { g.administer("{" + part + "}") })
		}
		all.Wait()
		if got := read(t); !strings.Contains(got, `"userSettings":{},"customAdapter":1,"userMappings":2,`) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("the audit log", func(t *testing.T) {
		entries := 0
		edgetest.Must(t, g.directory().Audit(t.Context(), time.Time{}, "", "", func(e operator.AuditEntry) error {
			if e.What == "administration" && e.By == "admin" && e.Outcome == "ok" && e.AccountHash != "" {
				entries++
			}
			return nil
		}))
		if entries != 9 {
			t.Errorf("%d entries, want one for each of the 9 changes", entries)
		}
	})
	if strings.Contains(g.Log.String(), practicecrm.RCAdminToken) || strings.Contains(g.Log.String(), `"value"`) {
		t.Error("a token, or settings, are in the log")
	}
}

func TestWireUserSettings(t *testing.T) {
	t.Parallel()
	g := settled(t)
	session := bearer(g.oauth("ada"))
	hash := "?rcAccountId=" + sha("1:salt")
	change := func(body string) answer {
		t.Helper()
		return g.postJSON("/user/settings", body, session...)
	}
	effective := func(query string, header ...string) answer {
		t.Helper()
		return g.get("/user/settings"+query, append(header, session...)...)
	}
	t.Run("preloadSettings: no account", func(t *testing.T) {
		for _, query := range []string{"", "?rcAccountId=", "?rcAccessToken="} {
			g.get("/user/preloadSettings"+query).want(t, 400, "Cannot find rc user login")
		}
	})
	t.Run("preloadSettings: a bad token", func(t *testing.T) {
		g.get("/user/preloadSettings?rcAccessToken=bad").want(t, 400, errorBody("Request failed with status code 401"))
	})
	t.Run("preloadSettings: nothing set", func(t *testing.T) {
		g.get("/user/preloadSettings"+hash).want(t, 200, `{}`)
		g.get("/user/preloadSettings", rc(practicecrm.RCUserToken)...).want(t, 200, `{}`)
		g.administer(`{"userMappings":[]}`)
		g.get("/user/preloadSettings"+hash).want(t, 200, `{}`)
	})
	t.Run("settings: nothing set", func(t *testing.T) {
		effective("").want(t, 200, `{}`)
		effective(hash).want(t, 200, `{}`)
	})
	t.Run("changeSettings: nothing given", func(t *testing.T) {
		g.do("POST", "/user/settings", "", session...).want(t, 200, `{"userSettings":{}}`)
		for _, body := range []string{`{}`, `[]`, `{"userSettings":null,"settingKeysToRemove":null}`, `{"userSettings":{},"settingKeysToRemove":[]}`} {
			change(body).want(t, 200, `{"userSettings":{}}`)
		}
	})
	t.Run("changeSettings: set and removed", func(t *testing.T) {
		change(`{"userSettings":{"a":{"value":1},"b":{"value":2}}}`).want(t, 200, `{"userSettings":{"a":{"value":1},"b":{"value":2}}}`)
		change(`{"userSettings":{"a":{"value":3},"c":4,"d":5},"settingKeysToRemove":["b","d","nowhere"]}`).want(t, 200, `{"userSettings":{"a":{"value":3},"c":4}}`)
		change(`{"settingKeysToRemove":["c"]}`).want(t, 200, `{"userSettings":{"a":{"value":3}}}`)
	})
	t.Run("settings: no organisation's", func(t *testing.T) {
		own := `{"a":{"value":3}}`
		for _, query := range []string{"", hash, "?rcAccessToken=" + practicecrm.RCOtherToken, "?rcAccessToken=bad", "?rcAccountId=nobody"} {
			effective(query).want(t, 200, own)
		}
		g.CRM.SetMood(practicecrm.Mood{RingCentral: "500"})
		effective("?rcAccessToken="+practicecrm.RCUserToken+"2").want(t, 200, own)
		g.CRM.SetMood(practicecrm.Mood{})
	})
	g.administer(`{"userSettings":{"a":{"customizable":true,"value":1},"b":{"value":2},"plugin_p":{"customizable":true,"value":{"config":{"k":{"value":1}}}}}}`)
	preloaded := `{"userSettings":{"a":{"customizable":true,"value":1},"b":{"value":2},"plugin_p":{"customizable":true,"value":{"config":{"k":{"value":1}}}}}}`
	t.Run("preloadSettings: set", func(t *testing.T) {
		g.get("/user/preloadSettings"+hash).want(t, 200, preloaded)
		g.get("/user/preloadSettings", rc(practicecrm.RCUserToken)...).want(t, 200, preloaded)
		g.get("/user/preloadSettings?rcAccessToken="+practicecrm.RCAdminToken).want(t, 200, preloaded)
		g.get("/user/preloadSettings", rc(practicecrm.RCOtherToken)...).want(t, 200, `{}`)
	})
	t.Run("preloadSettings: the hash wins", func(t *testing.T) {
		g.get("/user/preloadSettings"+hash, rc("bad")...).want(t, 200, preloaded)
		g.get("/user/preloadSettings?rcAccountId=nobody", rc(practicecrm.RCUserToken)...).want(t, 200, `{}`)
	})
	change(`{"userSettings":{"b":{"value":4},"c":{"value":5},"plugin_p":{"value":{"config":{"k":{"value":2},"l":{"value":3}}}}}}`)
	merged := `{"a":{"customizable":true,"value":3},"b":{"value":2},"c":{"customizable":true,"value":5},` +
		`"plugin_p":{"customizable":true,"value":{"config":{"k":{"value":1},"l":{"customizable":true,"value":3}}}}}`
	for name, a := range map[string]answer{
		"6.2d 6.2e by the hash": effective(hash), "6.2d 6.2e by a token": effective("", rc(practicecrm.RCUserToken)...),
		"6.2d 6.2e by a token in the query": effective("?rcAccessToken=" + practicecrm.RCUserToken),
	} {
		t.Run(name, func(t *testing.T) { a.want(t, 200, merged) })
	}
	t.Run("6.2d removed", func(t *testing.T) {
		g.administer(`{"userSettings":{"a":{"isRemoved":true},"plugin_p":{"isRemoved":true}}}`)
		effective(hash).want(t, 200, `{"b":{"customizable":true,"value":4},"c":{"customizable":true,"value":5}}`)
	})
	t.Run("6.2f a person without settings", func(t *testing.T) {
		g.administer(`{"userSettings":{"a":{"customizable":true,"value":1},"b":null}}`)
		g.get("/user/settings"+hash, bearer(g.oauth("grace"))...).want(t, 200, `{"a":{"customizable":true,"value":1}}`)
	})
	for _, c := range []struct{ name, body, want string }{
		{"7.32 a list", `{"userSettings":[1]}`, "The body's userSettings is of the wrong type."},
		{"7.32 a text", `{"userSettings":"x"}`, "The body's userSettings is of the wrong type."},
		{"7.32 names that are not strings", `{"settingKeysToRemove":[{}]}`, "The body's settingKeysToRemove is of the wrong type."},
		{"7.32 names that are not a list", `{"settingKeysToRemove":"a"}`, "The body's settingKeysToRemove is of the wrong type."},
		{"7.32 too large", `{"userSettings":{"x":"` + strings.Repeat("x", 64<<10) + `"}}`, "The settings are larger than 64 KB."},
		{"7.32 too large with the stored settings", `{"userSettings":{"x":"` + strings.Repeat("x", 64<<10-10) + `"}}`, "The settings are larger than 64 KB."},
		{"7.32 too deep", `{"userSettings":` + nested(101) + `}`, "The body's userSettings is nested more than 100 levels deep."},
		{"7.32 as deep as JSON goes", `{"userSettings":` + nested(9_990) + `}`, "The body's userSettings is nested more than 100 levels deep."},
		{"7.32 deeper", `{"userSettings":` + nested(100_000) + `}`, "The body is not a JSON object."},
		{"7.32 not JSON", `{"userSettings":{"a":01}}`, "The body is not a JSON object."},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := effective("").body
			change(c.body).want(t, 400, errorBody(c.want))
			effective("").want(t, 200, before)
		})
	}
	t.Run("6.1h as they were written", func(t *testing.T) {
		change(`{"userSettings":{"o&":{"value": ` + oddJSON + `,"options":` + nested(98) + `}}}`)
		for _, query := range []string{"", hash} {
			if a := effective(query); !strings.Contains(a.body, `"value":`+oddJSON) || !strings.Contains(a.body, `"options":`+nested(98)) || !strings.Contains(a.body, `"o&":`) {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	})
	t.Run("6.2j at the same time", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { change(fmt.Sprintf(`{"userSettings":{"n%d":%d}}`, i, i)) })
		}
		all.Wait()
		if n := strings.Count(effective("").body, `"n`); n != 20 {
			t.Errorf("%d of 20 settings are left", n)
		}
	})
	t.Run("6.2k after a logout", func(t *testing.T) {
		before := effective("").body
		g.do("POST", "/unAuthorize", "", session...)
		change(`{"userSettings":{"late":1}}`).want(t, 400, noSession)
		session = bearer(g.oauth("ada"))
		effective("").want(t, 200, before)
	})
	t.Run("6.2k deleted", func(t *testing.T) {
		g.forget("practice", "1-practice")
		session = bearer(g.oauth("ada"))
		effective("").want(t, 200, `{}`)
		g.get("/user/preloadSettings"+hash).want(t, 200, `{"userSettings":{"a":{"customizable":true,"value":1},"b":null}}`)
	})
}
