package e2e_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// A form with a managed field of each kind. Values have fewer than six letters in tests that find them in the log.
const (
	keyField     = `{"const":"apiKey","managed":true,"required":true,"title":"API key","type":"string","uiSchema":{"ui:widget":"password"}}`
	companyField = `{"const":"companyId","managed":true,"managedFieldType":"dynamic","managedScope":"user","required":true}`
	teamField    = `{"const":"team","managed":true,"managedFieldType":"dynamic","managedScope":"account"}`
	formFields   = keyField + `,` + companyField + `,{"const":"region","required":true},` + teamField
)

func rcOf(token string) string { return `,"rcAccessToken":"` + token + `"` }

var (
	rcAdmin, rcUser      = rcOf(practicecrm.RCAdminToken), rcOf(practicecrm.RCUserToken)
	rcOther, rcElsewhere = rcOf(practicecrm.RCOtherToken), rcOf(practicecrm.RCOtherAdminToken)
)

// withFields starts a gate with two platforms that have the form, and one that refuses every person.
func withFields(t *testing.T) *wired {
	form := func(more guest) guest {
		g := guest{"getBasicAuth": `{"basic":"x"}`, "fields": formFields}
		for operation, answer := range more {
			g[operation] = answer
		}
		return g
	}
	return newWired(t, map[string]guest{
		"wirefields":  form(guest{"getManagedAuthOptions": `{"options":[{"value":7,"label":"Analytical Engines"},{"value":"8","label":9}]}`}),
		"wireother":   form(guest{"getManagedAuthOptions": `!{"message":"The company is not known."}`}),
		"wirerefused": form(guest{"getUserInfo": `{"successful":false,"returnMessage":{"message":"No."}}`, "getManagedAuthOptions": `{"options":"none"}`}),
		"wirebroken":  form(guest{"getUserInfo": `!{"message":"Oops."}`}),
		"wireplain":   {"getBasicAuth": `{"basic":"x"}`},
		"wirespare":   {"getBasicAuth": `{"basic":"x"}`, "fields": `{"const":"apiKey","managed":true}`},
	}, withKey)
}

// login posts a form.
func (w *wired) login(platform, members string) answer {
	w.t.Helper()
	return w.postJSON("/apiKeyLogin", `{"platform":"`+platform+`",`+members+`}`)
}

// filled posts a form as an admin. The server stores these values.
func (w *wired) filled(platform, key, rc string) string {
	w.t.Helper()
	return w.token(w.login(platform, `"additionalInfo":{"apiKey":"`+key+`","companyId":"c-1","region":"eu"}`+rc))
}

func (w *wired) state(platform, token string) answer {
	w.t.Helper()
	return w.get("/apiKeyManagedAuthState?platform=" + platform + "&connectorId=1&devRcAccountId=2&isPrivate=true&rcAccessToken=" + token)
}

func (w *wired) update(session, members string) answer {
	w.t.Helper()
	return w.postJSON("/admin/managedAuth", `{`+members+`}`, bearer(session)...)
}

// shared requests the values as an admin.
func (w *wired) shared(session, token string) answer {
	w.t.Helper()
	return w.get("/admin/managedAuth", append(bearer(session), "X-RC-Access-Token", token)...)
}

// wantKey checks which API key the person of a platform signed in with.
func (w *wired) wantKey(t *testing.T, platform, want string) {
	t.Helper()
	if got := w.person(platform).Grant.APIKey.Reveal(); got != want {
		t.Errorf("signed in with %q, want %q", got, want)
	}
}

const fieldsUpdated = "Shared authentication updated"

func stateBody(managed, satisfied bool, visible, missing string, fallback bool) string {
	return `{"hasManagedAuth":` + strconv.FormatBool(managed) + `,"allRequiredFieldsSatisfied":` + strconv.FormatBool(satisfied) +
		`,"visibleFieldConsts":` + visible + `,"missingRequiredFieldConsts":` + missing + `,"fallbackToManualAuth":` + strconv.FormatBool(fallback) + `}`
}

