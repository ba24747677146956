package egress

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

// Config configures a Client. Every field has a default.
type Config struct {
	// Allow lists non-public addresses that may be dialled; default none.
	Allow []netip.Prefix
	// Resolve lists hosts that are dialled at another address; default none.
	Resolve []Resolve
	// Timeout bounds a request with its redirects and the reading of its body; default 10 s.
	Timeout time.Duration
	// MaxBody bounds the body if Egress.MaxBody is 0, in bytes; default 1 MiB.
	MaxBody int64
	// MaxPerName bounds the requests that run at once for one Egress.Name; default 64. A quarter of them can be for one client,
	// and a quarter to one host that a person chose.
	MaxPerName int
	// UserAgent is the User-Agent of requests that have none, if Egress.UserAgent is empty; default UserAgent("").
	UserAgent string
	// Proxy is the proxy through which every connection goes; default none.
	Proxy *Proxy
	// RootCAs verifies servers and the proxy; default the system's, which SSL_CERT_FILE replaces.
	RootCAs *x509.CertPool
	// Resolver resolves host names; default net.DefaultResolver.
	Resolver *net.Resolver
	// Observe, if set, is called at the end of every request, with its Egress.Name, its outcome ("2xx", "refused", …) and
	// its duration.
	Observe func(name, outcome string, d time.Duration)
}

// Client sends requests under a policy. Safe for concurrent use.
type Client struct {
	Config
	https, http, operator *http.Transport

	mu    sync.Mutex
	slots map[string]*limit.Shares // guarded by mu; by Egress.Name
}

// New returns a Client. The caller closes it.
func New(c Config) (*Client, error) {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.MaxBody == 0 {
		c.MaxBody = 1 << 20
	}
	if c.MaxPerName == 0 {
		c.MaxPerName = 64
	}
	if c.UserAgent == "" {
		c.UserAgent = UserAgent("")
	}
	if c.Observe == nil {
		c.Observe = func(string, string, time.Duration) {}
	}
	d := newDialer(c)
	cl := &Client{Config: c, slots: map[string]*limit.Shares{}}
	// Each rule has its own transport, so a connection opened under one rule is never reused under another.
	cl.https = transport(c, d.guarded)
	cl.http = transport(c, d.allowedOnly)
	cl.operator = transport(c, d.unguarded)
	return cl, nil
}

// UserAgent is this server's name for other servers (RFC 9110, 10.1.5): crmgate/1.2 (+URL). Some CRMs refuse the default of Go's
// HTTP client, and administrators look for a name in their logs. Characters that a product version must not have are left out.
func UserAgent(version string) string {
	version = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~+", r) {
			return r
		}
		return -1
	}, version)
	return "crmgate/" + cmp.Or(version, "dev") + " (+https://github.com/crmgate/crmgate)"
}

func transport(c Config, dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  c.Timeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    16,
		MaxIdleConns:           256,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
	}
}

// Close closes idle connections.
func (c *Client) Close() {
	for _, t := range []*http.Transport{c.https, c.http, c.operator} {
		t.CloseIdleConnections()
	}
}

// Fetch implements crmgate.Fetch. Errors are *crmgate.FetchError.
func (c *Client) Fetch(req *http.Request, e crmgate.Egress) (*http.Response, error) {
	began := time.Now()
	done := func(outcome string) { c.Observe(e.Name, outcome, time.Since(began)) }
	ctx, cancel := context.WithTimeout(req.Context(), c.Timeout)
	slot, err := c.acquire(req.WithContext(ctx), e)
	if err != nil {
		cancel()
		done(crmgate.FetchTimeout)
		return nil, err
	}
	resp, err := c.follow(req.Clone(ctx), e)
	if err != nil {
		slot.Release()
		cancel()
		fe := explain(err, req.URL)
		done(fe.Kind)
		return nil, fe
	}
	limit := e.MaxBody
	if limit == 0 {
		limit = c.MaxBody
	}
	outcome := fmt.Sprintf("%dxx", resp.StatusCode/100)
	resp.Body = &body{rc: resp.Body, left: limit, limit: limit, url: req.URL, end: func() { slot.Release(); cancel(); done(outcome) }}
	return resp, nil
}

// acquire waits for a slot of the request's name.
func (c *Client) acquire(req *http.Request, e crmgate.Egress) (limit.Place, error) {
	c.mu.Lock()
	s := c.slots[e.Name]
	if s == nil {
		share := max(1, c.MaxPerName/4)
		s = limit.NewShares(limit.Limits{Total: c.MaxPerName, Client: share, Host: share, Spare: c.MaxPerName / 2})
		c.slots[e.Name] = s
	}
	c.mu.Unlock()
	claim := limit.Claim{Client: limit.ClientOf(req.Context(), "")}
	if !e.Operator && !e.Hosts.Names(req.URL.Host) {
		claim.Host = req.URL.Host
	}
	slot, err := s.Acquire(req.Context(), claim)
	if err != nil {
		err = &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: "too many requests are running for " + e.Name, Err: err}
	}
	return slot, err
}

// follow sends a request and follows its redirects.
func (c *Client) follow(req *http.Request, e crmgate.Egress) (*http.Response, error) {
	for hop := 0; ; hop++ {
		t, err := c.admit(req, e)
		if err != nil {
			return nil, err
		}
		resp, err := t.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		next, err := redirected(req, resp)
		if next == nil && err == nil || e.Redirects == 0 || e.SameHost && err == nil && !sameHost(req.URL, next.URL) {
			return resp, nil
		}
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		if hop == e.Redirects {
			return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: fmt.Sprintf("more than %d redirects", e.Redirects)}
		}
		req = next
	}
}

// admit checks a request, or the target of a redirect, and returns the transport for it.
func (c *Client) admit(req *http.Request, e crmgate.Egress) (*http.Transport, error) {
	for name, values := range req.Header {
		for _, v := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(v) {
				return nil, &crmgate.FetchError{Kind: crmgate.FetchRequest, Message: "malformed header: a name or value has a character that HTTP does not allow"}
			}
		}
	}
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header.Set("User-Agent", cmp.Or(e.UserAgent, c.UserAgent))
	}
	req.Header.Del("Accept-Encoding") // the transport sets it, and then decompresses: the size limit counts decompressed bytes
	if e.Operator {
		return c.operator, nil
	}
	if err := e.Hosts.Allow(req.URL, e.Hostname); err != nil {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: err.Error()}
	}
	if req.URL.Scheme == "http" {
		return c.http, nil
	}
	return c.https, nil
}
