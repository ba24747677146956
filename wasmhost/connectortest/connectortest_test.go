package connectortest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate/wasmhost/connectortest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// shared is the cache of compiled modules.
var shared string

func TestMain(m *testing.M) {
	var err error
	if shared, err = os.MkdirTemp("", "connectortest"); err != nil {
		panic(err)
	}
	if err := wasmtest.FillCache(shared); err != nil {
		panic(err)
	}
	// Hanging handlers of the practice CRM end with their connection, shortly after the check.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.Cleanup(func(code int) {
		if err := wasmtest.KeepCache(shared); err != nil {
			panic(err)
		}
		_ = os.RemoveAll(shared)
		wasmtest.Clean()
		os.Exit(code)
	}))
}

// inC builds testdata/c/NAME.c.
func inC(t *testing.T, name, to string) {
	wasmtest.C(t, to, "wasm32", filepath.Join("testdata", "c", name+".c"), "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin",
		"-Wno-unused-function", "-Wl,--no-entry", "-Wl,--allow-undefined")
}

// onSDK builds testdata/c/NAME.c on the SDK.
func onSDK(t *testing.T, name, to string) {
	wasmtest.Connector(t, to, filepath.Join("testdata", "c", name+".c"))
}

// inGo builds a connector in the module connectors-wasm.
func inGo(folder string, flags ...string) func(*testing.T, string, string) {
	return func(t *testing.T, _, to string) {
		wasmtest.Go(t, to, filepath.Join("..", "..", "connectors-wasm"), "./"+folder, flags...)
	}
}

// inCommand builds testdata/c/NAME.c with the C library, as a command.
func inCommand(t *testing.T, name, to string) {
	wasmtest.C(t, to, "wasm32-wasi", filepath.Join("testdata", "c", name+".c"), "-O2", "-Wno-unused-function")
}

// inAssemblyScript builds testdata/as/NAME.ts.
func inAssemblyScript(flags ...string) func(*testing.T, string, string) {
	return func(t *testing.T, name, to string) {
		wasmtest.AssemblyScript(t, to, filepath.Join("testdata", "as", name+".ts"), append([]string{"-O", "--runtime", "incremental"}, flags...)...)
	}
}

const oauthManifest = `{"platforms": {%q: {"auth": {"type": "oauth", "oauth": {"authUrl": "http://127.0.0.1:8081/oauth/authorize", "clientId": "x"}}, "crmgate": {"hosts": ["127.0.0.1:8081"]}}}}`

// differentIDs is what the check says about ids that differ in each run.
var differentIDs = regexp.MustCompile(`got \d+ ids, such as \S+ and "[^"]*"`)

// repeats is how often each operation is called again.
func repeats() int {
	if wasmtest.Soak() {
		return 1000
	}
	return 60
}

// check builds a connector and returns its results.
func check(t *testing.T, name, manifest string, build func(*testing.T, string, string)) []connectortest.Result {
	t.Helper()
	dir := t.TempDir()
	wasm := filepath.Join(dir, name+".wasm")
	build(t, name, wasm)
	if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return checkFile(t, wasm)
}

