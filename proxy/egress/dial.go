package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"github.com/crmgate/crmgate"
)

// errNotAllowed refuses plain http to an address outside Config.Allow.
var errNotAllowed = errors.New("plain http to an address outside --allow-egress")

// Resolve replaces the address of a host and port, like curl's --resolve.
type Resolve struct {
	From string // host:port, in lower case
	To   string // address:port
}

// ParseResolve parses HOST:PORT:ADDR:PORT.
func ParseResolve(s string) (Resolve, error) {
	malformed := fmt.Errorf("--resolve %q is not HOST:PORT:ADDR:PORT: write it like app.clio.com:443:127.0.0.1:8443", s)
	host, rest, ok := strings.Cut(s, ":")
	port, to, ok2 := strings.Cut(rest, ":")
	from, err := crmgate.ParseHostPattern(host + ":" + port)
	if !ok || !ok2 || err != nil || from.Wildcard || from.Person {
		return Resolve{}, malformed
	}
	if ap, err := netip.ParseAddrPort(to); err != nil || ap.Port() == 0 {
		return Resolve{}, malformed
	}
	return Resolve{From: from.String(), To: to}, nil
}

// dialer opens connections. It checks each address after name resolution, just before it dials it or names it to the proxy.
type dialer struct {
	allow     []netip.Prefix
	guard     *ssrf.Guardian
	resolve   map[string]string
	resolver  *net.Resolver
	proxy     *Proxy         // nil for none
	roots     *x509.CertPool // verifies the proxy
	userAgent string         // for the proxy
	timeout   time.Duration  // of a request
}

// rule says which addresses may be dialled.
type rule struct {
	check func(network, address string, _ syscall.RawConn) error // nil allows every address
	names bool                                                   // the proxy may be given a name, whose address is not checked
}

func newDialer(c Config) *dialer {
	var v4, v6 []netip.Prefix
	for _, p := range c.Allow {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	d := &dialer{allow: c.Allow, resolve: map[string]string{}, resolver: c.Resolver, proxy: c.Proxy, roots: c.RootCAs, userAgent: c.UserAgent, timeout: c.Timeout, guard: ssrf.New(
		ssrf.WithAnyPort(), ssrf.WithNetworks("tcp4", "tcp6"), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))}
	for _, r := range c.Resolve {
		d.resolve[r.From] = r.To
	}
	return d
}

// guarded dials public addresses, and others if Config.Allow contains them. It is for https.
func (d *dialer) guarded(ctx context.Context, network, addr string) (net.Conn, error) {
	return d.dial(ctx, network, addr, rule{check: d.guard.Safe, names: true})
}

// allowedOnly dials an address only if Config.Allow contains it. It is for plain http.
func (d *dialer) allowedOnly(ctx context.Context, network, addr string) (net.Conn, error) {
	return d.dial(ctx, network, addr, rule{check: func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		for _, p := range d.allow {
			if p.Contains(ap.Addr()) {
				return nil
			}
		}
		return errNotAllowed
	}})
}

// unguarded dials any address. It is for URLs that the operator configured.
func (d *dialer) unguarded(ctx context.Context, network, addr string) (net.Conn, error) {
	return d.dial(ctx, network, addr, rule{names: true})
}

func (d *dialer) dial(ctx context.Context, network, addr string, r rule) (net.Conn, error) {
	if to := d.resolve[strings.ToLower(addr)]; to != "" {
		addr = to
	}
	if d.proxy != nil {
		return d.tunnel(ctx, addr, r)
	}
	nd := net.Dialer{Timeout: 5 * time.Second, Control: r.check, Resolver: d.resolver}
	return nd.DialContext(ctx, network, addr)
}
