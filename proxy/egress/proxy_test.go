package egress_test

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/egress/egresstest"
)

func mustProxy(t testing.TB, setting crmgate.Secret, names bool) *egress.Proxy {
	t.Helper()
	p, err := egress.ParseProxy(setting)
	if err != nil {
		t.Fatal(err)
	}
	p.Names = names
	return p
}

// crm is a TLS server for example.com, and the roots that verify it and a proxy.
func crm(t *testing.T, proxy *egresstest.Proxy) (s *httptest.Server, roots *x509.CertPool) {
	t.Helper()
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host, r.Header["Proxy-Authorization"]) }))
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	if c := proxy.Certificate(); c != nil {
		roots.AddCert(c)
	}
	return s, roots
}

// The proxy is asked for the address that was resolved and checked here, and TLS ends at the server.
func TestProxyGetsTheCheckedAddress(t *testing.T) {
	for _, tls := range []bool{false, true} {
		proxy := egresstest.MustProxy(t, tls)
		proxy.Credentials = "gate:p%40ss"
		setting := proxy.Setting()
		proxy.Credentials = "gate:p@ss"
		server, roots := crm(t, proxy)
		proxy.Routes["9.9.9.9:443"] = server.Listener.Addr().String()
		c := newClient(t, egress.Config{
			Proxy: mustProxy(t, setting, false), RootCAs: roots,
			Resolver: resolver(t, func(name string, _ int64) netip.Addr {
				if name == "example.com." {
					return netip.MustParseAddr("9.9.9.9")
				}
				return netip.MustParseAddr("10.0.0.1")
			}),
		})
		if b, err := fetch(t, c, "https://example.com/", policy(t, "example.com")); err != nil || b != "example.com[]" {
			t.Errorf("tls %v: got %q, %v", tls, b, err)
		}
		_, err := fetch(t, c, "https://inside.example/", policy(t, "inside.example"))
		wantKind(t, err, crmgate.FetchRefused)
		_, err = fetch(t, c, "https://169.254.169.254/", policy(t, "*.example", "169.254.169.254"))
		wantKind(t, err, crmgate.FetchRefused)
		if got := proxy.Targets(); !slices.Equal(got, []string{"9.9.9.9:443"}) {
			t.Errorf("tls %v: the proxy was asked for %v", tls, got)
		}
	}
}

// Behind a proxy, an address that is refused directly is refused too.
func TestForbiddenAddressesThroughAProxy(t *testing.T) {
	proxy := egresstest.MustProxy(t, false)
	for _, a := range []string{"127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "::1", "::ffff:127.0.0.1", "fe80::1", "fd00:ec2::254", "64:ff9b::7f00:1", "2002:7f00:1::"} {
		c := newClient(t, egress.Config{Proxy: mustProxy(t, proxy.Setting(), false), Resolver: resolver(t, func(string, int64) netip.Addr { return netip.MustParseAddr(a) })})
		_, err := fetch(t, c, "https://crm.example/", policy(t, "crm.example"))
		wantKind(t, err, crmgate.FetchRefused)
	}
	if got := proxy.Targets(); len(got) > 0 {
		t.Errorf("the proxy was asked for %v", got)
	}
}

// Only Names sends a name, and only for https. An address that is written in the URL is checked all the same.
func TestProxyGetsNames(t *testing.T) {
	proxy := egresstest.MustProxy(t, false)
	server, roots := crm(t, proxy)
	proxy.Routes["example.com:443"] = server.Listener.Addr().String()
	nothing := resolver(t, func(name string, _ int64) netip.Addr {
		t.Errorf("%s was resolved", name)
		return netip.Addr{}
	})
	c := newClient(t, egress.Config{Proxy: mustProxy(t, proxy.Setting(), true), RootCAs: roots, Resolver: nothing})
	if b, err := fetch(t, c, "https://example.com/", policy(t, "example.com")); err != nil || b != "example.com[]" {
		t.Errorf("got %q, %v", b, err)
	}
	_, err := fetch(t, c, "https://10.0.0.1/", policy(t, "10.0.0.1"))
	wantKind(t, err, crmgate.FetchRefused)
	if got := proxy.Targets(); !slices.Equal(got, []string{"example.com:443"}) {
		t.Errorf("the proxy was asked for %v", got)
	}

	plain := newClient(t, egress.Config{Proxy: mustProxy(t, proxy.Setting(), true), Allow: loopback, Resolver: resolver(t, func(string, int64) netip.Addr { return netip.MustParseAddr("10.0.0.1") })})
	_, err = fetch(t, plain, "http://crm.example:8080/", policy(t, "crm.example:8080"))
	wantKind(t, err, crmgate.FetchRefused)
}

// Plain http and the operator's own URL go through the proxy as well.
func TestProxyTakesEveryRequest(t *testing.T) {
	proxy := egresstest.MustProxy(t, false)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	defer s.Close()
	addr := s.Listener.Addr().String()
	for name, e := range map[string]crmgate.Egress{"plain http": policy(t, addr), "RingCentral": {Name: "ringcentral", Operator: true}} {
		c := newClient(t, egress.Config{Proxy: mustProxy(t, proxy.Setting(), false), Allow: loopback})
		if b, err := fetch(t, c, s.URL, e); err != nil || b != "hello" {
			t.Errorf("%s: got %q, %v", name, b, err)
		}
	}
	if got := proxy.Targets(); !slices.Equal(got, []string{addr, addr}) {
		t.Errorf("the proxy was asked for %v", got)
	}
}

