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
		wasmtest.C(t, to, "wasm32", "testdata/fails/fails.c", "-O0", "-nostdlib", "-ffreestanding", "-fno-builtin", "-Wno-unused-function", "-Wl,--no-entry")
	}},
	{"assemblyscript", "trapped: wasm error: unreachable", "parse_name", func(t testing.TB, to string) {
		wasmtest.AssemblyScript(t, to, "testdata/fails/fails.ts", "--debug", "--runtime", "incremental", "--use", "abort=")
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
			module, err := wasmhost.ReadModule(path)
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
func recordFailures(t *testing.T, module []byte, processes int) []*recording.Recording {
	t.Helper()
	kept := newRecordings(t)
	h := newHost(t, wasmhost.Config{
		Deadline: time.Second, Recordings: kept.Folder, Processes: processes,
		Setting: func(name string) (crmgate.Secret, bool) {
			return crmgate.NewSecret(secretValue), name == "FAILS_SECRET"
		},
		Fetch: func(*http.Request, crmgate.Egress) (*http.Response, error) { return answering(200, leaky()), nil },
	})
	f := load(t, h, map[string]string{"fails.wasm": string(module), "fails.json": manifestOf("fails", `"hosts": ["fails.example"], "config": ["FAILS_SECRET"]`)})
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
func replayTwice(t *testing.T, module []byte, r *recording.Recording) {
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
