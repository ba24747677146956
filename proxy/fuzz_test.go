package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy"
)

// canary stands for a credential in the input. No error may repeat it.
const canary = "canary-4f1c9be2"

// FuzzFormToJSON: a form becomes an object of strings and of objects of strings. It has every plain field that a form
// parser finds.
func FuzzFormToJSON(f *testing.F) {
	f.Add([]byte("platform=clio&additionalInfo[region]=eu&additionalInfo[x][y]=1&a]=b&[=&=&a[=1"))
	f.Add([]byte("a=1&a[b]=2&a=3&%61=4"))
	f.Add([]byte("======&=")) // fasthttp leaves out an empty pair at the end
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := proxy.FormToJSON(b)
		if err != nil {
			return
		}
		var v map[string]any
		if json.Unmarshal(out, &v) != nil {
			t.Fatalf("%q became %q", b, out)
		}
		for name, member := range v {
			m, nested := member.(map[string]any)
			if _, ok := member.(string); !ok && !nested {
				t.Errorf("%q: %q is %T", b, name, member)
			}
			for _, inner := range m {
				if _, ok := inner.(string); !ok {
					t.Errorf("%q: a member of %q is %T", b, name, inner)
				}
			}
		}
		q, err := url.ParseQuery(string(b))
		if err != nil {
			return
		}
		for name, values := range q {
			if s, ok := v[name].(string); ok && name != "" && !strings.Contains(name, "[") && s != values[len(values)-1] {
				t.Errorf("%q: %q is %q, want %q", b, name, s, values[len(values)-1])
			}
		}
	})
}

// FuzzBody: a body is read into strings, or refused without quoting it.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{"platform":"keys","apiKey":"` + canary + `","additionalInfo":{"a":"` + canary + `"}}`, `{"apiKey":["` + canary + `"]}`, `["` + canary + `"]`,
		`{"platform":"` + canary, `"` + canary + `"`, `{"platform":"a","platform":"b"}`,
		`{"platform":12345678901234567890,"scopes":["a",1,true,null],"fields":{"a":1.50,"b":false},"remove":[1e3],"values":{"clientId":7,"scopes":[]}}`,
		`{"scopes":[["` + canary + `"]],"fields":{"a":["` + canary + `"]}}`, `{"values":{"clientId":{"a":"` + canary + `"}}}`, `{"remove":[{"a":"` + canary + `"}]}`, "{\"platform\":\"\xff\"}", `{"PLATFORM":"a"}`, " [1", "null",
		strings.Repeat(`{"a":`, 20_000),
	} {
		f.Add("application/json; charset=utf-8", []byte(s))
	}
	f.Add("application/x-www-form-urlencoded", []byte("platform=keys&apiKey="+canary+"&additionalInfo[a]="+canary))
	f.Add("application/x-www-form-urlencoded", []byte("platform[a]="+canary+"&x=%zz&%ff"))
	f.Add("text/"+canary, []byte(canary))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		var v struct {
			Platform       crmgate.Text
			APIKey         crmgate.Secret
			Scopes         crmgate.Words
			Fields         proxy.Texts
			Remove         proxy.TextList
			Values         proxy.ApplicationValues
			AdditionalInfo json.RawMessage
		}
		if err := proxy.ReadBody(contentType, body, &v); err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		for _, s := range append(slices.Collect(maps.Values(v.Fields)), append(slices.Collect(maps.Values(v.Values)), v.Remove...)...) {
			if !utf8.ValidString(s) {
				t.Errorf("%q: %+v", body, v)
			}
		}
		if !utf8.ValidString(string(v.Platform)) || !utf8.ValidString(string(v.Scopes)) || !utf8.ValidString(v.APIKey.Reveal()) || len(v.AdditionalInfo) > 0 && !json.Valid(v.AdditionalInfo) {
			t.Errorf("%q: %+v", body, v)
		}
	})
}

// FuzzRCToken: a RingCentral token can be sent in a header, and comes from the first place that has one.
func FuzzRCToken(f *testing.F) {
	f.Add("rcAccessToken=a", "", "")
	f.Add("", " bEARER  x ", "y")
	f.Add("rcAccessToken=a&rcAccessToken=b", "", "")
	f.Add("rcAccessToken="+canary+"%0d%0aX:1", "", "")
	f.Add("", "Bearer", canary+" "+canary)
	f.Add("", "", "bearer bearer x")
	f.Fuzz(func(t *testing.T, query, header, body string) {
		s, err := proxy.RCToken(query, header, body)
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Errorf("%q, %q, %q: %v", query, header, body, err)
			}
			return
		}
		token := s.Reveal()
		if strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }) || len(token) > 8<<10 {
			t.Errorf("%q, %q, %q: %q", query, header, body, token)
		}
		from := body
		if h := strings.NewReplacer("\r", "", "\n", "").Replace(header); strings.TrimSpace(h) != "" {
			from = header // fasthttp cleans what is set on it
		} else if body == "" {
			return // from the query
		}
		if !strings.Contains(strings.NewReplacer("\r", " ", "\n", " ").Replace(from), token) {
			t.Errorf("%q, %q, %q: %q", query, header, body, token)
		}
	})
}

