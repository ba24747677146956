package proxy

import (
	"net"
	"net/netip"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

func TestSources(t *testing.T) {
	t.Parallel()
	trusted := trustedProxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string // empty: not known
	}{
		{"a client", "203.0.113.7", nil, "203.0.113.7"},
		{"a client that makes the header up", "203.0.113.7", []string{"198.51.100.1"}, "203.0.113.7"},
		{"an IPv6 client", "2001:db8:1:2:3:4:5:6", nil, "2001:db8:1:2::"},
		{"an IPv4 client on an IPv6 listener", "::ffff:203.0.113.7", nil, "203.0.113.7"},
		{"a proxy", "10.1.2.3", []string{"203.0.113.7"}, "203.0.113.7"},
		{"two proxies", "10.1.2.3", []string{"203.0.113.7, 10.9.9.9"}, "203.0.113.7"},
		{"two headers", "10.1.2.3", []string{"203.0.113.7", "10.9.9.9"}, "203.0.113.7"},
		{"a client behind a proxy that makes the header up", "10.1.2.3", []string{"198.51.100.1,  203.0.113.7"}, "203.0.113.7"},
		{"with ports", "10.1.2.3", []string{"203.0.113.7:4711, [2001:db8:ffff::1]:80"}, "203.0.113.7"},
		{"an IPv6 proxy", "2001:db8:ffff::1", []string{"2001:db8:1:2::9"}, "2001:db8:1:2::"},
		{"a private address behind a proxy", "10.1.2.3", []string{"203.0.113.7, 192.168.0.7"}, ""},
		{"a shared address behind a proxy", "10.1.2.3", []string{"100.64.0.7"}, ""},
		{"a shared address", "100.127.0.1", []string{"203.0.113.7"}, ""},
		{"a proxy without the header", "10.1.2.3", nil, ""},
		{"a proxy of only proxies", "10.1.2.3", []string{"10.4.4.4"}, ""},
		{"nonsense next to the proxy", "10.1.2.3", []string{"203.0.113.7, unknown"}, ""},
		{"empty", "10.1.2.3", []string{""}, ""},
		{"a private address that is not trusted", "192.168.0.1", []string{"203.0.113.7"}, ""},
		{"loopback", "127.0.0.1", []string{"203.0.113.7"}, ""},
	} {
		var fc fasthttp.RequestCtx
		fc.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.ParseIP(c.peer), Port: 1}, nil)
		for _, h := range c.forwarded {
			fc.Request.Header.Add("X-Forwarded-For", h)
		}
		want := crmgate.Source{}
		if c.want != "" {
			want = crmgate.SourceAt(netip.MustParseAddr(c.want))
		}
		if got := sourceAt(trusted.client(&fc)); got != want {
			t.Errorf("%s: got %v, want %v", c.name, netip.Prefix(got), netip.Prefix(want))
		}
	}
}

// FuzzSource: no header makes the source of a proxy's request a proxy, or ends the server.
func FuzzSource(f *testing.F) {
	trusted := trustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Add("203.0.113.7, 10.9.9.9")
	f.Add("[2001:db8::1%25x]:80,,::ffff:10.1.1.1")
	f.Fuzz(func(t *testing.T, header string) {
		var fc fasthttp.RequestCtx
		fc.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.ParseIP("10.1.2.3"), Port: 1}, nil)
		fc.Request.Header.Set("X-Forwarded-For", header)
		if got := sourceAt(trusted.client(&fc)); trusted.contain(netip.Prefix(got).Addr()) {
			t.Errorf("%q: got the proxy %v", header, netip.Prefix(got))
		}
	})
}

// BenchmarkSource measures what a request costs to find its source.
func BenchmarkSource(b *testing.B) {
	trusted := trustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	for name, peer := range map[string]string{"direct": "203.0.113.7", "proxied": "10.1.2.3"} {
		b.Run(name, func(b *testing.B) {
			var fc fasthttp.RequestCtx
			fc.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.ParseIP(peer), Port: 1}, nil)
			fc.Request.Header.Set("X-Forwarded-For", "203.0.113.7, 10.9.9.9")
			b.ReportAllocs()
			for b.Loop() {
				if sourceAt(trusted.client(&fc)) == (crmgate.Source{}) {
					b.Fatal("no source")
				}
			}
		})
	}
}

// BenchmarkShare measures what the shares add to a request of a route that is not quick. Quick routes, such as the session
// check, have no share.
func BenchmarkShare(b *testing.B) {
	trusted := trustedProxies{netip.MustParsePrefix("10.0.0.0/8")}
	for name, peer := range map[string]string{"direct": "203.0.113.7", "behind a proxy": "10.1.2.3"} {
		b.Run(name, func(b *testing.B) {
			running := limit.NewShares(limit.Limits{Total: 32 << 10, Client: 1 << 10})
			var fc fasthttp.RequestCtx
			fc.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.ParseIP(peer), Port: 1}, nil)
			fc.Request.Header.Set("X-Forwarded-For", "203.0.113.7")
			b.ReportAllocs()
			for b.Loop() {
				place, ok := running.TryAcquire(limit.Claim{Client: limit.Client{Source: sourceAt(trusted.client(&fc))}})
				if !ok {
					b.Fatal("no place")
				}
				place.Release()
			}
		})
	}
}
