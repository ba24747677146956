package e2e_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// refusalRow is a row of the table of refusals in the OpenAPI document (x-refusals).
type refusalRow struct {
	When                         string
	Status                       int
	Text, Error, Warning, Danger string
}

// refusalTable reads the table.
func refusalTable(t *testing.T) []refusalRow {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "proxy", "openapi.yaml"))
	edgetest.Must(t, err)
	b, err := json.Marshal(doc.Paths.Find("/oauth-callback").Get.Extensions["x-refusals"])
	edgetest.Must(t, err)
	var rows []refusalRow
	edgetest.Must(t, json.Unmarshal(b, &rows))
	return rows
}

// check compares an answer with the row.
func (r refusalRow) check(t *testing.T, a answer) {
	t.Helper()
	var got struct {
		Error         string
		Successful    *bool
		ReturnMessage struct{ Message, MessageType string }
	}
	_ = json.Unmarshal([]byte(a.body), &got) // a text is not JSON
	want, text := r.Text, a.body
	switch {
	case r.Error != "":
		want, text = r.Error, got.Error
	case r.Warning != "" || r.Danger != "":
		want, text = r.Warning+r.Danger, got.ReturnMessage.Message
		kind := map[bool]string{true: "warning", false: "danger"}[r.Warning != ""]
		if got.Successful == nil || *got.Successful || got.ReturnMessage.MessageType != kind || strings.Contains(a.body, "jwtToken") {
			t.Errorf("want a message of type %s: %s", kind, a.body)
		}
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), "…", ".*")
	if strings.HasPrefix(want, "the connector's") || strings.HasPrefix(want, "the standard text") {
		pattern = ".+"
	}
	if a.status != r.Status || !regexp.MustCompile("^"+pattern+"$").MatchString(text) {
		t.Errorf("got  %d %s\nwant %d %s", a.status, a.body, r.Status, want)
	}
	if a.status == 503 && a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// TestEveryRefusal produces each row of the table of refusals, and no row is missing.
func TestEveryRefusal(t *testing.T) {
	t.Parallel()
	produce := newRefusals(t).all()
	rows := refusalTable(t)
	for _, r := range rows {
		send, ok := produce[r.When]
		if !ok {
			t.Errorf("no test produces: %s", r.When)
			continue
		}
		t.Run("7.41 "+r.When, func(t *testing.T) { r.check(t, send()) })
		delete(produce, r.When)
	}
	for _, when := range slices.Sorted(maps.Keys(produce)) {
		t.Errorf("the table lacks: %s", when)
	}
}

// refuser produces refusals of callbacks.
type refuser struct {
	*wired
	strict *gate  // takes bound states only; its platform "practice" has an issuer and short states
	remote *wired // may not reach the token endpoint; its platform "practice" has one host
}

