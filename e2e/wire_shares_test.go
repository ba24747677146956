package e2e_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestSharesOfOneClient: a client that uses up its share of what is stored gets 503. Other clients notice nothing.
func TestSharesOfOneClient(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) {
		f.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		addPlatforms(f, []string{"short"})
	})
	g.Freeze()
	compose := func(from string, header ...string) answer {
		return g.get("/authUrl?platform=short&mode=bound", append([]string{"X-Forwarded-For", from}, header...)...)
	}
	const attacker, honest = "203.0.113.7", "198.51.100.1"
	for range 200 {
		if a := compose(attacker); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	t.Run("7.37 short states", func(t *testing.T) {
		compose(attacker).want(t, 503, `{"error":"Too many sign-ins were started from your address. Please try again in a few minutes."}`)
		for what, a := range map[string]answer{
			"another client":    compose(honest),
			"a proven account":  compose(attacker, "X-RC-Access-Token", "practice-ringcentral-user"),
			"a long state":      g.get("/authUrl?platform=practice&mode=bound", "X-Forwarded-For", attacker),
			"a plain state":     g.get("/authUrl?platform=short", "X-Forwarded-For", attacker),
			"an unknown client": compose("not an address"),
		} {
			if a.status != 200 {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		g.Pass(3 * time.Second)
		if a := compose(attacker); a.status != 200 {
			t.Errorf("later: %d %s", a.status, a.body)
		}
		compose(attacker).wantError(t, 503, "Too many sign-ins")
	})
}
