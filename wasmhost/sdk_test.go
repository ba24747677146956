package wasmhost_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// The guests on the SDKs, by language. See the comments of those in C.
var (
	relays   = map[string]string{"C": "relay.c", "AssemblyScript": "relay.ts", "Rust": "relay.rs"}
	derivers = map[string]string{"C": "derives.c", "AssemblyScript": "derives.ts", "Rust": "derives.rs"}
)

// onSDK returns a connector on the SDK of its language.
func onSDK(t testing.TB, source string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "guest.wasm")
	wasmtest.Connector(t, path, source)
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// relaying returns a relay guest. Its requests are answered by the function in the context.
func relaying(t *testing.T, source string) connector.Connector {
	t.Helper()
	wasm := onSDK(t, filepath.Join("testdata", "relay", source))
	h := newHost(t, wasmhost.Config{Fetch: func(r *http.Request, e crmgate.Egress) (*http.Response, error) {
		if deadline, ok := r.Context().Deadline(); !ok || time.Until(deadline) > 5*time.Second || e.Redirects != 0 || r.Header.Get("X-Sdk") == "" {
			t.Errorf("the request has the deadline %v, %d redirects and the headers %v", deadline, e.Redirects, r.Header)
		}
		return fromContext(r, e)
	}})
	return mustConnector(t, load(t, h, map[string]string{
		"relay.wasm": string(wasm), "relay.json": manifestOf("relay", `"hosts": ["relay.example"], "reveal": ["clientSecret", "refreshToken"]`),
	}), "relay")
}

// The types of each SDK have every member of the vectors: a document goes through them in both directions.
func TestSDKsHoldTheVectors(t *testing.T) {
	t.Parallel()
	for language, source := range relays {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			c := relaying(t, source)
			for _, v := range vectors(t) {
				v.replay(t, c)
			}
		})
	}
}

// answers calls getLicenseStatus of a relay guest, which reads the CRM's answer as JSON, and writes it.
func answers(ctx context.Context, c connector.Connector, body []byte) (json.RawMessage, error) {
	return c.LicenseStatus(context.WithValue(ctx, fetchKey{}, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(body))}, nil
	}), connector.UserRequest{User: crmgate.User{Key: crmgate.UserKey{Platform: "relay", ID: "1-relay"}}})
}

// sameNumbers is sameJSON for numbers of any size: they must be the same text.
func sameNumbers(a, b []byte) bool {
	read := func(text []byte) (v any, err error) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		err = d.Decode(&v)
		return v, err
	}
	x, err1 := read(a)
	y, err2 := read(b)
	return err1 == nil && err2 == nil && reflect.DeepEqual(x, y)
}

// Each SDK reads the JSON that package json reads, as it stands, and nothing else.
func TestSDKsReadJSON(t *testing.T) {
	t.Parallel()
	const bytesOfJSON = "{}[]\",:\\u0123456789-+.eE \ntfn\x00\x1f"
	const seed = `{"a":[1,-0.5e+3,0,123456789012345678901234567890,1e400],"b":"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t\u0000 é😀","c":{"d":null,"e":true,"f":false},"":[],"g":{}}`
	fixed := []string{
		seed, `{}`, ` { "a" : [ ] } `, `{"a":1,"a":2}`, `{"a":"\ud83d"}`, `{"a":"\ude00\ud83d\ude00"}`, `{"a":"\ud83d\u0041"}`, `{"a":"\ud83dx"}`, `{"a":"\uD83D\uDE00"}`,
		`{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":+1}`, `{"a":1e+}`, `{"a":-0}`, `{"a":0x1}`, `{"a":NaN}`, `{"a":00}`,
		`{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u123"}`, "{\"a\":\"\x01\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\t\"}", `{"a":"`, `{"a":"\`, `{"a":"\u`, `{'a':1}`,
		`{"a":1,}`, `{"a":[1,]}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":[1`, `{a:1}`, `{"a":1}}`, `{"a":1} x`, `{"a":tru}`, `{"a":truex}`, `{"a":nul}`, `{"a":True}`,
		"", " ", "{", "\ufeff{}", "{\"a\":1}\x00", "{\"a\"\v:1}", "{\"a\"\u00a0:1}", `{"a" 1}`, `{"a":1 "b":2}`, `{"a":[1 2]}`, `{"a":[1}}`, `{"a":{"b":1]}`,
	}
	for language, source := range relays {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			c := relaying(t, source)
			check := func(body string) {
				t.Helper()
				got, err := answers(t.Context(), c, []byte(body))
				switch valid := json.Valid([]byte(body)) && strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "{"); {
				case valid && (err != nil || !sameNumbers(got, []byte(body))):
					t.Fatalf("%q became %q, %v", body, got, err)
				case !valid && err == nil:
					t.Fatalf("%q is not JSON, and became %q", body, got)
				}
			}
			for _, body := range fixed {
				check(body)
			}
			r := rand.New(rand.NewPCG(1, 2))
			for range 2000 {
				b := []byte(seed)
				for range 1 + r.IntN(2) {
					i := r.IntN(len(b))
					switch r.IntN(3) {
					case 0:
						b[i] = bytesOfJSON[r.IntN(len(bytesOfJSON))]
					case 1:
						b = append(b[:i], b[i+1:]...)
					case 2:
						b = append(b[:i], b[r.IntN(i+1):]...)
					}
				}
				check(strings.ToValidUTF8(string(b), "x"))
			}
			// The host sends what is not UTF-8 in base64.
			for _, body := range []string{"{\"a\":\"\xff\"}", "{\"a\":\"\xc0\xaf\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}", "{\"a\":\"\xe2\x82\"}", "\xff"} {
				if got, err := answers(t.Context(), c, []byte(body)); err == nil {
					t.Errorf("%q is not UTF-8, and became %q", body, got)
				}
			}
			nested := func(depth int) string {
				return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
			}
			check(nested(64))
			for _, depth := range []int{65, 1 << 20} {
				if got, err := answers(t.Context(), c, []byte(nested(depth))); err == nil || !errors.As(err, new(*crmgate.ConnectorError)) {
					t.Errorf("%d levels became %d bytes, %v", depth, len(got), err)
				}
			}
			if _, err := answers(t.Context(), c, []byte(fmt.Sprintf(`{"a":%q}`, strings.Repeat("é\n", 100_000)))); err != nil {
				t.Errorf("a large document: %v", err)
			}
		})
	}
}

