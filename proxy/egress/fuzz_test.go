package egress_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/egress"
)

// FuzzParseResolve checks that every accepted value has a host, and an IP address to dial.
func FuzzParseResolve(f *testing.F) {
	for _, s := range []string{"app.clio.com:443:127.0.0.1:8443", "a:1:[::1]:2", "a:0:1.2.3.4:5", "a:65536:1.2.3.4:5", "a:1:localhost:2", ":1:1.2.3.4:5", "A:1:1.2.3.4:05", "a:b:c", "]:0:0.0.0.0:0", "*.a:1:1.2.3.4:5", "{hostname}:1:1.2.3.4:5", "a.:01:1.2.3.4:5", "a:1:1.2.3.4:0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := egress.ParseResolve(s)
		if err != nil {
			if r != (egress.Resolve{}) {
				t.Errorf("%q: got %+v and the error %v", s, r, err)
			}
			return
		}
		host, port, err := net.SplitHostPort(r.From)
		if _, bad := netip.ParseAddrPort(r.To); err != nil || bad != nil || host == "" || port == "" || r.From != strings.ToLower(r.From) {
			t.Errorf("%q: %+v, %v", s, r, err)
		}
		if strings.ContainsAny(host, "*{}[]@/") || port == "0" || !strings.HasPrefix(strings.ToLower(s), host) || !strings.HasSuffix(s, ":"+r.To) {
			t.Errorf("%q: %+v", s, r)
		}
	})
}

// FuzzResponse has a server respond with any bytes, compressed ones included. The client must return a whole body within
// the limit, or a FetchError that quotes nothing from the response.
func FuzzResponse(f *testing.F) {
	const limit = 4 << 10
	const canary = "canary-4f1c9be2"
	responses := make(chan []byte, 1)
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
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = c.Write(<-responses)
			}
			c.Close()
		}
	}()
	f.Cleanup(func() { l.Close(); <-done })

	zipped := func(b []byte) string {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, _ = w.Write(b)
		_ = w.Close()
		return z.String()
	}
	head := "HTTP/1.1 200 OK\r\n"
	for _, s := range []string{
		head + "Content-Length: 2\r\n\r\nok", head + "Content-Length: 9\r\n\r\nok", head + "\r\n" + strings.Repeat("x", limit+1),
		head + "Content-Encoding: gzip\r\n\r\n" + zipped(make([]byte, 1<<20)), head + "Content-Encoding: gzip\r\n\r\n" + zipped([]byte("ok")),
		head + "Content-Encoding: gzip\r\n\r\n" + zipped([]byte("ok"))[:15], head + "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\nx",
		head + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nok",
		"HTTP/1.1 100 Continue\r\n\r\n" + head + "\r\nok", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: http://" + canary + "/\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", canary + "\r\n\r\n", head + canary + "\r\n\r\n", "",
	} {
		f.Add([]byte(s))
	}
	client, err := egress.New(egress.Config{Allow: loopback, Timeout: 5 * time.Second})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	p, err := crmgate.ParseHostPattern(l.Addr().String())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		select {
		case <-responses: // the last one was not fetched
		default:
		}
		responses <- raw
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		// No redirects: following one would take a second response.
		resp, err := client.Fetch(req, crmgate.Egress{Name: "fuzz", Hosts: crmgate.Hosts{p}, MaxBody: limit})
		var body []byte
		if err == nil {
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		var fe *crmgate.FetchError
		if err != nil && !errors.As(err, &fe) {
			t.Errorf("%q: %v is not a FetchError", raw, err)
		}
		if fe != nil && (strings.Contains(fe.Message, canary) || fe.Kind == crmgate.FetchTimeout) {
			t.Errorf("%q: %v", raw, fe)
		}
		if len(body) > limit {
			t.Errorf("%q: got %d bytes, want at most %d", raw, len(body), limit)
		}
		client.Close() // the server sends one response per connection
	})
}
