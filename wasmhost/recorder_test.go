package wasmhost_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/recording"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// recordings is a folder of recordings with its key ring.
type recordings struct {
	*recording.Folder
	t    testing.TB
	ring *sealed.KeyRing
}

func newRecordings(t testing.TB) *recordings {
	t.Helper()
	ring, err := sealed.NewKeyRing()
	if err != nil {
		t.Fatal(err)
	}
	f, err := recording.Open(recording.FolderConfig{
		Dir: filepath.Join(t.TempDir(), "failures"), Seal: ring.Seal, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Person: func(k crmgate.UserKey) string {
			return hex.EncodeToString([]byte(fmt.Sprintf("%32.32s", k.String())))[:32]
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &recordings{f, t, ring}
}

// all waits until the recordings are written, and reads them, the oldest first. No more can be kept then.
func (r *recordings) all() (all []*recording.Recording) {
	r.t.Helper()
	r.Close()
	files, _ := os.ReadDir(r.Dir)
	for _, f := range files {
		one, err := recording.Read(filepath.Join(r.Dir, f.Name()), r.ring.Unseal)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

const (
	secretToken = "tok/en+secret=123456789"
	secretValue = "the-client-secret"
)

// person is a request for a signed-in person.
func person(id crmgate.UserID) connector.UserRequest {
	return connector.UserRequest{User: crmgate.User{Key: crmgate.UserKey{Platform: "fails", ID: id, Hostname: "fails.example"}}, AuthHeader: crmgate.NewSecret("Bearer " + secretToken)}
}

// leaky is an answer of the CRM that repeats the token in several encodings, and gives another credential away.
func leaky() string {
	b, _ := json.Marshal(map[string]string{
		"plain": secretToken, "escaped": strings.ReplaceAll(secretToken, "/", `\/`), "percent": url.QueryEscape(secretToken), "path": url.PathEscape(secretToken),
		"hex": hex.EncodeToString([]byte(secretToken)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secretToken))),
		"b0": base64.StdEncoding.EncodeToString([]byte(secretToken)), "b1": base64.StdEncoding.EncodeToString([]byte("x" + secretToken)),
		"b2": base64.URLEncoding.EncodeToString([]byte("xy" + secretToken)), "secret": secretValue, "sessionToken": "unknown-session-9",
		"link": "https://x.example/?access_token=unknown-query-7&a=b",
	})
	return string(b)
}

// spellings are how a secret could be found in a text.
func spellings(secret string) (all [][]byte) {
	quoted, _ := json.Marshal(secret)
	twice, _ := json.Marshal(string(quoted[1 : len(quoted)-1]))
	texts := []string{
		secret, string(quoted[1 : len(quoted)-1]), string(twice[1 : len(twice)-1]), url.QueryEscape(secret), url.PathEscape(secret),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))),
	}
	for before := range 3 {
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			s := e.EncodeToString([]byte("xyz"[:before] + secret))
			texts = append(texts, s[4:len(s)-3])
		}
	}
	for _, s := range texts {
		all = append(all, []byte(s))
	}
	return all
}

// failing are the builds of the connector that fails, by language, with how its authValidation ends and a name in its stack.
var failing = []struct {
	name, end, function string
	build               func(t testing.TB, to string)
}{
	{"go", "trapped: wasm error: unreachable", "main.parseName", func(t testing.TB, to string) {
		wasmtest.Go(t, to, ".", "./testdata/fails", "-ldflags=-w")
	}},
	{"c", "trapped: wasm error: unreachable", "parse_name", func(t testing.TB, to string) {
		wasmtest.Connector(t, to, "testdata/fails/fails.c", "-O0")
	}},
	{"assemblyscript", "trapped: wasm error: unreachable", "parse_name", func(t testing.TB, to string) {
		wasmtest.Connector(t, to, "testdata/fails/fails.ts", "--debug", "--optimizeLevel", "0")
	}},
	{"rust", "trapped: wasm error: unreachable", "parse_name", func(t testing.TB, to string) {
		wasmtest.Rust(t, to, wasmtest.RustWASI, "testdata/fails/fails.rs", "-O")
	}},
}

