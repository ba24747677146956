package wasmhost_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/recording"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// script is a connector in JavaScript of type oauth, with more operations.
func script(more string) string {
	return "exports.getAuthType = () => ({ type: 'oauth' });\nexports.getOauthInfo = () => ({ clientId: 'id' });\n" + more
}

// userInfo is an operation getUserInfo with this body.
func userInfo(body string) string {
	return script("exports.getUserInfo = async (input) => {\n" + body + "\n};")
}

// eachIsolation runs a test with scripts in this process, and in processes of their own.
func eachIsolation(t *testing.T, test func(t *testing.T, processes int)) {
	for _, processes := range []int{0, 2} {
		t.Run(fmt.Sprintf("%d processes", processes), func(t *testing.T) {
			t.Parallel()
			test(t, processes)
		})
	}
}

// A script of each kind signs a person in: what it fetches and what is configured come from the host, in both isolations.
func TestScripts(t *testing.T) {
	t.Parallel()
	const fetches = `
  const answer = await fetch('https://crm.example/me', { headers: { Authorization: input.authHeader } });
  const me = await answer.json();
  return { successful: true, platformUserInfo: { id: me.id + '-' + process.env.X_SUFFIX, name: me.name } };`
	for name, source := range map[string]string{
		"commonjs": userInfo(fetches),
		"module": `const auth = await Promise.resolve('oauth');
export function getAuthType() { return { type: auth }; }
export const getOauthInfo = () => ({ clientId: 'id' });
export async function getUserInfo(input) {` + fetches + "}",
		"default": `export default { getAuthType: () => 'oauth', getOauthInfo: () => ({ clientId: 'id' }), async getUserInfo(input) {` + fetches + "} };",
		"imports": `import axios, { isAxiosError } from 'axios';
import { createHash } from "node:crypto";
export const getAuthType = () => createHash('sha256') && 'oauth';
export const getOauthInfo = () => ({ clientId: 'id' });
export async function getUserInfo(input) {
  if (isAxiosError(null)) throw new Error('no error is one');
  const { data } = await axios.get('https://crm.example/me', { headers: { Authorization: input.authHeader } });
  return { successful: true, platformUserInfo: { id: data.id + '-' + process.env.X_SUFFIX, name: data.name } };
}`,
		"mark": "\uFEFF" + userInfo(fetches),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolation(t, func(t *testing.T, processes int) {
				h := newHost(t, wasmhost.Config{
					Processes: processes,
					Setting:   func(name string) (crmgate.Secret, bool) { return crmgate.NewSecret("suffix"), name == "X_SUFFIX" },
					Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
						if got := r.Header.Get("Authorization"); got != "Bearer top-secret-token" {
							t.Errorf("the credential is %q", got)
						}
						return answering(200, `{"id":42,"name":"Ada"}`), nil
					},
				})
				f := load(t, h, map[string]string{"x.js": source, "x.json": manifestOf("x", `"hosts": ["crm.example"], "config": ["X_SUFFIX", "X_UNSET"]`)})
				c := mustConnector(t, f, "x")
				for range 3 {
					got, err := c.UserInfo(t.Context(), bearer(""))
					if err != nil || got.ID != "42-suffix" || got.Name != "Ada" {
						t.Fatalf("got %+v, %v", got, err)
					}
				}
				if c.Implements("getBasicAuth") || !c.Implements("getUserInfo") {
					t.Error("the operations are not those that it exports")
				}
				if d := f.Describe(); len(d) != 1 || d[0].Language != "JavaScript" || d[0].Size != len(source) {
					t.Errorf("it is described as %+v", d)
				}
			})
		})
	}
}

