package egress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

func newClient(t *testing.T, c egress.Config) *egress.Client {
	t.Helper()
	client, err := egress.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// policy allows the given hosts, as a manifest does.
func policy(t *testing.T, hosts ...string) crmgate.Egress {
	t.Helper()
	e := crmgate.Egress{Name: "test", Redirects: 5}
	for _, h := range hosts {
		p, err := crmgate.ParseHostPattern(h)
		if err != nil {
			t.Fatal(err)
		}
		e.Hosts = append(e.Hosts, p)
	}
	return e
}

func fetch(t *testing.T, c *egress.Client, url string, e crmgate.Egress, header ...string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", &crmgate.FetchError{Kind: crmgate.FetchRequest, Err: err}
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Fetch(req, e)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// closedAddress returns a loopback address that refuses connections.
func closedAddress() string {
	s := httptest.NewServer(nil)
	s.Close()
	return s.Listener.Addr().String()
}

func wantKind(t *testing.T, err error, kind string) {
	t.Helper()
	var fe *crmgate.FetchError
	if !errors.As(err, &fe) || fe.Kind != kind {
		t.Errorf("got %v, want a FetchError of kind %s", err, kind)
	}
}

func TestPlainHTTPNeedsAPortAndAnAllowedAddress(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	open := newClient(t, egress.Config{Allow: loopback})
	if b, err := fetch(t, open, s.URL, policy(t, addr)); err != nil || b != "hello" {
		t.Errorf("got %q, %v", b, err)
	}
	shut := newClient(t, egress.Config{})
	_, err := fetch(t, shut, s.URL, policy(t, addr))
	wantKind(t, err, crmgate.FetchRefused)
	_, err = fetch(t, open, s.URL, policy(t, "127.0.0.1"))
	wantKind(t, err, crmgate.FetchRefused)
	// The operator's URL may have any address. Its connection is not reused for other requests.
	if b, err := fetch(t, shut, s.URL, crmgate.Egress{Name: "ringcentral", Operator: true}); err != nil || b != "hello" {
		t.Errorf("the operator's URL: %q, %v", b, err)
	}
	_, err = fetch(t, shut, s.URL, policy(t, addr))
	wantKind(t, err, crmgate.FetchRefused)
}

func TestURLForms(t *testing.T) {
	c := newClient(t, egress.Config{Allow: loopback})
	closed := closedAddress()
	e := policy(t, "crm.example", "*.crm.example", closed)
	for _, url := range []string{
		"https://evil.example/", "https://crm.example.evil.example/", "https://evilcrm.example/", "https://crm.example:8443/",
		"https://user@crm.example/", "https://crm.example@evil.example/", "http://crm.example/", "ftp://crm.example/", "file:///etc/passwd",
		"https://[::1]/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https:///x", "https://crm.example%2eevil.example/",
	} {
		_, err := fetch(t, c, url, e)
		var fe *crmgate.FetchError
		if !errors.As(err, &fe) || fe.Kind != crmgate.FetchRefused && fe.Kind != crmgate.FetchRequest {
			t.Errorf("%s: %v", url, err)
		}
	}
	_, err := fetch(t, c, "http://"+closed+"/", e, "X-Evil", "a\r\nHost: b")
	wantKind(t, err, crmgate.FetchRequest)
	_, err = fetch(t, c, "http://"+closed+"/", e)
	wantKind(t, err, crmgate.FetchConnect)
}

// resolver returns a resolver with a DNS server of its own. The server counts its questions from 1, and answers the n-th
// one with answer(name, n) and the other addresses.
func resolver(t *testing.T, answer func(name string, n int64) netip.Addr, others ...netip.Addr) *net.Resolver {
	t.Helper()
	var asked atomic.Int64
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			serveDNS(server, func(name string) []netip.Addr { return append([]netip.Addr{answer(name, asked.Add(1))}, others...) })
		}()
		return client, nil
	}}
}

// serveDNS answers the questions on a stream (RFC 1035, 4.2.2) until the stream ends.
func serveDNS(c net.Conn, answer func(string) []netip.Addr) {
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		b := make([]byte, int(head[0])<<8|int(head[1]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b) != nil || len(m.Questions) == 0 {
			return
		}
		q := m.Questions[0]
		m.Response, m.Additionals = true, nil
		h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 0}
		for _, a := range answer(q.Name.String()) {
			switch {
			case q.Type == dnsmessage.TypeA && a.Is4():
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
			case q.Type == dnsmessage.TypeAAAA && !a.Is4():
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
			}
		}
		out, err := m.Pack()
		if err != nil {
			return
		}
		if _, err := c.Write(append([]byte{byte(len(out) >> 8), byte(len(out))}, out...)); err != nil {
			return
		}
	}
}

