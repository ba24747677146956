package wasmhost_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crmgate/crmgate/wasmhost"
)

// canary stands for a credential in a guest's answer: no error may contain it.
const canary = "canary-4f1c9be2"

// FuzzAnswer checks that errors do not quote an answer, and that additional info is an object.
func FuzzAnswer(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("..", "connectors-wasm", "abi", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{`{}`, `null`, `[]`, `{"successful":true,"platformUserInfo":{"id":1e5}}`, `{"scopes":["a",null]}`, `{"scopes":null}`, strings.Repeat(`{"a":`, 10_001), // deeper than encoding/json allows
		`{"headers":{"` + canary + `":1}}`, `{"tokenAuth":"` + canary + `"}`, `{"basic":["` + canary + `"]}`, `"` + canary, `{"accessToken":{"` + canary + `":1}}`,
		`{"successful":true,"platformUserInfo":{"id":"1","timezoneOffset":"` + canary + `","platformAdditionalInfo":"` + canary + `"}}`,
		`{"user":{"platformAdditionalInfo":"` + canary + `"},"successful":true}`, `{"expiresIn":"` + canary + `"}`, ` {"user": {"platformAdditionalInfo": {}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		errs, info := wasmhost.DecodeAnswer(b)
		for _, err := range errs {
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s: %v", b, err)
			}
		}
		for _, i := range info {
			var o map[string]any
			if len(i) > 0 && (json.Unmarshal(i, &o) != nil || o == nil) {
				t.Errorf("%s: %s is not an object", b, i)
			}
		}
	})
}

func FuzzFetchRequest(f *testing.F) {
	for _, s := range []string{
		`{"url":"https://a.example/x?y#z","headers":{"A":"b"},"body":"x"}`, `{"url":"https://u:p@a.example:444/","bodyBase64":"/wA="}`,
		`{"url":"https://a.example/","headers":{"X":"a\r\nHost: b"}}`, `{"method":"get","url":"//a.example"}`, `{"timeoutMs":-1}`,
		`{"url":"https://a.example/","headers":{"upgrade":"h2c","HTTP2-Settings":"AAMAAABk"}}`, `{"url":"https://a.example/","headers":{"te":"trailers","Expect":"100-continue"}}`,
		`{"method":"connect","url":"https://a.example/","headers":{"Proxy-Authorization":"Basic eA=="}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := wasmhost.ParseFetchRequest(t, b)
		if err != nil {
			return
		}
		// The written bytes must be exactly one request of that method.
		var wire bytes.Buffer
		if r.Write(&wire) != nil {
			return
		}
		head, _, _ := strings.Cut(wire.String(), "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		if !strings.HasSuffix(lines[0], " HTTP/1.1") || !strings.HasPrefix(lines[0], r.Method+" ") || strings.Count(lines[0], " ") != 2 {
			t.Errorf("the request line is %q", lines[0])
		}
		for name := range r.Header {
			if hostHeader.MatchString(name) {
				t.Errorf("a guest has set %s", name)
			}
		}
		if r.Method == http.MethodConnect {
			t.Error("a guest has opened a tunnel")
		}
		hosts := 0
		for _, l := range lines[1:] {
			if name, _, _ := strings.Cut(l, ":"); http.CanonicalHeaderKey(name) == "Host" {
				hosts++
			}
		}
		if hosts != 1 {
			t.Errorf("%d Host headers: %q", hosts, head)
		}
	})
}

// hostHeader matches the headers that ABI.md reserves for the host.
var hostHeader = regexp.MustCompile(`(?i)^(connection|content-length|expect|host|http2-settings|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade)$`)

// escape matches the log's escapes of unprintable characters. Their digits are not part of the text.
var escape = regexp.MustCompile(`\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)`)

// FuzzRedact checks that neither the log nor an error contains a credential that the guest was given, or the end of one that
// begins with another.
func FuzzRedact(f *testing.F) {
	f.Add("abcdefgh", "abcdefgh12345678", "token: ", "\n")
	f.Add("user-name", "pass-word", "", "\xff")
	f.Add("12345678", "123456781234567812345678", strings.Repeat("x", 8180), " ")
	f.Fuzz(func(t *testing.T, one, two, before, between string) {
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/="
		for _, s := range []string{one, two} {
			if len(s) < 8 || len(s) > 100 || strings.Trim(s, letters) != "" || strings.Contains(before+between+"crmgate operation=getUserInfo msg=connector text=[secret] platform=acme", s[:8]) {
				return // not a credential, or one that ordinary text contains
			}
		}
		text := before + one + between + two
		basic := base64.StdEncoding.EncodeToString([]byte(one + ":" + two))
		for name, in := range map[string][3]string{
			"bearer": {"Bearer " + one, "", two}, "basic": {"Basic " + basic, "{}", ""}, "form": {"", `{"a":"` + one + `","b":7,"c":"` + two + `"}`, ""},
		} {
			log, told := wasmhost.Redacted(in[0], in[1], in[2], text)
			for where, said := range map[string]string{"log": escape.ReplaceAllString(log, "|"), "client": told} {
				if strings.Contains(said, one) || strings.Contains(said, two) {
					t.Errorf("%s: the %s has %q", name, where, said)
				}
				if end, ok := strings.CutPrefix(two, one); ok && len(end) >= 8 && !strings.Contains(before+between, end) && strings.Contains(said, end) {
					t.Errorf("%s: the %s has the end of %q: %q", name, where, two, said)
				}
			}
		}
	})
}

// FuzzFetchAnswer checks that the guest gets every answer as a JSON document with the unchanged status, headers and body.
func FuzzFetchAnswer(f *testing.F) {
	f.Add(200, "X-A", "b", []byte("{}"))
	f.Add(500, "x-\xff", "\xff\x00\"", []byte("\xff\xfe"))
	f.Add(200, "", "\u2028", []byte("<b>&\u2028</b>\x00"))
	f.Fuzz(func(t *testing.T, status int, name, value string, body []byte) {
		resp := &http.Response{StatusCode: status, Header: http.Header{name: {value, value}}, Body: io.NopCloser(bytes.NewReader(body))}
		var doc struct {
			Status     int
			Headers    map[string]string
			Body       *string
			BodyBase64 []byte
		}
		b := wasmhost.FetchAnswer(t, resp, nil)
		if err := json.Unmarshal(b, &doc); err != nil || doc.Status != status || len(doc.Headers) != 1 {
			t.Fatalf("%s: %v", b, err)
		}
		got := doc.BodyBase64
		if doc.Body != nil {
			got = []byte(*doc.Body)
		}
		if (doc.Body == nil) == utf8.Valid(body) || !bytes.Equal(got, body) {
			t.Errorf("the body %q became %q", body, got)
		}
		if utf8.ValidString(name) && utf8.ValidString(value) && doc.Headers[strings.ToLower(name)] != value+", "+value {
			t.Errorf("%q: %q became %q", name, value, doc.Headers)
		}
	})
}
