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

// source returns where a request comes from. Each proxy appends the address of its client to X-Forwarded-For, so the client is
// the right-most address that is not a trusted proxy's. What stands left of it, the client may have made up.
func (t trustedProxies) source(fc *fasthttp.RequestCtx) crmgate.Source {
	client, proxy := t.peer(fc.RemoteAddr())
	if !proxy {
		return client
	}
	headers := fc.Request.Header.PeekAll(fasthttp.HeaderXForwardedFor)
	for i := len(headers) - 1; i >= 0; i-- {
		for left := string(headers[i]); left != ""; {
			comma := strings.LastIndexByte(left, ',')
			hop, err := parseHop(left[comma+1:])
			if err != nil {
				return crmgate.Source{} // the sender is not known
			}
			if !t.contain(hop) {
				return crmgate.SourceAt(hop)
			}
			left = left[:max(comma, 0)]
		}
	}
	return crmgate.Source{}
}

// peer returns where a connection comes from, or that it comes from a trusted proxy.
func (t trustedProxies) peer(remote net.Addr) (client crmgate.Source, proxy bool) {
	at, ok := remote.(*net.TCPAddr)
	if !ok {
		return crmgate.Source{}, false
	}
	switch a := at.AddrPort().Addr().Unmap(); {
	case t.contain(a):
		return crmgate.Source{}, true
	case a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast():
		return crmgate.Source{}, false
	default:
		return crmgate.SourceAt(a), false
	}
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
