package prelude_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/quickjs/prelude"
)

// An import finds what require finds.
func TestImportsExportEverything(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"axios", "buffer", "crypto", "querystring", "url", "util"} {
		s := newScript(t)
		err := s.load(fmt.Sprintf(`import * as imported from 'node:%s'; const required = require(%q);
export const getUserInfo = () => ({imported: Object.keys(imported).filter(n => imported[n] !== undefined), required: Object.keys(required), same: imported.default === required})`, name, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.run("getUserInfo", `{}`, `{}`, nil)
		if err != nil {
			t.Fatal(err)
		}
		var lists struct {
			Imported, Required []string
			Same               bool
		}
		if err := json.Unmarshal([]byte(got.Output), &lists); err != nil {
			t.Fatalf("%+v: %v", got, err)
		}
		if !slices.Contains(lists.Required, "default") {
			lists.Required = append(lists.Required, "default")
		}
		slices.Sort(lists.Imported)
		slices.Sort(lists.Required)
		if !slices.Equal(lists.Imported, lists.Required) || !lists.Same {
			t.Errorf("%s: import finds %q, require finds %q, the same: %v", name, lists.Imported, lists.Required, lists.Same)
		}
	}
}

func TestImportsNamesWhatTheTextMentions(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		`import axios from "axios"; import {x} from 'node:crypto'`: "axios node:crypto",
		`import "moment"`:         "",
		`const axios = 'unused'`:  "",
		`import a from 'crypto';`: "crypto",
	} {
		var names []string
		for _, m := range prelude.Imports(source) {
			names = append(names, m.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: got %q, want %q", source, got, want)
		}
	}
}

// bundle bundles a file of testdata/appconnect with moment, by esbuild.
func bundle(t testing.TB, name, format string) string {
	t.Helper()
	dir := needNPM(t)
	b, err := os.ReadFile(filepath.Join("testdata", "appconnect", name))
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(dir, format+"-"+name)
	if err := os.WriteFile(in, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "node_modules", ".bin", "esbuild"),
		"--bundle", "--format="+format, "--platform=node", "--external:axios", "--log-level=warning", in)
	cmd.Dir = dir
	bundled, err := cmd.Output()
	if err != nil {
		t.Fatalf("esbuild: %v", err)
	}
	return string(bundled)
}

