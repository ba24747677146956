// Package egresstest is an HTTP proxy for tests of outbound requests.
package egresstest

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/crmgate/crmgate"
)

// Proxy tunnels the connections of CONNECT requests (RFC 9110, 9.3.6). Set its fields before the first request.
type Proxy struct {
	*httptest.Server
	// Credentials are the user:password that it requires; empty for none.
	Credentials string
	// Routes has the address to dial for a target; other targets are dialled as they are.
	Routes map[string]string

	refuse  atomic.Int32
	mu      sync.Mutex
	targets []string // guarded by mu
	tunnels sync.WaitGroup
}

// MustProxy starts a proxy, which ends with the test. With tls, clients reach it by https.
func MustProxy(t testing.TB, tls bool) *Proxy {
	t.Helper()
	p := &Proxy{Routes: map[string]string{}}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(p.handle))
	if tls {
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(func() { p.Close(); p.tunnels.Wait() })
	return p
}

// Setting is the proxy's URL with its credentials.
func (p *Proxy) Setting() crmgate.Secret {
	scheme, host := "http://", p.Listener.Addr().String()
	if p.TLS != nil {
		scheme = "https://"
	}
	if p.Credentials != "" {
		host = p.Credentials + "@" + host
	}
	return crmgate.NewSecret(scheme + host)
}

// Refuse has the proxy answer every request with a status; 0 ends it.
func (p *Proxy) Refuse(status int) { p.refuse.Store(int32(status)) }

// Targets lists what the proxy was asked to connect to.
func (p *Proxy) Targets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.targets)
}

func (p *Proxy) handle(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.targets = append(p.targets, r.Host)
	p.mu.Unlock()
	wanted := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Credentials))
	to := r.Host
	if route := p.Routes[to]; route != "" {
		to = route
	}
	switch {
	case r.Method != http.MethodConnect:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	case p.Credentials != "" && r.Header.Get("Proxy-Authorization") != wanted:
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	case p.refuse.Load() != 0:
		w.WriteHeader(int(p.refuse.Load()))
		return
	}
	server, err := net.Dial("tcp", to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	p.tunnels.Add(1) // before Close stops waiting for this request
	defer p.tunnels.Done()
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		server.Close()
		return
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		p.tunnels.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			client.Close()
			server.Close()
		})
	}
}