// A failed call of a connector in each language is recorded, in both isolations, and a replay fails in the same way, twice, in both.
func TestRecordedFailures(t *testing.T) {
	t.Parallel()
	for _, lang := range failing {
		t.Run(lang.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "fails.wasm")
			lang.build(t, path)
			module, err := wasmhost.ReadCode(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, processes := range []int{0, 1} {
				all := recordFailures(t, module, processes)
				if len(all) != 3 {
					t.Fatalf("with %d processes: %d recordings, want 3", processes, len(all))
				}
				for _, r := range all {
					replayTwice(t, module, r)
				}
				trap := all[0]
				if trap.End.Reason != lang.end || len(trap.Fetches) != 1 || trap.Config[0].Value != "{{secret:FAILS_SECRET}}" || !strings.Contains(trap.Input, `"Bearer {{accessToken}}"`) {
					t.Errorf("recorded %+v", trap)
				}
				if all[2].End.How != recording.Late {
					t.Errorf("the endless loop ended so: %+v", all[2].End)
				}
				out, err := wasmhost.Replay(t.Context(), trap, module, wasmhost.ReplayConfig{CacheDir: shared.cache, Processes: processes})
				if err != nil || out.Nameless || !strings.Contains(strings.Join(out.Stack, "\n"), lang.function) || len(out.Log) < 2 {
					t.Errorf("%v; the stack is %q, the log %+v", err, out.Stack, out.Log)
				}
			}
		})
	}
}

// recordFailures has each operation of the failing connector fail, and returns the recordings. It checks that they have no secret.
func recordFailures(t *testing.T, module wasmhost.Code, processes int, more ...string) []*recording.Recording {
	t.Helper()
	kept := newRecordings(t)
	h := newHost(t, wasmhost.Config{
		Deadline: time.Second, Recordings: kept.Folder, Processes: processes,
		Setting: func(name string) (crmgate.Secret, bool) {
			return crmgate.NewSecret(secretValue), name == "FAILS_SECRET"
		},
		Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) { return answering(200, leaky()), nil },
	})
	f := load(t, h, map[string]string{filepath.Base(module.File): string(module.Content), "fails.json": manifestOf("fails", `"hosts": ["fails.example"], "config": ["FAILS_SECRET"]`+strings.Join(more, ""))})
	c := mustConnector(t, f, "fails")
	_, err1 := c.AuthValidation(t.Context(), person("1-fails"))
	_, err2 := c.LicenseStatus(t.Context(), person("1-fails"))
	_, err3 := c.RefreshUserInfo(t.Context(), person("1-fails"))
	if err1 == nil || err2 == nil || err3 == nil {
		t.Fatal("a call did not fail", err1, err2, err3)
	}
	all := kept.all()
	for _, r := range all {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{secretToken, secretValue, "unknown-session-9", "unknown-query-7"} {
			for _, s := range spellings(secret) {
				if bytes.Contains(b, s) {
					t.Errorf("the recording of %s has %s: %s", r.Operation, s, b)
				}
			}
		}
	}
	return all
}

// replayTwice replays a recording in both isolations, and checks that the call ends as recorded, and that it does the same each time.
func replayTwice(t *testing.T, module wasmhost.Code, r *recording.Recording) {
	t.Helper()
	var first *wasmhost.Replayed
	for _, processes := range []int{0, 1} {
		out, err := wasmhost.Replay(t.Context(), r, module, wasmhost.ReplayConfig{CacheDir: shared.cache, Processes: processes})
		if err != nil {
			t.Fatal(err)
		}
		if !out.Same || out.Mended || out.OtherModule || len(out.Differences) > 0 {
			t.Errorf("%s: the replay %s, recorded was %s; differences: %q", r.Operation, out.End, r.End, out.Differences)
		}
		if len(out.Log) != len(r.Log) {
			t.Errorf("%s: the log is %+v, recorded was %+v", r.Operation, out.Log, r.Log)
			continue
		}
		for i := range out.Log {
			if out.Log[i] != r.Log[i] && !strings.Contains(r.Log[i].Text, "({0x") { // Go prints the length of the answer, which had secrets
				t.Errorf("%s: the line %d is %q, recorded was %q", r.Operation, i, out.Log[i].Text, r.Log[i].Text)
			}
		}
		if first == nil {
			first = out
		} else if strings.Join(first.Stack, "\n") != strings.Join(out.Stack, "\n") && r.End.How != recording.Late {
			t.Errorf("%s: the stack is %q and then %q", r.Operation, first.Stack, out.Stack)
		}
	}
}