func newRefusals(t *testing.T) *refuser {
	const uri = `"accessTokenUri":"$CRM/token"`
	byProxy := func(f *edgetest.Options) { f.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	r := &refuser{
		wired: newWired(t, map[string]guest{
			"wire": {}, "wireswapped": {}, "wirebusy": {},
			"wirenoclient":  {"getOauthInfo": `{` + uri + `}`},
			"wirenotoken":   {"getOauthInfo": `{"clientId":"x"}`},
			"wirefail":      {"getOauthInfo": `{"failMessage":"Ask your administrator."}`},
			"wireoutside":   {"getOauthInfo": `{"clientId":"x","accessTokenUri":"https://elsewhere.example/token"}`},
			"wireoauthdown": {"getOauthInfo": `!{"message":"No configuration."}`},
			"wireodd":       {"getOauthInfo": `{"clientId":"x","tokenAuth":"odd",` + uri + `}`},
			"wireoption":    {"getOverridingOAuthOption": `!{"message":"No options."}`},
			"wirenoid":      {"getUserInfo": `{"successful":true,"platformUserInfo":{"name":"Ada"}}`},
			"wiredeclined":  {"getOauthInfo": ""},
			"wirerefused":   {"getUserInfo": `{"successful":false}`},
			"wirebroken":    {"getUserInfo": `!{"message":"Request failed with status code 500","status":500}`},
			"wirehostile":   {"getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7","overridingHostname":"<script>"}}`},
		}, byProxy),
		strict: newGate(t, func(f *edgetest.Options) {
			practices(t, f, f.Settings["PRACTICE_URL"], `"shortState": true, "issuer": "https://id.practice.example",`)
			f.RefusePlainState = true
		}),
		remote: newWired(t, map[string]guest{"wire": {}}, func(f *edgetest.Options) {
			file := filepath.Join(f.Connectors, "practice.json")
			b, err := os.ReadFile(file)
			edgetest.Must(t, err)
			b = bytes.Replace(b, []byte(`"auth": {`), []byte(`"environment": {"type": "fixed", "url": "https://app.practice.example"}, "auth": {`), 1)
			edgetest.Must(t, os.WriteFile(file, b, 0o600))
			f.AllowEgress = nil
		}),
	}
	r.Freeze()
	return r
}

// bound returns the state and the login secret of a new sign-in.
func bound(g *gate, platform string, header ...string) (state, secret string) {
	g.t.Helper()
	var c edgetest.Composed
	edgetest.Must(g.t, json.Unmarshal([]byte(g.get("/authUrl?platform="+platform+"&mode=bound", header...).body), &c))
	u, err := url.Parse(c.AuthURL)
	edgetest.Must(g.t, err)
	return u.Query().Get("state"), c.LoginSecret
}

// at sends a callback with parameters in callbackUri.
func at(g *gate, uri, params string, header ...string) answer {
	g.t.Helper()
	return g.get("/oauth-callback?callbackUri="+url.QueryEscape(uri+"?"+params), header...)
}

// with sends a callback to a new bound sign-in at a platform of the wired gate.
func (r *refuser) with(platform string, change func(state, secret *string)) answer {
	state, secret := bound(r.gate, platform)
	change(&state, &secret)
	return at(r.gate, wireRedirect, "code="+r.code()+"&state="+url.QueryEscape(state), "X-Crmgate-Login", secret)
}

// issued sends a callback to a new bound sign-in at the platform with an issuer.
func (r *refuser) issued(more string, wait time.Duration) answer {
	state, secret := bound(r.strict, "practice")
	r.strict.Pass(wait)
	return at(r.strict, r.strict.URL+"/redirect.html", "code=A&state="+url.QueryEscape(state)+more, "X-Crmgate-Login", secret)
}

// says sends a callback while the token endpoint gives an answer.
func (r *refuser) says(status int, body string) answer {
	r.endpoint.says(status, body)
	defer r.endpoint.says(200, goodTokens)
	return r.in("wire", "")
}

func (r *refuser) all() map[string]func() answer {
	all := map[string]func() answer{}
	for _, some := range []map[string]func() answer{r.malformed(), r.states(), r.accounts(), r.clients(), r.tokens(), r.limits()} {
		maps.Copy(all, some)
	}
	return all
}

func (r *refuser) malformed() map[string]func() answer {
	const code = "?code=A&state=platform="
	raw := func(q string) func() answer { return func() answer { return r.get("/oauth-callback?" + q) } }
	to := func(uri string) func() answer { return raw("callbackUri=" + uri) }
	return map[string]func() answer{
		"a parameter is given twice with different values":        raw("hostname=a&hostname=b"),
		"a parameter is not UTF-8":                                raw("hostname=%ff"),
		"the RingCentral token cannot be one":                     raw("rcAccessToken=a%20b"),
		"neither callbackUri nor code is given":                   raw(""),
		"callbackUri is not an absolute URL":                      to("/redirect.html" + code + "wire"),
		"the state cannot be decoded":                             to(wireRedirect + "?code=A&state=%25zz"),
		"there is neither a state nor a platform":                 to(wireRedirect + "?code=A"),
		"the state names no platform":                             to(wireRedirect + "?code=A&state=abc"),
		"a second state differs":                                  to(url.QueryEscape(wireRedirect+code+"wire") + "&state=platform=wirebusy"),
		"code, state, error or iss is given twice in callbackUri": to(url.QueryEscape(wireRedirect + code + "wire&code=B")),
		"the platform is unknown":                                 to(wireRedirect + code + "nowhere"),
		"people sign in to the platform with an API key":          to(wireRedirect + code + "practicekey"),
		"callbackUri has another path than the redirect URI":      to("https://app.example/other.html" + code + "wire"),
		"callbackUri has another origin than the redirect URI":    to("https://evil.example/redirect.html" + code + "wire"),
		"the code is missing":                                     to(wireRedirect + "?state=platform=wire"),
		"the person or the CRM denied access":                     to(wireRedirect + "?error=access_denied&state=platform=wire"),
		"the CRM sent another error":                              to(wireRedirect + "?error=odd&state=platform=wire"),
		"hostname is not a host name":                             to(wireRedirect + code + "wire&hostname=a%20b"),
		"hostname is not allowed": func() answer {
			return r.remote.get("/oauth-callback?hostname=evil.example&callbackUri=" + r.remote.URL + "/redirect.html" + code + "practice")
		},
		"tokenUrl is not allowed":                           to(wireRedirect + code + "wire&tokenUrl=https://evil.example/"),
		"apiUrl is not allowed":                             to(wireRedirect + code + "wire&apiUrl=https://evil.example/"),
		"the state is plain and the operator refuses those": func() answer { return at(r.strict, r.strict.URL+"/redirect.html", "code=A&state=platform=practice") },
		"the issuer is missing":                             func() answer { return r.issued("", 0) },
		"the issuer is not the CRM's":                       func() answer { return r.issued("&iss=https://evil.example", 0) },
		"a short state has expired or was made up":          func() answer { return r.issued("&iss=https://id.practice.example", 11*time.Minute) },
		"another caller has sent the code": func() answer {
			const q = "/oauth-callback?callbackUri=" + wireRedirect + "?code=theirs&state=platform=wire"
			r.token(r.get(q, "X-Forwarded-For", "203.0.113.1"))
			return r.get(q, "X-Forwarded-For", "203.0.113.2")
		},
	}
}

func (r *refuser) states() map[string]func() answer {
	return map[string]func() answer{
		"a bound state was changed or made up": func() answer {
			return r.with("wire", func(state, _ *string) { *state = strings.Replace(*state, "cg.", "cg.A", 1) })
		},
		"a bound state has expired": func() answer {
			return r.with("wire", func(_, _ *string) { r.Pass(11 * time.Minute) })
		},
		"the login secret of a bound state is missing or wrong": func() answer {
			return r.with("wire", func(_, secret *string) { *secret = "" })
		},
		"a bound state was used before, with another code or more than two minutes ago": func() answer {
			state, secret := bound(r.gate, "wire")
			send := func() answer {
				return at(r.gate, wireRedirect, "code=used&state="+url.QueryEscape(state), "X-Crmgate-Login", secret)
			}
			r.token(send())
			r.Pass(2 * time.Minute)
			return send()
		},
		"the client that waits for the sign-in has got another answer": func() answer {
			v := r.visitor()
			var w waiting
			edgetest.Must(r.t, json.Unmarshal([]byte(v.postJSON("/authSession", `{"platform":"practice"}`).body), &w))
			form := url.Values{"session": {w.ID}}
			first := v.send("/connect/practice", form)
			cookie, _, _ := strings.Cut(first.cookieNamed(r.t, "crmgate-login"), ";")
			v.get(v.landing("practice", "ada", form)).wantPage(r.t, 200, "You are connected")
			return r.callback(r.URL+v.landingAt(first.follow(r.t), "ada"), strings.TrimPrefix(cookie, "crmgate-login="))
		},
	}
}

func (r *refuser) accounts() map[string]func() answer {
	return map[string]func() answer{
		"RingCentral refuses the RingCentral token": func() answer { return r.in("wire", "&rcAccessToken=wrong") },
		"RingCentral does not answer": func() answer {
			r.CRM.SetMood(practicecrm.Mood{RingCentral: "html"})
			defer r.CRM.SetMood(practicecrm.Mood{})
			return r.in("wire", "&rcAccessToken=new")
		},
		"the RingCentral token is of another person than the bound state": func() answer {
			state, secret := bound(r.gate, "wire", "X-RC-Access-Token", practicecrm.RCUserToken)
			return at(r.gate, wireRedirect, "code=A&state="+url.QueryEscape(state), "X-Crmgate-Login", secret, "X-RC-Access-Token", practicecrm.RCOtherToken)
		},
	}
}

func (r *refuser) clients() map[string]func() answer {
	in := func(platform string) func() answer { return func() answer { return r.in(platform, "") } }
	return map[string]func() answer{
		"the application was replaced during the sign-in": func() answer {
			return r.with("wireswapped", func(_, _ *string) {
				r.swap("wireswapped", guest{"getOauthInfo": `{"clientId":"another","clientSecret":"s","accessTokenUri":"$CRM/token"}`})
			})
		},
		"the connector has no getOauthInfo":                                 in("wiredeclined"),
		"getOauthInfo fails":                                                in("wireoauthdown"),
		"getOauthInfo answers with a failMessage":                           in("wirefail"),
		"there is no client id":                                             in("wirenoclient"),
		"there is no token URL":                                             in("wirenotoken"),
		"getOauthInfo gives an invalid answer":                              in("wireodd"),
		"getOverridingOAuthOption fails":                                    in("wireoption"),
		"getUserInfo gives an invalid answer":                               in("wirenoid"),
		"the application's token URL is not allowed":                        in("wireoutside"),
		"getUserInfo fails":                                                 in("wirebroken"),
		"getUserInfo does not accept the person":                            in("wirerefused"),
		"getUserInfo returns an overridingHostname that is not a host name": in("wirehostile"),
		"the token endpoint may not be reached":                             func() answer { return r.remote.in("wire", "") },
	}
}

func (r *refuser) tokens() map[string]func() answer {
	says := func(status int, body string) func() answer { return func() answer { return r.says(status, body) } }
	return map[string]func() answer{
		"the CRM refuses the code":                                 says(400, `{"error":"invalid_grant"}`),
		"the CRM rejects the application":                          says(401, `{"error":"invalid_client"}`),
		"the token endpoint answers with a status that is not 2xx": says(500, ""),
		"the token answer has no token":                            says(200, `{}`),
		"the token endpoint cannot be reached": func() answer {
			r.endpoint.does(func(http.ResponseWriter) { panic(http.ErrAbortHandler) })
			defer r.endpoint.says(200, goodTokens)
			return r.in("wire", "")
		},
	}
}

func (r *refuser) limits() map[string]func() answer {
	last := func(n int, send func() answer) (a answer) {
		for range n {
			a = send()
		}
		return a
	}
	return map[string]func() answer{
		"the CRM refused too many codes": func() answer {
			r.endpoint.says(400, `{"error":"invalid_grant"}`)
			defer r.endpoint.says(200, goodTokens)
			return last(6, func() answer { return r.in("wire", "", "X-Forwarded-For", "203.0.113.3") })
		},
		"the client's address signs in too often": func() answer {
			return last(1001, func() answer {
				return r.get("/oauth-callback?callbackUri="+wireRedirect+"?code=A&state=platform=nowhere", "X-Forwarded-For", "203.0.113.4")
			})
		},
		"the person signs in too often": func() answer {
			return last(301, func() answer { return r.in("wirebusy", "", "X-Forwarded-For", "203.0.113.5") })
		},
	}
}

// TestRefusalsAreOutcomes: an answer 200 without a token counts as what it is, in metrics and audit log.
func TestRefusalsAreOutcomes(t *testing.T) {
	t.Parallel()
	w := newWired(t, map[string]guest{"wire": {}, "wirerefused": {"getUserInfo": `{"successful":false}`}})
	w.in("wirerefused", "").want(t, 200, `{"returnMessage":{"message":"The CRM did not accept this sign-in.","messageType":"warning","ttl":3000},"successful":false}`)
	w.get("/oauth-callback?callbackUri="+wireRedirect+"?error=access_denied&state=platform=wire").want(t, 200, told("warning", standardTexts["access_denied"]))
	w.endpoint.says(400, `{"error":"invalid_grant"}`)
	w.in("wire", "").want(t, 200, told("danger", standardTexts["invalid_grant"]))
	w.wantAudit("sign-in/oauth/refused/not accepted/wirerefused//", "sign-in/oauth/unfinished/denied/wire//", "sign-in/oauth/error/user dead/wire//")
	metrics := w.Metrics()
	for _, want := range []string{
		`crmgate_flows_total{flow="oauth",outcome="refused",platform="wirerefused"} 1`,
		`crmgate_flows_total{flow="oauth",outcome="unfinished",platform="wire"} 1`,
		`crmgate_flows_total{flow="oauth",outcome="error",platform="wire"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(metrics, `crmgate_flows_total{flow="oauth",outcome="ok"`) {
		t.Error("a refusal counts as a success")
	}
}
