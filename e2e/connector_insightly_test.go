package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/revoke"
)

const (
	insightlyKey    = "3f2a-insightly-key"
	insightlyBasic  = "Basic M2YyYS1pbnNpZ2h0bHkta2V5Og==" // printf '3f2a-insightly-key:' | base64
	insightlyMe     = "/v3.1/users/me"
	insightlyPerson = `{"USER_ID":2080391,"CONTACT_ID":0,"FIRST_NAME":"Ada","LAST_NAME":"Lovelace","TIMEZONE_ID":"US Mountain Standard Time",` +
		`"EMAIL_ADDRESS":"ada@example.com","ADMINISTRATOR":true,"ACCOUNT_OWNER":true,"ACTIVE":true,"USER_CURRENCY":"USD","INSTANCE_ID":1046567}`

	insightlyConnected = `"name":"Ada Lovelace","returnMessage":{"message":"Connected to Insightly.","messageType":"success","ttl":1000}}`
	insightlyRefused   = `{"returnMessage":{"message":"Could not load user information. Please check your API key and try again.","messageType":"warning","ttl":3000,` +
		`"details":[{"title":"Details","items":[{"id":"1","type":"text","text":"Insightly was unable to fetch information for the currently logged in user. ` +
		`Please check your permissions in Insightly and make sure you have permission to access and read user information."}]}]}}`
)

// newInsightlyGate starts a gate with the Insightly connector and a stand-in that follows Insightly's documentation.
func newInsightlyGate(t *testing.T) (*gate, *standIn) {
	s := newStandIn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasSuffix(r.Host, ".insightly.com") || r.Method != "GET" || r.URL.Path != insightlyMe:
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != insightlyBasic:
			says(401, "application/json; charset=utf-8", `""`)(w, r)
		default:
			says(200, "application/json; charset=utf-8", insightlyPerson)(w, r)
		}
	}))
	return newGate(t, s.reached, func(f *edgetest.Options) { edgetest.Ship(t, f.Connectors, "insightly") }), s
}

// insightlyForm is the body that the client posts.
func insightlyForm(t *testing.T, key, apiURL, hostname string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"platform": "insightly", "apiKey": key, "hostname": hostname, "additionalInfo": map[string]any{"apiKey": key, "apiUrl": apiURL}})
	edgetest.Must(t, err)
	return string(b)
}

func askedOfInsightly(host, basic string) string {
	return "GET https://" + host + insightlyMe + "\nAccept: application/json\nAuthorization: " + basic
}

// TestInsightlyPage: the button leads to the person's own Insightly once its address is known, and never to another host. The
// key is masked.
func TestInsightlyPage(t *testing.T) {
	t.Parallel()
	g, _ := newInsightlyGate(t)
	v := g.visitor()
	const link = `href="https://crm.na1.insightly.com/users/usersettings"`
	const text = "Get API key: https://your-company.insightly.com/users/usersettings"
	for query, want := range map[string]string{"": text, "?hostname=crm.na1.insightly.com": link, "?hostname=evil.example": text} {
		a := v.get("/connect/insightly" + query)
		a.wantPage(t, 200, "Connect Insightly", want, `<input type="password" id="field-1" name="fields[apiKey]"`, `<input type="text" id="field-2" name="fields[apiUrl]"`)
		if strings.Contains(a.body, `href="https://evil.example`) {
			t.Errorf("%s: the page leads to a stranger's host", query)
		}
	}
	v.send("/connect/insightly", url.Values{"hostname": {"https://crm.na1.insightly.com/list/Contact"}}).wantPage(t, 400, "Connect Insightly", link)
}

