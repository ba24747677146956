package e2e_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// attempt is Alan's unfinished sign-in: the authorization URL and the landed URL.
type attempt struct {
	*gate
	other  *gate // another server, with other keys
	c      edgetest.Composed
	landed *url.URL
}

// with returns the landed URL with parameters set, given as names and values in turn.
func (a attempt) with(set ...string) string {
	u := *a.landed
	q := u.Query()
	for i := 0; i < len(set); i += 2 {
		q.Set(set[i], set[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// without returns the landed URL without some parameters.
func (a attempt) without(names ...string) string {
	u := *a.landed
	q := u.Query()
	for _, name := range names {
		q.Del(name)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

func (a attempt) param(name string) string { return a.landed.Query().Get(name) }

// handle returns the part of the state before the platform's name.
func (a attempt) handle() string {
	h, _, _ := strings.Cut(a.param("state"), ",")
	return h
}

// forward sends a callback with extra query parameters; header is names and values in turn.
func (a attempt) forward(landed, query string, header ...string) answer {
	a.t.Helper()
	return a.get("/oauth-callback?callbackUri="+url.QueryEscape(landed)+query, append([]string{"X-Crmgate-Login", a.c.LoginSecret}, header...)...)
}

// wrong is a callback that must not reach the CRM.
type wrong struct {
	name   string
	send   func(attempt) answer
	status int
	want   string
	rc     string // a RingCentral token that the sign-in was begun with
	over   bool   // the rightful person cannot finish either
}

// flipped changes one bit of the state at a place counted from its mark.
func flipped(at int, bit byte) func(attempt) answer {
	return func(a attempt) answer {
		s := []byte(a.param("state"))
		s[len("cg.")+at%(len(a.handle())-len("cg."))] ^= bit
		return a.forward(a.with("state", string(s)), "")
	}
}

const (
	notValid  = "not valid"
	byAnother = "another browser"
	otherUser = "another RingCentral user"
	twice     = "more than once"
)

// wrongCallbacks must be refused for each kind of state.
var wrongCallbacks = []wrong{
	{name: "expired", status: 200, over: true, want: "Please start again", send: func(a attempt) answer {
		a.gate.Pass(10 * time.Minute)
		return a.forward(a.landed.String(), "")
	}},

	{name: "without the login secret", status: 400, want: byAnother, send: func(a attempt) answer { return a.callback(a.landed.String(), "") }},
	{name: "with a wrong login secret", status: 400, want: byAnother, send: func(a attempt) answer { return a.callback(a.landed.String(), strings.Repeat("A", 43)) }},
	{name: "with another sign-in's login secret", status: 400, want: byAnother, send: func(a attempt) answer { return a.callback(a.landed.String(), a.compose("bound").LoginSecret) }},
	{name: "with the login secret in the query", status: 400, want: byAnother, send: func(a attempt) answer {
		return a.get("/oauth-callback?loginSecret=" + a.c.LoginSecret + "&callbackUri=" + url.QueryEscape(a.landed.String()))
	}},
	{name: "with the login secret as a cookie", status: 400, want: byAnother, send: func(a attempt) answer {
		return a.callback(a.landed.String(), "", "Cookie", "X-Crmgate-Login="+a.c.LoginSecret)
	}},
	{name: "with half the login secret", status: 400, want: byAnother, send: func(a attempt) answer { return a.callback(a.landed.String(), a.c.LoginSecret[:20]) }},
	{name: "with the state of another sign-in", status: 400, want: byAnother, send: func(a attempt) answer {
		other, err := url.Parse(a.compose("bound").AuthURL)
		edgetest.Must(a.t, err)
		return a.forward(a.with("state", other.Query().Get("state")), "")
	}},

	{name: "by another account", rc: practicecrm.RCUserToken, status: 403, want: otherUser, send: func(a attempt) answer {
		return a.forward(a.landed.String(), "", "X-RC-Access-Token", practicecrm.RCOtherToken)
	}},
	{name: "by another account, in the query", rc: practicecrm.RCUserToken, status: 403, want: otherUser, send: func(a attempt) answer {
		return a.forward(a.landed.String(), "&rcAccessToken="+practicecrm.RCOtherToken)
	}},
	{name: "by another extension", rc: practicecrm.RCUserToken, status: 403, want: otherUser, send: func(a attempt) answer {
		return a.forward(a.landed.String(), "", "X-RC-Access-Token", "Bearer "+practicecrm.RCAdminToken)
	}},
	{name: "by an unknown RingCentral token", rc: practicecrm.RCUserToken, status: 400, want: "status code 401", send: func(a attempt) answer {
		return a.forward(a.landed.String(), "", "X-RC-Access-Token", "nobody's")
	}},
	{name: "for two accounts", rc: practicecrm.RCUserToken, status: 400, want: twice, send: func(a attempt) answer { return a.forward(a.landed.String(), "&rcAccountId=1&rcAccountId=2") }},

	{name: "to another platform, in the state", status: 400, want: notValid, send: func(a attempt) answer { return a.forward(a.with("state", a.handle()+",platform=practicb"), "") }},
	{name: "to another platform, in the state, as a query", status: 400, want: notValid, send: func(a attempt) answer {
		return a.forward(a.with("state", a.param("state")+"&platform=practicb"), "")
	}},
	{name: "to another platform, before the state's", status: 400, want: notValid, send: func(a attempt) answer {
		return a.forward(a.with("state", a.handle()+",platform=practicb,platform=practice"), "")
	}},
	{name: "to another platform, after the state's", status: 400, want: notValid, send: func(a attempt) answer {
		return a.forward(a.with("state", a.param("state")+",platform=practicb"), "")
	}},
	{name: "to another platform, by a parameter", status: 400, want: notValid, send: func(a attempt) answer { return a.forward(a.with("platform", "practicb"), "") }},
	{name: "to another platform, by the query's state", status: 400, want: "two states", send: func(a attempt) answer { return a.forward(a.landed.String(), "&state=platform=practicb") }},
	{name: "to another platform, by the query's state alone", status: 400, want: notValid, send: func(a attempt) answer {
		return a.forward(a.without("state"), "&state="+a.handle()+",platform=practicb")
	}},
	{name: "to another platform, by both", status: 400, want: notValid, send: func(a attempt) answer {
		u := *a.landed
		u.RawQuery = "platform=practicb&code=" + a.param("code")
		return a.forward(u.String(), "&state="+url.QueryEscape(a.param("state")))
	}},
	{name: "to a platform in another case", status: 400, want: "Connector not found", send: func(a attempt) answer { return a.forward(a.with("state", a.handle()+",platform=Practice"), "") }},
	{name: "to a platform of API keys", status: 400, want: notValid, send: func(a attempt) answer { return a.forward(a.with("state", a.handle()+",platform=practicekey"), "") }},
	{name: "to no platform", status: 400, want: "Missing platform name", send: func(a attempt) answer {
		r := a.forward(a.with("state", a.handle()), "")
		return answer{r.status, r.header, `{"error":"` + r.body + `"}`} // upstream's text
	}},

	{name: "a bit at the state's beginning", status: 400, want: notValid, send: flipped(0, 1)},
	{name: "a bit of the state", status: 400, want: notValid, send: flipped(7, 1)},
	{name: "another bit of the state", status: 400, want: notValid, send: flipped(12, 2)},
	{name: "a bit within the state", status: 400, want: notValid, send: flipped(90, 1)},
	{name: "a bit at the state's end", status: 400, want: notValid, send: flipped(21, 1)},
	{name: "the state cut", status: 400, want: notValid, send: func(a attempt) answer {
		return a.forward(a.with("state", a.handle()[:len(a.handle())-1]+",platform=practice"), "")
	}},
	{name: "the state longer", status: 400, want: notValid, send: func(a attempt) answer { return a.forward(a.with("state", a.handle()+"A,platform=practice"), "") }},
	{name: "the state with a line break", status: 400, want: notValid, send: func(a attempt) answer { return a.forward(a.with("state", a.handle()+"\n,platform=practice"), "") }},
	{name: "the state with padding", status: 400, want: notValid, send: func(a attempt) answer { return a.forward(a.with("state", a.handle()+"==,platform=practice"), "") }},
	{name: "a state that is only its mark", status: 400, want: notValid, send: func(a attempt) answer { return a.forward(a.with("state", "cg.,platform=practice"), "") }},
	{name: "a state of zeros", status: 400, want: notValid, send: func(a attempt) answer {
		return a.forward(a.with("state", "cg."+strings.Repeat("A", len(a.handle())-3)+",platform=practice"), "")
	}},
	{name: "the state of another server", status: 400, want: notValid, send: func(a attempt) answer {
		c := a.other.compose("bound")
		u, err := url.Parse(c.AuthURL)
		edgetest.Must(a.t, err)
		return a.callback(a.with("state", u.Query().Get("state")), c.LoginSecret)
	}},
	{name: "two states", status: 400, want: twice, send: func(a attempt) answer { return a.forward(a.landed.String()+"&state=platform=practice", "") }},
	{name: "two states, in the query", status: 400, want: "not found", send: func(a attempt) answer {
		return a.forward(a.without("state"), "&state=platform=practice&state="+url.QueryEscape(a.param("state")))
	}},
	{name: "two codes", status: 400, want: twice, send: func(a attempt) answer { return a.forward(a.landed.String()+"&code=B", "") }},
	{name: "two codes, one in the query", status: 400, want: twice, send: func(a attempt) answer { return a.forward(a.landed.String(), "&code=B") }},
	{name: "two codes in the query", status: 400, want: twice, send: func(a attempt) answer { return a.forward(a.without("code"), "&code=B&code="+a.param("code")) }},
	{name: "no code", status: 400, want: "Missing code", send: func(a attempt) answer { return a.forward(a.without("code"), "") }},
	{name: "the code undefined", status: 400, want: "Missing code", send: func(a attempt) answer { return a.forward(a.with("code", "undefined"), "") }},

	{name: "to another host", status: 400, want: "origin", send: func(a attempt) answer { a.landed.Host = "evil.example"; return a.forward(a.landed.String(), "") }},
	{name: "to another port", status: 400, want: "origin", send: func(a attempt) answer {
		a.landed.Host = a.landed.Hostname() + ":1"
		return a.forward(a.landed.String(), "")
	}},
	{name: "to another scheme", status: 400, want: "origin", send: func(a attempt) answer { a.landed.Scheme = "https"; return a.forward(a.landed.String(), "") }},
	{name: "to a host after a user name", status: 400, want: "origin", send: func(a attempt) answer {
		a.landed.User, a.landed.Host = url.User(a.landed.Host), "evil.example"
		return a.forward(a.landed.String(), "")
	}},
	{name: "to another path", status: 400, want: "path", send: func(a attempt) answer { a.landed.Path = "/other.html"; return a.forward(a.landed.String(), "") }},
	{name: "to a path below", status: 400, want: "path", send: func(a attempt) answer { a.landed.Path += "/x"; return a.forward(a.landed.String(), "") }},
	{name: "to a path in another case", status: 400, want: "path", send: func(a attempt) answer {
		a.landed.Path = strings.ToUpper(a.landed.Path)
		return a.forward(a.landed.String(), "")
	}},

	{name: "denied", status: 200, want: "denied the request", send: func(a attempt) answer { return a.forward(a.without("code")+"&error=access_denied", "") }},
	{name: "denied, with a code", status: 200, want: "denied the request", send: func(a attempt) answer { return a.forward(a.with("error", "access_denied"), "") }},
	{name: "denied, with a code, in the query", status: 200, want: "denied the request", send: func(a attempt) answer {
		return a.forward(a.without("code"), "&error=access_denied&code="+a.param("code"))
	}},
	{name: "two errors", status: 400, want: twice, send: func(a attempt) answer { return a.forward(a.with("error", "a")+"&error=b", "") }},

	{name: "with another issuer", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer { return a.forward(a.with("iss", "https://evil.example"), "") }},
	{name: "with another issuer, in the query", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer { return a.forward(a.landed.String(), "&iss=https://evil.example") }},
	{name: "with an issuer that is not a URL", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer { return a.forward(a.with("iss", "practice"), "") }},
	{name: "with an issuer over plain http", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer { return a.forward(a.with("iss", a.CRMURL), "") }},
	{name: "with the CRM's host as the issuer's user", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer {
		return a.forward(a.with("iss", "https://"+strings.TrimPrefix(a.CRMURL, "http://")+"@evil.example"), "")
	}},
	{name: "two issuers", status: 400, want: twice, send: func(a attempt) answer {
		return a.forward(a.with("iss", "https://127.0.0.1")+"&iss=https://evil.example", "")
	}},
	{name: "two issuers, one in the query", status: 400, want: twice, send: func(a attempt) answer {
		return a.forward(a.with("iss", "https://127.0.0.1"), "&iss=https://evil.example")
	}},
	{name: "an error with another issuer", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer {
		return a.forward(a.with("error", "access_denied", "iss", "https://evil.example"), "")
	}},

	{name: "with a token URL elsewhere", status: 200, want: notAnAddress("evil.example", "Practice CRM"), send: func(a attempt) answer { return a.forward(a.landed.String(), "&tokenUrl=https://evil.example/token") }},
	{name: "with an API elsewhere", status: 200, want: notAnAddress("169.254.169.254", "Practice CRM"), send: func(a attempt) answer { return a.forward(a.landed.String(), "&apiUrl=http://169.254.169.254/") }},
}

// declared are the wrong callbacks for a platform with an issuer in its manifest.
var declared = []wrong{
	{name: "without an issuer", status: 400, want: "lacks its issuer (iss)", send: func(a attempt) answer { return a.forward(a.landed.String(), "") }},
	{name: "with an empty issuer", status: 400, want: "lacks its issuer (iss)", send: func(a attempt) answer { return a.forward(a.with("iss", ""), "") }},
	{name: "an error without an issuer", status: 400, want: "lacks its issuer (iss)", send: func(a attempt) answer { return a.forward(a.with("error", "access_denied"), "") }},
	{name: "with another issuer", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer { return a.forward(a.with("iss", "https://evil.example"), "") }},
	{name: "with an extra slash in the issuer", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer { return a.forward(a.with("iss", issuer+"/"), "") }},
	{name: "with the issuer in another case", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer { return a.forward(a.with("iss", strings.ToUpper(issuer)), "") }},
	{name: "with only the host as issuer", status: 400, want: "issuer (iss) of the callback is not", send: func(a attempt) answer { return a.forward(a.with("iss", "https://id.practice.example"), "") }},
}

const issuer = "https://id.practice.example/tenant"

// practices writes the practice connector under two names, practice and practicb, with extra members in the crmgate
// objects. Both have the same CRM and client id, so only the state distinguishes them.
func practices(t *testing.T, f *edgetest.Options, crm, members string) {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join(f.Connectors, "practice.wasm"))
	edgetest.Must(t, err)
	manifest, err := os.ReadFile(filepath.Join(f.Connectors, "practice.json"))
	edgetest.Must(t, err)
	manifest = bytes.Replace(manifest, []byte(`"crmgate": {`), []byte(`"crmgate": {`+members), 2)
	// A name of the same length can also replace the other in the module.
	twin := bytes.ReplaceAll(wasm, []byte("PRACTICE_"), []byte("PRACTICB_"))
	manifests := map[string][]byte{"practice.json": manifest, "practicb.json": bytes.ReplaceAll(bytes.ReplaceAll(manifest,
		[]byte("PRACTICE_"), []byte("PRACTICB_")), []byte(`"practice": {`), []byte(`"practicb": {`)), "practicb.wasm": twin}
	for name, b := range manifests {
		edgetest.Must(t, os.WriteFile(filepath.Join(f.Connectors, name), b, 0o600))
	}
	f.Settings["PRACTICB_URL"], f.Settings["PRACTICB_CLIENT_SECRET"] = crm, practicecrm.ClientSecret
}

// TestWrongCallbacks begins a sign-in for each wrong callback and each kind of state. No callback sends a token request or
// stores anything. The rightful person can finish afterwards, unless the state has expired or was used.
func TestWrongCallbacks(t *testing.T) {
	t.Parallel()
	other := newGate(t)
	cases, requests := 0, 0
	for _, kind := range []struct {
		name, members string
		wrong         []wrong
		issuer        string
		flags         func(*edgetest.Options)
	}{
		{"PKCE", "", wrongCallbacks, "", nil},
		{"without PKCE", `"token": {"pkce": false},`, wrongCallbacks, "", nil},
		{"short state", `"shortState": true,`, wrongCallbacks, "", nil},
		{"short state without PKCE, proof of the account required, no plain states", `"shortState": true, "token": {"pkce": false},`, wrongCallbacks, "",
			func(f *edgetest.Options) { f.RequireAccountProof, f.RefusePlainState = true, true }},
		{"an issuer", `"issuer": "` + issuer + `",`, declared, issuer, nil},
		{"an issuer, short state", `"shortState": true, "issuer": "` + issuer + `",`, declared, issuer, nil},
	} {
		t.Run(kind.name, func(t *testing.T) {
			g := newGate(t, func(f *edgetest.Options) {
				practices(t, f, f.Settings["PRACTICE_URL"], kind.members)
				if kind.flags != nil {
					kind.flags(f)
				}
			})
			before := g.CRM.Counts().Token
			for _, w := range kind.wrong {
				t.Run(w.name, func(t *testing.T) {
					a := begin(t, g, w.rc)
					a.other = other
					rightful := a.with("iss", kind.issuer)
					if kind.issuer == "" {
						rightful = a.landed.String()
					}
					tokens := g.CRM.Counts().Token
					got := w.send(a)
					expired := strings.HasPrefix(kind.name, "short state") && w.want == notValid && got.status == 200 // a made-up one could be one that has expired
					if w.status == 200 || expired {
						got.wantTold(t, w.want)
					} else {
						got.wantError(t, w.status, w.want)
					}
					cases++
					requests += g.CRM.Counts().Token - tokens
					if n := g.CRM.Counts().Token - tokens; n != 0 {
						t.Errorf("%d token requests", n)
					}
					if all, err := g.directory().Entries(t.Context()); err != nil || len(all) != 0 {
						t.Fatalf("stored: %+v, %v", all, err)
					}
					if w.over {
						a.forward(rightful, "").wantTold(t, "start again")
						return
					}
					g.token(a.forward(rightful, ""))
					g.forget("practice", "3-practice")
				})
			}
			// The state was used: for a while each later callback gets the first one's answer, and then none.
			t.Run("replayed", func(t *testing.T) {
				a := begin(t, g, practicecrm.RCUserToken)
				rightful := a.landed.String()
				if kind.issuer != "" {
					rightful = a.with("iss", kind.issuer)
				}
				first := a.forward(rightful, "&rcAccountId=1", "X-RC-Access-Token", practicecrm.RCUserToken)
				g.token(first)
				tokens := g.CRM.Counts().Token
				for range 3 {
					a.forward(rightful, "").want(t, 200, first.body)
					cases++
				}
				a.callback(rightful, "").wantError(t, 400, byAnother)
				g.Pass(3 * time.Minute)
				a.forward(rightful, "").wantTold(t, "already used")
				requests += g.CRM.Counts().Token - tokens
				if n := g.CRM.Counts().Token - tokens; n != 0 {
					t.Errorf("%d token requests", n)
				}
			})
			if n := g.CRM.Counts().Token - before; n == 0 {
				t.Error("no person could finish: the test checks nothing")
			}
		})
	}
	t.Logf("%d wrong callbacks, %d token requests", cases, requests)
}

// begin has Alan sign in at the CRM, but does not send the callback.
func begin(t *testing.T, g *gate, rcToken string) attempt {
	t.Helper()
	mine := *g
	mine.t = t
	var c edgetest.Composed
	r := mine.get("/authUrl?platform=practice&mode=bound", "X-RC-Access-Token", rcToken)
	edgetest.Must(t, json.Unmarshal([]byte(r.body), &c))
	u, err := url.Parse(mine.land(c, "alan"))
	edgetest.Must(t, err)
	return attempt{gate: &mine, c: c, landed: u}
}

// TestIssuerOfTheCRM: without an issuer in the manifest, an issuer on a host of the CRM is accepted.
func TestIssuerOfTheCRM(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { practices(t, f, f.Settings["PRACTICE_URL"], "") })
	a := begin(t, g, "")
	g.token(a.forward(a.with("iss", strings.Replace(g.CRMURL, "http", "https", 1)+"/tenant"), ""))
	a = begin(t, g, "")
	g.token(a.forward(a.landed.String(), "&state=platform=practice&iss="+url.QueryEscape(strings.Replace(g.CRMURL, "http", "https", 1))))
}

// TestAccountOfTheProof: if a bound state has no account, RingCentral's answer at the callback provides it.
func TestAccountOfTheProof(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(f *edgetest.Options) { f.RequireAccountProof = true })
	a := begin(t, g, "")
	g.token(a.forward(a.landed.String(), "&rcAccountId=7", "X-RC-Access-Token", practicecrm.RCOtherToken))
	all, err := g.directory().Entries(t.Context())
	if err != nil || len(all) != 1 || all[0].Account != "2" {
		t.Errorf("%+v, %v; want account 2", all, err)
	}
	if g.CRM.Counts().RingCentral == 0 {
		t.Error("RingCentral was not asked")
	}

}