// Operations that obtain credentials leave no recording, nor does a sign-in by a form. A sign-in by OAuth does.
func TestTokenOperationsLeaveNoFile(t *testing.T) {
	t.Parallel()
	kept := newRecordings(t)
	var traps []fn
	for _, name := range wasmhost.Operations() {
		if name != "getAuthType" && name != "getOauthInfo" && name != "getUserInfo" {
			traps = append(traps, export(name, unreachable))
		}
	}
	m := oauth(unreachable, traps...)
	m.Funcs[1] = export("getOauthInfo", unreachable)
	f := load(t, newHost(t, wasmhost.Config{Recordings: kept.Folder}), map[string]string{
		"x.wasm": m.String(), "x.json": manifestOf("x", `"reveal": ["clientSecret", "refreshToken"]`),
	})
	c, secret, who := mustConnector(t, f, "x"), crmgate.NewSecret("secret-key"), person("1-x")
	form := connector.UserInfoRequest{AuthHeader: secret, APIKey: secret, AdditionalInfo: crmgate.NewSecret(`{"password":"x"}`)}
	for name, call := range map[string]func() error{
		"getOauthInfo": func() error { _, err := c.OAuthInfo(t.Context(), connector.OAuthInfoRequest{}); return err },
		"getOverridingOAuthOption": func() error {
			_, err := c.OverridingOAuthOption(t.Context(), connector.OAuthOptionRequest{Code: secret})
			return err
		},
		"getBasicAuth": func() error { _, err := c.BasicAuth(t.Context(), secret); return err },
		"getUserInfo":  func() error { _, err := c.UserInfo(t.Context(), form); return err },
		"unAuthorize":  func() error { _, err := c.UnAuthorize(t.Context(), who); return err },
		"checkAndRefreshAccessToken": func() error {
			_, err := c.RefreshAccessToken(t.Context(), connector.RefreshRequest{UserRequest: who})
			return err
		},
		"getManagedAuthOptions": func() error {
			_, err := c.ManagedAuthOptions(t.Context(), connector.ManagedAuthOptionsRequest{FieldConst: "x"})
			return err
		},
	} {
		if err := call(); err == nil {
			t.Errorf("%s did not fail", name)
		}
	}
	for _, call := range []func() error{
		func() error { _, err := c.UserInfo(t.Context(), bearer("")); return err },
		func() error { _, err := c.PostSaveUserInfo(t.Context(), who); return err },
	} {
		if call() == nil {
			t.Error("a call did not fail")
		}
	}
	all := kept.all()
	if len(all) != 2 || all[0].Operation != "getUserInfo" || all[1].Operation != "postSaveUserInfo" {
		t.Errorf("recorded are %+v", all)
	}
}

// An answer is not recorded, nor is a call that the client gave up; without a folder nothing is. An invalid answer is recorded.
func TestWhatIsAFailure(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body []byte
		want string
	}{
		"an answer":              {answer(`{"successful":false}`, 0), ""},
		"unsupported":            {num(2), ""},
		"an error":               {answer(`{"message":"no"}`, 1), `answered an error: {"message":"no"}`},
		"no output":              {num(0), "returned 0 without an output"},
		"another result":         {num(7), "returned 7: expected 0, 1 or 2"},
		"an invalid answer":      {answer(`{"successful":true}`, 0), "gave an invalid answer (platformUserInfo.id is missing)"},
		"an error without words": {answer(`{}`, 1), `answered an error without a "message"`},
		"a limit":                {seq(invoke(fRandom, 0, 1<<20), num(0)), "requested more than 64 KB of random bytes at once"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := newRecordings(t)
			module := oauth(tt.body)
			f := load(t, newHost(t, wasmhost.Config{Recordings: kept.Folder}), map[string]string{"x.wasm": module.String(), "x.json": manifestOf("x", "")})
			_, _ = mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
			all := kept.all()
			if tt.want == "" {
				if len(all) > 0 {
					t.Errorf("recorded %+v", all[0])
				}
				return
			}
			if len(all) != 1 || all[0].End.String() != tt.want {
				t.Fatalf("recorded %+v, want %s", all, tt.want)
			}
			for range 2 {
				out, err := wasmhost.Replay(t.Context(), all[0], wasmhost.Code{File: "x.wasm", Content: module.Bytes()}, wasmhost.ReplayConfig{CacheDir: shared.cache})
				if err != nil || !out.Same {
					t.Errorf("the replay %+v, %v", out, err)
				}
			}
			mended, err := wasmhost.Replay(t.Context(), all[0], wasmhost.Code{File: "x.wasm", Content: oauth(answer(`{"successful":false}`, 0)).Bytes()}, wasmhost.ReplayConfig{CacheDir: shared.cache})
			if err != nil || mended.Same || !mended.Mended || !mended.OtherModule {
				t.Errorf("another build: %+v, %v", mended, err)
			}
		})
	}
}