// What is wrong with a script is said with its file and line.
func TestWrongScripts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ source, want string }{
		"syntax":           {"exports.getAuthType = () => {\n  const 7;\n};", "SyntaxError: variable name expected at x.js:2:"},
		"syntax of module": {"export const a = 1;\nexport function getAuthType() {\n  const 7;\n};", "SyntaxError: variable name expected at x.js:3:"},
		"throws":           {"exports.a = 1;\nfunction f() {\n  null.b;\n}\nf();", "TypeError: cannot read property 'b' of null at x.js:3:"},
		"module throws":    {"export const a = 1;\nnull.b;", "TypeError: cannot read property 'b' of null at x.js:2:"},
		"nothing":          {"const a = 1;", "export"},
		"never":            {"await new Promise(() => {});\nexport const a = 1;", "top level"},
		"other module":     {"import axios from './other.js';\nexport const a = 1;", "other.js"},
		"not text":         {"exports.a = '\xff';", "not UTF-8"},
		"loops":            {"for (;;);", "ran past its deadline"},
		"hoards":           {"const a = []; for (;;) a.push(new Array(1000).fill(1));", "out of memory"},
		"throws nothing":   {"throw undefined;", "undefined"},
		"throws no text":   {"throw '';", "a value without a message was thrown"},
		"throws a symbol":  {"throw Symbol('x');", "a value without a message was thrown"},
		"throws no object": {"throw Object.create(null);", "a value without a message was thrown"},
		"many exports":     {"for (let i = 0; i < 150; i++) exports['aFunctionThatTheHostDoesNotCall' + i] = () => {};\nexports.getAuthType = () => 'oauth';", "getUserInfo is missing"},
		"throws a trap": {`const o = {}; Object.defineProperty(o, 'stack', { get() { throw o; } }); o.toString = () => { throw o; }; throw o;`,
			"threw an error"},
		"no type":   {"exports.getUserInfo = () => 1;", "getAuthType"},
		"one more":  {script(""), "getUserInfo is missing"},
		"too large": {"//" + strings.Repeat("x", 2<<20), "at most 2 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolation(t, func(t *testing.T, processes int) {
				h := newHost(t, wasmhost.Config{Processes: processes, Deadline: deadlineFor(name == "loops")})
				f, err := h.Load(t.Context(), folder(t, map[string]string{"x.js": c.source, "x.json": manifestOf("x", "")}), "http://127.0.0.1:8080")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if err := f.Err(); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.js") {
					t.Errorf("got %v, want %q", err, c.want)
				}
			})
		})
	}
}

// deadlineFor is a deadline for a guest that must reach it, or that must finish first.
func deadlineFor(reached bool) time.Duration {
	if reached {
		return 3 * time.Second // loading a script is within it too
	}
	return time.Minute
}

// A module and a script of one name are an error.
func TestModuleBesideScript(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{})
	f, err := h.Load(t.Context(), folder(t, map[string]string{"x.js": userInfo(""), "x.wasm": "x", "x.ts": "", "x.d.ts": "", "x.json": manifestOf("x", "")}), "http://127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Err(); err == nil || !strings.Contains(err.Error(), "x.js, x.ts, x.wasm are files of one connector: keep one of them, and remove the others") {
		t.Errorf("got %v", err)
	}
}

