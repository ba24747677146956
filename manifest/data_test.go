package manifest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/manifest"
)

// withData is the manifest of a platform without code; more is added to its crmgate object.
func withData(auth, more string) string {
	return `{"platforms": {"a": {"auth": {"type": "` + auth + `", "oauth": {"authUrl": "https://a.example"}}, "crmgate": {"hosts": ["api.a.example"], ` + more + `}}}}`
}

const (
	aRequest  = `"request": {"url": "https://api.a.example/me", "headers": {"Authorization": "{authHeader}"}}`
	aUserInfo = `"userInfo": {` + aRequest + `, "id": "{body.id}-a"}`
	aTokenURL = `"tokenUrl": "https://api.a.example/token"`
)

// Mistakes in connectors without code. Each error names the place, and says what to do.
var dataMistakes = []struct {
	name, text, want string
	schema           bool // the schema finds it too
}{
	{"a path that does not exist", withData("oauth", aTokenURL+`, "userInfo": {`+aRequest+`, "id": "{boddy.id}-a"}`),
		`crmgate.userInfo.id: expected in braces a path that begins with body, headers, authHeader, accessToken, apiKey, hostname, data, query, username, additionalInfo, tokenUrl, apiUrl, callbackUri, config, got "{boddy.id}-a"`, false},
	{"a function that does not exist", withData("oauth", aTokenURL+`, "userInfo": {`+aRequest+`, "id": "{body.id|lowercase}-a"}`),
		`crmgate.userInfo.id: expected after a bar one of the functions base64, default:TEXT, host, join:TEXT, lower, or:PATH, trim, upper, got "{body.id|lowercase}-a"`, false},
	{"a host that is not declared", withData("oauth", aTokenURL+`, "userInfo": {"request": {"url": "https://api.b.example/me"}, "id": "{body.id}-a"}`),
		`crmgate.userInfo.request.url: expected an absolute URL on one of crmgate.hosts, with {hostname} for the person's host, got "https://api.b.example/me"`, false},
	{"no token endpoint", withData("oauth", aUserInfo),
		`crmgate.tokenUrl: expected an absolute URL on one of crmgate.hosts, with {hostname} for the person's host, got nothing`, false},
	{"no way to send the key", withData("apiKey", aUserInfo),
		`crmgate.authHeader: expected either basicAuth, such as "{apiKey}:", or authHeader, such as "Bearer {apiKey}", got nothing`, false},
	{"two ways to send the key", withData("apiKey", aUserInfo+`, "basicAuth": "{apiKey}:", "authHeader": "Key {apiKey}"`), `crmgate.authHeader: expected either basicAuth`, false},
	{"no id", withData("oauth", aTokenURL+`, "userInfo": {`+aRequest+`}`), `crmgate.userInfo.id: expected a template that identifies the person at the CRM, such as "{body.id}-acme", got nothing`, true},
	{"the same id for all", withData("oauth", aTokenURL+`, "userInfo": {`+aRequest+`, "id": "{hostname}-a"}`), `crmgate.userInfo.id: expected a template that identifies the person`, false},
	{"no request", withData("oauth", aTokenURL+`, "userInfo": {"id": "{body.id}"}`), `crmgate.userInfo.request: expected a request, such as`, true},
	{"an open brace", withData("oauth", aTokenURL+`, "userInfo": {`+aRequest+`, "id": "{body.id"}`), `crmgate.userInfo.id: expected a closing brace behind the value`, false},
	{"a path with a gap", withData("oauth", aTokenURL+`, "userInfo": {`+aRequest+`, "id": "{body..id}"}`), `crmgate.userInfo.id: expected in braces the names of a path`, false},
	{"configuration that is not declared", withData("oauth", aTokenURL+`, "userInfo": {`+aRequest+`, "id": "{body.id}", "name": "{body.name|or:config.A_NAME}"}`), `crmgate.config: expected config.A_NAME of a template in this list, got nothing`, false},
	{"a refresh token that is not revealed", withData("oauth", aTokenURL+`, `+aUserInfo+`, "revoke": {"request": {"url": "https://api.a.example/out", "form": {"token": "{refreshToken}"}}}`), `crmgate.reveal: expected ["refreshToken"], because crmgate.revoke.request uses {refreshToken}, got nothing`, false},
	{"a status that is no rejection", withData("oauth", aTokenURL+`, "userInfo": {`+aRequest+`, "id": "{body.id}", "rejected": [500]}`), `crmgate.userInfo.rejected[0]: expected a status from 400 to 499, got 500`, true},
	{"a body and a form", withData("oauth", aTokenURL+`, "userInfo": {"request": {"url": "https://api.a.example/me", "body": {}, "form": {}}, "id": "{body.id}"}`), `crmgate.userInfo.request.form: expected either body or form, got an object`, false},
	{"a header of the connection", withData("oauth", aTokenURL+`, "userInfo": {"request": {"url": "https://api.a.example/me", "headers": {"Host": "x"}}, "id": "{body.id}"}`), `crmgate.userInfo.request.headers.Host: this header must not be set here`, false},
	{"validate without an id", withData("oauth", aTokenURL+`, `+aUserInfo+`, "validate": {`+aRequest+`}`), `crmgate.validate.id: expected a template that identifies the person`, true},
	{"validate alone", withData("oauth", `"validate": {`+aRequest+`, "id": "{body.id}"}`), `crmgate.validate: expected crmgate.userInfo beside this member`, false},
	{"an answer in a request", withData("oauth", aTokenURL+`, "userInfo": {"request": {"url": "https://api.a.example/{body.id}"}, "id": "{body.id}"}`), `crmgate.userInfo.request.url: expected in braces a path that begins with authHeader`, false},
	{"a proxy connector without an id", withData("apiKey", `"proxyConfig": {"requestDefaults": {"baseUrl": "https://api.a.example"}, "operations": {"getUserInfo": {"url": "/me"}}}`), `crmgate.proxyConfig.operations.getUserInfo.responseMapping.idPath: expected the path of the person's id`, false},
}