func TestForbiddenAddressesBehindNames(t *testing.T) {
	for _, a := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
		"2002:7f00:1::", "2001:db8::1", "2001::1", "100::1",
	} {
		c := newClient(t, egress.Config{Resolver: resolver(t, func(string, int64) netip.Addr { return netip.MustParseAddr(a) })})
		_, err := fetch(t, c, "https://crm.example/", policy(t, "crm.example"))
		var fe *crmgate.FetchError
		if !errors.As(err, &fe) || fe.Kind != crmgate.FetchRefused {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestRebindingAndRedirects(t *testing.T) {
	var reached atomic.Int64
	sentinel := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer sentinel.Close()
	_, port, _ := net.SplitHostPort(sentinel.Listener.Addr().String())
	// The name resolves to a documentation address at first, and to loopback after that. Every dialled address is checked.
	c := newClient(t, egress.Config{Resolver: resolver(t, func(_ string, n int64) netip.Addr {
		if n <= 2 {
			return netip.MustParseAddr("192.0.2.1")
		}
		return netip.MustParseAddr("127.0.0.1")
	})})
	for range 5 {
		_, err := fetch(t, c, "https://crm.example:"+port+"/", policy(t, "crm.example:"+port))
		wantKind(t, err, crmgate.FetchRefused)
	}

	var to string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }))
	defer front.Close()
	open := newClient(t, egress.Config{Allow: loopback})
	for _, to = range []string{sentinel.URL, "http://localhost:" + port + "/", "//127.0.0.1:" + port, "ftp://x.example/", "https://user:pw@127.0.0.1:" + port, "http://[::1]:" + port + "/", front.URL} {
		_, err := fetch(t, open, front.URL, policy(t, strings.TrimPrefix(front.URL, "http://")))
		wantKind(t, err, crmgate.FetchRefused)
	}
	if reached.Load() != 0 {
		t.Error("a forbidden server was reached")
	}
}

func TestRedirectsCarryNoCredentialsToAnotherHost(t *testing.T) {
	var got http.Header
	second := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	defer second.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, second.URL, 307) }))
	defer first.Close()
	e := policy(t, strings.TrimPrefix(first.URL, "http://"), strings.TrimPrefix(second.URL, "http://"))
	c := newClient(t, egress.Config{Allow: loopback})
	if _, err := fetch(t, c, first.URL, e, "Authorization", "Bearer canary", "Cookie", "canary", "X-Api-Key", "canary", "Accept", "text/plain"); err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(got); strings.Contains(s, "canary") || got.Get("Accept") != "text/plain" {
		t.Errorf("the second host got %v", got)
	}
	e.Redirects = 0
	if _, err := fetch(t, c, first.URL, e); err != nil {
		t.Errorf("redirects are off: got %v, want the redirect itself", err)
	}
}

// A request with a secret follows redirects on its own host only. Any other redirect is the answer, and nothing is sent to its target.
func TestSameHost(t *testing.T) {
	var to, got string
	second := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got += " second" + r.URL.Path }))
	defer second.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got += " first" + r.URL.Path
		switch r.URL.Path {
		case "/start", "/307":
			w.Header().Set("Location", to)
			w.WriteHeader(map[string]int{"/start": 302, "/307": 307}[r.URL.Path])
		case "/home":
			_, _ = io.WriteString(w, "home with "+r.Header.Get("Authorization"))
		}
	}))
	defer first.Close()
	_, port, _ := net.SplitHostPort(first.Listener.Addr().String())
	address := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	e := policy(t, address(first), address(second), "localhost:"+port)
	e.SameHost = true
	c := newClient(t, egress.Config{Allow: loopback})
	for _, test := range []struct{ to, want, reached string }{
		{"/home", "home with canary", " first/start first/home"},
		{first.URL + "/home", "home with canary", " first/start first/home"},
		{first.URL + "/307", "", " first/start first/307 first/307 first/307 first/307 first/307"}, // a loop, refused below
		{second.URL + "/stolen", "302", " first/start"},
		{"//" + address(second) + "/stolen", "302", " first/start"},
		{"http://localhost:" + port + "/stolen", "302", " first/start"}, // the same server by another name
		{"https://" + address(first) + "/home", "", " first/start"},     // the same host and port; the server speaks no TLS
		{"http://u@" + address(first) + "/home", "", " first/start"},
		{"http://evil.example/stolen", "302", " first/start"}, // not declared, and not even refused: it is not followed
	} {
		to, got = test.to, ""
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, first.URL+"/start", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "canary")
		answer := ""
		if resp, err := c.Fetch(req, e); err == nil {
			b, _ := io.ReadAll(resp.Body)
			if answer = string(b); resp.StatusCode != 200 {
				answer = fmt.Sprint(resp.StatusCode)
			}
			if resp.StatusCode != 200 && resp.Header.Get("Location") != to {
				t.Errorf("%s: the answer has the location %q", to, resp.Header.Get("Location"))
			}
			_ = resp.Body.Close()
		}
		if answer != test.want || got != test.reached {
			t.Errorf("%s: got %q after%s, want %q after%s", test.to, answer, got, test.want, test.reached)
		}
	}
}