// Hostile scripts are stopped within their limits, in both isolations, and the next call works and finds nothing of them.
func TestHostileScripts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, want string
		late       bool
	}{
		"endless loop":            {"for (;;);", "ran past its deadline", true},
		"endless await":           {"for (;;) await null;", "ran past its deadline", true},
		"regular expression":      {"/^(a+)+$/.test('a'.repeat(40) + 'b');", "ran past its deadline", true},
		"memory hog":              {"const a = []; for (;;) a.push(new Array(1000).fill(1));", "out of memory", false},
		"memory hog of text":      {"let s = 'x'; for (;;) s += s;", "", false},
		"memory of buffers":       {"const a = []; for (;;) a.push(new ArrayBuffer(1 << 20));", "out of memory", false},
		"deep recursion":          {"const f = () => 1 + f(); f();", "Maximum call stack size exceeded", false},
		"recursion of callbacks":  {"const f = () => [1].map(f); f();", "Maximum call stack size exceeded", false},
		"recursion of getters":    {"const o = { get a() { return this.a; } }; o.a;", "Maximum call stack size exceeded", false},
		"recursion of proxies":    {"let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x;", "Maximum call stack size exceeded", false},
		"recursion of JSON":       {"JSON.parse('['.repeat(1e6));", "Maximum call stack size exceeded", false},
		"recursion of the parser": {"eval('['.repeat(1e5));", "Maximum call stack size exceeded", false},
		"recursion of a pattern":  {"new RegExp('(?:'.repeat(1e5));", "stack overflow", false},
		"recursion of promises":   {"const f = async () => { await f(); }; await f();", "Maximum call stack size exceeded", false},
		"promise storm":           {"const f = () => { Promise.resolve().then(f); }; for (let i = 0; i < 100; i++) f(); await new Promise(() => {});", "ran past its deadline", true},
		"timer storm":             {"const f = () => setTimeout(f, 0); f(); await new Promise(() => {});", "ran past its deadline", true},
		"no end":                  {"await new Promise(() => {});", "never settles", false},
		"fetch storm":             {"for (;;) { try { await fetch('https://crm.example/'); } catch (e) {} }", "made more fetches than the limit", false},
		"fetch storm at once":     {"await Promise.allSettled(Array.from({ length: 1000 }, () => fetch('https://crm.example/')));", "made more fetches than the limit", false},
		"long answer":             {"return { successful: true, platformUserInfo: { id: '1', name: 'x'.repeat(4 << 20) } };", "more output than the limit", false},
		"log storm":               {"for (let i = 0; i < 1e4; i++) console.log('x'.repeat(1000)); throw new Error('done');", "done", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachIsolation(t, func(t *testing.T, processes int) {
				h := newHost(t, wasmhost.Config{Processes: processes, Deadline: deadlineFor(c.late)})
				f := load(t, h, map[string]string{"x.js": userInfo(`
if (!input.authHeader.includes('hostile')) return { successful: true, platformUserInfo: { id: '1', name: String(globalThis.left) } };
globalThis.left = 'left';
` + c.body), "x.json": manifestOf("x", `"hosts": ["crm.example"]`)})
				conn := mustConnector(t, f, "x")
				_, err := conn.UserInfo(t.Context(), connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer hostile")})
				wantError(t, err, c.want)
				h.Deadline = time.Minute
				if got, err := conn.UserInfo(t.Context(), bearer("")); err != nil || got.Name != "undefined" {
					t.Errorf("the next call got %+v, %v", got, err)
				}
			})
		})
	}
}

// What a call changes is gone in the next one: globals, prototypes that the prelude uses, and the prelude's own objects.
func TestScriptsLeaveNothing(t *testing.T) {
	t.Parallel()
	pollution := userInfo(`
const before = [globalThis.hoard?.length, Array.prototype.evil, Object.prototype.evil, typeof fetch, JSON.stringify([1]), module.seen].join();
globalThis.hoard = new Array(1e5).fill('x');
module.seen = true;
Array.prototype.evil = Object.prototype.evil = 'evil';
Array.prototype.push = Array.prototype.shift = Array.prototype[Symbol.iterator] = () => { throw new Error('evil'); };
Promise.prototype.then = () => { throw new Error('evil'); };
globalThis.fetch = globalThis.Promise = globalThis.Map = undefined;
JSON.stringify = JSON.parse = () => '{"requests":[{"id":1,"import":"fetch","document":"{}"}]}';
return { successful: true, platformUserInfo: { id: '1', name: before } };`)
	eachIsolation(t, func(t *testing.T, processes int) {
		h := newHost(t, wasmhost.Config{Processes: processes})
		c := mustConnector(t, load(t, h, map[string]string{"x.js": pollution, "x.json": manifestOf("x", "")}), "x")
		for range 3 {
			if got, err := c.UserInfo(t.Context(), bearer("")); err != nil || got.Name != ",,,function,[1]," {
				t.Errorf("got %+v, %v", got, err)
			}
		}
	})
}

