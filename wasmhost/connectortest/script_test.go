package connectortest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/connectortest"
)

// A connector in JavaScript is checked as one in WebAssembly. What is wrong with it is said with its line.
func TestScript(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("testdata", "js", "good.js"))
	if err != nil {
		t.Fatal(err)
	}
	good := string(source)
	for name, c := range map[string]struct{ source, want string }{
		"good":      {good, ""},
		"syntax":    {good + "\nconst 7;", "failed  script: The connector of good threw an error while it was loaded (SyntaxError: variable name expected at good.js:"},
		"no export": {strings.Replace(good, "exports.getUserInfo", "exports.getUserinfo", 1), "failed  exports: the export getUserInfo is missing: a connector of type oauth needs it -> export a function of this name: exports.getUserInfo = "},
		"throws":    {strings.Replace(good, "const me", "fetch('/x').json();\n  const me", 1), `failed  getUserInfo: the CRM is well: an error: "not a function" at good.js:16:`},
		"throws later": {strings.Replace(good, "const me", "try { null.x } catch (e) { console.error(e) }\n\n  null.y;\n  const me", 1),
			`failed  getUserInfo: the CRM is well: an error: "cannot read property 'y' of null" at good.js:18:`},
		"no hostname": {good + "\nexports.getOauthInfo = ({ hostname }) => ({ accessTokenUri: `https://${hostname}/token` });",
			`warning  getOauthInfo: its answer: accessTokenUri is "https://undefined/token": the input of this case has no hostname -> record a case`},
		"logs token": {strings.Replace(good, "const me", "console.log(authHeader);\n  const me", 1), "failed  secrets: the access token is in a line of its log"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, "good.js")
			for path, content := range map[string]string{file: c.source, filepath.Join(dir, "good.json"): fmt.Sprintf(oauthManifest, "good")} {
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			all := checkFile(t, file)
			got := lines(all, connectortest.Failed, connectortest.Warning)
			if c.want == "" && (got != "" || !strings.Contains(lines(all), "ok  module: a script of 1.1 KB, which starts")) || !strings.Contains(got, c.want) {
				t.Errorf("got\n%s", lines(all))
			}
		})
	}
}

