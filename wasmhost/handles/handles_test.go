package handles_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/handles"
)

const (
	nonce  = "NONCE"
	token  = `tok "1/2+ä\é=` // needs every encoding
	secret = "client secret/+"
)

func hosts(t testing.TB, all ...string) crmgate.Hosts {
	t.Helper()
	var h crmgate.Hosts
	for _, s := range all {
		p, err := crmgate.ParseHostPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		h = append(h, p)
	}
	return h
}

// sends allows the token in a header, the query and the body of three hosts, and the client secret in the body of one.
func sends(t testing.TB) map[string]manifest.Send {
	return map[string]manifest.Send{
		"accessToken": {In: []manifest.Position{manifest.InHeader, manifest.InQuery, manifest.InBody}, Hosts: hosts(t, "crm.example", "*.crm.example", "{hostname}")},
		"A_SECRET":    {In: []manifest.Position{manifest.InBody}, Hosts: hosts(t, "crm.example")},
		"apiKey":      {In: []manifest.Position{manifest.InHeader}, Hosts: hosts(t, "crm.example")},
	}
}

// newSecrets returns the secrets of a call with a token and a client secret.
func newSecrets(t testing.TB) *handles.Secrets {
	s := handles.New(handles.Config{Nonce: nonce, Sends: sends(t), Hostname: "person.example"})
	if got := s.Add("accessToken", token); got != "{{accessToken:NONCE}}" {
		t.Fatalf("the handle is %s", got)
	}
	if got := s.AddConfig("A_SECRET", secret); got != "{{secret:A_SECRET:NONCE}}" {
		t.Fatalf("the handle is %s", got)
	}
	return s
}

const (
	handle  = "{{accessToken:NONCE}}"
	encoded = "%7B%7BaccessToken%3ANONCE%7D%7D"
)

func TestSubstitute(t *testing.T) {
	t.Parallel()
	inQuery := strings.ReplaceAll(url.QueryEscape(token), "+", "%20")
	inJSON := strings.Trim(string(mustEncode(t, token)), `"`)
	form := map[string]string{"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
	for _, c := range []struct {
		name      string
		got, want handles.Request
	}{
		{"a header", handles.Request{URL: "https://crm.example/", Headers: map[string]string{"Authorization": "Bearer " + handle}}, handles.Request{URL: "https://crm.example/", Headers: map[string]string{"Authorization": "Bearer " + token}}},
		{"a query", handles.Request{URL: "https://crm.example/a?t=" + encoded + "&x=1#f"}, handles.Request{URL: "https://crm.example/a?t=" + inQuery + "&x=1"}},
		{"a query, braces only", handles.Request{URL: "https://crm.example/a?t=%7b%7baccessToken:NONCE%7d%7d"}, handles.Request{URL: "https://crm.example/a?t=" + inQuery}},
		{"a query that is not encoded", handles.Request{URL: "https://crm.example/a?t=" + handle}, handles.Request{URL: "https://crm.example/a?t=" + inQuery}},
		{"a form", handles.Request{URL: "https://crm.example", Headers: form, Body: "a=1&t=" + encoded}, handles.Request{URL: "https://crm.example", Headers: form, Body: "a=1&t=" + inQuery}},
		{"a form that is not encoded", handles.Request{URL: "https://crm.example", Headers: form, Body: "t=" + handle}, handles.Request{URL: "https://crm.example", Headers: form, Body: "t=" + inQuery}},
		{"JSON", handles.Request{URL: "https://crm.example", Headers: map[string]string{"CONTENT-TYPE": "application/json"}, Body: `{"t":"` + handle + `"}`}, handles.Request{URL: "https://crm.example", Headers: map[string]string{"CONTENT-TYPE": "application/json"}, Body: `{"t":"` + inJSON + `"}`}},
		{"JSON without a type", handles.Request{URL: "https://crm.example", Body: `{"t":"` + handle + `"}`}, handles.Request{URL: "https://crm.example", Body: `{"t":"` + inJSON + `"}`}},
		{"other bytes", handles.Request{URL: "https://crm.example", Body: "\xff" + handle + handle}, handles.Request{URL: "https://crm.example", Body: "\xff" + token + token}},
		{"a subdomain", handles.Request{URL: "https://eu.crm.example", Body: handle}, handles.Request{URL: "https://eu.crm.example", Body: token}},
		{"the person's host", handles.Request{URL: "https://person.example", Body: handle}, handles.Request{URL: "https://person.example", Body: token}},
		{"the client secret", handles.Request{URL: "https://crm.example", Body: "{{secret:A_SECRET:NONCE}}"}, handles.Request{URL: "https://crm.example", Body: secret}},
	} {
		used, err := newSecrets(t).Substitute(&c.got)
		if got, want := fmt.Sprintf("%q", c.got), fmt.Sprintf("%q", c.want); !used || err != nil || got != want {
			t.Errorf("%s:\ngot  %s (%v, %v)\nwant %s", c.name, got, used, err, want)
		}
	}
}

// Text that is not a handle of this call stays as it is.
func TestNotAHandle(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "{{accessToken}}", "{{accessToken:OTHER}}", "{{secret:A_SECRET}}", "{{accessToken:}}", "{accessToken:NONCE}", "{{accessTokenNONCE}}", "{{ accessToken:NONCE }}",
		"{{accesstoken:NONCE}}", "{{apiKey:NONCE}}", "NONCE", "{{accessToken:NONCE}", "{{accessToken:NONCE%7D%7D", "{{secret:B_SECRET:NONCE}}", "{{derived:1:NONCE}}", "{{{accessToken:NON{{accessToken:NONC",
	} {
		r := handles.Request{Method: "POST", URL: "https://evil.example/?a=" + url.QueryEscape(text), Headers: map[string]string{"X": text}, Body: text}
		was := fmt.Sprint(r)
		if used, err := newSecrets(t).Substitute(&r); used || err != nil || fmt.Sprint(r) != was {
			t.Errorf("%q: got %v, %v, %v", text, r, used, err)
		}
		if value, _, err := newSecrets(t).Resolve(text, "accessToken"); err != nil || value != text {
			t.Errorf("%q: resolved to %q, %v", text, value, err)
		}
	}
}