// The engine is compiled once for all scripts, and not at all if the cache has it.
func TestEngineIsCompiledOnce(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, processes int) {
		cache := t.TempDir()
		files := map[string]string{}
		for _, p := range []string{"a", "b", "c"} {
			files[p+".js"], files[p+".json"] = userInfo("return {};// "+p), manifestOf(p, "")
		}
		for turn, want := range []string{"compiled the JavaScript engine", "", ""} {
			var said wasmtest.LogBuffer
			if turn == 2 {
				files["d.js"], files["d.json"] = userInfo("return {};// d"), manifestOf("d", "")
			}
			h := newHost(t, wasmhost.Config{Processes: processes, CacheDir: cache, Progress: slog.New(slog.NewTextHandler(&said, nil))})
			f, err := loadAll(t, h, folder(t, files), "http://127.0.0.1:8080")
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(said.String(), "compiled the JavaScript engine"); n != len(strings.Fields(want))/4 || want == "" && said.String() != "" {
				t.Errorf("turn %d: it says %s", turn, said.String())
			}
			_ = f.Close()
		}
	})
}

// A failed call of a script is recorded, in both isolations, and a replay fails in the same way, with the same clock and chance.
func TestRecordedScripts(t *testing.T) {
	t.Parallel()
	code, err := wasmhost.ReadCode(filepath.Join("testdata", "script", "fails"))
	if err != nil {
		t.Fatal(err)
	}
	for _, processes := range []int{0, 1} {
		all := recordFailures(t, code, processes)
		if len(all) != 3 {
			t.Fatalf("with %d processes: %d recordings, want 3", processes, len(all))
		}
		for _, r := range all {
			replayTwice(t, code, r)
		}
		if got := all[0].Log[0].Text; got != "{{secret:FAILS_SECRET}} {{secret:FAILS_SECRET}}" {
			t.Errorf("its configuration, and that of the top level: %s", got)
		}
		opaque := recordFailures(t, code, processes, `, "secrets": "handles", "sends": {"accessToken": {"in": ["header"]}, "FAILS_SECRET": {"in": ["header"]}}`)[0]
		replayTwice(t, code, opaque)
		if got := opaque.Log[1].Text; !opaque.Config[0].Later || !strings.HasSuffix(got, "}} undefined") {
			t.Errorf("with handles: %+v, %s", opaque.Config, got)
		}
		if end := all[0].End; end.How != recording.Returned || !strings.Contains(end.Output, "no name") || all[0].Config[0].Value != "{{secret:FAILS_SECRET}}" || len(all[0].Fetches) != 1 {
			t.Errorf("recorded %+v", all[0])
		}
		if all[2].End.How != recording.Late {
			t.Errorf("the endless loop ended so: %+v", all[2].End)
		}
		mended := wasmhost.Code{File: code.File, Content: []byte(strings.Replace(string(code.Content), "parseName({ user: {} })", "return { successful: true }", 1))}
		out, err := wasmhost.Replay(t.Context(), all[0], mended, wasmhost.ReplayConfig{CacheDir: shared.cache, Processes: processes})
		if err != nil || !out.Mended || !out.OtherModule {
			t.Errorf("the mended script: %+v, %v", out, err)
		}
	}
}