// misbehaving is a server. Each of its paths is named after a fault.
func misbehaving(t *testing.T) *httptest.Server {
	t.Helper()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 2*limit))
	_ = z.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, limit)); err != nil {
					return
				}
			}
		case "/exact":
			_, _ = w.Write(make([]byte, limit))
		case "/silent":
			<-r.Context().Done()
		case "/trickle":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

const limit = 64 << 10 // bytes in a body

func TestBodyLimit(t *testing.T) {
	s := misbehaving(t)
	c := newClient(t, egress.Config{Allow: loopback, MaxBody: limit})
	e := policy(t, strings.TrimPrefix(s.URL, "http://"))
	for path, kind := range map[string]string{"/bomb": crmgate.FetchSize, "/endless": crmgate.FetchSize, "/cut": crmgate.FetchConnect} {
		b, err := fetch(t, c, s.URL+path, e)
		wantKind(t, err, kind)
		if len(b) > limit {
			t.Errorf("%s: got %d bytes, want at most %d", path, len(b), limit)
		}
	}
	if b, err := fetch(t, c, s.URL+"/exact", e); err != nil || len(b) != limit {
		t.Errorf("a body of exactly the limit: %d bytes, %v", len(b), err)
	}
}

func TestTimeout(t *testing.T) {
	s := misbehaving(t)
	c := newClient(t, egress.Config{Allow: loopback, Timeout: 20 * time.Millisecond})
	for _, path := range []string{"/silent", "/trickle"} {
		_, err := fetch(t, c, s.URL+path, policy(t, strings.TrimPrefix(s.URL, "http://")))
		wantKind(t, err, crmgate.FetchTimeout)
	}
}

func TestSlotsOfAName(t *testing.T) {
	s := misbehaving(t)
	c := newClient(t, egress.Config{Allow: loopback, MaxPerName: 2})
	e := policy(t, strings.TrimPrefix(s.URL, "http://"))
	var held []*http.Response
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/exact", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Fetch(req, e)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, resp)
	}
	// Both slots are taken: a third request waits until its own deadline.
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/exact", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Fetch(req, e)
	wantKind(t, err, crmgate.FetchTimeout)
	other := e
	other.Name = "other"
	if _, err := fetch(t, c, s.URL+"/exact", other); err != nil {
		t.Errorf("another name: %v", err)
	}
	for _, r := range held {
		r.Body.Close()
	}
	if _, err := fetch(t, c, s.URL+"/exact", e); err != nil {
		t.Errorf("after both slots were released: %v", err)
	}
}