// A handle where the manifest does not allow it is refused, and the error says what to declare.
func TestMisplacedHandles(t *testing.T) {
	t.Parallel()
	const key = "{{secret:A_SECRET:NONCE}}"
	anywhere := "a secret can only be in the value of a header, the query or the body"
	for _, c := range []struct {
		name string
		r    handles.Request
		want string
	}{
		{"another host", handles.Request{URL: "https://evil.example/", Headers: map[string]string{"X": handle}}, "accessToken may not be sent in the header to evil.example: add the host to crmgate.sends.accessToken.hosts"},
		{"the secret at another host", handles.Request{URL: "https://eu.crm.example", Body: key}, "A_SECRET may not be sent in the body to eu.crm.example: add the host to crmgate.sends.A_SECRET.hosts"},
		{"plain http", handles.Request{URL: "http://crm.example", Body: key}, "add the host to crmgate.sends.A_SECRET.hosts"},
		{"another port", handles.Request{URL: "https://crm.example:444", Body: key}, "to crm.example:444: add the host"},
		{"the secret in a header", handles.Request{URL: "https://crm.example", Headers: map[string]string{"X": key}}, `A_SECRET may not be sent in the header to crm.example: add "header" to crmgate.sends.A_SECRET.in`},
		{"the secret in the query", handles.Request{URL: "https://crm.example?" + url.QueryEscape(key)}, `A_SECRET may not be sent in the query to crm.example: add "query" to crmgate.sends.A_SECRET.in`},
		{"the method", handles.Request{URL: "https://crm.example", Method: handle}, "accessToken may not be sent in the method to crm.example: " + anywhere},
		{"the path", handles.Request{URL: "https://crm.example/" + handle + "?a"}, "accessToken may not be sent in the path to crm.example: " + anywhere},
		{"the path, encoded", handles.Request{URL: "https://crm.example/x/" + encoded}, "accessToken may not be sent in the path to crm.example: " + anywhere},
		{"the user name", handles.Request{URL: "https://%7B%7BaccessToken%3ANONCE%7D%7D@crm.example/"}, "accessToken may not be sent in the user name of the URL to crm.example: " + anywhere},
		{"the fragment", handles.Request{URL: "https://crm.example/#" + handle}, "accessToken may not be sent in the fragment to crm.example: " + anywhere},
		{"the name of a header", handles.Request{URL: "https://crm.example/", Headers: map[string]string{handle: "x"}}, "accessToken may not be sent in the name of a header to crm.example: " + anywhere},
		{"the host", handles.Request{URL: "https://" + handle + ".crm.example/"}, "url is not an absolute URL"},
		{"the host, encoded", handles.Request{URL: "https://" + encoded + ".crm.example/"}, ""},
	} {
		s := newSecrets(t)
		_, err := s.Substitute(&c.r)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(fmt.Sprint(c.r, err), token) || strings.Contains(fmt.Sprint(c.r, err), secret) {
			t.Errorf("%s: got %v (%v), want %s", c.name, err, c.r, c.want)
		}
	}
	s := handles.New(handles.Config{Nonce: nonce})
	s.Add("refreshToken", "rt-12345")
	_, err := s.Substitute(&handles.Request{URL: "https://crm.example", Body: "{{refreshToken:NONCE}}"})
	if want := `add "refreshToken": {"in": ["body"], "hosts": ["crm.example"]} to crmgate.sends`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The secrets in one request are bounded.
func TestSubstitutionIsBounded(t *testing.T) {
	t.Parallel()
	s := handles.New(handles.Config{Nonce: nonce, Sends: sends(t)})
	s.Add("accessToken", strings.Repeat("x", 100<<10))
	if _, err := s.Substitute(&handles.Request{URL: "https://crm.example", Body: strings.Repeat(handle, 11)}); err == nil {
		t.Error("a megabyte of secrets was put in")
	}
}

// What comes back has no secret, in any of the encodings.
func TestStrip(t *testing.T) {
	t.Parallel()
	for _, value := range []string{token, "abcdef", "3f2a-key-\u00e9", "a b+c/d?e=f&g%h", strings.Repeat("long-", 300), "\U0001F511key\\\"", "/+/+/+"} {
		for name, echo := range echoes(value) {
			s := handles.New(handles.Config{Nonce: nonce})
			s.Add("accessToken", value)
			text := "before " + echo.text + " after"
			got := s.Strip(text)
			if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") || !strings.Contains(got, echo.instead) || leaks(got, value) {
				t.Errorf("%q, %s: %q became %q, want %s", value, name, text, got, echo.instead)
			}
			if red := s.Redact(text, false); leaks(red, value) || !strings.Contains(red, "[secret]") || strings.Contains(red, nonce) {
				t.Errorf("%q, %s: redacted to %q", value, name, red)
			}
		}
	}
}

