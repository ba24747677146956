package e2e_test

import (
	"strings"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/egress/egresstest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// throughProxy has a node use a proxy, which requires a password.
func throughProxy(t *testing.T) (*egresstest.Proxy, func(*edgetest.Options)) {
	proxy := egresstest.MustProxy(t, false)
	proxy.Credentials = "gate:canary-proxy-password"
	return proxy, func(o *edgetest.Options) { o.Settings["CRMGATE_EGRESS_PROXY"] = proxy.Setting().Reveal() }
}

// TestSignInThroughAProxy: token requests, a connector's fetches and RingCentral's answers come through the proxy, and nothing
// goes past it. The log names it without its password.
func TestSignInThroughAProxy(t *testing.T) {
	t.Parallel()
	proxy, use := throughProxy(t)
	g := newGate(t, use)
	g.oauth("ada")
	if n := len(proxy.Targets()); n == 0 {
		t.Error("the sign-in made no connection through the proxy")
	}
	before := g.CRM.Counts()
	proxy.Refuse(502)
	g.Stop() // closes the connections that are kept
	g.Start()
	if a := g.do("POST", "/admin/session", "", "X-RC-Access-Token", practicecrm.RCAdminToken); a.status != 503 {
		t.Errorf("RingCentral without a proxy: %d %s", a.status, a.body)
	}
	c := g.compose("bound")
	if a := g.callback(g.land(c, "ada"), c.LoginSecret); !strings.Contains(a.body, "Unable to connect") {
		t.Errorf("a sign-in without a proxy: %d %s", a.status, a.body)
	}
	if after := g.CRM.Counts(); after.Token != before.Token {
		t.Error("a token request went past the proxy")
	}
	log := g.Log.String()
	if !strings.Contains(log, "outbound requests go through a proxy") || !strings.Contains(log, "the egress proxy could not connect to 127.0.0.1 (status 502)") {
		t.Errorf("the log does not name the proxy:\n%s", log)
	}
	if strings.Contains(log, "canary") {
		t.Error("the log has the proxy's password")
	}
}

// TestExamineThroughAProxy: doctor uses the proxy, and names it as the cause.
func TestExamineThroughAProxy(t *testing.T) {
	t.Parallel()
	proxy, use := throughProxy(t)
	p := newPatient(t, "")
	use(p.Options)
	if e := p.examine(t); e.err != nil || e.Failed() || len(proxy.Targets()) == 0 {
		t.Errorf("got %v, %s", e.err, e.text)
	}
	proxy.Close()
	e := p.examine(t)
	edgetest.Must(t, e.err)
	for _, check := range []string{"authorization URL", "token endpoint"} {
		outcome, message := e.outcome(check)
		if outcome != "failed" || !strings.Contains(message, "through the proxy of CRMGATE_EGRESS_PROXY: could not connect to the egress proxy: connection refused") {
			t.Errorf("%s: %s %s", check, outcome, message)
		}
	}
	if strings.Contains(e.text, "canary") {
		t.Errorf("the password is shown: %s", e.text)
	}
}
