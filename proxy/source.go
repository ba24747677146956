package proxy

import (
	"net"
	"net/netip"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
)

// trustedProxies are the networks of reverse proxies whose X-Forwarded-For is believed.
type trustedProxies []netip.Prefix

func (t trustedProxies) contain(a netip.Addr) bool {
	for _, p := range t {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// client returns the address of a request's client; the zero Addr if it is not known. Each proxy appends the address of its
// client to X-Forwarded-For, so the client is the right-most address that is not a trusted proxy's. What stands left of it, the
// client may have made up.
func (t trustedProxies) client(fc *fasthttp.RequestCtx) netip.Addr {
	at, ok := fc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	if peer := at.AddrPort().Addr().Unmap(); !t.contain(peer) {
		return peer
	}
	headers := fc.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor)
	for i := len(headers) - 1; i >= 0; i-- {
		for left := string(headers[i]); left != ""; {
			comma := strings.LastIndexByte(left, ',')
			hop, err := parseHop(left[comma+1:])
			if err != nil {
				return netip.Addr{} // the sender is not known
			}
			if !t.contain(hop) {
				return hop
			}
			left = left[:max(comma, 0)]
		}
	}
	return netip.Addr{}
}

// peer returns the source of a connection, and whether it is a trusted proxy.
func (t trustedProxies) peer(remote net.Addr) (client crmgate.Source, proxy bool) {
	at, ok := remote.(*net.TCPAddr)
	if !ok {
		return crmgate.Source{}, false
	}
	switch a := at.AddrPort().Addr().Unmap(); {
	case t.contain(a):
		return crmgate.Source{}, true
	default:
		return sourceAt(a), false
	}
}

// shared is the address space between a provider and its customers (RFC 6598). Some clouds give it to machines of their own.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// sourceAt returns the source at an address. A private address that is not a trusted proxy's may be that of a proxy that the
// operator has not named, with many clients behind it.
func sourceAt(a netip.Addr) crmgate.Source {
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || shared.Contains(a) {
		return crmgate.Source{}
	}
	return crmgate.SourceAt(a)
}

// parseHop parses an address of X-Forwarded-For. Some proxies add the port.
func parseHop(s string) (netip.Addr, error) {
	s = strings.TrimSpace(s)
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		var at netip.AddrPort
		at, err = netip.ParseAddrPort(s)
		a = at.Addr()
	}
	return a.Unmap(), err
}