// A script with handles gets them for its configuration and its credential.
func TestScriptWithHandles(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, processes int) {
		h := newHost(t, wasmhost.Config{
			Processes: processes,
			Setting:   func(string) (crmgate.Secret, bool) { return crmgate.NewSecret("the-config-secret"), true },
			Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
				if r.Header.Get("X-Key") != "the-config-secret" || r.Header.Get("Authorization") != "Bearer top-secret-token" {
					t.Errorf("the headers are %v", r.Header)
				}
				return answering(200, `{"id":42}`), nil
			},
		})
		f := load(t, h, map[string]string{"x.js": userInfo(`
if ((process.env.X_KEY + input.authHeader).includes('secret-')) throw new Error('it sees a secret');
await fetch('https://crm.example/me', { headers: { 'X-Key': process.env.X_KEY, Authorization: input.authHeader } });
return { successful: true, platformUserInfo: { id: '1', name: 'n' } };`), "x.json": manifestOf("x",
			`"hosts": ["crm.example"], "config": ["X_KEY"], "secrets": "handles", "sends": {"accessToken": {"in": ["header"]}, "X_KEY": {"in": ["header"]}}`)})
		if got, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); err != nil || !got.Successful {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// A line of the log is cut behind the secrets in it: no part of a secret is left at its end.
func TestLongLinesOfScripts(t *testing.T) {
	t.Parallel()
	var said wasmtest.LogBuffer
	h := newHost(t, wasmhost.Config{Logger: slog.New(slog.NewTextHandler(&said, nil))})
	f := load(t, h, map[string]string{"x.js": userInfo(`
for (let n = 7900; n < 8300; n += 5) console.log('a'.repeat(n) + input.authHeader);
console.log('b'.repeat(8 << 20) + '\n' + input.authHeader);
return { successful: true, platformUserInfo: { id: '1', name: 'n' } };`), "x.json": manifestOf("x", "")})
	if _, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); err != nil {
		t.Fatal(err)
	}
	if log := said.String(); strings.Contains(log, "top") || strings.Count(log, "aaaa") == 0 || !strings.Contains(log, "Bearer [secret]") {
		t.Errorf("the log is\n%s", log)
	}
}

// The same holds for an exception in a call of the driver's own.
func TestLongExceptionsOfScripts(t *testing.T) {
	t.Parallel()
	for n := 4068; n < 4094; n += 2 {
		var said wasmtest.LogBuffer
		h := newHost(t, wasmhost.Config{Logger: slog.New(slog.NewTextHandler(&said, nil))})
		f := load(t, h, map[string]string{"x.js": userInfo(fmt.Sprintf(`
Object.prototype.toJSON = () => { throw 'aaaa ' + 'a'.repeat(%d) + '\n' + input.authHeader; };
await fetch('https://crm.example/');`, n)), "x.json": manifestOf("x", `"hosts": ["crm.example"]`)})
		_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
		if log := said.String(); err == nil || strings.Contains(err.Error()+log, "top") || !strings.Contains(log, "aaaa") {
			t.Errorf("%d: got %v, and the log\n%s", n, err, log)
		}
	}
}

// What JavaScript itself says of a mistake is in the log, and people are told that the connector failed.
func TestScriptMistakes(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][2]string{
		"input.nothing();":                     {"The connector of x failed in getUserInfo.", "not a function"},
		"return input.user.id;":                {"The connector of x failed in getUserInfo.", "cannot read property 'id' of undefined"},
		"return JSON.parse('<html>');":         {"The connector of x failed in getUserInfo.", "unexpected token: '<'"},
		"new URL('x');":                        {"The connector of x failed in getUserInfo.", "Invalid URL"},
		"throw new Error('Choose a project.')": {"Choose a project.", ""},
	} {
		f := load(t, newHost(t, wasmhost.Config{}), map[string]string{"x.js": userInfo(body), "x.json": manifestOf("x", "")})
		_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
		var failed *crmgate.ConnectorError
		if !errors.As(err, &failed) || failed.Message != want[0] || failed.Detail != want[1] || !strings.Contains(err.Error(), want[1]) {
			t.Errorf("%s: got %#v, want %q", body, failed, want)
		}
	}
}

// Scripts in this process have one engine in memory: the last that is closed frees it, and the next one loads it again.
func TestScriptsInThisProcessShareTheEngine(t *testing.T) {
	t.Parallel()
	h := newHost(t, wasmhost.Config{})
	files := map[string]string{}
	for _, name := range []string{"x", "y"} {
		files[name+".js"] = userInfo("return { successful: true, platformUserInfo: { id: '" + name + "', name: 'Ada' } };")
		files[name+".json"] = manifestOf(name, "")
	}
	dir := folder(t, files)
	for range 2 {
		f, err := loadAll(t, h, dir, "http://127.0.0.1:8080")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"x", "y"} {
			if got, err := mustConnector(t, f, crmgate.Platform(name)).UserInfo(t.Context(), bearer("")); err != nil || string(got.ID) != name {
				t.Errorf("got %+v, %v", got, err)
			}
		}
		if scripts, engines := h.Engines(); scripts != 2 || engines != 1 {
			t.Errorf("%d scripts with %d engines", scripts, engines)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if scripts, _ := h.Engines(); scripts != 0 {
			t.Errorf("%d scripts are left", scripts)
		}
	}
}