func missingBody(consts string) string {
	return `{"returnMessage":{"messageType":"warning","message":"Missing required authentication fields.","ttl":3000,"missingRequiredFieldConsts":[` + consts + `]}}`
}

func TestWireFieldsState(t *testing.T) {
	t.Parallel()
	w := withFields(t)
	all := `["apiKey","companyId","region"]`
	for _, c := range []struct {
		name, query string
		status      int
		body        string
	}{
		{"apiKeyManagedAuthState: no platform", "rcAccessToken=wrong", 400, "Missing platform name"},
		{"apiKeyManagedAuthState: no token", "platform=wirefields", 400, "Missing RingCentral access token"},
		{"apiKeyManagedAuthState: a wrong token", "platform=wirefields&rcAccessToken=wrong", 400, errorBody("Request failed with status code 401")},
		{"apiKeyManagedAuthState: no such platform", "platform=nowhere&rcAccessToken=" + practicecrm.RCUserToken, 200, stateBody(false, false, "null", "[]", false)},
		{"apiKeyManagedAuthState: no managed field", "platform=wireplain&rcAccessToken=" + practicecrm.RCUserToken, 200, stateBody(false, false, "null", `["region","apiKey"]`, false)},
		{"apiKeyManagedAuthState: nothing stored", "platform=wirefields&rcAccessToken=" + practicecrm.RCUserToken, 200, stateBody(true, false, all, all, false)},
	} {
		t.Run(c.name, func(t *testing.T) { w.get("/apiKeyManagedAuthState?"+c.query).want(t, c.status, c.body) })
	}
	session := w.filled("wirefields", "k-1", rcAdmin)
	t.Run("apiKeyManagedAuthState: some stored", func(t *testing.T) {
		w.state("wirefields", practicecrm.RCAdminToken).want(t, 200, stateBody(true, false, `["region"]`, `["region"]`, false))
		w.state("wirefields", practicecrm.RCUserToken).want(t, 200, stateBody(true, false, `["companyId","region"]`, `["companyId","region"]`, false))
		w.update(session, `"scope":"user","rcExtensionId":102,"values":{"companyId":"c-2"}`+rcAdmin).want(t, 200, fieldsUpdated)
		w.state("wirefields", practicecrm.RCUserToken).want(t, 200, stateBody(true, false, `["region"]`, `["region"]`, false))
	})
	t.Run("apiKeyManagedAuthState: a refused sign-in", func(t *testing.T) {
		w.login("wirerefused", `"apiKey":"k-1","additionalInfo":{"companyId":"c","region":"eu"}`+rcUser).want(t, 400, `{"returnMessage":{"message":"No."}}`)
		w.state("wirerefused", practicecrm.RCUserToken).want(t, 200, stateBody(true, false, "null", all, true))
		w.state("wirerefused", practicecrm.RCAdminToken).want(t, 200, stateBody(true, false, all, all, false))
		w.state("wirerefused", practicecrm.RCOtherToken).want(t, 200, stateBody(true, false, all, all, false))
		w.state("wirefields", practicecrm.RCUserToken).want(t, 200, stateBody(true, false, `["region"]`, `["region"]`, false))
	})
	t.Run("3.2.5b only refusals are recorded, and only with a RingCentral account", func(t *testing.T) {
		w.login("wirebroken", `"apiKey":"k-1","additionalInfo":{"companyId":"c","region":"eu"}`+rcUser).want(t, 400, errorBody("Oops."))
		w.login("wirerefused", `"apiKey":"k-1"`).want(t, 400, `{"returnMessage":{"message":"No."}}`)
		w.state("wirebroken", practicecrm.RCUserToken).want(t, 200, stateBody(true, false, all, all, false))
		w.state("wirerefused", practicecrm.RCAdminToken).want(t, 200, stateBody(true, false, all, all, false))
	})
}