// A replay reports what a build requests otherwise. It answers a request with the recorded method and URL, and no other.
func TestDifferencesOfReplays(t *testing.T) {
	t.Parallel()
	fetches := func(request string) mod { return oauth(seq(fetching(request), drop, unreachable)) }
	kept := newRecordings(t)
	h := newHost(t, wasmhost.Config{Recordings: kept.Folder, Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) { return answering(200, "recorded"), nil }})
	f := load(t, h, map[string]string{
		"x.wasm": fetches(`{"method":"POST","url":"https://ok.example/a","headers":{"A":"1"},"body":"b"}`).String(), "x.json": manifestOf("x", `"hosts": ["ok.example"]`),
	})
	_, _ = mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
	all := kept.all()
	if len(all) != 1 {
		t.Fatalf("recorded %+v", all)
	}
	for request, want := range map[string]string{
		`{"method":"post","url":"https://ok.example/a","headers":{"A":"1"},"body":"b"}`:         "",
		`{"method":"POST","url":"https://ok.example/a","headers":{"A":"2"},"body":"b"}`:         "fetch 1 has another header A than recorded",
		`{"method":"POST","url":"https://ok.example/a","headers":{"A":"1","B":"1"},"body":"b"}`: "fetch 1 has another set of headers than recorded",
		`{"method":"POST","url":"https://ok.example/a","headers":{"A":"1"},"body":"c"}`:         "fetch 1 has another body than recorded",
		`{"url":"https://ok.example/a"}`: "fetch 1, GET https://ok.example/a, was not recorded: it gets no answer; it does not make the recorded fetch 1",
		`x`:                              "fetch 1, a malformed request, was not recorded: it gets no answer; it does not make the recorded fetch 1",
	} {
		out, err := wasmhost.Replay(t.Context(), all[0], wasmhost.Code{File: "x.wasm", Content: fetches(request).Bytes()}, wasmhost.ReplayConfig{CacheDir: shared.cache})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(out.Differences, "; "); got != want {
			t.Errorf("%s: got %s, want %s", request, got, want)
		}
		answered := len(out.Log) > 1 && strings.Contains(out.Log[1].Text, `"body":"recorded"`)
		if answered == strings.Contains(want, "no answer") {
			t.Errorf("%s: the guest logged %+v", request, out.Log)
		}
	}
}

// It is decided of every operation whether its failed calls are recorded.
func TestEveryOperationIsDecided(t *testing.T) {
	t.Parallel()
	all := wasmhost.Recorded()
	for _, name := range wasmhost.Operations() {
		if all[name] == "" {
			t.Errorf("recorder.go does not say whether %s is recorded, and why", name)
		}
	}
}

// A call that ended while it waited for an answer ends so in the replay too, whatever it would do with an answer.
func TestReplayOfLateFetch(t *testing.T) {
	t.Parallel()
	kept := newRecordings(t)
	module := oauth(seq(fetching(`{"url":"https://ok.example/"}`), drop, answer(`{"successful":false}`, 0)))
	h := newHost(t, wasmhost.Config{Recordings: kept.Folder, Deadline: short, Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		<-r.Context().Done()
		return nil, &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: "too late"}
	}})
	f := load(t, h, map[string]string{"x.wasm": module.String(), "x.json": manifestOf("x", `"hosts": ["ok.example"]`)})
	_, err := mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
	wantError(t, err, "ran past its deadline")
	all := kept.all()
	if len(all) != 1 || len(all[0].Fetches) != 1 || !all[0].Fetches[0].Late {
		t.Fatalf("recorded %+v", all)
	}
	replayTwice(t, wasmhost.Code{File: "x.wasm", Content: module.Bytes()}, all[0])
}

