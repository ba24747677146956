package e2e_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// TestGuessedCodes: a client sends callbacks with made-up codes. The CRM sees few of them, and sign-ins that the server began go
// on.
func TestGuessedCodes(t *testing.T) {
	t.Parallel()
	g := newGate(t)
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
			a.want(t, 503, `{"error":"Too many sign-ins with invalid codes. Please try again in a minute."}`)
			a.wantHeader(t, "Retry-After", "1")
		default:
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	t.Run("7.35 the CRM sees few of them", func(t *testing.T) {
		if n := g.CRM.Counts().Token - before; n != 60 || held != callbacks-60 {
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
		g.callback(g.land(c, "ada"), "").want(t, 503, `{"error":"Too many sign-ins with invalid codes. Please try again in a minute."}`)
		g.Pass(time.Minute)
		c = g.compose("compat")
		g.token(g.callback(g.land(c, "ada"), ""))
	})
}
