package e2e_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// junkBurst is how many codes of an application, or tokens of a client, may be refused at once.
const junkBurst = 60

// TestGuessedCodes: a client sends callbacks with made-up codes. The CRM sees few of them, and sign-ins that the server began go
// on.
func TestGuessedCodes(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.Freeze() // the limit grows by one in a second
	callbacks := 300
	if wasmtest.Soak() {
		callbacks = 3000
	}
	landed, err := url.Parse(g.land(g.compose("compat"), "ada"))
	edgetest.Must(t, err)
	before := g.CRM.Counts().Token
	held := 0
	for i := range callbacks {
		q := landed.Query()
		q.Set("code", fmt.Sprint("guess", i))
		landed.RawQuery = q.Encode()
		a := g.callback(landed.String(), "")
		switch a.status {
		case 200:
			a.wantTold(t, standardTexts["invalid_grant"])
		case 503:
			held++
			a.want(t, 503, `{"error":"Too many sign-ins with invalid codes. Please try again in a moment."}`)
			a.wantHeader(t, "Retry-After", "1")
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	t.Run("7.35 the CRM sees few of them", func(t *testing.T) {
		if n := g.CRM.Counts().Token - before; n != junkBurst || held != callbacks-junkBurst {
			t.Errorf("the CRM got %d token requests, and %d callbacks of %d were held", n, held, callbacks)
		}
		if want := fmt.Sprintf(`crmgate_callbacks_held_total{platform="practice"} %d`, held); !strings.Contains(g.Metrics(), want) {
			t.Errorf("the metrics lack %s", want)
		}
		if n := strings.Count(g.Log.String(), "a CRM refuses many codes"); n != 1 {
			t.Errorf("the log says so %d times, want once", n)
		}
	})
	t.Run("7.35 a bound sign-in goes on", func(t *testing.T) { g.oauth("ada") })
	t.Run("7.35 a plain one works again later", func(t *testing.T) {
		c := g.compose("compat")
		g.callback(g.land(c, "ada"), "").want(t, 503, `{"error":"Too many sign-ins with invalid codes. Please try again in a moment."}`)
		g.Pass(time.Minute)
		c = g.compose("compat")
		g.token(g.callback(g.land(c, "ada"), ""))
	})
}

// TestJunkTokensOfOneSource: a client sends many junk RingCentral tokens. RingCentral sees few of them. Other clients notice
// nothing, and neither does the same client with a token that RingCentral has accepted.
func TestJunkTokensOfOneSource(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { f.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	g.Freeze()
	ask := func(from, token string) answer {
		return g.get("/user/preloadSettings", "X-Forwarded-For", from, "X-RC-Access-Token", token)
	}
	const attacker, honest = "203.0.113.7", "198.51.100.1"
	ask(attacker, practicecrm.RCUserToken).want(t, 200, `{}`)
	before := g.CRM.Counts().RingCentral
	const junk = 300
	for i := range junk {
		from := attacker
		if i%2 == 1 {
			from = fmt.Sprint("192.0.2.", i%250, ", ", attacker) // what the client writes left of its address is not believed
		}
		a := ask(from, fmt.Sprint("junk", i))
		if want := map[bool]int{true: 400, false: 503}[i < junkBurst]; a.status != want {
			t.Fatalf("junk token %d: %d %s, want %d", i, a.status, a.body, want)
		}
	}
	t.Run("7.36 RingCentral sees few of them", func(t *testing.T) {
		if n := g.CRM.Counts().RingCentral - before; n != junkBurst {
			t.Errorf("%d junk tokens made %d calls to RingCentral, want %d", junk, n, junkBurst)
		}
	})
	ask(attacker, practicecrm.RCUserToken).want(t, 200, `{}`)
	ask(attacker, practicecrm.RCAdminToken).want(t, 503, `{"error":"Too many invalid RingCentral tokens come from your address. Please try again in a moment."}`)
	ask(honest, practicecrm.RCAdminToken).want(t, 200, `{}`)
	g.Pass(time.Minute)
	ask(attacker, practicecrm.RCOtherToken).want(t, 200, `{}`)
}

// TestGuessedCodesOfOneClient: a client with a known address is held long before the application is. Callbacks of others go on.
func TestGuessedCodesOfOneClient(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { f.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	g.Freeze()
	guess := func(attacker, n int) answer {
		landed := g.URL + "/redirect.html?state=platform%3Dpractice&code=guess" + fmt.Sprint(attacker, "-", n)
		return g.callback(landed, "", "X-Forwarded-For", fmt.Sprint("203.0.113.", attacker))
	}
	before := g.CRM.Counts().Token
	for attacker := range 10 {
		for n := range 20 {
			if a := guess(attacker, n); a.status != 200 && a.status != 503 {
				t.Fatalf("%d %s", a.status, a.body)
			}
		}
	}
	if n := g.CRM.Counts().Token - before; n != 50 {
		t.Errorf("7.35 ten attackers sent the CRM %d codes, want 50", n)
	}
	g.token(g.callback(g.land(g.compose("compat"), "ada"), "", "X-Forwarded-For", "198.51.100.1"))
}
