package e2e_test

import (
	"strings"
	"testing"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// wrongKey is the connector's message for an unknown key.
const wrongKey = `{"returnMessage":{"message":"Practice CRM did not accept the API key. Please check it and try again.","messageType":"warning","ttl":5000}}`

func TestWireAPIKey(t *testing.T) {
	t.Parallel()
	const hello = `"returnMessage":{"message":"Hello","ttl":1}`
	w := newWired(t, map[string]guest{
		"wirekey": {"getBasicAuth": `{"basic":"YmFzaWM="}`, "getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-wirekey","name":"Ada",` +
			`"timezoneName":"Europe/London","platformAdditionalInfo":{"a":1},"overridingHostname":"own.example"},` + hello + `}`},
		"wireownkey":  {"getBasicAuth": `{"basic":"x"}`, "getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-wireownkey","overridingApiKey":"exchanged-key"}}`},
		"wirerefused": {"getBasicAuth": `{"basic":"x"}`, "getUserInfo": `{"successful":false,"returnMessage":{"message":"No."}}`},
		"wiremute":    {"getBasicAuth": `{"basic":"x"}`, "getUserInfo": `{"successful":false}`},
		"wirebroken":  {"getBasicAuth": `{"basic":"x"}`, "getUserInfo": `!{"message":"Request failed with status code 500","status":500}`},
		"wirenobasic": {"getBasicAuth": `!{"message":"That is no key."}`},
		"wireoauth":   {},
	})
	const rc = `,"rcAccessToken":"` + practicecrm.RCUserToken + `"`
	const missing = "Missing platform name"
	fields := func(consts string) string {
		return `{"returnMessage":{"messageType":"warning","message":"Missing required authentication fields.","ttl":3000,"missingRequiredFieldConsts":[` + consts + `]}}`
	}
	for _, c := range []struct {
		name, body string
		want       answer
	}{
		{"3.2.1a no body", "", answer{400, nil, missing}},
		{"3.2.1a an array", "[]", answer{400, nil, missing}},
		{"3.2.1a no platform", `{"apiKey":"x","rcAccessToken":"wrong"}`, answer{400, nil, missing}},
		{"3.2.1a empty", `{"platform":"","apiKey":"x"}`, answer{400, nil, missing}},
		{"3.2.1a null", `{"platform":null,"apiKey":"x"}`, answer{400, nil, missing}},
		{"3.2.2a a bad RingCentral token is refused first", `{"platform":"nowhere","apiKey":"x","rcAccessToken":"wrong"}`, answer{400, nil, errorBody("Request failed with status code 401")}},
		{"3.2.2a unknown", `{"platform":"nowhere","apiKey":"x"` + rc + `}`, answer{400, nil, errorBody("Connector not found for platform: nowhere")}},
		{"3.2.2a a platform of the other kind", `{"platform":"wireoauth","apiKey":"x"}`, answer{400, nil, errorBody("wireoauth signs people in by OAuth, not with an API key")}},
		{"3.2.3a additionalInfo of another type", `{"platform":"wirekey","apiKey":"x","additionalInfo":"y"}`, answer{400, nil, errorBody("additionalInfo must be an object")}},
		{"3.2.3a 7.15 an invalid host", `{"platform":"wirekey","apiKey":"x","hostname":"a b"}`, answer{400, nil, errorBody(notAnAddress("a b", "Wire CRM"))}},
		{"3.2.4a all fields missing", `{"platform":"wirekey"` + rc + `}`, answer{400, nil, fields(`"region","apiKey"`)}},
		{"3.2.4a empty fields", `{"platform":"wirekey","apiKey":"","additionalInfo":{"region":""}` + rc + `}`, answer{400, nil, fields(`"region","apiKey"`)}},
		{"3.2.4a null", `{"platform":"wirekey","apiKey":"x","additionalInfo":{"region":null}` + rc + `}`, answer{400, nil, fields(`"region"`)}},
		{"3.2.4a the key", `{"platform":"wirekey","additionalInfo":{"region":"eu"}` + rc + `}`, answer{400, nil, fields(`"apiKey"`)}},
		{"3.2.5a refused", `{"platform":"wirerefused","apiKey":"x"}`, answer{400, nil, `{"returnMessage":{"message":"No."}}`}},
		{"3.2.5a refused without a message", `{"platform":"wiremute","apiKey":"x"}`, answer{400, nil, `{"returnMessage":{"message":"The CRM did not accept this sign-in.","messageType":"warning","ttl":3000}}`}},
		{"3.2.5a getUserInfo's error", `{"platform":"wirebroken","apiKey":"x"}`, answer{400, nil, errorBody("Request failed with status code 500")}},
		{"3.2.5a getBasicAuth's error", `{"platform":"wirenobasic","apiKey":"x"}`, answer{400, nil, errorBody("That is no key.")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(w.got("wirekey", "getBasicAuth"))
			w.postJSON("/apiKeyLogin", c.body).want(t, c.want.status, c.want.body)
			if len(w.got("wirekey", "getBasicAuth")) != before {
				t.Error("the connector was asked")
			}
		})
	}
	if all, err := w.directory().Entries(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a sign-in that failed was stored: %v, %v", all, err)
	}
	t.Run("apiKeyLogin: the answer", func(t *testing.T) {
		a := w.postJSON("/apiKeyLogin?state=platform=wireoauth", `{"platform":"wirekey","apiKey":"the-api-key","hostname":"asked.example","additionalInfo":{"region":"eu","level":2},"proxyId":"9","connectorId":"8","devRcAccountId":"7","isPrivate":true`+rc+`}`, "rc-extension-id", "hash")
		a.want(t, 200, `{"jwtToken":"`+w.token(a)+`","name":"Ada",`+hello+`}`)
	})
	t.Run("3.2.5a the connector's input", func(t *testing.T) {
		w.wantGot("wirekey", "getBasicAuth", `{"apiKey":"[secret]"}`)
		w.wantGot("wirekey", "getUserInfo", `"authHeader":"Basic [secret]"`, `"hostname":"asked.example"`, `"platform":"wirekey"`, `"apiKey":"[secret]"`, `"level":2`, `"region":"eu"`)
	})
	t.Run("3.2.6a stored", func(t *testing.T) {
		p := w.person("wirekey")
		u := p.User
		if u.Key.Hostname != "own.example" || u.Name != "Ada" || u.TimezoneName != "Europe/London" || u.Account != "1" || u.HashedExtension != "hash" || string(u.AdditionalInfo) != `{"a":1}` {
			t.Errorf("user %+v", u)
		}
		if p.Grant.APIKey.Reveal() != "the-api-key" || !p.Grant.AccessToken.IsZero() {
			t.Error("the stored key is not the typed key")
		}
	})
	t.Run("3.2.6a overridingApiKey", func(t *testing.T) {
		w.token(w.postJSON("/apiKeyLogin", `{"platform":"wireownkey","apiKey":"the-api-key"}`))
		if got := w.person("wireownkey").Grant.APIKey.Reveal(); got != "exchanged-key" {
			t.Errorf("stored: %q", got)
		}
	})
	for _, c := range []struct{ name, members, want string }{
		{"3.2.3a apiKey, no fields", `"apiKey":"outer-key"`, "outer-key"},
		{"3.2.3a no RingCentral token: nothing is required", `"apiKey":"outer-key","additionalInfo":{}`, "outer-key"},
		{"3.2.3a no RingCentral token: apiKey takes precedence", `"apiKey":"outer-key","additionalInfo":{"apiKey":"inner-key"}`, "outer-key"},
		{"3.2.3a the field alone", `"additionalInfo":{"apiKey":"inner-key"}`, "inner-key"},
		{"3.2.3a the literal that clients send", `"apiKey":"apiKey","additionalInfo":{"region":"eu"}`, "apiKey"},
		{"3.2.4a the form's field takes precedence", `"apiKey":"outer-key","additionalInfo":{"apiKey":"inner-key","region":"eu"}` + rc, "inner-key"},
		{"3.2.4a the form's field is set from apiKey", `"apiKey":"outer-key","additionalInfo":{"region":"eu"}` + rc, "outer-key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.token(w.postJSON("/apiKeyLogin", `{"platform":"wirekey",`+c.members+`}`))
			if got := w.person("wirekey").Grant.APIKey.Reveal(); got != c.want {
				t.Errorf("the key is %q, want %q", got, c.want)
			}
		})
	}
	t.Run("3.2.5a the practice connector", func(t *testing.T) {
		w.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"wrong"}`).want(t, 400, wrongKey)
		if a := w.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`); !strings.Contains(a.body, `"name":"Grace Hopper"`) {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}