func TestDataMistakes(t *testing.T) {
	t.Parallel()
	s := manifestSchema(t)
	for _, c := range dataMistakes {
		_, err := parse(map[string]string{"a": c.text})
		if err == nil || !strings.HasPrefix(err.Error(), "a.json: platforms.a."+c.want) {
			t.Errorf("%s: got %v\nwant a.json: platforms.a.%s", c.name, err, c.want)
		}
		if fits(s, c.text) == c.schema {
			t.Errorf("%s: the schema finds it: %v", c.name, !c.schema)
		}
	}
}

// dataOf returns the data of a manifest of the platform a as JSON, and the manifest.
func dataOf(t *testing.T, text string) (string, *manifest.Manifest) {
	t.Helper()
	if !fits(manifestSchema(t), text) {
		t.Errorf("it does not fit the schema: %s", text)
	}
	ms, err := parse(map[string]string{"a": text})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := ms.Platform("a")
	b, err := json.Marshal(m.Data)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), m
}

func TestData(t *testing.T) {
	t.Parallel()
	got, m := dataOf(t, withData("oauth", `"config": ["A_CLIENT_ID", "A_CLIENT_SECRET", "A_APP_KEY"], "token": {"auth": "body"}, `+aTokenURL+`,
	  "userInfo": {"request": {"url": "https://{data.api_domain|host}/graphql?of={query.of}", "headers": {"X-Key": "{config.A_APP_KEY}"}, "body": {"query": "query { me { id } }", "n": 1, "who": "to {username|default:x}"}},
	    "id": "{body.data.me.id}-a", "additionalInfo": {"all": "{body.data}"}}`))
	want := `{"title":"a","authType":"oauth","prefix":"A_","tokenUrl":[{"text":"https://api.a.example/token"}],"userInfo":{"request":{"method":"POST",` +
		`"url":[{"text":"https://"},{"path":["data","api_domain"],"calls":[["host"]],"as":"host"},{"text":"/graphql?of="},{"path":["query","of"],"as":"url"}],` +
		`"headers":{"content-type":[{"text":"application/json"}],"x-key":[{"path":["config","A_APP_KEY"]}]},` +
		`"body":[{"text":"{"},{"text":"\"n\":"},{"text":"1"},{"text":","},{"text":"\"query\":"},{"text":"\""},{"text":"query { me { id } }"},{"text":"\""},{"text":","},{"text":"\"who\":"},{"text":"\""},{"text":"to "},{"path":["username"],"calls":[["default","x"]],"as":"json"},{"text":"\""},{"text":"}"}]},` +
		`"rejected":[401,403],"person":{"id":[{"path":["body","data","me","id"]},{"text":"-a"}]},"additionalInfo":{"all":[{"path":["body","data"]}]}}}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if sees := m.Sees(); sees != "gets handles for access tokens, A_CLIENT_SECRET and A_APP_KEY, and sees A_CLIENT_ID" {
		t.Errorf("it %s", sees)
	}
}

// A proxy connector of App Connect says the same as our own members.
func TestProxyConfig(t *testing.T) {
	t.Parallel()
	proxy, m := dataOf(t, withData("apiKey", `"config": ["A_SECRET_KEY"], "proxyConfig": {
	  "meta": {"name": "a", "logFormat": "text/plain"},
	  "auth": {"type": "apiKey", "scheme": "Basic", "credentialTemplate": "{{apiKey}}:", "encode": "base64"},
	  "requestDefaults": {"baseUrl": "https://api.a.example/v1/", "timeoutSeconds": 30, "defaultHeaders": {"Accept": "application/json", "X-Connector-Secret": "{{secretKey}}"}},
	  "operations": {
	    "getUserInfo": {"method": "GET", "url": "/me", "query": {"of": "{{additionalInfo.user.email}}"},
	      "responseMapping": {"idPath": "body.user.id", "namePath": "body.user.name", "platformAdditionalInfoPaths": {"tenantId": "body.user.tenant_id"}}},
	    "unAuthorize": {"method": "POST", "url": "https://api.a.example/out/{{user.platformAdditionalInfo.tenantId}}", "body": {"id": "{{ user.id }}"}},
	    "findContact": {"url": "/contacts", "query": {"phone": "{{phoneNumber}}"}}}}`))
	own, _ := dataOf(t, withData("apiKey", `"config": ["A_SECRET_KEY"], "basicAuth": "{apiKey}:",
	  "userInfo": {"request": {"url": "https://api.a.example/v1/me?of={additionalInfo.user.email}", "headers": {"Authorization": "{authHeader}", "Accept": "application/json", "X-Connector-Secret": "{config.A_SECRET_KEY}"}},
	    "id": "{body.user.id}-a", "name": "{body.user.name}", "additionalInfo": {"tenantId": "{body.user.tenant_id}"}},
	  "revoke": {"request": {"url": "https://api.a.example/out/{additionalInfo.tenantId}", "headers": {"Authorization": "{authHeader}", "Accept": "application/json", "X-Connector-Secret": "{config.A_SECRET_KEY}"}, "body": {"id": "{id}"}}}`))
	if proxy != own {
		t.Errorf("got\n%s\nwant\n%s", proxy, own)
	}
	if m.Sees() != "gets handles for API keys and A_SECRET_KEY" {
		t.Errorf("it %s", m.Sees())
	}
}
