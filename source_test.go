package crmgate_test

import (
	"net/netip"
	"testing"

	"github.com/crmgate/crmgate"
)

func TestSourceAt(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"203.0.113.7":            "203.0.113.7/32",
		"::ffff:203.0.113.7":     "203.0.113.7/32",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::/64",
		"fe80::1:2:3:4%eth0":     "fe80::/64",
		"2001:db8:1:2:ffff::1%x": "2001:db8:1:2::/64",
	} {
		if got := netip.Prefix(crmgate.SourceAt(netip.MustParseAddr(addr))).String(); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	if got := crmgate.SourceAt(netip.Addr{}); got != (crmgate.Source{}) {
		t.Errorf("no address: got %v", got)
	}
}
