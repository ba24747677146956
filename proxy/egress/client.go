package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"code.dny.dev/ssrf"
	"golang.org/x/net/http/httpguts"

	"github.com/crmgate/crmgate"
)

// Config is what New needs; every field has a default.
type Config struct {
	// Allow lists private addresses that may be dialled all the same.
	Allow []netip.Prefix
	// Resolve lists names that are dialled elsewhere.
	Resolve []Resolve
	// Timeout bounds a request, its redirects and the reading of its body; default 10 s.
	Timeout time.Duration
	// MaxBody bounds a body where the policy does not, in bytes; default 1 MiB.
	MaxBody int64
	// MaxPerName bounds the requests under way for one Egress.Name; default 64.
	MaxPerName int
	// RootCAs verifies servers; nil means the system's, SSL_CERT_FILE honoured.
	RootCAs *x509.CertPool
	// Resolver looks names up; default net.DefaultResolver.
	Resolver *net.Resolver
	// Observe, if set, is told of every request: who made it, how it ended ("2xx", "refused", …), and how long it took.
	Observe func(name, outcome string, d time.Duration)
}

// Client makes requests under a policy. Safe for concurrent use.
type Client struct {
	Config
	https, http, operator *http.Transport

	mu    sync.Mutex
	slots map[string]chan struct{} // guarded by mu; by Egress.Name
}

// New returns a Client; the caller closes it.
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
	if c.Observe == nil {
		c.Observe = func(string, string, time.Duration) {}
	}
	d := newDialer(c)
	cl := &Client{Config: c, slots: map[string]chan struct{}{}}
	// A transport for each rule, so that a connection which was opened under one is never used under another.
	cl.https = transport(c, d.guarded)
	cl.http = transport(c, d.allowedOnly)
	cl.operator = transport(c, d.unguarded)
	return cl, nil
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
	release, err := c.enter(ctx, e.Name)
	if err != nil {
		cancel()
		done(crmgate.FetchTimeout)
		return nil, err
	}
	resp, err := c.follow(req.Clone(ctx), e)
	if err != nil {
		release()
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
	resp.Body = &body{rc: resp.Body, left: limit, limit: limit, url: req.URL, end: func() { release(); cancel(); done(outcome) }}
	return resp, nil
}

// enter takes one of the name's places.
func (c *Client) enter(ctx context.Context, name string) (release func(), err error) {
	c.mu.Lock()
	s := c.slots[name]
	if s == nil {
		s = make(chan struct{}, c.MaxPerName)
		c.slots[name] = s
	}
	c.mu.Unlock()
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: "too many requests are under way", Err: ctx.Err()}
	}
}

// follow sends a request and follows redirects of what can be repeated.
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
		if next == nil && err == nil || e.Redirects == 0 {
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

// admit checks one hop and says which transport carries it.
func (c *Client) admit(req *http.Request, e crmgate.Egress) (*http.Transport, error) {
	for name, values := range req.Header {
		for _, v := range values {
			if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(v) {
				return nil, &crmgate.FetchError{Kind: crmgate.FetchRequest, Message: "a header is malformed"}
			}
		}
	}
	req.Header.Del("Accept-Encoding") // the transport's, which undoes it as well, so that the size limit counts what comes out
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

// redirected returns the request that a redirect asks for; nil if the answer is none, or is one of a method that is not repeated.
func redirected(req *http.Request, resp *http.Response) (*http.Request, error) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead || resp.Header.Get("Location") == "" {
		return nil, nil
	}
	to, err := req.URL.Parse(resp.Header.Get("Location"))
	if err != nil {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: "a redirect to a malformed URL"}
	}
	if req.URL.Scheme == "https" && to.Scheme != "https" {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: "a redirect away from https"}
	}
	next := req.Clone(req.Context())
	next.URL, next.Host = to, ""
	next.Header.Del("Referer")
	if !strings.EqualFold(to.Host, req.URL.Host) {
		for _, h := range []string{"Authorization", "Cookie", "Proxy-Authorization", "Www-Authenticate"} {
			next.Header.Del(h)
		}
		for h := range next.Header { // a connector's own credentials have names of their own
			if strings.HasPrefix(h, "X-") || strings.Contains(strings.ToLower(h), "token") || strings.Contains(strings.ToLower(h), "key") {
				next.Header.Del(h)
			}
		}
	}
	return next, nil
}

// explain turns an error into one that a connector's author may read.
func explain(err error, u *url.URL) *crmgate.FetchError {
	var fe *crmgate.FetchError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &fe):
		return fe
	case errors.Is(err, ssrf.ErrProhibitedIP), errors.Is(err, ssrf.ErrProhibitedNetwork), errors.Is(err, errNotAllowed):
		return &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: u.Hostname() + " has an address that is not allowed", Err: err}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: u.Host + " did not answer in time", Err: err}
	case errors.Is(err, context.Canceled):
		return &crmgate.FetchError{Kind: crmgate.FetchTimeout, Message: "the request was given up", Err: err}
	}
	return &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "no connection to " + u.Host + ", or it broke", Err: err}
}