func TestWireManagedAuth(t *testing.T) {
	t.Parallel()
	w := withFields(t)
	session := w.filled("wirefields", "k-1", rcAdmin)
	for name, a := range map[string]answer{
		"4k none GET":               w.get("/admin/managedAuth", "X-RC-Access-Token", "wrong"),
		"4k none POST":              w.postJSON("/admin/managedAuth", `{}`),
		"4k a bad bearer":           w.get("/admin/managedAuth", "Authorization", "Bearer x"),
		"4k undecodable GET":        w.get("/admin/managedAuth?jwtToken=x"),
		"4k undecodable POST":       w.postJSON("/admin/managedAuth?jwtToken=x", `{`),
		"5.1e no token GET":         w.get("/admin/managedAuth", bearer(session)...),
		"5.1e no token POST":        w.update(session, `"values":{"apiKey":"k-9"}`),
		"5.1e a wrong token":        w.shared(session, "wrong"),
		"5.1e not an admin GET":     w.shared(session, practicecrm.RCUserToken),
		"5.1e not an admin POST":    w.update(session, `"values":{"apiKey":"k-9"}`+rcUser),
		"7.28 another account GET":  w.shared(session, practicecrm.RCOtherAdminToken),
		"7.28 another account POST": w.update(session, `"values":{"apiKey":"k-9"}`+rcElsewhere),
	} {
		t.Run(name, func(t *testing.T) {
			status, body := 400, "Please go to Settings and authorize CRM platform"
			switch {
			case strings.HasPrefix(name, "4k undecodable"):
				body = "User not found"
			case strings.HasPrefix(name, "5.1e no token"), strings.HasPrefix(name, "5.1e a wrong"):
				body = errorBody("Request failed with status code 401")
			case strings.HasPrefix(name, "5.1e not an admin"):
				status, body = 403, "Admin validation failed"
			case strings.HasPrefix(name, "7.28"):
				status, body = 403, errorBody("The session and the RingCentral access token belong to different RingCentral accounts.")
			}
			a.want(t, status, body)
		})
	}
	t.Run("4k ghost and ended", func(t *testing.T) {
		gone := w.token(w.login("wireplain", `"apiKey":"k"`))
		w.do("POST", "/unAuthorize", "", bearer(gone)...)
		c := claimsOf(t, gone)
		delete(c, "sid")
		for token, want := range map[string]string{gone: noSession, forge("HS256", sha256.New, sessionKey, c): "User not found"} {
			w.shared(token, practicecrm.RCAdminToken).want(t, 400, want)
			w.update(token, `"values":{}`+rcAdmin).want(t, 400, want)
		}
	})
	t.Run("a path with two methods", func(t *testing.T) {
		a := w.do("DELETE", "/admin/managedAuth", "")
		a.want(t, 405, `{"error":"/admin/managedAuth takes GET and POST only."}`)
		a.wantHeader(t, "Allow", "GET, HEAD, POST")
	})

	definitions := `{"hasManagedAuth":true,"fields":[` + keyField + `,` + companyField + `,` + teamField + `],"orgFields":[` + keyField + `,` + teamField + `],"userFields":[` + companyField + `],`
	const set, unset = `{"hasValue":true,"value":"********"}`, `{"hasValue":false,"value":""}`
	person := func(extension, name, company string) string {
		return `{"rcExtensionId":"` + extension + `","rcUserName":"` + name + `","fields":{"companyId":` + company + `}}`
	}
	t.Run("7.13 the values for an admin", func(t *testing.T) {
		w.shared(session, practicecrm.RCAdminToken).want(t, 200, definitions+`"orgValues":{"apiKey":`+set+`,"team":`+unset+`},"userValues":[`+person("101", "", set)+`]}`)
	})
	t.Run("managedAuth: no managed field", func(t *testing.T) {
		plain := w.token(w.login("wireplain", `"apiKey":"k"`))
		w.shared(plain, practicecrm.RCAdminToken).want(t, 200, `{"hasManagedAuth":false,"fields":[],"orgFields":[],"userFields":[],"orgValues":{},"userValues":[]}`)
	})
	t.Run("updateManagedAuth: the organisation's", func(t *testing.T) {
		w.update(session, `"scope":"account","values":{"team":"t-1","apiKey":""},"fieldsToRemove":[]`+rcAdmin).want(t, 200, fieldsUpdated)
		w.shared(session, practicecrm.RCAdminToken).want(t, 200, definitions+`"orgValues":{"apiKey":`+set+`,"team":`+set+`},"userValues":[`+person("101", "", set)+`]}`)
		w.update(session, `"values":{"team":"t-2"},"fieldsToRemove":["team","nowhere"]`+rcAdmin).want(t, 200, fieldsUpdated)
		w.shared(session, practicecrm.RCAdminToken).want(t, 200, definitions+`"orgValues":{"apiKey":`+set+`,"team":`+unset+`},"userValues":[`+person("101", "", set)+`]}`)
		w.postJSON("/admin/managedAuth", ``, append(bearer(session), "X-RC-Access-Token", practicecrm.RCAdminToken)...).want(t, 200, fieldsUpdated)
	})
	t.Run("updateManagedAuth: an extension's", func(t *testing.T) {
		w.update(session, `"scope":"user","values":{"companyId":"c-2"}`+rcAdmin).want(t, 400, errorBody("rcExtensionId is required for user managed auth values"))
		w.update(session, `"scope":"user","rcExtensionId":"102","rcUserName":"Ann","values":{"companyId":"c-2"}`+rcAdmin).want(t, 200, fieldsUpdated)
		w.update(session, `"scope":"user","rcExtensionId":"102","values":{"companyId":7}`+rcAdmin).want(t, 200, fieldsUpdated)
		org := definitions + `"orgValues":{"apiKey":` + set + `,"team":` + unset + `},"userValues":[` + person("101", "", set)
		w.shared(session, practicecrm.RCAdminToken).want(t, 200, org+`,`+person("102", "Ann", set)+`]}`)
		w.login("wirefields", `"apiKey":"k-1","additionalInfo":{"region":"eu"}`+rcUser)
		w.wantGot("wirefields", "getUserInfo", `"companyId":"7"`)
		w.update(session, `"scope":"user","rcExtensionId":"102","fieldsToRemove":["companyId"]`+rcAdmin).want(t, 200, fieldsUpdated)
		w.shared(session, practicecrm.RCAdminToken).want(t, 200, org+`]}`)
	})
	t.Run("5.1g fields that are not declared", func(t *testing.T) {
		w.update(session, `"values":{"later":"secret"}`+rcAdmin).want(t, 200, fieldsUpdated)
		w.update(session, `"scope":"user","rcExtensionId":"102","values":{"apiKey":"k-7"}`+rcAdmin).want(t, 200, fieldsUpdated)
		w.shared(session, practicecrm.RCAdminToken).want(t, 200, definitions+`"orgValues":{"apiKey":`+set+`,"team":`+unset+`},"userValues":[`+person("101", "", set)+`,`+person("102", "", unset)+`]}`)
		w.swap("wirefields", guest{"getBasicAuth": `{"basic":"x"}`, "fields": formFields + `,{"const":"later","managed":true}`})
		if a := w.shared(session, practicecrm.RCAdminToken); !strings.Contains(a.body, `"later":`+set) {
			t.Errorf("the stored values are not shown: %s", a.body)
		}
	})
	t.Run("7.13 the placeholder", func(t *testing.T) {
		w.update(session, `"values":{"apiKey":"********","team":"********"}`+rcAdmin).want(t, 200, fieldsUpdated)
		if a := w.shared(session, practicecrm.RCAdminToken); !strings.Contains(a.body, `"team":`+unset) {
			t.Errorf("the placeholder is a value: %s", a.body)
		}
		w.login("wirefields", `"additionalInfo":{"region":"eu"}`+rcAdmin)
		w.wantKey(t, "wirefields", "k-1")
	})
	many := map[string]string{}
	for i := range 101 {
		many["f"+strconv.Itoa(i)] = "x"
	}
	b, err := json.Marshal(many)
	edgetest.Must(t, err)
	for name, members := range map[string]string{
		"7.29 a value that is too long":            `"values":{"apiKey":"` + strings.Repeat("x", 8<<10+1) + `"}`,
		"7.29 too many":                            `"values":` + string(b),
		"7.29 a name that is too long":             `"values":{"` + strings.Repeat("x", 257) + `":"1"}`,
		"7.29 not an object":                       `"values":["apiKey"]`,
		"7.29 not a text":                          `"values":{"apiKey":{"a":"canary"}}`,
		"7.29 an id that is too long":              `"scope":"user","rcExtensionId":"` + strings.Repeat("1", 65) + `"`,
		"7.29 a name of a person that is too long": `"scope":"user","rcExtensionId":"1","rcUserName":"` + strings.Repeat("x", 257) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := w.update(session, members+rcAdmin)
			a.wantError(t, 400, "")
			if len(a.body) > 400 || strings.Contains(a.body, "canary") {
				t.Errorf("the answer quotes what was sent: %s", a.body)
			}
		})
	}
	t.Run("7.29 the longest and the most values", func(t *testing.T) {
		delete(many, "f100")
		delete(many, "f99")
		delete(many, "f98")
		many["f0"] = strings.Repeat("x", 8<<10)
		b, err := json.Marshal(many)
		edgetest.Must(t, err)
		w.update(session, `"values":`+string(b)+rcAdmin).want(t, 200, fieldsUpdated)
		w.update(session, `"values":{"f98":"x"}`+rcAdmin).wantError(t, 400, "100")
	})
}

