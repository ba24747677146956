package egress

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
)

// Proxy is an HTTP proxy through which every connection is tunnelled (RFC 9110, 9.3.6). Its own address may be private,
// because the operator named it.
type Proxy struct {
	// Names has the proxy resolve host names, for networks without DNS. The addresses of https servers are then not checked.
	Names bool

	host, port  string
	https       bool           // the connection to the proxy itself is encrypted
	credentials crmgate.Secret // user:password; empty for none
}

// ParseProxy parses the URL of a proxy: http or https, with an optional user:password. The error does not quote it, because a
// password may be in it.
func ParseProxy(raw crmgate.Secret) (*Proxy, error) {
	malformed := errors.New("this is not the URL of a proxy: write it like http://proxy.example.com:3128")
	u, err := url.Parse(raw.Reveal())
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, malformed
	}
	p := &Proxy{host: u.Hostname(), https: u.Scheme == "https"}
	p.port = cmp.Or(u.Port(), map[bool]string{false: "80", true: "443"}[p.https])
	if u.User != nil {
		password, _ := u.User.Password()
		p.credentials = crmgate.NewSecret(u.User.Username() + ":" + password)
	}
	return p, nil
}

// String is the proxy's host and port, without credentials.
func (p *Proxy) String() string { return net.JoinHostPort(p.host, p.port) }

// ErrProxy means that a request failed at the egress proxy, and did not reach the server that it was for.
var ErrProxy = errors.New("the egress proxy")

// proxyError is an error at the proxy. It matches ErrProxy.
type proxyError struct {
	status int   // of the proxy's refusal; 0 if it gave none
	err    error // why it gave none
}

func (e *proxyError) Unwrap() []error { return []error{ErrProxy, e.err} }
func (e *proxyError) Error() string   { return e.message("the server") }

// kind is the kind of FetchError.
func (e *proxyError) kind() string {
	if isTimeout(e.err) {
		return crmgate.FetchTimeout
	}
	return crmgate.FetchConnect
}

// message says what went wrong on the way to a host. It contains neither an address nor text from the proxy.
func (e *proxyError) message(host string) string {
	switch {
	case e.status == http.StatusProxyAuthRequired:
		return "the egress proxy did not accept the user name and password in CRMGATE_EGRESS_PROXY (status 407)"
	case e.status >= 500:
		return fmt.Sprintf("the egress proxy could not connect to %s (status %d)", host, e.status)
	case e.status > 0:
		return fmt.Sprintf("the egress proxy refused to connect to %s (status %d)", host, e.status)
	case isTimeout(e.err):
		return "the egress proxy did not answer in time"
	}
	return "could not connect to the egress proxy" + reason(e.err)
}

// tunnel opens a connection through the proxy: to the first address of addr that the rule allows and the proxy can reach. It
// takes at most half the time of a request, so that the error of a silent proxy is seen.
func (d *dialer) tunnel(ctx context.Context, addr string, r rule) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout/2)
	defer cancel()
	targets, err := d.targets(ctx, addr, r)
	for i, target := range targets {
		var conn net.Conn
		if conn, err = d.through(ctx, target, len(targets)-i); err == nil {
			return conn, nil
		}
		var pe *proxyError
		if !errors.As(err, &pe) || pe.status < 500 { // another address would not help
			break
		}
	}
	return nil, err
}

// targets returns what the proxy may be asked to connect to: the addresses of addr that the rule allows, or its name. The error
// is that of the first address if the rule allows none.
func (d *dialer) targets(ctx context.Context, addr string, r rule) (targets []string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	literal, notLiteral := netip.ParseAddr(host)
	ips := []netip.Addr{literal}
	if notLiteral != nil {
		if d.proxy.Names && r.names {
			return []string{addr}, nil
		}
		if ips, err = cmp.Or(d.resolver, net.DefaultResolver).LookupNetIP(ctx, "ip", host); err != nil {
			return nil, err
		}
	}
	// IPv4 first: whether the proxy has a route for IPv6 is unknown here.
	slices.SortStableFunc(ips, func(a, b netip.Addr) int { return cmp.Compare(a.Unmap().BitLen(), b.Unmap().BitLen()) })
	for _, ip := range ips {
		network, target := "tcp4", net.JoinHostPort(ip.Unmap().String(), port)
		if ip.Unmap().Is6() {
			network = "tcp6"
		}
		if r.check != nil {
			if refused := r.check(network, target, nil); refused != nil {
				err = cmp.Or(err, refused)
				continue
			}
		}
		targets = append(targets, target)
	}
	if len(targets) > 0 {
		err = nil
	}
	return targets, err
}

// through asks the proxy to connect to a target. It takes its share of the time if others remain to be tried.
func (d *dialer) through(ctx context.Context, target string, remaining int) (_ net.Conn, err error) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(remaining))
	defer cancel()
	conn, err := (&net.Dialer{Resolver: d.resolver}).DialContext(ctx, "tcp", d.proxy.String())
	if err != nil {
		return nil, &proxyError{err: err}
	}
	if d.proxy.https {
		conn = tls.Client(conn, &tls.Config{RootCAs: d.roots, ServerName: d.proxy.host, MinVersion: tls.VersionTLS12})
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err = d.proxy.connect(conn, target, d.userAgent)
	if !stop() { // the deadline is in the past, or about to be
		err = &proxyError{err: cmp.Or(ctx.Err(), err)}
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// connect sends the request for a tunnel on a connection to the proxy, and reads the answer.
func (p *Proxy) connect(conn net.Conn, target, userAgent string) error {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{"User-Agent": {userAgent}}}
	if !p.credentials.IsZero() {
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(p.credentials.Reveal())))
	}
	if err := req.Write(conn); err != nil {
		return &proxyError{err: err}
	}
	const maxHeader = 64 << 10
	r := bufio.NewReader(io.LimitReader(conn, maxHeader))
	resp, err := http.ReadResponse(r, req)
	switch {
	case err != nil:
		return &proxyError{err: err}
	case resp.StatusCode/100 != 2:
		return &proxyError{status: resp.StatusCode}
	case r.Buffered() > 0: // it would be lost: in TLS and HTTP the client speaks first
		return &proxyError{err: errors.New("it sent data before it was asked")}
	}
	return nil
}