func TestInsightly(t *testing.T) {
	t.Parallel()
	g, s := newInsightlyGate(t)
	for _, c := range []struct{ pasted, host string }{
		{"https://api.na1.insightly.com/v3.1/", "api.na1.insightly.com"},
		{" api.NA1.insightly.com ", "api.na1.insightly.com"},
		{"na1", "api.na1.insightly.com"},
		{"https://api.insightly.com/v3.1/Help#!/Users/GetUserMe", "api.insightly.com"},
	} {
		t.Run(c.pasted, func(t *testing.T) {
			a := g.postJSON("/apiKeyLogin?state=platform=insightly", insightlyForm(t, insightlyKey, c.pasted, "https://crm.na1.insightly.com/list/Contact"))
			token := g.token(a)
			a.want(t, 200, `{"jwtToken":"`+token+`",`+insightlyConnected)
			s.want(t, askedOfInsightly(c.host, insightlyBasic))

			p := g.only("insightly", "2080391-insightly")
			if string(p.User.AdditionalInfo) != `{"apiUrl":"https://`+c.host+`"}` {
				t.Errorf("kept with the user: %s", p.User.AdditionalInfo)
			}
			if p.User.TimezoneName != "US Mountain Standard Time" || string(p.User.TimezoneOffset) != "-7" {
				t.Errorf("time zone: %q, %s", p.User.TimezoneName, p.User.TimezoneOffset)
			}
			if p.Grant.APIKey.Reveal() != insightlyKey {
				t.Error("the key was not kept")
			}
			g.get("/hostname", bearer(token)...).want(t, 200, "crm.na1.insightly.com")
			g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
			g.do("POST", "/unAuthorize", "", bearer(token)...).want(t, 200, `{"message":"Logged out of Insightly","messageType":"success","ttl":1000}`)
			g.get("/hostname", bearer(token)...).want(t, 400, noSession)
			s.want(t) // there is nothing to revoke at Insightly
		})
	}
	g.token(g.postJSON("/apiKeyLogin", insightlyForm(t, insightlyKey, "na1", "https://crm.na1.insightly.com/list/Contact")))
	s.want(t, askedOfInsightly("api.na1.insightly.com", insightlyBasic))
	if told := g.forget("insightly", "2080391-insightly"); told != revoke.Nothing {
		t.Errorf("deleting the person tells the CRM: %q", told)
	}
	if strings.Contains(g.Log.String(), insightlyKey) || strings.Contains(g.Log.String(), insightlyBasic) {
		t.Error("the key is in the log")
	}
}

func TestInsightlyTurnsAway(t *testing.T) {
	t.Parallel()
	g, s := newInsightlyGate(t)
	login := func(key, apiURL string) answer {
		t.Helper()
		return g.postJSON("/apiKeyLogin", insightlyForm(t, key, apiURL, ""))
	}
	const paste = `. Please copy it from the API section of your Insightly User Settings: it looks like https://api.na1.insightly.com/v3.1/","messageType":"warning","ttl":5000}}`
	for _, apiURL := range []string{"https://evil.example/v3.1", "https://api.insightly.com.evil.example", "http://127.0.0.1/", "https://api.na1.insightly.com@evil.example/", "https://crm.na1.insightly.com/"} {
		login(insightlyKey, apiURL).want(t, 400, `{"returnMessage":{"message":"The API URL is not one of Insightly's`+paste)
	}
	login(insightlyKey, "").want(t, 400, `{"returnMessage":{"message":"The API URL is missing`+paste)
	g.postJSON("/apiKeyLogin", `{"platform":"insightly","apiKey":"x"}`).want(t, 400, `{"returnMessage":{"message":"The API URL is missing`+paste)
	g.postJSON("/apiKeyLogin", `{"platform":"insightly","apiKey":"x","additionalInfo":{"apiUrl":["na1"]}}`).want(t, 400, `{"returnMessage":{"message":"The API URL is missing`+paste)
	g.postJSON("/apiKeyLogin", `{"platform":"insightly","rcAccessToken":"`+practicecrm.RCUserToken+`"}`).want(t, 400,
		`{"returnMessage":{"messageType":"warning","message":"Missing required authentication fields.","ttl":3000,"missingRequiredFieldConsts":["apiKey","apiUrl"]}}`)
	g.postJSON("/apiKeyLogin", insightlyForm(t, insightlyKey, "na1", "crm.insightly.com.evil.example")).wantError(t, 400, "is not an address of Insightly")
	s.want(t)

	login("wrong", "na1").want(t, 400, insightlyRefused)
	s.want(t, askedOfInsightly("api.na1.insightly.com", "Basic d3Jvbmc6"))

	const page = "<html><body>Bad gateway</body></html>"
	for _, c := range []struct {
		name string
		mood http.HandlerFunc
		want string // an error, unless it is a message
	}{
		{"a permission is missing", says(403, "application/json", `""`), insightlyRefused},
		{"too many requests", says(429, "application/json", `"Request rate limit exceeded"`), "Request failed with status code 429"},
		{"a server error", says(500, "text/html", page), "Request failed with status code 500"},
		{"a version that does not exist", says(404, "text/html", page), "Request failed with status code 404"},
		{"a page", says(200, "text/html", page), "the CRM's answer is not the JSON that was expected: byte 0 is not a value"},
		{"an answer without a person", says(200, "application/json", "{}"), "the CRM did not say who the person is"},
		{"cut", cut, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.setMood(insightlyMe, c.mood)
			a := login(insightlyKey, "na1")
			s.setMood(insightlyMe, nil)
			if strings.HasPrefix(c.want, "{") {
				a.want(t, 400, c.want)
			} else {
				a.wantError(t, 400, c.want)
			}
		})
	}
	if all, err := g.directory().Entries(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("stored: %v", all)
	}
	g.token(login(insightlyKey, "na1"))
}