// An address that the proxy cannot reach is followed by the next one.
func TestProxyTriesEveryAddress(t *testing.T) {
	proxy := egresstest.MustProxy(t, false)
	server, roots := crm(t, proxy)
	proxy.Routes["9.9.9.9:443"], proxy.Routes["[2620:fe::9]:443"] = closedAddress(), server.Listener.Addr().String()
	c := newClient(t, egress.Config{
		Proxy: mustProxy(t, proxy.Setting(), false), RootCAs: roots,
		Resolver: resolver(t, func(_ string, n int64) netip.Addr { return netip.MustParseAddr("9.9.9.9") }, netip.MustParseAddr("2620:fe::9")),
	})
	if b, err := fetch(t, c, "https://example.com/", policy(t, "example.com")); err != nil || b != "example.com[]" {
		t.Errorf("got %q, %v", b, err)
	}
	if got := proxy.Targets(); !slices.Equal(got, []string{"9.9.9.9:443", "[2620:fe::9]:443"}) {
		t.Errorf("the proxy was asked for %v", got)
	}
}

// An error names the proxy as its cause, and quotes neither its address nor its password.
func TestProxyErrors(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tt := range []struct {
		name    string
		prepare func(*egresstest.Proxy) (setting string)
		kind    string
		want    string
	}{
		{"wrong password", func(p *egresstest.Proxy) string { p.Credentials = "gate:other"; return "" }, crmgate.FetchConnect, "the egress proxy did not accept the user name and password in CRMGATE_EGRESS_PROXY (status 407)"},
		{"refused", func(p *egresstest.Proxy) string { p.Refuse(403); return "" }, crmgate.FetchConnect, "the egress proxy refused to connect to 9.9.9.9 (status 403)"},
		{"away", func(p *egresstest.Proxy) string { p.Routes["9.9.9.9:443"] = closedAddress(); return "" }, crmgate.FetchConnect, "the egress proxy could not connect to 9.9.9.9 (status 502)"},
		{"closed", func(*egresstest.Proxy) string { return "http://gate:secret@" + closedAddress() }, crmgate.FetchConnect, "could not connect to the egress proxy: connection refused"},
		{"silent", func(*egresstest.Proxy) string { return "http://gate:secret@" + silent.Addr().String() }, crmgate.FetchTimeout, "the egress proxy did not answer in time"},
		{"not TLS", func(p *egresstest.Proxy) string {
			return strings.Replace(p.Setting().Reveal(), "http:", "https:", 1)
		}, crmgate.FetchConnect, "could not connect to the egress proxy: the server does not speak TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proxy := egresstest.MustProxy(t, false)
			proxy.Credentials = "gate:secret"
			setting := proxy.Setting()
			if s := tt.prepare(proxy); s != "" {
				setting = crmgate.NewSecret(s)
			}
			c := newClient(t, egress.Config{Proxy: mustProxy(t, setting, false), Timeout: 2 * time.Second})
			_, err := fetch(t, c, "https://9.9.9.9/", policy(t, "9.9.9.9"))
			var fe *crmgate.FetchError
			if !errors.As(err, &fe) || fe.Message != tt.want || fe.Kind != tt.kind || !errors.Is(err, egress.ErrProxy) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestParseProxy(t *testing.T) {
	for raw, want := range map[string]string{
		"http://proxy.example":                 "proxy.example:80",
		"https://proxy.example/":               "proxy.example:443",
		"http://u:p@[fd00::1]:3128":            "[fd00::1]:3128",
		"":                                     "",
		"proxy.example:3128":                   "",
		"socks5://proxy.example:1080":          "",
		"http://":                              "",
		"http://proxy.example/path":            "",
		"http://proxy.example?x":               "",
		"http://user:canary%zz@proxy.example":  "",
		"http://user:canary@proxy.example:abc": "",
	} {
		p, err := egress.ParseProxy(crmgate.NewSecret(raw))
		switch {
		case want == "" && err == nil:
			t.Errorf("%s was accepted", raw)
		case want == "" && strings.Contains(err.Error(), "canary"):
			t.Errorf("%s: %v", raw, err)
		case want != "" && (err != nil || p.String() != want):
			t.Errorf("%s: got %v, %v, want %s", raw, p, err, want)
		}
	}
}

// FuzzProxyAnswer has the proxy answer with any bytes. Only a 2xx answer opens a tunnel, and no error quotes the answer.
func FuzzProxyAnswer(f *testing.F) {
	const canary = "canary-4f1c9be2"
	answers := make(chan []byte, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil && r.Method == http.MethodConnect {
				_, _ = c.Write(<-answers)
			}
			c.Close()
		}
	}()
	f.Cleanup(func() { l.Close(); <-done })
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n" + canary, "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 407 " + canary + "\r\n\r\n",
		canary, "", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n", "HTTP/1.1 302 Found\r\nLocation: http://" + canary + "/\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	proxy := mustProxy(f, crmgate.NewSecret("http://"+l.Addr().String()), false)
	client, err := egress.New(egress.Config{Proxy: proxy, Timeout: 5 * time.Second})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	host, err := crmgate.ParseHostPattern("9.9.9.9")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		select {
		case <-answers: // the last one was not taken
		default:
		}
		answers <- raw
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://9.9.9.9/", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Fetch(req, crmgate.Egress{Name: "fuzz", Hosts: crmgate.Hosts{host}})
		var fe *crmgate.FetchError
		if !errors.As(err, &fe) || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", raw, err)
		}
		if !errors.Is(err, egress.ErrProxy) && !strings.HasPrefix(string(raw), "HTTP/") {
			t.Errorf("%q opened a tunnel: %v", raw, err)
		}
	})
}