// A module whose instances cannot be restored is initialized in each call: a replay repeats what the initialization saw as well.
func TestReplayOfUnrestorableModule(t *testing.T) {
	t.Parallel()
	kept := newRecordings(t)
	look := seq(invoke(fRandom, 60000, 32), invoke(fLog, 1, 60000, 32))
	module := with(oauth(seq(num(0), []byte{0xd0, 0x70, 0x26, 0}, look, unreachable), fn{Name: "_initialize", Type: tNothing, Body: look}),
		func(m *mod) { m.Table, m.Elements = []byte{1, 0x70, 0, 1}, []uint64{fFirst} })
	f := load(t, newHost(t, wasmhost.Config{Recordings: kept.Folder}), map[string]string{"x.wasm": module.String(), "x.json": manifestOf("x", "")})
	if f.Restorable("x") {
		t.Fatal("the module can be restored")
	}
	_, _ = mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
	all := kept.all()
	if len(all) != 1 || len(all[0].Log) != 2 || all[0].Log[0] == all[0].Log[1] {
		t.Fatalf("recorded %+v", all)
	}
	replayTwice(t, wasmhost.Code{File: "x.wasm", Content: module.Bytes()}, all[0])
}

// A Basic credential is replaced by one that decodes to handles: a connector that decodes it goes on.
func TestRecordedBasicCredential(t *testing.T) {
	t.Parallel()
	kept := newRecordings(t)
	f := load(t, newHost(t, wasmhost.Config{Recordings: kept.Folder}), map[string]string{
		"x.wasm": oauth(num(2), export("authValidation", unreachable)).String(), "x.json": manifestOf("x", ""),
	})
	who := person("1-x")
	who.AuthHeader = crmgate.NewSecret("Basic " + base64.StdEncoding.EncodeToString([]byte("the-api-key:the-password")))
	_, _ = mustConnector(t, f, "x").AuthValidation(t.Context(), who)
	who.AuthHeader = crmgate.NewSecret("Bearer short")
	_, _ = mustConnector(t, f, "x").AuthValidation(t.Context(), who) // it could not be found in a text
	all := kept.all()
	if len(all) != 1 {
		t.Fatalf("recorded %+v", all)
	}
	var in struct{ AuthHeader string }
	if err := json.Unmarshal([]byte(all[0].Input), &in); err != nil {
		t.Fatal(err)
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.AuthHeader, "Basic "))
	if err != nil || string(decoded) != "{{basicUser}}:{{basicPassword}}" {
		t.Errorf("the header is %q: %q, %v", in.AuthHeader, decoded, err)
	}
}

// With handles, a recording has the handles that the connector got, without the nonce of the call, and is replayed like another.
func TestRecordedFailuresWithHandles(t *testing.T) {
	t.Parallel()
	for _, lang := range failing {
		if lang.name != "c" {
			continue
		}
		path := filepath.Join(t.TempDir(), "fails.wasm")
		lang.build(t, path)
		module, err := wasmhost.ReadCode(path)
		if err != nil {
			t.Fatal(err)
		}
		all := recordFailures(t, module, 0, `, "secrets": "handles", "sends": {"accessToken": {"in": ["header"]}, "FAILS_SECRET": {"in": ["header"]}}`)
		if len(all) != 3 || !strings.Contains(all[0].Input, `"Bearer {{accessToken}}"`) || all[0].Config[0].Value != "{{secret:FAILS_SECRET}}" {
			t.Fatalf("recorded %+v", all)
		}
		for _, r := range all[:2] {
			replayTwice(t, module, r)
		}
	}
}

// A derivation is recorded, and a replay gives the same result.
func TestReplayOfDerivation(t *testing.T) {
	t.Parallel()
	kept := newRecordings(t)
	const request = `{"base64":"no handle"}`
	module := oauth(seq(text(1024, request), invoke(fFirst, 1024, int64(len(request))), drop, unreachable))
	module.Imports = append(slices.Clone(abiImports), imported{Module: "crmgate_v1", Name: "derive", Type: wasmtest.TwoToI32})
	f := load(t, newHost(t, wasmhost.Config{Recordings: kept.Folder}), map[string]string{"x.wasm": module.String(), "x.json": manifestOf("x", `"secrets": "handles"`)})
	_, _ = mustConnector(t, f, "x").UserInfo(t.Context(), bearer(""))
	all := kept.all()
	if len(all) != 1 || len(all[0].Derived) != 1 || all[0].Derived[0].Request != request || all[0].Derived[0].OK {
		t.Fatalf("recorded %+v", all)
	}
	replayTwice(t, wasmhost.Code{File: "x.wasm", Content: module.Bytes()}, all[0])
}