// Connectors in App Connect's style run, bundled as CommonJS and as a module.
func TestAppConnectStyle(t *testing.T) {
	t.Parallel()
	const env = `{"ACME_CLIENT_ID":"id","ACME_CLIENT_SECRET":"s:1","ACME_REDIRECT_URI":"https://gate.example/r","KEYED_SIGNING_KEY":"k","KEYED_API_VERSION":"v3.1"}`
	const person = `{"user":{"id":"1-acme","platform":"acme","hostname":"acme.example","tokenExpiry":"2026-03-01T11:00:00Z"},"authHeader":"Bearer at-1"`
	scripts := map[string]*script{}
	for _, c := range []struct{ file, operation, input, answer, request, output string }{
		{"acme.js", "getAuthType", `{}`, "", "", `{"type":"oauth"}`},
		{"acme.js", "getOauthInfo", `{"hostname":"acme.example"}`, "", "", `{"clientId":"id","clientSecret":"s:1","accessTokenUri":"https://acme.example/oauth/token","redirectUri":"https://gate.example/r"}`},
		{"acme.js", "getOauthInfo", `{"hostname":"legacy.acme.example"}`, "", "", `{"failMessage":"This region is no longer supported."}`},
		{"acme.js", "getOverridingOAuthOption", `{"code":"c"}`, "", "",
			`{"query":{"grant_type":"authorization_code","code":"c","client_id":"id","client_secret":"s:1","redirect_uri":"https://gate.example/r"},"headers":{"Authorization":""}}`},
		{"acme.js", "getUserInfo", `{"authHeader":"Bearer at-1","hostname":"acme.example"}`,
			`{"status":200,"headers":{"x-ratelimit-remaining":"9"},"body":"{\"data\":{\"id\":7,\"name\":\"Ada\",\"time_zone\":\"Europe/London\",\"utc_offset\":60,\"company_id\":3,\"created_at\":\"2020-02-29T23:30:00-02:00\"}}"}`,
			`{"method":"GET","url":"https://acme.example/api/v1/users/me?fields=id,name,time_zone","headers":{"Accept":"application/json, text/plain, */*","Authorization":"Bearer at-1"}}`,
			`{"successful":true,"platformUserInfo":{"id":"7-acme","name":"Ada","timezoneName":"Europe/London","timezoneOffset":60,"platformAdditionalInfo":{"companyId":3,"memberSince":"2020-03-01","rateLimit":"9"}},` +
				`"returnMessage":{"messageType":"success","message":"Connected to Acme.","ttl":1000}}`},
		{"acme.js", "getUserInfo", `{"authHeader":"Bearer at-1","hostname":"acme.example"}`, `{"status":403,"headers":{},"body":"no"}`, "",
			`{"successful":false,"returnMessage":{"messageType":"warning","message":"Could not load user information","details":[{"title":"Details","items":[{"id":"1","type":"text",` +
				`"text":"Acme answered with status 403. Please check your permissions in Acme."}]}],"ttl":5000}}`},
		{"acme.js", "authValidation", person + `}`, `{"status":200,"headers":{},"body":"{}"}`, "", `{"successful":true,"status":200}`},
		{"acme.js", "authValidation", person + `}`, `{"status":401,"headers":{},"body":"{}"}`, "",
			`{"successful":false,"returnMessage":{"messageType":"warning","message":"It seems like your Acme session has expired. Please re-connect.","ttl":3000},"status":401}`},
		{"acme.js", "unAuthorize", person + `}`, `{"status":200,"headers":{},"body":""}`,
			`{"method":"POST","url":"https://acme.example/oauth/revoke","headers":{"Accept":"application/json, text/plain, */*","Authorization":"Basic aWQ6czox","Content-Type":"application/x-www-form-urlencoded;charset=utf-8"},"body":"token=at-1"}`,
			`{"returnMessage":{"messageType":"success","message":"Logged out of Acme","ttl":1000}}`},
		{"acme.js", "checkAndRefreshAccessToken", person + `,"refreshToken":"rt-1","oauthInfo":{"clientId":"id","clientSecret":"s:1","accessTokenUri":"https://acme.example/oauth/token"}}`, tokens,
			`{"method":"POST","url":"https://acme.example/oauth/token","headers":{"Accept":"application/json","Content-Type":"application/x-www-form-urlencoded","Authorization":"Basic aWQ6cyUzQTE="},"body":"grant_type=refresh_token&refresh_token=rt-1"}`,
			`{"accessToken":"at-2","refreshToken":"rt-2","expiresIn":3600}`},
		{"keyed.js", "getAuthType", `{}`, "", "", `{"type":"apiKey"}`},
		{"keyed.js", "getBasicAuth", `{"apiKey":"key-1"}`, "", "", `{"basic":"a2V5LTE6"}`},
		{"keyed.js", "getUserInfo", `{"authHeader":"Basic a2V5LTE6","hostname":"","apiKey":"key-1","additionalInfo":{"apiKey":"key-1","apiUrl":"https://api.keyed.example/v3.1","username":"ada","password":"p"}}`,
			`{"status":200,"headers":{},"body":"{\"USER_ID\":5,\"FIRST_NAME\":\"Ada\",\"LAST_NAME\":\"L\",\"TIMEZONE_ID\":\"UTC\",\"USER_KEY\":\"u-1\"}"}`,
			`{"method":"GET","url":"https://api.keyed.example/v3.1/users/me","headers":{"Accept":"application/json, text/plain, */*","Authorization":"Basic a2V5LTE6","X-Signature":"16ae9ecd91203823a6ddb69327f2d5925ef5d1a5a1fe2fa6fce8915adbc1a1ba"}}`,
			`{"successful":true,"platformUserInfo":{"id":"5-keyed","name":"Ada L","timezoneName":"UTC","timezoneOffset":null,"overridingApiKey":"u-1",` +
				`"platformAdditionalInfo":{"apiKey":"key-1","apiUrl":"https://api.keyed.example","username":"ada","checkedAt":"1970-01-01T00:00:00.000Z"}},"returnMessage":{"messageType":"success","message":"Connected to Keyed.","ttl":1000}}`},
		{"keyed.js", "getManagedAuthOptions", `{"fieldConst":"f","accountValues":{"apiKey":"k"}}`, `{"status":200,"headers":{},"body":"[{\"id\":1,\"name\":\"A\"}]"}`,
			`{"method":"GET","url":"https://api.keyed.example/users?field=f","headers":{"Accept":"application/json, text/plain, */*","Authorization":"Basic azo="}}`, `{"options":[{"value":1,"label":"A"}]}`},
		{"keyed.js", "unAuthorize", person + `}`, "", "", `{"returnMessage":{"messageType":"success","message":"Logged out of Keyed","ttl":1000}}`},
	} {
		for _, format := range []string{"cjs", "esm"} {
			s := scripts[c.file+format]
			if s == nil {
				s = newScript(t)
				if err := s.load(bundle(t, c.file, format)); err != nil {
					t.Fatalf("%s as %s: %v", c.file, format, err)
				}
				scripts[c.file+format] = s
			}
			sent := ""
			got, err := s.run(c.operation, c.input, env, func(r request) any {
				sent = r.Document
				return c.answer
			})
			if err != nil || got.Result != 0 || got.Output != c.output {
				t.Errorf("%s: got  %+v, %v\nwant %s\n%s", c.operation, got, err, c.output, &s.output)
			}
			if c.request != "" && sent != c.request {
				t.Errorf("%s: sent %s\nwant %s", c.operation, sent, c.request)
			}
		}
	}
}