// FuzzClean: the stored part of a header is short and UTF-8.
func FuzzClean(f *testing.F) {
	f.Add(strings.Repeat("é", 100))
	f.Add("\xff\x00a")
	f.Fuzz(func(t *testing.T, s string) {
		if c := proxy.Clean(s); !utf8.ValidString(c) || len(c) > 128 || !strings.HasPrefix(s, c) && utf8.ValidString(s) {
			t.Errorf("%q became %q", s, c)
		}
	})
}

func FuzzSplitTarget(f *testing.F) {
	for _, s := range []string{"/hostname?x=1", "//hostname", "/a/../hostname", "http://evil/hostname", "*", "/%68ostname", "/HOSTNAME/"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, target []byte) {
		path, _, ok := proxy.SplitTarget(target)
		if ok && path == "/hostname" {
			if s := strings.ToLower(string(target)); !strings.HasPrefix(s, "/hostname") {
				t.Errorf("%q is taken for %s", target, path)
			}
		}
	})
}

// wire is a connection to a client that has sent everything and reads every answer.
type wire struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (w *wire) Read(b []byte) (int, error)       { return w.in.Read(b) }
func (w *wire) Write(b []byte) (int, error)      { return w.out.Write(b) }
func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (w *wire) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// FuzzFront sends any bytes to the server. Each answer belongs to a request that a strict reader finds in them, except the
// last one, if it closes the connection. Every answer is well-formed, and none is a 500.
func FuzzFront(f *testing.F) {
	var log bytes.Buffer
	s := newServer(f, slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
	for _, c := range framings {
		f.Add([]byte(c.raw))
		f.Add([]byte(c.raw + marker))
	}
	for _, target := range []string{
		"/hostname?jwtToken=" + canary, "/authUrl?platform=acme&mode=bound&origin=x", "/oauth-callback?callbackUri=https://gate.example/redirect.html?code=A&state=platform=acme",
		"/redirect.html?state=cg." + strings.Repeat("A", 160) + ",platform=acme", "/implementedInterfaces?platform=keys", "/crmManifest", "/userInfoHash?extensionId=1&extensionId=%00",
		"/licenseStatus", "/authValidation?jwtToken=a.b.c", "/user/preloadSettings?rcAccountId=" + canary, "/user/settings?jwtToken=a.b.c",
	} {
		f.Add([]byte("GET " + target + " HTTP/1.1\r\nHost: x\r\nis-debug: true\r\nAuthorization: Bearer " + canary + "\r\n\r\n"))
	}
	for _, body := range []string{`{"platform":"keys","apiKey":"right"}`, `{"platform":"keys","apiKey":"wrong","additionalInfo":{}}`, `[]`, "{"} {
		f.Add([]byte("POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body))
		f.Add([]byte("POST /admin/settings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		log.Reset()
		c := &wire{in: bytes.NewReader(raw)}
		_ = s.ServeConn(c) // any reason to end is fine
		if log.Len() > 0 {
			t.Errorf("%q: %s", raw, log.String())
		}
		seen := strictRequests(raw)
		served, refused := 0, 0
		var closed bool // by the latest answer: nothing follows, so it may belong to no request
		for b := bufio.NewReader(&c.out); ; {
			resp, err := http.ReadResponse(b, &http.Request{Method: methodOf(seen, served+refused)})
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && b.Buffered() == 0 && resp == nil {
				break
			}
			if err != nil {
				t.Fatalf("%q: the answer is malformed: %v", raw, err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil && !bytes.Contains(raw, []byte("HEAD ")) { // it may be the method of a refused request
				t.Fatalf("%q: the answer's body is cut: %v", raw, err)
			}
			closed = resp.Close
			if resp.StatusCode == 100 {
				continue
			}
			if resp.StatusCode >= 500 || resp.Header.Get("X-Request-Id") == "" {
				t.Errorf("%q: %d %s", raw, resp.StatusCode, body)
			}
			if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") && len(body) > 0 && !json.Valid(body) {
				t.Errorf("%q: %q is not JSON", raw, body)
			}
			if isRefusal(resp.StatusCode, body) {
				refused++
			} else {
				served++
			}
		}
		if closed && served > 0 {
			served--
		}
		if served > len(seen) || refused > 1 {
			t.Errorf("%q: %d answers and %d refusals for %d requests", raw, served, refused, len(seen))
		}
	})
}