// An error explains the requests that are missing.
func TestRecordedCaseOfScriptThatThrows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"good.js":   "exports.getAuthType = () => 'oauth';\nexports.getOauthInfo = () => ({});\nexports.getUserInfo = () => {\n  fetch('http://127.0.0.1:8081/api/me').json();\n};",
		"good.json": fmt.Sprintf(oauthManifest, "good"),
		"good.vectors.json": `[{"operation": "getUserInfo", "cases": [{"name": "x", "input": {"authHeader": "Bearer t", "hostname": "", "platform": "good"}, "fetches": [
			{"request": {"method": "GET", "url": "http://127.0.0.1:8081/api/me"}, "answer": {"status": 200}}], "result": 0, "output": {"successful": true, "platformUserInfo": {"id": "1"}}}]}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := lines(checkFile(t, filepath.Join(dir, "good.js")), connectortest.Failed); !strings.HasPrefix(got, `failed  recorded: getUserInfo, x: it answers an error: "not a function" at good.js:4:`) {
		t.Errorf("got\n%s", got)
	}
}

// A recorded case has the configuration that it names, and no other. A secret in it is a handle. In the other calls, the CRM knows the
// configuration of the check as the recorded one.
func TestRecordedConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"good.js": "exports.getAuthType = () => 'oauth';\nconst id = () => process.env.GOOD_CLIENT_ID;\nconst secret = () => process.env.GOOD_SECRET;\n" +
			"exports.getOauthInfo = () => ({ clientId: id(), clientSecret: secret(), accessTokenUri: 'https://good.example/token' });\n" +
			"exports.getUserInfo = async () => {\n  const me = await (await fetch(`https://good.example/me?id=${id()}&key=${secret()}`)).json();\n" +
			"  return { successful: true, platformUserInfo: { id: `${me.id}-good`, name: 'Ada' } };\n};",
		"good.json": `{"platforms": {"good": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://good.example/"}}, "crmgate": {"hosts": ["good.example"],
			"config": ["GOOD_CLIENT_ID", "GOOD_SECRET"], "secrets": "handles", "sends": {"GOOD_SECRET": {"in": ["header", "query"]}, "refreshToken": {"in": ["body"]}}}}}}`,
		"good.vectors.json": `[{"operation": "getOauthInfo", "cases": [
			{"name": "configured", "input": {}, "config": {"GOOD_CLIENT_ID": "a", "GOOD_SECRET": "of the operator"}, "result": 0,
				"output": {"clientId": "a", "clientSecret": "{{secret:GOOD_SECRET:NONCE}}", "accessTokenUri": "https://good.example/token"}},
			{"name": "not configured", "input": {}, "result": 0, "output": {"accessTokenUri": "https://good.example/token"}}]},
			{"operation": "getUserInfo", "cases": [{"name": "a person", "input": {"authHeader": "Bearer {{accessToken:NONCE}}", "hostname": "good.example", "platform": "good"},
				"config": {"GOOD_CLIENT_ID": "a", "GOOD_SECRET": "of the operator"},
				"fetches": [{"request": {"method": "GET", "url": "https://good.example/me?id=a&key={{secret:GOOD_SECRET:NONCE}}"}, "answer": {"status": 200, "body": "{\"id\":7}"}}],
				"result": 0, "output": {"successful": true, "platformUserInfo": {"id": "7-good", "name": "Ada"}}}]}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := lines(checkFile(t, filepath.Join(dir, "good.js")))
	for _, want := range []string{"ok  recorded: getOauthInfo, configured", "ok  recorded: getOauthInfo, not configured", "ok  getUserInfo: the CRM is well"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}

// process.env has no value that the manifest does not declare, however the script reads it. Packages read names of their own.
func TestUndeclaredConfiguration(t *testing.T) {
	t.Parallel()
	const script = "exports.getAuthType = () => 'oauth';\nexports.getOauthInfo = () => ({ clientId: process.env.GOOD_CLIENT_ID, clientSecret: %s, accessTokenUri: 'https://good.example/token' });\n" +
		"exports.getUserInfo = () => ({ successful: false });"
	const manifest = `{"platforms": {"good": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://good.example/"}}, "crmgate": {"hosts": ["good.example"], "config": ["GOOD_CLIENT_ID"]}}}}`
	const wrong = "failed  configuration: good.js reads GOOD_SECRET, which the manifest does not declare -> add the name to crmgate.config"
	for read, want := range map[string]string{
		"process.env.GOOD_SECRET": wrong, "process.env['GOOD_SECRET']": wrong, "process.env?.GOOD_SECRET": wrong,
		"process.env.NODE_ENV": "ok  configuration: ", "process.env.GOOD_CLIENT_ID": "ok  configuration: ",
	} {
		dir := t.TempDir()
		for name, content := range map[string]string{"good.js": fmt.Sprintf(script, read), "good.json": manifest} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := lines(checkFile(t, filepath.Join(dir, "good.js"))); !strings.Contains(got, want) {
			t.Errorf("%s: %s is not in\n%s", read, want, got)
		}
	}
}

// A connector may read the claims of an access token that is a JWT. If it logs the token, that is found.
func TestClaims(t *testing.T) {
	t.Parallel()
	const source = "exports.getAuthType = () => 'oauth';\nexports.getOauthInfo = () => ({ accessTokenUri: 'https://good.example/token' });\n" +
		"exports.getUserInfo = async ({ authHeader }) => {\n  const { sub } = JSON.parse(Buffer.from(authHeader.split('.')[1], 'base64url').toString());\n" +
		"  return { successful: true, platformUserInfo: { id: sub, name: 'Ada' } };\n};"
	const vectors = `[{"operation": "getUserInfo", "cases": [{"name": "a person", "input": {"authHeader": "Bearer e30.eyJzdWIiOiI3LWdvb2QifQ.c2ln", "hostname": "good.example", "platform": "good"},
		"result": 0, "output": {"successful": true, "platformUserInfo": {"id": "7-good", "name": "Ada"}}}]}]`
	const manifest = `{"platforms": {"good": {"auth": {"type": "oauth", "oauth": {"authUrl": "https://good.example/"}}, "crmgate": {"hosts": ["good.example"]}}}}`
	for source, want := range map[string]string{
		source: "ok  getUserInfo: its answer", strings.Replace(source, "  return", "  console.log(authHeader);\n  return", 1): "failed  secrets: the access token is in a line of its log",
	} {
		dir := t.TempDir()
		for name, content := range map[string]string{"good.js": source, "good.json": manifest, "good.vectors.json": vectors} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := lines(checkFile(t, filepath.Join(dir, "good.js"))); !strings.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, got)
		}
	}
}

// The three files in the README for authors are in order.
func TestExampleOfREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join("..", "..", "connectors-wasm", "javascript", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	blocks := regexp.MustCompile("(?s)```(?:js|json)\n(.*?)```").FindAllSubmatch(readme, -1)
	for i, name := range []string{"acme.js", "acme.json", "acme.vectors.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), blocks[i][1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := checkFile(t, filepath.Join(dir, "acme.js"))
	if wrong := lines(all, connectortest.Failed, connectortest.Warning, connectortest.Skipped); wrong != "" || !strings.Contains(lines(all), "ok  recorded: getUserInfo, Ada signs in") {
		t.Errorf("got\n%s", lines(all))
	}
}

// A connector in TypeScript is checked as one in JavaScript.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join("testdata", "js", "good.js"))
	if err != nil {
		t.Fatal(err)
	}
	for more, want := range map[string]string{"type A = { a: string };": "", "type A = { a: string;": "failed  script: SyntaxError: Unexpected end of file at good.ts:24:22"} {
		file := filepath.Join(t.TempDir(), "good.ts")
		for path, content := range map[string]string{file: string(source) + more, strings.TrimSuffix(file, ".ts") + ".json": fmt.Sprintf(oauthManifest, "good")} {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all := checkFile(t, file)
		if got := lines(all, connectortest.Failed, connectortest.Warning); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("got\n%s", lines(all))
		}
	}
}