func checkFile(t *testing.T, file string) []connectortest.Result {
	t.Helper()
	var all []connectortest.Result
	err := connectortest.Check(t.Context(), file, connectortest.Config{Repeats: repeats(), CacheDir: shared}, func(r connectortest.Result) { all = append(all, r) })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func lines(all []connectortest.Result, outcomes ...connectortest.Outcome) string {
	var b strings.Builder
	for _, r := range all {
		if len(outcomes) == 0 || slices.Contains(outcomes, r.Outcome) {
			fmt.Fprintf(&b, "%s  %s: %s -> %s\n", r.Outcome, r.Case, r.Message, r.Advice)
		}
	}
	return b.String()
}

// Each broken connector makes one mistake that authors have made, and gets the line that explains it.
func TestBrokenConnectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		build func(*testing.T, string, string)
		want  []string // the beginnings of all lines; N stands for repeats
	}{
		{"signature", inC, []string{
			"failed  exports: the export getUserInfo has the signature (i32) -> i32: expected () -> i32 -> an operation has no parameters and returns an i32"}},
		{"misnamed", inC, []string{
			"failed  exports: the export getUserInfo is missing: a connector of type oauth needs it -> rename the export get_user_info to getUserInfo"}},
		{"nomodule", inC, []string{
			`failed  imports: it imports env.fetch: expected imports from crmgate_v1 and wasi_snapshot_preview1 only -> fetch is declared but not defined; if it is an import of ABI.md, give its module and name (C: __attribute__((import_module("crmgate_v1"), import_name("fetch"))))`}},
		{"symlinks", inLibC, []string{
			"failed  imports: it imports wasi_snapshot_preview1.path_symlink, which the host does not provide -> a connector has no files and no sockets: remove the code that calls path_symlink"}},
		{"traps", inC, []string{
			"failed  getUserInfo: all documented inputs: with the input of the case \"every member\", which has apiUrl, authHeader, ",
			"failed  getUserInfo: the CRM answers 401: it trapped (wasm error: unreachable) -> handle failures of the CRM"}},
		{"logstoken", inC, []string{
			"failed  secrets: the access token is in a line of its log (the sign-in, and "}},
		{"undeclaredhost", inC, []string{
			"failed  hosts: getUserInfo requests https://statistics.example, which the manifest does not declare -> add the host to crmgate.hosts",
			"failed  configuration: getUserInfo reads CLIO_CLIENT_SECRET, which the manifest does not declare -> add the name to crmgate.config"}},
		{"misspelt", inC, []string{
			"failed  getUserInfo: names: its answer has the member platformUserinfo, which ABI.md does not know (1 more case fails for it) -> did you mean platformUserInfo? Names are case-sensitive",
			"failed  https: getUserInfo requests http://api.example -> use https: the server refuses http"}},
		{"nohost", inC, []string{
			"failed  requests: getUserInfo sends a malformed request: url has no host name: it begins with https:/// (1 more case fails for it) -> build the URL from the hostname"}},
		{"chokes", inC, []string{
			`failed  getUserInfo: all documented inputs: with the input of the case "every member", because of its member data.org: it trapped`}},
		{"randomid", inC, []string{
			"failed  getUserInfo: N calls: the same user got N ids (1 more case fails for it) -> make the id from the CRM's id"}},
		{"ignoresstatus", inC, []string{
			"failed  getUserInfo: the CRM answers 401: it treats this as a success: ",
			"failed  getUserInfo: identity: two users both have the id 7-ignoresstatus -> make the id from the CRM's id of the user"}},
		{"nooutput", inC, []string{
			"failed  getUserInfo: the CRM is well: it returned 0 without an output -> ABI.md specifies the input and the answer of getUserInfo"}},
		{"abort", inAssemblyScript(), []string{
			"failed  imports: it imports env.abort: expected imports from crmgate_v1 and wasi_snapshot_preview1 only -> AssemblyScript adds this import: build with --use abort="}},
		{"retries", inAssemblyScript("--use", "abort="), []string{
			"failed  getUserInfo: the CRM answers 403: it made more fetches than the limit (5 more cases fail for it)",
			"failed  getUserInfo: the CRM does not answer: it ran past its deadline of 3s -> use a shorter timeout"}},
		{"command", inCommand, []string{
			"failed  exports: the export getUserInfo is missing: a connector of type oauth needs it -> the module is a command, which runs once: build a reactor (Go: -buildmode=c-shared"}},
		{"hoards", inGo("testdata/hoards"), []string{
			"failed  getUserInfo: the CRM answers 401: an error with status 401", `failed  authValidation: the CRM answers 401: it treats this as a success: {"successful":true} (5 more cases fail for it)`,
			"failed  authValidation: the CRM's answer is truncated: it trapped (wasm error: unreachable) (1 more case fails for it)",
			"failed  secrets: the access token is in platformAdditionalInfo", "failed  secrets: the access token is in the message of its error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := check(t, c.name, fmt.Sprintf(oauthManifest, c.name), c.build)
			got := strings.Split(strings.TrimSuffix(lines(all, connectortest.Failed, connectortest.Warning), "\n"), "\n")
			ok := len(got) == len(c.want)
			for i := range min(len(got), len(c.want)) {
				got[i] = differentIDs.ReplaceAllString(got[i], "got N ids")
				want := strings.Replace(c.want[i], "N calls", fmt.Sprintf("%d calls", repeats()), 1)
				ok = ok && strings.HasPrefix(got[i], want)
			}
			if !ok {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestOneHostInTwoOperations: a host that two operations request is one mistake.
func TestOneHostInTwoOperations(t *testing.T) {
	t.Parallel()
	all := check(t, "twice", fmt.Sprintf(oauthManifest, "twice"), inC)
	const want = "failed  hosts: getUserInfo requests https://statistics.example, which the manifest does not declare (N more case fails for it)" +
		"failed  unAuthorize: N case fails for a reason above"
	got := regexp.MustCompile(` -> .*\n|\d+`).ReplaceAllStringFunc(lines(all, connectortest.Failed), func(s string) string {
		if s[0] == ' ' {
			return ""
		}
		return "N"
	})
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestMisspeltWithoutVectors: the CRM's answers are not known, but an invented one shows that an answer has a misspelt member.
func TestMisspeltWithoutVectors(t *testing.T) {
	t.Parallel()
	manifest := strings.Replace(fmt.Sprintf(oauthManifest, "unrecorded"), `"hosts": ["127.0.0.1:8081"]`, `"hosts": ["127.0.0.1:8082", "api.crm.example"]`, 1)
	got := lines(check(t, "unrecorded", manifest, inC), connectortest.Failed)
	const want = "failed  getUserInfo: names: its answer has the member platformUserInfo.ID, which ABI.md does not know"
	if !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestClientIDs: a connector whose client id is not the manifest's is warned about, and one without a difference is not.
func TestClientIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"x": `warning  client id: getOauthInfo answers the clientId "overrides-client", and the manifest has "x" -> write the same into both: ` +
			"App Connect's clients send people to the CRM with the manifest's, and the code is exchanged with the connector's\n",
		"overrides-client": "", "": "",
	} {
		text := strings.Replace(fmt.Sprintf(oauthManifest, "overrides"), `"clientId": "x"`, `"clientId": "`+id+`"`, 1)
		text = strings.Replace(text, `"hosts"`, `"config": ["OVERRIDES_URL", "OVERRIDES_METHOD"], "hosts"`, 1)
		all := check(t, "overrides", text, onSDK)
		if got := lines(all, connectortest.Warning); got != want {
			t.Errorf("with the client id %q in the manifest: got\n%s\nwant\n%s", id, got, want)
		}
	}
}

// A Go command traps when an operation is called, because its runtime is not initialised.
func TestGoCommand(t *testing.T) {
	t.Parallel()
	if !wasmtest.Soak() {
		t.Skip("compiling another Go module takes ten seconds: set CRMGATE_SOAK")
	}
	all := check(t, "command", fmt.Sprintf(oauthManifest, "command"), inGo("testdata/hoards", "-buildmode=exe"))
	const want = "failed  getAuthType: The connector of command trapped in getAuthType (wasm error: unreachable) -> the module is a command"
	if got := lines(all, connectortest.Failed); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A module that writes a table is slow: the check says so.
func TestModuleWithStateOutsideItsMemory(t *testing.T) {
	t.Parallel()
	all := check(t, "tables", fmt.Sprintf(oauthManifest, "tables"), func(t *testing.T, _, to string) {
		m := wasmtest.Module{Table: []byte{1, 0x70, 0, 1}, Elements: []uint64{wasmtest.First}, Funcs: []wasmtest.Func{
			wasmtest.Export("getAuthType", wasmtest.Answer(`{"type":"oauth"}`, 0)),
			wasmtest.Export("getOauthInfo", wasmtest.Num(2)),
			wasmtest.Export("getUserInfo", wasmtest.Num(0), []byte{0xd0, 0x70, 0x26, 0}, wasmtest.Num(2)), // table.set
		}}
		if err := os.WriteFile(to, m.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if got, want := lines(all, connectortest.Warning), "warning  instances: the module writes tables"; !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A valid connector passes. The tests of cmd/crmgate check the connectors in connectors-wasm.
func TestValidConnector(t *testing.T) {
	t.Parallel()
	all := check(t, "good", fmt.Sprintf(oauthManifest, "good"), inC)
	wantAllOK(t, all, "getUserInfo: the CRM is well", "getUserInfo: the CRM is slow", "getUserInfo: the CRM does not answer", fmt.Sprintf("getUserInfo: %d calls", repeats()), "secrets")
}

// wantAllOK checks that every case is ok, and that there are cases of these names.
func wantAllOK(t *testing.T, all []connectortest.Result, among ...string) {
	t.Helper()
	for _, r := range all {
		if r.Outcome != connectortest.OK {
			t.Errorf("%s  %s: %s -> %s", r.Outcome, r.Case, r.Message, r.Advice)
		}
	}
	for _, name := range among {
		if !slices.ContainsFunc(all, func(r connectortest.Result) bool { return r.Case == name }) {
			t.Errorf("there is no case %q:\n%s", name, lines(all))
		}
	}
}

// A connector that behaves differently than recorded gets a line with the difference.
func TestWrongVectors(t *testing.T) {
	t.Parallel()
	const request = `"request": {"method": "GET", "url": "http://127.0.0.1:8081/api/me", "headers": {"Authorization": "Bearer t"}}`
	const said = `"answer": {"status": 200, "headers": {}, "body": "{\"id\":1,\"name\":\"Ada\",\"email\":\"a\"}"}`
	vector := func(fetches, output string) string {
		return `[{"operation": "getUserInfo", "cases": [{"name": "x", "input": {"authHeader": "Bearer t"}, "fetches": [` + fetches + `], "result": 0, "output": ` + output + `}]}]`
	}
	const right = `{"successful": true, "platformUserInfo": {"id": "1-good", "name": "Ada"}}`
	for _, c := range []struct{ name, vectors, want string }{
		{"other answer", vector(`{`+request+`, `+said+`}`, strings.Replace(right, "Ada", "Eve", 1)), `failed  recorded: getUserInfo, x: it answers "Ada", recorded is "Eve", in platformUserInfo.name -> `},
		{"a member less", vector(`{`+request+`, `+said+`}`, strings.Replace(right, `"name"`, `"name": null, "nick"`, 1)), `failed  recorded: getUserInfo, x: it answers "Ada", recorded is null, in platformUserInfo.name -> `},
		{"null", vector(`{`+request+`, `+said+`}`, strings.Replace(right, `"Ada"`, `"Ada", "nick": null`, 1)), `failed  recorded: getUserInfo, x: it answers nothing, recorded is null, in platformUserInfo.nick -> `},
		{"a member more", vector(`{`+request+`, `+said+`}`, `{"successful": true}`), `failed  recorded: getUserInfo, x: it answers {"id":"1-good","name":"Ada"}, recorded is nothing, in platformUserInfo -> `},
		{"other result", strings.Replace(vector(`{`+request+`, `+said+`}`, right), `"result": 0`, `"result": 2`, 1), `failed  recorded: getUserInfo, x: it answers 0 {"platformUserInfo":`},
		{"other request", vector(`{`+strings.Replace(request, "/me", "/you", 1)+`, `+said+`}`, right), "failed  recorded: getUserInfo, x: request 1: it requests GET http://127.0.0.1:8081/api/me, recorded is GET http://127.0.0.1:8081/api/you"},
		{"other header", vector(`{`+strings.Replace(request, "Bearer t", "Bearer u", 1)+`, `+said+`}`, right), `failed  recorded: getUserInfo, x: request 1: its headers are {"Authorization":"Bearer t"}`},
		{"other redirects", vector(`{`+strings.Replace(request, `{"method"`, `{"redirect": "manual", "method"`, 1)+`, `+said+`}`, right), `failed  recorded: getUserInfo, x: request 1: it follows redirects: true, recorded is the redirect "manual"`},
		{"no request", vector("", right), "failed  recorded: getUserInfo, x: it makes a request that is not recorded"},
		{"a request more", vector(`{`+request+`, `+said+`}, {`+request+`, `+said+`}`, right), "failed  recorded: getUserInfo, x: it makes 1 requests, recorded are 2"},
		{"no such operation", strings.Replace(vector("", right), "getUserInfo", "unAuthorize", 1), "failed  recorded: unAuthorize, x: the module does not export unAuthorize"},
		{"no JSON", `[{`, "failed  vectors: "},
		{"no operation", `[{"cases": []}]`, "failed  vectors: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			inC(t, "good", filepath.Join(dir, "good.wasm"))
			for name, content := range map[string]string{"good.json": fmt.Sprintf(oauthManifest, "good"), "good.vectors.json": c.vectors} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			var got string
			_ = connectortest.Check(ctx, filepath.Join(dir, "good.wasm"), connectortest.Config{CacheDir: shared}, func(r connectortest.Result) {
				if r.Outcome == connectortest.Failed && got == "" {
					got = lines([]connectortest.Result{r})
					cancel() // the other cases take long
				}
			})
			cancel()
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got\n%s\nwant a first failed line that begins with\n%s", got, c.want)
			}
		})
	}
}

// TestGoldenInputsStayOnDeclaredHosts: a connector that goes where its input says stays within its manifest.
func TestGoldenInputsStayOnDeclaredHosts(t *testing.T) {
	t.Parallel()
	const input = `{"apiUrl": "https://eu.crm.example/api", "hostname": "eu.crm.example", "oauthInfo": {"accessTokenUri": "https://crm.example/token"}}`
	for _, c := range []struct{ members, recorded, want string }{
		{`"crmgate": {"hosts": ["api.a.example"]}`, "", `{"apiUrl":"https://api.a.example/api","hostname":"api.a.example","oauthInfo":{"accessTokenUri":"https://api.a.example/token"}}`},
		{`"crmgate": {"hosts": ["*.a.example:8443"]}`, "", `{"apiUrl":"https://eu.a.example:8443/api","hostname":"eu.a.example:8443","oauthInfo":{"accessTokenUri":"https://eu.a.example:8443/token"}}`},
		{`"environment": {"urlIdentifier": "*.b.example"}, "crmgate": {"hosts": ["{hostname}"]}`, "", `{"apiUrl":"https://eu.b.example/api","hostname":"eu.b.example","oauthInfo":{"accessTokenUri":"https://eu.b.example/token"}}`},
		{`"environment": {"urlIdentifier": "*.b.example"}, "crmgate": {"hosts": ["{hostname}"]}`, "acme.b.example", `{"apiUrl":"https://acme.b.example/api","hostname":"acme.b.example","oauthInfo":{"accessTokenUri":"https://acme.b.example/token"}}`},
		{`"crmgate": {}`, "", `{"apiUrl":"https://eu.crm.example/api","hostname":"eu.crm.example","oauthInfo":{"accessTokenUri":"https://crm.example/token"}}`},
	} {
		got := connectortest.OnDeclaredHosts(t, `{"platforms": {"a": {"auth": {"type": "apiKey"}, `+c.members+`}}}`, input, c.recorded)
		if got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.members, got, c.want)
		}
	}
}

// TestShortSecrets: a recorded secret of one letter is replaced where it is a value, and nowhere else.
func TestShortSecrets(t *testing.T) {
	t.Parallel()
	const input = `{"authHeader":"Bearer s","hostname":"us.crm.example","list":["s","ss"],"oauthInfo":{"clientId":"client","clientSecret":"s"}}`
	const want = `{"authHeader":"Bearer OURS","hostname":"us.crm.example","list":["OURS","ss"],"oauthInfo":{"clientId":"client","clientSecret":"OURS"}}`
	if got := connectortest.ReplaceSecret(input, "s", "OURS"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestBasicAuthWithScheme: the server would send "Basic Basic …".
func TestBasicAuthWithScheme(t *testing.T) {
	t.Parallel()
	for basic, want := range map[string]connectortest.Outcome{"Basic eDp5": connectortest.Failed, "basic x": connectortest.Failed, "eDp5": connectortest.OK, "BasicX": connectortest.OK} {
		if got := connectortest.BasicAuthOutcome(`{"basic": "` + basic + `"}`); got != want {
			t.Errorf("%s: got %s, want %s", basic, got, want)
		}
	}
}

func TestFilesThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lone := filepath.Join(dir, "lone.wasm")
	if err := os.WriteFile(lone, []byte("\x00asm\x01\x00\x00\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := lines(checkFile(t, lone), connectortest.Failed); !strings.HasPrefix(got, "failed  manifest: lone.json not found in the same folder -> a connector needs a manifest of its own name") {
		t.Errorf("without a manifest: %s", got)
	}
	for _, file := range []string{filepath.Join(dir, "nowhere.wasm"), filepath.Join(dir, "x.txt"), dir} {
		if err := connectortest.Check(t.Context(), file, connectortest.Config{}, func(connectortest.Result) {}); err == nil {
			t.Errorf("%s was checked", file)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := os.WriteFile(filepath.Join(dir, "lone.json"), []byte(fmt.Sprintf(oauthManifest, "lone")), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = connectortest.Check(ended, lone, connectortest.Config{}, func(connectortest.Result) {})
}

// The vectors in this package are equal to those in connectors-wasm/abi.
func TestABIVectors(t *testing.T) {
	t.Parallel()
	theirs, err := filepath.Glob(filepath.Join("..", "..", "connectors-wasm", "abi", "*.json"))
	if err != nil || len(theirs) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	ours, _ := filepath.Glob(filepath.Join("abi", "*.json"))
	if len(ours) != len(theirs) {
		t.Errorf("%d files here, %d in connectors-wasm/abi: copy them", len(ours), len(theirs))
	}
	for _, path := range theirs {
		want, err1 := os.ReadFile(path)
		got, err2 := os.ReadFile(filepath.Join("abi", filepath.Base(path)))
		if err1 != nil || err2 != nil || string(got) != string(want) {
			t.Errorf("%s differs from connectors-wasm/abi: copy it", filepath.Base(path))
		}
	}
}

// A connector with handles passes if its manifest says where they go. Otherwise the check says what to declare.
func TestHandlesInTheCheck(t *testing.T) {
	t.Parallel()
	with := func(sends string) string {
		return strings.Replace(fmt.Sprintf(oauthManifest, "good"), `"hosts"`, `"secrets": "handles", `+sends+`"hosts"`, 1)
	}
	all := check(t, "good", with(`"sends": {"accessToken": {}}, `), inC)
	wantAllOK(t, all, "getUserInfo: the CRM is well", "secrets")
	if got := lines(all, connectortest.OK); !strings.Contains(got, "manifest: fits the schema; reaches 127.0.0.1:8081; gets handles for access tokens") {
		t.Errorf("got\n%s", got)
	}
	got := lines(check(t, "good", with(""), inC), connectortest.Failed)
	const want = `failed  handles: getUserInfo: accessToken may not be sent in the header to 127.0.0.1:8081: add "accessToken": {"in": ["header"], "hosts": ["127.0.0.1:8081"]} to crmgate.sends`
	if !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A case has the handles that the connector sends, and what it derives. The CRM gets the values.
func TestDerivedValuesInVectors(t *testing.T) {
	t.Parallel()
	const derives = `"derives": [{"base64": "{{accessToken:NONCE}}:x"}], `
	const vector = `[{"operation": "getUserInfo", "cases": [{"name": "x", "input": {"authHeader": "Bearer {{accessToken:NONCE}}", "hostname": "", "platform": "derives"}, ` + derives + `"fetches": [{
		"request": {"method": "POST", "url": "http://127.0.0.1:8081/api/me?key={{accessToken:NONCE}}", "headers": {"Content-Type": "application/x-www-form-urlencoded",
			"Authorization": "Basic {{derived:1:NONCE}}"}, "body": "signed={{derived:1:NONCE}}"},
		"answer": {"status": 200, "headers": {}, "body": "{\"name\":\"Ada\"}"}}], "result": 0, "output": {"successful": true, "platformUserInfo": {"id": "1-derives", "name": "Ada"}}}]}]`
	for _, c := range []struct{ name, vector, want string }{
		{"as recorded", vector, "ok  recorded: getUserInfo, x: "},
		{"with a token", strings.ReplaceAll(strings.ReplaceAll(vector, "Bearer {{accessToken:NONCE}}", "Bearer token-123456"), "key={{accessToken:NONCE}}", "key=token-123456"), "ok  recorded: getUserInfo, x: "},
		{"without derives", strings.Replace(vector, derives, "", 1), `failed  recorded: getUserInfo, x: it derives {"base64":"{{accessToken:NONCE}}:x"}, which is not recorded in derives`},
		{"other derivation", strings.Replace(vector, `NONCE}}:x"`, `NONCE}}:y"`, 1), `failed  recorded: getUserInfo, x: derivation 1: it derives {"base64":"{{accessToken:NONCE}}:x"}, recorded is {"base64":"{{accessToken:NONCE}}:y"}`},
		{"more derivations", strings.Replace(vector, `"derives": [`, `"derives": [{"base64": "{{accessToken:NONCE}}:x"}, `, 1), `failed  recorded: getUserInfo, x: it derives 1 values, recorded are 2`},
		{"other header", strings.Replace(vector, "Basic {{derived", "{{derived", 1), `failed  recorded: getUserInfo, x: request 1: its headers are {"Authorization":"Basic {{derived:1:NONCE}}"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			onSDK(t, "derives", filepath.Join(dir, "derives.wasm"))
			manifest := strings.Replace(fmt.Sprintf(oauthManifest, "derives"), `"hosts"`, `"secrets": "handles", "sends": {"accessToken": {"in": ["header", "query", "body"]}}, "hosts"`, 1)
			for name, content := range map[string]string{"derives.json": manifest, "derives.vectors.json": c.vector} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			var got string
			_ = connectortest.Check(ctx, filepath.Join(dir, "derives.wasm"), connectortest.Config{CacheDir: shared}, func(r connectortest.Result) {
				if strings.HasPrefix(r.Case, "recorded") {
					got = lines([]connectortest.Result{r})
					cancel() // the other cases take long
				}
			})
			cancel()
			if !strings.HasPrefix(got, c.want) {
				t.Errorf("got\n%s\nwant a line that begins with\n%s", got, c.want)
			}
		})
	}
}