func TestWireFieldOptions(t *testing.T) {
	t.Parallel()
	w := withFields(t)
	ask := func(query, members string) answer {
		t.Helper()
		return w.postJSON("/admin/managedAuth/options?"+query, `{`+members+`}`)
	}
	company := `"fieldConst":"companyId"`
	notDynamic := func(field string) string {
		return errorBody(`Managed auth field "` + field + `" is not a dynamic user field`)
	}
	for _, c := range []struct {
		name, query, members string
		status               int
		body                 string
	}{
		{"managedAuthOptions: no platform", "", `"fieldConst":""`, 400, "Missing platform name"},
		{"managedAuthOptions: no field", "platform=nowhere", `"rcAccessToken":"wrong"`, 400, "Missing managed auth field"},
		{"managedAuthOptions: no token", "platform=wirefields", company, 400, errorBody("Request failed with status code 401")},
		{"managedAuthOptions: not an admin", "platform=wirefields", `"fieldConst":"apiKey"` + rcUser, 403, "Admin validation failed"},
		{"managedAuthOptions: no such platform", "platform=nowhere", company + rcAdmin, 400, notDynamic("companyId")},
		{"managedAuthOptions: no such field", "platform=wirefields", `"fieldConst":"nothing"` + rcAdmin, 400, notDynamic("nothing")},
		{"managedAuthOptions: not managed", "platform=wirefields", `"fieldConst":"region"` + rcAdmin, 400, notDynamic("region")},
		{"managedAuthOptions: not dynamic", "platform=wirefields", `"fieldConst":"apiKey"` + rcAdmin, 400, notDynamic("apiKey")},
		{"managedAuthOptions: the organisation's", "platform=wirefields", `"fieldConst":"team"` + rcAdmin, 400, notDynamic("team")},
		{"managedAuthOptions: numbers are made strings", "platform=wirefields", company + rcAdmin, 200, `[{"value":"7","label":"Analytical Engines"},{"value":"8","label":"9"}]`},
		{"managedAuthOptions: no such interface", "platform=wirebroken", company + rcAdmin, 200, `[]`},
		{"managedAuthOptions: the connector's error", "platform=wireother", company + rcAdmin, 400, errorBody("The company is not known.")},
		{"7.4 not a list", "platform=wirerefused", company + rcAdmin, 400, errorBody("The connector of wirerefused gave an invalid answer (options has the wrong type) in getManagedAuthOptions.")},
		{"7.29 a value that is too long", "platform=wirefields", company + `,"accountValues":{"apiKey":"` + strings.Repeat("x", 8<<10+1) + `"}` + rcAdmin, 400, errorBody("The field apiKey is too long: the limit is 8192 bytes.")},
	} {
		t.Run(c.name, func(t *testing.T) { ask(c.query, c.members).want(t, c.status, c.body) })
	}
	t.Run("managedAuthOptions: the connector's input", func(t *testing.T) {
		session := w.filled("wirefields", "k-1", rcAdmin)
		w.update(session, `"values":{"team":"t-1","later":"l-1"}`+rcAdmin).want(t, 200, fieldsUpdated)
		got := func(members, want string) {
			t.Helper()
			if a := ask("platform=wirefields", company+members); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
			if got := w.got("wirefields", "getManagedAuthOptions"); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		got(rcAdmin, `{"fieldConst":"companyId","accountValues":{"apiKey":"k-1"}}`)
		got(`,"accountValues":{"apiKey":"********","companyId":"c","team":"t","region":"r","more":"m"}`+rcAdmin, `{"fieldConst":"companyId","accountValues":{"apiKey":"k-1"}}`)
		got(`,"accountValues":{"apiKey":"k-2"}`+rcAdmin, `{"fieldConst":"companyId","accountValues":{"apiKey":"k-2"}}`)
		got(rcAdmin, `{"fieldConst":"companyId","accountValues":{"apiKey":"k-1"}}`)
		got(`,"accountValues":{"apiKey":"a-long-secret"}`+rcAdmin, `{"fieldConst":"companyId","accountValues":{"apiKey":"[secret]"}}`)
		got(rcElsewhere, `{"fieldConst":"companyId","accountValues":{}}`)
	})
}

func TestWireFieldsLogin(t *testing.T) {
	t.Parallel()
	w := withFields(t)
	const region = `"additionalInfo":{"region":"eu"}`
	t.Run("3.2.4b nothing stored", func(t *testing.T) {
		w.login("wirefields", `"additionalInfo":{}`+rcUser).want(t, 400, missingBody(`"apiKey","companyId","region"`))
		w.login("wirefields", `"additionalInfo":{"apiKey":"k-u","companyId":"c-u","region":"eu"}`+rcUser)
		w.wantKey(t, "wirefields", "k-u")
	})
	t.Run("3.2.6b only an admin's values are stored", func(t *testing.T) {
		w.login("wirefields", region+rcUser).want(t, 400, missingBody(`"apiKey","companyId"`))
		w.login("wirefields", `"additionalInfo":{"apiKey":"k-n","companyId":"c-n","region":"eu"}`)
		w.login("wirefields", region+rcUser).want(t, 400, missingBody(`"apiKey","companyId"`))
		w.login("wirerefused", `"additionalInfo":{"apiKey":"k-r","companyId":"c-r","region":"eu"}`+rcAdmin).want(t, 400, `{"returnMessage":{"message":"No."}}`)
		w.login("wirerefused", region+rcUser).want(t, 400, missingBody(`"apiKey","companyId"`))
		w.filled("wirefields", "k-1", rcAdmin)
		w.login("wirefields", region+rcUser).want(t, 400, missingBody(`"companyId"`))
		w.token(w.login("wirefields", region+rcAdmin))
		w.wantKey(t, "wirefields", "k-1")
		w.wantGot("wirefields", "getUserInfo", `"companyId":"c-1"`, `"apiKey":"k-1"`, `"region":"eu"`)
	})
	t.Run("3.2.4b a stored value takes precedence", func(t *testing.T) {
		w.token(w.login("wirefields", `"apiKey":"apiKey","additionalInfo":{"apiKey":"k-3","companyId":"c-3","region":"us"}`+rcUser))
		w.wantKey(t, "wirefields", "k-1")
		w.wantGot("wirefields", "getUserInfo", `"apiKey":"k-1"`, `"companyId":"c-3"`, `"region":"us"`)
		w.token(w.login("wirefields", `"apiKey":"apiKey",`+`"additionalInfo":{"companyId":"c-3","region":"us"}`+rcUser))
		w.wantKey(t, "wirefields", "k-1")
	})
	t.Run("3.2.3a without a RingCentral token nothing is filled in", func(t *testing.T) {
		w.token(w.login("wirefields", `"apiKey":"k-4"`))
		w.wantKey(t, "wirefields", "k-4")
	})
	t.Run("3.2.6c unused values are not stored", func(t *testing.T) {
		w.token(w.login("wirefields", `"additionalInfo":{"apiKey":"k-5","companyId":"c-5","region":"eu"}`+rcAdmin))
		w.wantKey(t, "wirefields", "k-1")
		w.token(w.login("wirefields", region+rcAdmin))
		w.wantKey(t, "wirefields", "k-1")
	})
	t.Run("3.2.4d 7.13 the placeholder", func(t *testing.T) {
		w.token(w.login("wirefields", `"apiKey":"********","additionalInfo":{"companyId":"********","region":"eu","team":"********"}`+rcAdmin))
		w.wantKey(t, "wirefields", "k-1")
		if got := w.got("wirefields", "getUserInfo"); !strings.Contains(got, `"companyId":"c-1"`) || strings.Contains(got, "***") {
			t.Errorf("the connector got %s", got)
		}
		w.login("wireother", `"apiKey":"********","additionalInfo":{"companyId":"********","region":"eu"}`+rcAdmin).want(t, 400, missingBody(`"apiKey","companyId"`))
	})
	t.Run("3.2.4d 7.13 the placeholder is not a key", func(t *testing.T) {
		w.token(w.login("wirespare", `"apiKey":"********"`+rcAdmin))
		if got := w.got("wirespare", "getBasicAuth"); got != `{"apiKey":""}` {
			t.Errorf("the connector got %s", got)
		}
	})
	t.Run("3.2.4d texts", func(t *testing.T) {
		w.token(w.login("wireother", `"additionalInfo":{"apiKey":12,"companyId":true,"region":"eu"}`+rcAdmin))
		w.wantGot("wireother", "getUserInfo", `"apiKey":"12"`, `"companyId":"true"`)
		w.login("wireother", `"additionalInfo":{"apiKey":["k"]}`+rcAdmin).want(t, 400, errorBody("The field apiKey must be a text."))
		w.login("wireother", `"additionalInfo":{"apiKey":"`+strings.Repeat("x", 8<<10+1)+`"}`+rcAdmin).want(t, 400, errorBody("The field apiKey is too long: the limit is 8192 bytes."))
	})
	t.Run("3.2.4c 3.2.6b after a refusal", func(t *testing.T) {
		refuse := guest{"getBasicAuth": `{"basic":"x"}`, "fields": formFields, "getUserInfo": `{"successful":false,"returnMessage":{"message":"No."}}`}
		w.swap("wirefields", refuse)
		w.login("wirefields", region+rcAdmin).want(t, 400, `{"returnMessage":{"message":"No."}}`)
		w.swap("wirefields", guest{"getBasicAuth": `{"basic":"x"}`, "fields": formFields})
		w.token(w.login("wirefields", `"additionalInfo":{"apiKey":"k-u","companyId":"c-u","region":"eu"}`+rcUser))
		w.wantKey(t, "wirefields", "k-1") // the refusal was another extension's
		w.token(w.login("wirefields", `"additionalInfo":{"apiKey":"k-6","companyId":"","region":"eu"}`+rcAdmin))
		w.wantKey(t, "wirefields", "k-6")
		w.wantGot("wirefields", "getUserInfo", `"companyId":"c-1"`)
		w.state("wirefields", practicecrm.RCAdminToken).want(t, 200, stateBody(true, false, `["region"]`, `["region"]`, false))
		w.token(w.login("wirefields", `"additionalInfo":{"apiKey":"k-7","region":"eu"}`+rcAdmin))
		w.wantKey(t, "wirefields", "k-6") // the stored value takes precedence again
	})
	t.Run("3.2.6b an ordinary grant", func(t *testing.T) {
		p := w.person("wirefields")
		if p.Grant.APIKey.Reveal() != "k-6" || p.Grant.App.Account != "" || p.User.Account != "1" {
			t.Errorf("%+v", p)
		}
	})
}

// TestWireFieldsStayWithTheirOwners: organisations and platforms do not share values.
func TestWireFieldsStayWithTheirOwners(t *testing.T) {
	t.Parallel()
	w := withFields(t)
	session := w.filled("wirefields", "k-1", rcAdmin)
	w.update(session, `"scope":"user","rcExtensionId":"201","values":{"companyId":"c-9"}`+rcAdmin).want(t, 200, fieldsUpdated)
	all := `["apiKey","companyId","region"]`
	t.Run("5.1p another organisation", func(t *testing.T) {
		w.state("wirefields", practicecrm.RCOtherToken).want(t, 200, stateBody(true, false, all, all, false))
		w.login("wirefields", `"additionalInfo":{"region":"eu"}`+rcOther).want(t, 400, missingBody(`"apiKey","companyId"`))
		w.login("wirefields", `"additionalInfo":{"region":"eu"}`+rcElsewhere).want(t, 400, missingBody(`"apiKey","companyId"`))
		other := w.filled("wirefields", "k-2", rcElsewhere)
		w.wantKey(t, "wirefields", "k-2")
		if a := w.shared(other, practicecrm.RCOtherAdminToken); a.status != 200 || strings.Contains(a.body, `"101"`) || !strings.Contains(a.body, `"202"`) {
			t.Errorf("%d %s", a.status, a.body)
		}
		w.update(other, `"fieldsToRemove":["apiKey"]`+rcElsewhere).want(t, 200, fieldsUpdated)
		w.token(w.login("wirefields", `"additionalInfo":{"region":"eu"}`+rcAdmin))
		w.wantKey(t, "wirefields", "k-1")
	})
	t.Run("5.1p another platform", func(t *testing.T) {
		w.state("wireother", practicecrm.RCAdminToken).want(t, 200, stateBody(true, false, all, all, false))
		w.login("wireother", `"additionalInfo":{"region":"eu"}`+rcAdmin).want(t, 400, missingBody(`"apiKey","companyId"`))
		other := w.filled("wireother", "k-3", rcAdmin)
		w.update(other, `"fieldsToRemove":["apiKey"]`+rcAdmin).want(t, 200, fieldsUpdated)
		w.token(w.login("wirefields", `"additionalInfo":{"region":"eu"}`+rcAdmin))
		w.wantKey(t, "wirefields", "k-1")
	})
}

// managedKey makes the practice CRM's API key a managed field.
func managedKey(f *edgetest.Options) {
	path := filepath.Join(f.Connectors, "practicekey.json")
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(b), `"required": true`, `"required": true, "managed": true`, 1)), 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// TestManagedKeyOfThePracticeCRM uses the practice connector with a right and a wrong key.
func TestManagedKeyOfThePracticeCRM(t *testing.T) {
	t.Parallel()
	g := newGate(t, managedKey)
	login := func(key, rc string) answer {
		t.Helper()
		return g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+key+`"`+rc+`}`)
	}
	state := func(want string) {
		t.Helper()
		g.get("/apiKeyManagedAuthState?platform=practicekey&rcAccessToken="+practicecrm.RCUserToken).want(t, 200, want)
	}
	login("wrong", rcAdmin).want(t, 400, wrongKey)
	state(stateBody(true, false, `["apiKey"]`, `["apiKey"]`, false))
	admin := g.token(login(practicecrm.APIKey, rcAdmin))
	state(stateBody(true, true, `[]`, `[]`, false))
	g.token(login("apiKey", rcUser))

	asked := 0
	g.WhenAsked(func(r *http.Request) {
		if r.URL.Path == "/api/me" {
			asked++
		}
	})
	update := func(members string) {
		t.Helper()
		g.postJSON("/admin/managedAuth", `{`+members+rcAdmin+`}`, bearer(admin)...).want(t, 200, fieldsUpdated)
	}
	update(`"values":{"apiKey":"a key of the past"}`)
	login("", rcUser).want(t, 400, wrongKey)
	state(stateBody(true, false, `null`, `["apiKey"]`, true))
	g.token(login(practicecrm.APIKey, rcUser)) // the person's own key
	state(stateBody(true, true, `[]`, `[]`, false))
	update(`"fieldsToRemove":["apiKey"]`)
	before := asked
	login("", rcUser).want(t, 400, missingBody(`"apiKey"`))
	if asked != before {
		t.Error("the CRM was asked although a field is missing")
	}
}