// A missing member is an error that names it, in an input and in an answer.
func TestSDKsNameMissingMembers(t *testing.T) {
	t.Parallel()
	for language, source := range relays {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			c := relaying(t, source)
			for operation, missing := range map[string][2]string{
				"getUserInfo":                {`{"platformUserInfo":{"id":"1","name":null}}`, "successful"},
				"checkAndRefreshAccessToken": {`{"refreshToken":"x"}`, "accessToken"}, "getManagedAuthOptions": {`{"options":[{"value":"1"}]}`, "label"},
				"getOauthInfo": {`{"scopes":7}`, "scopes"}, "unAuthorize": {`{"returnMessage":{"ttl":1}}`, "message"},
			} {
				ctx := context.WithValue(t.Context(), fetchKey{}, func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(missing[0]))}, nil
				})
				_, err := ask(ctx, c, operation, []byte(`{"authHeader":"x","user":{"id":"1-relay"}}`))
				wantError(t, err, missing[1])
			}
		})
	}
}

// A connector on each SDK derives values from handles, and from the secrets themselves without handles. It gets bytes, time, chance and
// configuration.
func TestSDKsReachTheServer(t *testing.T) {
	t.Parallel()
	const key = "key-123456"
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("GET /me"))
	for language, source := range derivers {
		for handles, want := range map[string]string{
			`, "secrets": "handles", "sends": {"apiKey": {}, "accessToken": {}}`: hex.EncodeToString(mac.Sum(nil)), "": "none",
		} {
			t.Run(language, func(t *testing.T) {
				t.Parallel()
				wasm := onSDK(t, filepath.Join("testdata", "derives", source))
				var log wasmtest.LogBuffer
				h := newHost(t, wasmhost.Config{
					Logger:  slog.New(slog.NewTextHandler(&log, nil)),
					Setting: func(name string) (crmgate.Secret, bool) { return crmgate.NewSecret(" two"), name == "DERIVES_LEVEL" },
					Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
						body, _ := io.ReadAll(r.Body)
						if got := r.Header.Get("X-Signature"); got != want || string(body) != "\xff\x00\x01" || r.URL.RawQuery != "q=a%20b%2F%C3%A9" {
							t.Errorf("the CRM got the signature %q, want %q; %q, %q", got, want, body, r.URL)
						}
						return &http.Response{StatusCode: 200, Header: http.Header{"X-Name": {"Ada"}}, Body: io.NopCloser(strings.NewReader("\xfe\xfd"))}, nil
					},
				})
				c := mustConnector(t, load(t, h, map[string]string{"derives.wasm": string(wasm), "derives.json": strings.Replace(
					manifestOf("derives", `"hosts": ["crm.example"], "config": ["DERIVES_LEVEL"]`+handles), `"oauth", "oauth": {"authUrl": "https://a.example/"}`, `"apiKey"`, 1),
				}), "derives")
				basic, err := c.BasicAuth(t.Context(), crmgate.NewSecret(key))
				if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+key)); err != nil || basic.Reveal() != want {
					t.Errorf("got %q, %v, want %q", basic.Reveal(), err, want)
				}
				u, err := c.UserInfo(t.Context(), connector.UserInfoRequest{APIKey: crmgate.NewSecret(key), AuthHeader: basic})
				if err != nil || u.ID != "/v0=" || u.Name != "Ada" {
					t.Errorf("got %+v, %v", u, err)
				}
				if want := `level=WARN msg=connector platform=derives operation=getUserInfo text="level  two unset"`; !strings.Contains(log.String(), want) {
					t.Errorf("the log is %s, want %s", log.String(), want)
				}
				if language == "C" {
					return // it has no exceptions
				}
				_, err = c.AuthValidation(t.Context(), connector.UserRequest{})
				wantError(t, err, "trapped")
				if place := regexp.MustCompile(`text=".*on purpose.*derives\.\w+:\d+:\d+"|text="panicked at .*derives\.\w+:\d+:\d+.*on purpose"`); !place.MatchString(log.String()) {
					t.Errorf("the log does not say where it has failed: %s", log.String())
				}
			})
		}
	}
}