func TestConnectionErrorsNameTheCause(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	var resolve []egress.Resolve
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for _, text := range []string{"crm.test:9443:" + plain.Listener.Addr().String(), "crm.test:443:" + s.Listener.Addr().String(), "example.com:443:" + s.Listener.Addr().String(), "crm.test:8443:" + closedAddress()} {
		r, err := egress.ParseResolve(text)
		if err != nil {
			t.Fatal(err)
		}
		resolve = append(resolve, r)
	}
	for _, c := range []struct {
		url   string
		roots *x509.CertPool
		want  string
	}{
		{"https://example.com/", x509.NewCertPool(), "could not connect to example.com: x509: certificate signed by unknown authority"},
		{"https://crm.test/", roots, "could not connect to crm.test: x509: certificate is valid for example.com, *.example.com, not crm.test"},
		{"https://crm.test:9443/", roots, "could not connect to crm.test:9443: the server does not speak TLS"},
		{"https://crm.test:8443/", roots, "could not connect to crm.test:8443: connection refused"},
	} {
		client := newClient(t, egress.Config{Allow: loopback, Resolve: resolve, RootCAs: c.roots})
		_, err := fetch(t, client, c.url, policy(t, "crm.test", "crm.test:8443", "crm.test:9443", "example.com"))
		var fe *crmgate.FetchError
		if !errors.As(err, &fe) || fe.Message != c.want {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestResolveKeepsTheNameForTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	r, err := egress.ParseResolve("EXAMPLE.com:443:" + s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, egress.Config{Allow: loopback, Resolve: []egress.Resolve{r}, RootCAs: roots})
	if b, err := fetch(t, c, "https://example.com/", policy(t, "example.com")); err != nil || b != "example.com" {
		t.Errorf("got %q, %v", b, err)
	}
	shut := newClient(t, egress.Config{Resolve: []egress.Resolve{r}, RootCAs: roots})
	_, err = fetch(t, shut, "https://example.com/", policy(t, "example.com"))
	wantKind(t, err, crmgate.FetchRefused)
	for _, bad := range []string{"", "x", "a:b:c:d", "a:443:b:443", "a:443:127.0.0.1", ":443:127.0.0.1:1", "a:99999:127.0.0.1:1"} {
		if _, err := egress.ParseResolve(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestSlotsOfAClient: a client, and a host that a person chose, have a share of the slots of a name. A host that the manifest names
// has no share, because all people use it.
func TestSlotsOfAClient(t *testing.T) {
	s := misbehaving(t)
	host := strings.TrimPrefix(s.URL, "http://")
	from := func(address string) context.Context {
		return crmgate.WithTrace(t.Context(), &crmgate.Trace{Source: crmgate.SourceAt(netip.MustParseAddr(address))})
	}
	person := policy(t, "{hostname}:"+strings.TrimPrefix(host, "127.0.0.1:"))
	person.Hostname = "127.0.0.1"
	for name, tt := range map[string]struct {
		e       crmgate.Egress
		sources []string // of the requests that are running
		from    string   // of another request
		waits   bool
	}{
		"a client beyond its share":      {policy(t, host), []string{"203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7"}, "203.0.113.7", true},
		"another client":                 {policy(t, host), []string{"203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7"}, "198.51.100.1", false},
		"a host that a person chose":     {person, []string{"203.0.113.7", "203.0.113.8"}, "198.51.100.1", true},
		"a host that the manifest names": {policy(t, host), []string{"203.0.113.7", "203.0.113.8"}, "198.51.100.1", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, egress.Config{Allow: loopback, MaxPerName: 8})
			send := func(ctx context.Context) (*http.Response, error) {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/exact", nil)
				if err != nil {
					t.Fatal(err)
				}
				return c.Fetch(req, tt.e)
			}
			for _, source := range tt.sources {
				resp, err := send(from(source))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
			}
			ctx, cancel := context.WithTimeout(from(tt.from), map[bool]time.Duration{true: time.Millisecond, false: 5 * time.Second}[tt.waits])
			defer cancel()
			resp, err := send(ctx)
			if (err != nil) != tt.waits {
				t.Errorf("got %v", err)
			}
			if err == nil {
				resp.Body.Close()
			}
		})
	}
}

func TestUserAgent(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		fmt.Fprint(w, r.Header["User-Agent"])
	}))
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	const url = " (+https://github.com/crmgate/crmgate)"
	of := func(agent string) crmgate.Egress {
		e := policy(t, addr)
		e.UserAgent, e.Redirects = agent, 1
		return e
	}
	for _, c := range []struct {
		name, version, path string
		policy              crmgate.Egress
		header              []string
		want                string
	}{
		{"the product", "1.2-rc1+5", "/", of(""), nil, "[crmgate/1.2-rc1+5" + url + "]"},
		{"without a version", "", "/", of(""), nil, "[crmgate/dev" + url + "]"},
		{"a version that is not a token", "1 (x)\r\n", "/", of(""), nil, "[crmgate/1x" + url + "]"},
		{"the manifest's", "1", "/", of("Law/1"), nil, "[Law/1]"},
		{"the request's", "1", "/", of("Law/1"), []string{"User-Agent", "Own/2"}, "[Own/2]"},
		{"after a redirect", "1", "/moved", of("Law/1"), nil, "[Law/1]"},
		{"to RingCentral", "1", "/", crmgate.Egress{Name: "ringcentral", Operator: true}, nil, "[crmgate/1" + url + "]"},
	} {
		client := newClient(t, egress.Config{Allow: loopback, UserAgent: egress.UserAgent(c.version)})
		if got, err := fetch(t, client, s.URL+c.path, c.policy, c.header...); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	if got, err := fetch(t, newClient(t, egress.Config{Allow: loopback}), s.URL, of("")); err != nil || got != "[crmgate/dev"+url+"]" {
		t.Errorf("by default: %s, %v", got, err)
	}
}
