package e2e_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
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
	for range 1000 {
		if a := compose(attacker); a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	t.Run("7.37 short states", func(t *testing.T) {
		compose(attacker).want(t, 503, `{"error":"Too many sign-ins were started from your address. Please try again in a few minutes."}`)
		for what, a := range map[string]answer{
			"another client":    compose(honest),
			"a proven account":  compose(attacker, "X-RC-Access-Token", practicecrm.RCUserToken),
			"a long state":      g.get("/authUrl?platform=practice&mode=bound", "X-Forwarded-For", attacker),
			"a plain state":     g.get("/authUrl?platform=short", "X-Forwarded-For", attacker),
			"an unknown client": compose("not an address"),
		} {
			if a.status != 200 {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		g.Pass(time.Second)
		if a := compose(attacker); a.status != 200 {
			t.Errorf("later: %d %s", a.status, a.body)
		}
		compose(attacker).wantError(t, 503, "Too many sign-ins")
	})
	t.Run("7.37 sign-ins of one person", func(t *testing.T) {
		login := func() answer {
			return g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`)
		}
		for range 300 {
			if a := login(); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
		login().want(t, 503, `{"error":"Too many sign-ins of this person. Please try again in a few minutes."}`)
		g.lives("7.37 the session of another person", g.oauth("ada"))
		g.Pass(10 * time.Second)
		g.lives("7.37 the next sign-in", g.token(login()))
	})
}
