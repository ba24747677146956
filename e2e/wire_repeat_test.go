package e2e_test

import (
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// repeated is a gate whose clients have the addresses that they claim, and a plain sign-in whose callback is sent several times.
type repeated struct {
	*gate
	path   string // of the callback
	before int    // token requests of the CRM
}

const (
	theirs  = "203.0.113.1"
	another = "203.0.113.2"
)

func newRepeated(t *testing.T) *repeated {
	t.Helper()
	g := newGate(t, func(f *edgetest.Options) { f.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	g.Freeze()
	r := &repeated{gate: g}
	r.begin()
	return r
}

// begin has Ada give consent once more.
func (r *repeated) begin() {
	r.t.Helper()
	r.path = "/oauth-callback?callbackUri=" + url.QueryEscape(r.land(r.compose("compat"), "ada"))
	r.before = r.CRM.Counts().Token
}

func (r *repeated) send(from string) answer {
	r.t.Helper()
	return r.get(r.path, "X-Forwarded-For", from)
}

// wantRequests checks how many token requests the CRM has got since begin.
func (r *repeated) wantRequests(t *testing.T, want int) {
	t.Helper()
	if n := r.CRM.Counts().Token - r.before; n != want {
		t.Errorf("the CRM got %d token requests, want %d", n, want)
	}
}

const usedAlready = "This sign-in link was already used. Please start again."

// TestRepeatedCallback: a code is exchanged once. The caller who repeats a callback gets the first answer, and others get none.
func TestRepeatedCallback(t *testing.T) {
	t.Parallel()
	r := newRepeated(t)
	first := r.send(theirs)
	token := r.token(first)
	t.Run("7.40 the same caller", func(t *testing.T) { r.send(theirs).want(t, 200, first.body) })
	t.Run("7.40 another address", func(t *testing.T) { r.send(another).want(t, 400, errorBody(usedAlready)) })
	t.Run("7.40 another query", func(t *testing.T) {
		for _, more := range []string{"&x=1", "&rcAccountId=1", "&hostname=undefined"} {
			r.get(r.path+more, "X-Forwarded-For", theirs).want(t, 400, errorBody(usedAlready))
		}
		r.get(r.path, "X-Forwarded-For", theirs, "X-RC-Access-Token", practicecrm.RCUserToken).want(t, 400, errorBody(usedAlready))
	})
	t.Run("7.40 another process", func(t *testing.T) {
		r.Stop()
		r.Start()
		r.send(another).want(t, 400, errorBody(usedAlready))
		r.send(theirs).want(t, 200, first.body)
	})
	r.lives("the repeated sign-in", token)
	r.wantRequests(t, 1)
	t.Run("7.40 two minutes later", func(t *testing.T) {
		r.Pass(2*time.Minute - time.Second)
		r.send(theirs).want(t, 200, first.body)
		r.Pass(time.Second)
		r.send(theirs).want(t, 200, told("danger", standardTexts["invalid_grant"])) // by the CRM
		r.wantRequests(t, 2)
	})
}

// TestRepeatedAtOnce: fifty callbacks at once get one answer, and others at the same time none.
func TestRepeatedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRepeated(t)
	answers := make([]answer, 50)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = r.send(theirs) })
	}
	wg.Wait()
	r.token(answers[0])
	for _, a := range answers {
		a.want(t, 200, answers[0].body)
	}
	r.wantRequests(t, 1)
	if want := `crmgate_flows_total{flow="oauth",outcome="ok",platform="practice"} 1`; !strings.Contains(r.Metrics(), want) {
		t.Errorf("the metrics lack %s", want)
	}
}

// TestRepeatedFailures: what the CRM has decided is not asked again, and what may succeed later is.
func TestRepeatedFailures(t *testing.T) {
	t.Parallel()
	r := newRepeated(t)
	for _, c := range []struct {
		name     string
		mood     practicecrm.Mood
		requests int // of two callbacks
	}{
		{"7.40 a refused code", practicecrm.Mood{Error: "invalid_grant"}, 1},
		{"7.40 a rejected application", practicecrm.Mood{Error: "invalid_client"}, 1},
		{"7.40 an error of the CRM's own", practicecrm.Mood{Error: "own_error"}, 1},
		{"7.40 no token in the answer", practicecrm.Mood{Token: "no token"}, 1},
		{"7.40 the person could not be read", practicecrm.Mood{Me: "500"}, 1},
		{"7.40 the person was not accepted", practicecrm.Mood{Me: "401"}, 1},
		{"7.40 the CRM is down", practicecrm.Mood{Status: 500}, 2},
		{"7.40 the CRM is busy", practicecrm.Mood{Status: 429}, 2},
		{"7.40 the CRM says not now", practicecrm.Mood{Error: "temporarily_unavailable"}, 2},
		{"7.40 the request was lost", practicecrm.Mood{CutBefore: true}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.Pass(2 * time.Minute) // until as many codes may be refused again
			r.begin()
			r.CRM.SetMood(c.mood)
			defer r.CRM.SetMood(practicecrm.Mood{})
			first := r.send(theirs)
			if first.status != 200 || strings.Contains(first.body, "jwtToken") {
				t.Fatalf("%d %s", first.status, first.body)
			}
			r.send(theirs).want(t, 200, first.body)
			r.wantRequests(t, c.requests)
			if c.requests == 1 {
				r.send(another).want(t, 400, errorBody(usedAlready))
				r.wantRequests(t, 1)
				return
			}
			r.CRM.SetMood(practicecrm.Mood{})
			r.token(r.send(theirs))
		})
	}
}

// TestRepeatedNotNow: a word that means "not now" decides nothing about the code, whatever its status.
func TestRepeatedNotNow(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {}})
	w.endpoint.says(400, `{"error":"temporarily_unavailable"}`)
	const path = "/oauth-callback?callbackUri=" + wireRedirect + "?code=A&state=platform=wire"
	t.Run("7.40 not now with status 400", func(t *testing.T) {
		for range 2 {
			w.get(path).want(t, 200, told("danger", standardTexts["temporarily_unavailable"]))
		}
		w.endpoint.says(200, goodTokens)
		w.token(w.get(path))
		if n := len(w.endpoint.asked()); n != 3 {
			t.Errorf("%d token requests, want 3", n)
		}
	})
}