type echo struct{ text, instead string }

// echoes returns the encodings of a value in which a CRM may repeat it.
func echoes(value string) map[string]echo {
	plain, _ := json.Marshal(value)
	ascii := ""
	for _, r := range value {
		if r > 0xffff {
			ascii += fmt.Sprintf(`\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		} else {
			ascii += fmt.Sprintf(`\u%04X`, r)
		}
	}
	all, lower := "", ""
	for _, b := range []byte(value) {
		all += fmt.Sprintf("%%%02X", b)
		lower += fmt.Sprintf("%%%02x", b)
	}
	const again, encodedAgain = "{{accessToken:NONCE}}", "%7B%7BaccessToken%3ANONCE%7D%7D"
	some := encodedAgain
	if url.QueryEscape(value) == value {
		some = again
	}
	e := map[string]echo{
		"as it is":      {value, again},
		"JSON":          {string(plain[1 : len(plain)-1]), again},
		"JSON of PHP":   {strings.ReplaceAll(value, "/", `\/`), again},
		"JSON of ASCII": {ascii, again},
		"form":          {url.QueryEscape(value), some},
		"query":         {strings.ReplaceAll(url.QueryEscape(value), "+", "%20"), some},
		"all percent":   {all, encodedAgain},
		"lower percent": {lower, encodedAgain},
		"hex":           {hex.EncodeToString([]byte(value)), "[secret]"},
		"HEX":           {strings.ToUpper(hex.EncodeToString([]byte(value))), "[secret]"},
	}
	for _, around := range []string{"", "x", "xy", "xyz"} {
		std := base64.StdEncoding.EncodeToString([]byte(around + value + around))
		e["base64 after "+around] = echo{std, "[secret]"}
		e["base64 for URLs after "+around] = echo{base64.URLEncoding.EncodeToString([]byte(around + value + around)), "[secret]"}
		e["base64 in JSON after "+around] = echo{strings.ReplaceAll(std, "/", `\/`), "[secret]"}
		e["base64 in a query after "+around] = echo{url.QueryEscape(std), "[secret]"}
	}
	return e
}

// leaks reports whether a text has a value, or most of its base64.
func leaks(text, value string) bool {
	text = strings.ReplaceAll(text, `\/`, "/")
	if u, err := url.QueryUnescape(text); err == nil && strings.Contains(u, value) {
		return true
	}
	for _, around := range []string{"", "x", "xy"} {
		e := base64.RawStdEncoding.EncodeToString([]byte(around + value))
		if core := e[(len(around)*8+5)/6 : (len(around)+len(value))*8/6]; strings.Contains(text, core) {
			return true
		}
	}
	return strings.Contains(text, value) || strings.Contains(strings.ToLower(text), hex.EncodeToString([]byte(value)))
}

// A short value stays, and so does what the guest may see; overlapping secrets leave no rest.
func TestStripLeaves(t *testing.T) {
	t.Parallel()
	s := handles.New(handles.Config{Nonce: nonce, Sends: sends(t)})
	s.Add("accessToken", "short")
	s.Show("visible")
	s.Add("apiKey", "abcdefgh")
	s.Hide("fghijklm", "abcdefghij")
	if got := s.AddConfig("A_VERSION", "version-3"); got != "version-3" {
		t.Errorf("a configuration value that is not secret became %q", got)
	}
	for text, want := range map[string]string{
		"short visible version-3":  "short visible version-3",
		"abcdefgh":                 "{{apiKey:NONCE}}",
		"abcdefghij":               "[secret]",
		"xabcdefghijklmx abcdefgh": "x[secret]x {{apiKey:NONCE}}",
		`{"a":"100%","b":"\n"}`:    `{"a":"100%","b":"\n"}`,
	} {
		if got := s.Strip(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	if got := s.Redact("short visible version-3 abcdefgh", false); got != "short [secret] [secret] [secret]" {
		t.Errorf("redacted to %s", got)
	}
}

// A CRM whose tokens are equal repeats one of them: its handle stands for both.
func TestEqualTokens(t *testing.T) {
	t.Parallel()
	all := sends(t)
	all["refreshToken"], all["accessToken"] = all["A_SECRET"], all["apiKey"]
	s := handles.New(handles.Config{Nonce: nonce, Sends: all})
	s.Add("accessToken", "same-token")
	s.Add("refreshToken", "same-token")
	if got, _, err := s.Resolve(s.Strip("same-token"), "refreshToken"); err != nil || got != "same-token" {
		t.Errorf("got %q, %v", got, err)
	}
	s.Add("apiKey", "other-key")
	if got, _, err := s.Resolve("{{apiKey:NONCE}}", "refreshToken"); err == nil {
		t.Errorf("another secret became %q", got)
	}
}

// A connector cannot guess a secret from its beginning: no text tells a part of one from other text.
func TestPartsAreText(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	if _, err := s.Derive([]byte(`{"base64":"AAAAAA` + handle + `"}`)); err != nil {
		t.Fatal(err)
	}
	known := base64.StdEncoding.EncodeToString([]byte("AAAAAA" + token))
	for n := range len(known) - 2 {
		if part := known[:n]; s.Redact(part, false) != part || s.Strip(part) != part || s.Redact(part, true) != "" {
			t.Errorf("%q became %q, %q and %q", part, s.Redact(part, false), s.Strip(part), s.Redact(part, true))
		}
	}
}

// Without a nonce, the guest gets the secrets, and only logs are without them.
func TestWithoutHandles(t *testing.T) {
	t.Parallel()
	s := handles.New(handles.Config{})
	if s.Add("accessToken", token) != token || s.AddConfig("A_SECRET", secret) != secret {
		t.Error("the guest gets something else")
	}
	s.Hide("hidden-value")
	r := handles.Request{Method: "POST", URL: "https://crm.example", Body: token + handle}
	if used, err := s.Substitute(&r); used || err != nil || r.Body != token+handle {
		t.Errorf("the request became %v", r)
	}
	if text := token + " hidden-value"; s.Strip(text) != text || s.Redact(text, false) != "[secret] [secret]" {
		t.Errorf("%q, %q", s.Strip(text), s.Redact(text, false))
	}
	if _, err := s.Derive([]byte(`{"base64":"{{accessToken:NONCE}}"}`)); err == nil {
		t.Error("it derives")
	}
}

// The host derives what the golden vectors say.
func TestDerive(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "connectors-wasm", "abi", "imports", "derive.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Secrets map[string]string
		Cases   []struct {
			Name    string
			Request json.RawMessage
			Value   string
		}
	}
	if err := json.Unmarshal(b, &golden); err != nil || len(golden.Cases) == 0 {
		t.Fatal(err)
	}
	for _, c := range golden.Cases {
		all := sends(t)
		all["apiKey"] = all["accessToken"]
		s := handles.New(handles.Config{Nonce: nonce, Sends: all})
		for name, v := range golden.Secrets {
			s.Add(name, v)
		}
		got, err := s.Derive(c.Request)
		if c.Value == "" {
			if err == nil {
				t.Errorf("%s: got %s", c.Name, got)
			}
			continue
		}
		r := handles.Request{URL: "https://crm.example", Body: got}
		if _, e := s.Substitute(&r); err != nil || e != nil || got != "{{derived:1:NONCE}}" || r.Body != c.Value {
			t.Errorf("%s: got %s, which is %s (%v, %v), want %s", c.Name, got, r.Body, err, e, c.Value)
		}
		if back := s.Strip(c.Value); back != got {
			t.Errorf("%s: stripped to %s", c.Name, back)
		}
	}
}

// A derived value may go where all its parts may go, also over several steps.
func TestDerivedValuesGoWhereTheirPartsGo(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	both, err := s.Derive(mustEncode(t, map[string]string{"base64": handle + ":{{secret:A_SECRET:NONCE}}"}))
	if err != nil {
		t.Fatal(err)
	}
	twice, err := s.Derive(mustEncode(t, map[string]string{"base64": both}))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{both, twice} {
		if _, err := s.Substitute(&handles.Request{URL: "https://crm.example", Body: h}); err != nil {
			t.Errorf("%s: %v", h, err)
		}
		for _, r := range []handles.Request{{URL: "https://eu.crm.example", Body: h}, {URL: "https://crm.example", Headers: map[string]string{"X": h}}} {
			refused := new(handles.Refused)
			if _, err := s.Substitute(&r); !errors.As(err, &refused) || refused.Name != "A_SECRET" {
				t.Errorf("%s, %v: got %v", h, r, err)
			}
		}
	}
	for n := 2; n <= handles.MaxDerived; n++ {
		if _, err = s.Derive(mustEncode(t, map[string]string{"base64": handle})); err != nil && n < handles.MaxDerived {
			t.Fatalf("%d: %v", n, err)
		}
	}
	if err == nil {
		t.Error("a call derives any number of values")
	}
}

// Derived values are small: a value can have the values before it many times.
func TestDerivedBytesAreBounded(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	text, last := handle, ""
	var err error
	for range handles.MaxDerived {
		var next string
		if next, err = s.Derive(mustEncode(t, map[string]string{"base64": text})); err != nil {
			break
		}
		last, text = next, next+next
	}
	if want := "more than 65536 bytes"; err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want %s", err, want)
	}
	r := handles.Request{URL: "https://crm.example", Body: last}
	if _, err := s.Substitute(&r); err != nil || len(r.Body) < 10<<10 || len(r.Body) > handles.MaxDerivedBytes {
		t.Errorf("the last value has %d bytes (%v)", len(r.Body), err)
	}
}

// An answer must not turn a secret into one that may go to more places.
func TestResolve(t *testing.T) {
	t.Parallel()
	s := newSecrets(t)
	s.Add("apiKey", "key-123456")
	for _, c := range []struct{ text, as, want string }{
		{handle, "accessToken", token},
		{"x" + handle, "apiKey", "x" + token},                 // fewer places
		{"{{apiKey:NONCE}}", "accessToken", ""},               // more
		{"{{secret:A_SECRET:NONCE}}", "apiKey", ""},           // others
		{"{{secret:A_SECRET:NONCE}}", "refreshToken", secret}, // none
	} {
		got, _, err := s.Resolve(c.text, c.as)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s as %s: got %q, %v", c.text, c.as, got, err)
		}
	}
}

func mustEncode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := crmgate.EncodeJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzHandles: no request has a secret where it may not be, what is stripped has no secret, and nothing panics.
func FuzzHandles(f *testing.F) {
	f.Add("POST", "https://crm.example/?a="+encoded, handle, "application/json", handle, "tok-123456")
	f.Add("GET", "https://evil.example/"+encoded, "", "", `{"a":"\u0074\/%74"}`, "abcdef")
	f.Add("{{accessToken:NONCE}}", "https://a@crm.example#?"+handle, "\r\n", "x-www", "%7B%7BaccessToken%3ANONCE%7D%7D", "/\\u%\"")
	f.Fuzz(func(t *testing.T, method, to, header, kind, body, value string) {
		if len(value) < 6 || strings.Contains(handle, value) || strings.Contains(encoded, value) || strings.Contains("[secret]", value) {
			return
		}
		s := handles.New(handles.Config{Nonce: nonce, Sends: sends(t)})
		s.Add("accessToken", value)
		r := handles.Request{Method: method, URL: to, Headers: map[string]string{"X": header, "Content-Type": kind}, Body: body}
		before := fmt.Sprint(r)
		used, err := s.Substitute(&r)
		u, parseErr := url.Parse(to)
		elsewhere := parseErr != nil || u.Hostname() != "crm.example" && !strings.HasSuffix(u.Hostname(), ".crm.example")
		if err == nil && elsewhere && fmt.Sprint(r) != before {
			t.Fatalf("%s became %v (%v)", before, r, used)
		}
		if _, err := s.Derive([]byte(body)); err == nil {
			return // its value can be anything
		}
		for _, text := range []string{body, header, value + body, body + value} {
			got := s.Strip(text)
			if strings.Contains(got, value) && !strings.Contains(strings.NewReplacer(handle, "", encoded, "", "[secret]", "").Replace(got)+handle, value) {
				continue // made of a handle and its surroundings
			}
			if strings.Contains(got, value) && !strings.ContainsAny(value, "%\\{}[]") {
				t.Fatalf("%q became %q, which has %q", text, got, value)
			}
		}
	})
}

// BenchmarkCall measures what handles add to a call: the secrets, one request, and one answer of 1 KB.
func BenchmarkCall(b *testing.B) {
	all := sends(b)
	answer := strings.Repeat(`{"id":12345,"name":"Ada Lovelace","url":"https:\/\/crm.example\/"},`, 16)
	b.ReportAllocs()
	for b.Loop() {
		s := handles.New(handles.Config{Nonce: nonce, Sends: all})
		h := s.Add("accessToken", "a-token-of-40-bytes-with-0123456789abcde")
		s.AddConfig("A_SECRET", "client-secret-of-32-bytes-012345")
		r := handles.Request{Method: "GET", URL: "https://crm.example/api/v4/users/me?fields=id", Headers: map[string]string{"Authorization": "Bearer " + h, "Accept": "application/json"}}
		if used, err := s.Substitute(&r); !used || err != nil {
			b.Fatal(err)
		}
		s.Strip(answer)
		s.Strip(`{"successful":true,"platformUserInfo":{"id":"1","name":"Ada Lovelace"}}`)
	}
}
