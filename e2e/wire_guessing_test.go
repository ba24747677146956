package e2e_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

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
		case 400:
		case 503:
			held++
			a.want(t, 503, `{"error":"Too many sign-ins with invalid codes. Please try again in a moment."}`)
			a.wantHeader(t, "Retry-After", "1")
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	t.Run("7.35 the CRM sees few of them", func(t *testing.T) {
		if n := g.CRM.Counts().Token - before; n != limit.Burst || held != callbacks-limit.Burst {
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
		if want := map[bool]int{true: 400, false: 503}[i < limit.Burst]; a.status != want {
			t.Fatalf("junk token %d: %d %s, want %d", i, a.status, a.body, want)
		}
	}
	t.Run("7.36 RingCentral sees few of them", func(t *testing.T) {
		if n := g.CRM.Counts().RingCentral - before; n != limit.Burst {
			t.Errorf("%d junk tokens made %d calls to RingCentral, want %d", junk, n, limit.Burst)
		}
	})
	ask(attacker, practicecrm.RCUserToken).want(t, 200, `{}`)
	ask(attacker, practicecrm.RCAdminToken).want(t, 503, `{"error":"Too many invalid RingCentral tokens come from your address. Please try again in a moment."}`)
	ask(honest, practicecrm.RCAdminToken).want(t, 200, `{}`)
	g.Pass(time.Minute)
	ask(attacker, practicecrm.RCOtherToken).want(t, 200, `{}`)
}