// A script reads its configuration at the top level. It is loaded anew when a value has changed, what is known of it is found out anew
// with each start, and lines of its log do not have a value.
func TestScriptReadsConfigurationEarly(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, processes int) {
		var value atomic.Pointer[string]
		set := func(s string) { value.Store(&s) }
		set("https://one.example")
		cache := t.TempDir()
		var said wasmtest.LogBuffer
		open := func(files map[string]string) *wasmhost.Folder {
			return load(t, newHost(t, wasmhost.Config{Processes: processes, CacheDir: cache, Logger: slog.New(slog.NewTextHandler(&said, nil)), Setting: func(name string) (s crmgate.Secret, ok bool) {
				if v := *value.Load(); name == "X_URL" && v != "" {
					return crmgate.NewSecret(v), true
				}
				return s, false
			}}), files)
		}
		files := map[string]string{"x.json": manifestOf("x", `"config": ["X_URL"]`), "x.js": `
const base = process.env.X_URL || 'none';
console.log('base', base);
if (base !== 'none') exports.authValidation = () => { console.log('base is', base); return { successful: true }; };
` + userInfo(`return { successful: true, platformUserInfo: { id: '1', name: base } };`)}
		f := open(files)
		c := mustConnector(t, f, "x")
		for _, want := range []string{"https://one.example", "https://two.example", "https://two.example"} {
			set(want)
			if got, err := c.UserInfo(t.Context(), bearer("")); err != nil || got.Name != want || !c.Implements("authValidation") {
				t.Errorf("got %+v, %v", got, err)
			}
		}
		if _, err := c.AuthValidation(t.Context(), connector.UserRequest{}); err != nil {
			t.Error(err)
		}
		if s := said.String(); !strings.Contains(s, "base is [secret]") || strings.Contains(s, ".example") {
			t.Errorf("the log is\n%s", s)
		}
		set("")
		if _, err := c.UserInfo(t.Context(), bearer("")); err == nil || !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "exports other operations") {
			t.Errorf("without the value: %v", err)
		}
		_ = f.Close()
		c = mustConnector(t, open(files), "x")
		if got, err := c.UserInfo(t.Context(), bearer("")); err != nil || got.Name != "none" || c.Implements("authValidation") {
			t.Errorf("after a start without the value: %+v, %v", got, err)
		}
	})
}

// A secret with a handle is not known while a script is loaded.
func TestScriptDoesNotGetHandlesEarly(t *testing.T) {
	t.Parallel()
	eachIsolation(t, func(t *testing.T, processes int) {
		var said wasmtest.LogBuffer
		h := newHost(t, wasmhost.Config{
			Processes: processes, Logger: slog.New(slog.NewTextHandler(&said, nil)),
			Setting: func(name string) (crmgate.Secret, bool) { return crmgate.NewSecret("the-value-of-" + name), true },
		})
		f := load(t, h, map[string]string{"x.js": "const early = [process.env.X_KEY, process.env.X_URL].join();\n" +
			userInfo("return { successful: true, platformUserInfo: { id: '1', name: early } };"), "x.json": manifestOf("x",
			`"hosts": ["crm.example"], "config": ["X_KEY", "X_URL"], "secrets": "handles", "sends": {"accessToken": {"in": ["header"]}, "X_KEY": {"in": ["header"]}}`)})
		if got, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer("")); err != nil || got.Name != ",the-value-of-X_URL" {
			t.Errorf("got %+v, %v", got, err)
		}
		if s := said.String(); !strings.Contains(s, "process.env.X_KEY was read while the connector was loaded, when it is not known yet: read it inside a function") {
			t.Errorf("the log is\n%s", s)
		}
	})
}
