package token_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
)

// quirk is an unusual token endpoint, and its description in the manifest.
type quirk struct {
	name           string
	token, refresh string // members of crmgate.token and crmgate.refresh
	crm            practicecrm.Quirks
	onRefresh      *practicecrm.Quirks // nil: as crm
	answer, later  string              // forms of the answers to the exchange and to refreshes; "": the ordinary one
	// refused and refusedLater are the errors of an undeclared exchange and refresh; "": none.
	refused, refusedLater string
	public, forever       bool // the client has no secret; the tokens do not expire
	life                  time.Duration
}

var quirks = []quirk{
	{name: "basic, encoded", crm: practicecrm.Quirks{Auth: "basic"}},
	{name: "basic, not encoded", token: `"auth":"basicRaw"`, crm: practicecrm.Quirks{Auth: "basicRaw"}, refused: "invalid_client", refusedLater: "invalid_client"},
	{name: "secret in the body", token: `"auth":"body"`, crm: practicecrm.Quirks{Auth: "body"}, refused: "invalid_client", refusedLater: "invalid_client"},
	{name: "no secret", token: `"auth":"none"`, crm: practicecrm.Quirks{Auth: "none"}, refused: "invalid_client", refusedLater: "invalid_client"},
	{name: "a public client", public: true, crm: practicecrm.Quirks{Auth: "none"}},
	{name: "another way to authenticate on refresh", token: `"auth":"body"`, refresh: `"auth":"basicRaw"`, crm: practicecrm.Quirks{Auth: "body"},
		onRefresh: &practicecrm.Quirks{Auth: "basicRaw"}, refused: "invalid_client", refusedLater: "invalid_client"},
	{name: "JSON", token: `"body":"json"`, crm: practicecrm.Quirks{Body: "json"}, refused: "invalid_request", refusedLater: "invalid_request"},
	{name: "JSON with the secret", token: `"body":"json","auth":"body"`, crm: practicecrm.Quirks{Body: "json", Auth: "body"}, refused: "invalid_client", refusedLater: "invalid_client"},
	{name: "the query", token: `"body":"query"`, crm: practicecrm.Quirks{Body: "query"}, refused: "invalid_request", refusedLater: "invalid_request"},
	{name: "JSON on refresh only", refresh: `"body":"json"`, onRefresh: &practicecrm.Quirks{Body: "json"}, refusedLater: "invalid_request"},
	{name: "a form on refresh only", token: `"body":"query"`, refresh: `"body":"form"`, crm: practicecrm.Quirks{Body: "query"},
		onRefresh: &practicecrm.Quirks{Body: "form"}, refused: "invalid_request"},
	{name: "an extra parameter", token: `"parameters":{"audience":"crm & more"}`, crm: practicecrm.Quirks{Parameters: map[string]string{"audience": "crm & more"}},
		refused: "invalid_request", refusedLater: "invalid_request"},
	{name: "an extra parameter on the exchange only", token: `"parameters":{"audience":"crm"}`, refresh: `"parameters":{}`,
		crm: practicecrm.Quirks{Parameters: map[string]string{"audience": "crm"}}, onRefresh: &practicecrm.Quirks{Omit: []string{"audience"}}, refused: "invalid_request"},
	{name: "a grant type of its own", refresh: `"parameters":{"grant_type":"renew"}`,
		onRefresh: &practicecrm.Quirks{Parameters: map[string]string{"grant_type": "renew"}}, refusedLater: "invalid_request"},
	{name: "renamed", token: `"auth":"body","rename":{"client_id":"app","client_secret":"app_key","code":"auth_code","grant_type":"type","redirect_uri":"callback","refresh_token":"renewal","code_verifier":"proof"}`,
		crm: practicecrm.Quirks{Rename: map[string]string{"client_id": "app", "client_secret": "app_key", "code": "auth_code", "grant_type": "type",
			"redirect_uri": "callback", "refresh_token": "renewal", "code_verifier": "proof"}},
		refused: "invalid_request", refusedLater: "invalid_request"},
	{name: "names exchanged", token: `"auth":"body","rename":{"client_id":"code","code":"client_id"}`,
		crm: practicecrm.Quirks{Auth: "body", Rename: map[string]string{"client_id": "code", "code": "client_id"}}, refused: "invalid_client", refusedLater: "invalid_client"},
	{name: "without redirect_uri", token: `"omit":["redirect_uri"]`, crm: practicecrm.Quirks{Omit: []string{"redirect_uri"}}, refused: "invalid_request"},
	{name: "without grant_type", token: `"omit":["grant_type"]`, crm: practicecrm.Quirks{Omit: []string{"grant_type"}}, refused: "invalid_request", refusedLater: "invalid_request"},
	{name: "the application's scopes on refresh", refresh: `"scope":true`, onRefresh: &practicecrm.Quirks{Scope: "read+write"}, refusedLater: "invalid_scope"},
	{name: "another scope on refresh", refresh: `"scope":"offline"`, onRefresh: &practicecrm.Quirks{Scope: "offline"}, refusedLater: "invalid_scope"},
	{name: "scopes on the exchange are not inherited", token: `"scope":true`, crm: practicecrm.Quirks{Scope: "read+write"},
		onRefresh: &practicecrm.Quirks{Omit: []string{"scope"}}, refused: "invalid_scope"},
	{name: "scopes with commas", token: `"scope":true,"scopeSeparator":","`, refresh: `"scope":true`, crm: practicecrm.Quirks{Scope: "read%2Cwrite"},
		refused: "invalid_scope", refusedLater: "invalid_scope"},
	{name: "scopes with pluses, in the query", token: `"scope":true,"scopeSeparator":"+","body":"query"`, refresh: `"scope":true`,
		crm: practicecrm.Quirks{Scope: "read+write", Body: "query"}, refused: "invalid_scope", refusedLater: "invalid_scope"},
	{name: "scopes with pluses, in JSON", token: `"scope":true,"scopeSeparator":"+","body":"json"`, refresh: `"scope":true`,
		crm: practicecrm.Quirks{Scope: "read+write", Body: "json"}, refused: "invalid_scope", refusedLater: "invalid_scope"},
	{name: "another URL for refresh", refresh: `"url":"$URL/oauth/refresh"`, onRefresh: &practicecrm.Quirks{Path: "/oauth/refresh"}, refusedLater: "unsupported_grant_type"},
	{name: "the person's host for refresh", refresh: `"url":"http://{hostname}/oauth/refresh"`, onRefresh: &practicecrm.Quirks{Path: "/oauth/refresh"}, refusedLater: "unsupported_grant_type"},
	{name: "a header", token: `"headers":{"Accept":"application/vnd.practice+json","X-Version":"2"}`,
		crm:     practicecrm.Quirks{Headers: map[string]string{"Accept": "application/vnd.practice+json", "X-Version": "2"}},
		refused: "invalid_request", refusedLater: "invalid_request"},
	{name: "minutes", token: `"expiresIn":"minutes"`, answer: "expires_in minutes", later: "expires_in minutes", life: time.Hour},
	{name: "values at paths of their own", token: `"paths":{"accessToken":"result.key","refreshToken":"renewal.key","expiresIn":"result.left"}`,
		answer: "custom paths", later: "custom paths", life: time.Hour},
	{name: "an end at a path of its own", token: `"paths":{"expiresAt":"session.until"}`, answer: "custom end", later: "custom end", life: time.Hour},
	{name: "another form of answer on refresh", refresh: `"path":"result.oauth","expiresIn":"milliseconds"`, later: "custom path"},

	// As CRMs are documented to be.
	{name: "Bullhorn", token: `"auth":"body","body":"query"`, crm: practicecrm.Quirks{Auth: "body", Body: "query"}, refused: "invalid_client", refusedLater: "invalid_client"},
	{name: "ClickUp", token: `"auth":"body","body":"json","omit":["grant_type","redirect_uri"]`, forever: true, answer: "token alone",
		crm: practicecrm.Quirks{Auth: "body", Body: "json", Omit: []string{"grant_type", "redirect_uri"}}, refused: "invalid_client"},
	{name: "GitHub", token: `"auth":"body"`, crm: practicecrm.Quirks{Auth: "body"}, answer: "form with two lifetimes", later: "form with two lifetimes",
		refused: "invalid_client", refusedLater: "invalid_client", life: time.Hour},
	{name: "HubSpot", token: `"auth":"body"`, crm: practicecrm.Quirks{Auth: "body"}, later: "same refresh_token", refused: "invalid_client", refusedLater: "invalid_client"},
	{name: "Monday", token: `"auth":"body","body":"json"`, forever: true, answer: "token alone", crm: practicecrm.Quirks{Auth: "body", Body: "json"}, refused: "invalid_client"},
	{name: "NetSuite", answer: "expires_in text", later: "no refresh_token", crm: practicecrm.Quirks{Auth: "basic"}, life: time.Hour},
	{name: "Pipedrive", answer: "extra fields", later: "extra fields", crm: practicecrm.Quirks{Auth: "basic"}, life: time.Hour},
	{name: "QuickBooks", token: `"headers":{"Accept":"application/json"}`, answer: "json with two lifetimes", later: "json with two lifetimes",
		crm:     practicecrm.Quirks{Auth: "basic", Headers: map[string]string{"Accept": "application/json"}},
		refused: "invalid_request", refusedLater: "invalid_request", life: time.Hour},
	{name: "Salesforce", token: `"auth":"body","lifetime":3600`, answer: "expires_in missing", later: "token and address", crm: practicecrm.Quirks{Auth: "body"},
		refused: "invalid_client", refusedLater: "invalid_client", life: time.Hour},
	{name: "Zoho", token: `"auth":"body","scopeSeparator":","`, later: "no refresh_token", crm: practicecrm.Quirks{Auth: "body"}, refused: "invalid_client", refusedLater: "invalid_client"},
}

func (q quirk) mood(answer string) practicecrm.Mood {
	return practicecrm.Mood{Quirks: q.crm, RefreshQuirks: q.onRefresh, Token: answer}
}

// declare makes the world's connector one for the quirk; ordinary leaves the quirk undeclared.
func (q quirk) declare(w *world, ordinary bool) {
	w.t.Helper()
	if ordinary {
		w.declare(w.url, "")
	} else {
		w.declare(w.url, q.token, strings.ReplaceAll(q.refresh, "$URL", w.url))
	}
	w.conn.info.AccessTokenURI = w.url + "/oauth/token"
	w.conn.info.Hostname = hostOf(w.url)
	w.conn.info.Scopes = "read write"
	if q.public {
		w.conn.info.ClientSecret = crmgate.Secret{}
	}
}

// signIn exchanges a code with PKCE and stores Ada with the grant.
func (q quirk) signIn(w *world) error {
	w.t.Helper()
	verifier := token.NewVerifier()
	code := w.code(verifier)
	tokens, err := w.engine.Exchange(w.t.Context(), w.conn, w.client(), token.Exchange{Code: code, RedirectURI: redirect, Verifier: verifier})
	if err != nil {
		return err
	}
	w.store(tokens.Grant(w.client(), crmgate.Grant{}))
	return nil
}

// TestQuirks: a sign-in and a refresh succeed at a CRM with each quirk, and fail if the manifest does not declare it.
func TestQuirks(t *testing.T) {
	t.Parallel()
	for _, q := range quirks {
		t.Run(q.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			q.declare(w, false)
			w.crm.SetMood(q.mood(q.answer))
			must(t, q.signIn(w))
			before := w.stored()
			if got := before.Expiry.Sub(w.clock.Now()).Round(time.Second); q.life != 0 && got != q.life {
				t.Errorf("the access token lives %v, want %v", got, q.life)
			}
			w.crm.SetMood(q.mood(q.later))
			for range 2 { // the second shows that the first has kept the right refresh token
				w.clock.Add(2 * time.Hour)
				n := w.requests(func() {
					_, err := w.live()
					must(t, err)
				})
				if want := map[bool]int{false: 1}[q.forever]; n != want {
					t.Errorf("%d requests, want %d", n, want)
				}
			}
			now := w.stored()
			if q.forever {
				return
			}
			if now.AccessToken.Equal(before.AccessToken) || !w.crm.Live(now.AccessToken.Reveal()) || !w.crm.LiveRefresh(now.RefreshToken.Reveal()) {
				t.Error("the CRM did not grant the stored tokens")
			}
			if c := w.crm.Counts(); c.Reuses != 0 || c.Exchanges != 1 || c.Refreshes != 2 {
				t.Errorf("the CRM counts %+v", c)
			}
		})
		t.Run(q.name+", undeclared", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			q.declare(w, true)
			w.crm.SetMood(q.mood(""))
			q.refuse(t, w, q.refused, func() error { return q.signIn(w) })
			if q.forever {
				return
			}
			w.crm.SetMood(practicecrm.Mood{})
			w.conn.info.ClientSecret = crmgate.NewSecret(practicecrm.ClientSecret)
			must(t, q.signIn(w))
			q.declare(w, true)
			w.crm.SetMood(q.mood(""))
			w.clock.Add(2 * time.Hour)
			q.refuse(t, w, q.refusedLater, func() error { _, err := w.live(); return err })
			if g := w.stored(); q.refusedLater != "" && (g.Dead != "" || !w.crm.LiveRefresh(g.RefreshToken.Reveal())) {
				t.Error("the grant is lost")
			}
		})
	}
}

// refuse checks that f makes one request, and none in another style, and that the CRM refuses it; "" if it does not.
func (q quirk) refuse(t *testing.T, w *world, code string, f func() error) {
	t.Helper()
	var err error
	n := w.requests(func() { err = f() })
	var te *token.Error
	switch {
	case n != 1:
		t.Errorf("%d requests", n)
	case code == "" && err != nil:
		t.Errorf("got %v, want no error: the quirk changes nothing", err)
	case code != "" && (!errors.As(err, &te) || te.Code != code):
		t.Errorf("got %v, want %s", err, code)
	}
}

// recorded is a token request as it came.
type recorded struct {
	*http.Request
	body string
}

// sink is a world with an endpoint that records each request and answers by answer.
func sink(t *testing.T, token, refresh string, answer func(recorded) string) (*world, *[]recorded) {
	t.Helper()
	w := newWorld(t, "")
	var all []recorded
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		all = append(all, recorded{r, string(b)})
		_, _ = rw.Write([]byte(answer(all[len(all)-1])))
	}))
	t.Cleanup(s.Close)
	w.declare(s.URL, token, refresh)
	w.conn.info.AccessTokenURI = s.URL + "/token?tenant=a%20b"
	return w, &all
}

// TestRequests: the requests themselves: the connector's values win over the manifest's.
func TestRequests(t *testing.T) {
	t.Parallel()
	const id = "client_id=practice-client&client_secret=practice-secret%2B%2F%25~%3D&"
	option := &connector.OAuthOption{Headers: map[string]string{"X-A": "connector", "Content-Type": "text/odd"},
		Query: map[string]string{"q": "1", "grant_type": "query"}, Body: map[string]string{"grant_type": "own", "audience": "b", "k": "other"}}
	for _, c := range []struct {
		name, token              string
		option                   *connector.OAuthOption
		path, kind, body, header string
	}{
		{"a form", `"auth":"body"`, nil, "/token?tenant=a%20b", "application/x-www-form-urlencoded",
			id + "code=K&grant_type=authorization_code&redirect_uri=https%3A%2F%2Fapp.example%2Fredirect.html", ""},
		{"JSON", `"body":"json","omit":["redirect_uri"],"parameters":{"a":"<\"&"},"headers":{"X-A":"manifest"}`, nil, "/token?tenant=a%20b", "application/json",
			`{"a":"\u003c\"\u0026","code":"K","grant_type":"authorization_code"}`, "manifest"},
		{"the query", `"auth":"body","body":"query","omit":["redirect_uri"]`, nil, "/token?" + id + "code=K&grant_type=authorization_code&tenant=a+b", "", "", ""},
		{"a form and the connector", `"parameters":{"audience":"a"},"omit":["redirect_uri","grant_type"],"rename":{"code":"k"},"headers":{"X-A":"manifest"}`, option,
			"/token?grant_type=query&q=1&tenant=a+b", "text/odd", "audience=b&grant_type=own&k=other", "connector"},
		{"JSON and the connector", `"body":"json","omit":["redirect_uri"]`, option, "/token?grant_type=query&q=1&tenant=a+b", "text/odd",
			`{"audience":"b","code":"K","grant_type":"own","k":"other"}`, "connector"},
		{"the query and the connector", `"body":"query","omit":["redirect_uri"]`, option, "/token?audience=b&code=K&grant_type=query&k=other&q=1&tenant=a+b", "text/odd", "", "connector"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, all := sink(t, c.token, "", func(recorded) string { return `{"access_token":"a"}` })
			w.conn.option = c.option
			_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect})
			must(t, err)
			if len(*all) != 1 {
				t.Fatalf("%d requests", len(*all))
			}
			r := (*all)[0]
			if r.Method != http.MethodPost || r.URL.String() != c.path || r.Header.Get("Content-Type") != c.kind || r.body != c.body || r.Header.Get("X-A") != c.header {
				t.Errorf("got %s %s, %s, X-A %q\n%s\nwant %s, %s, X-A %q\n%s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("X-A"), r.body, c.path, c.kind, c.header, c.body)
			}
			if r.ContentLength != int64(len(c.body)) {
				t.Errorf("the length is %d", r.ContentLength)
			}
		})
	}
}

// TestScopeInAQuery: a scope that is part of a query: only the value of scope is sent.
func TestScopeInAQuery(t *testing.T) {
	t.Parallel()
	w, all := sink(t, `"scope":true,"scopeSeparator":","`, "", func(recorded) string { return `{"access_token":"a"}` })
	w.conn.info.Scopes = "access_type=offline&scope=a b"
	_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect})
	must(t, err)
	if q, _ := url.ParseQuery((*all)[0].body); q.Get("scope") != "a,b" || q.Has("access_type") {
		t.Errorf("got %s", (*all)[0].body)
	}
}

// TestSentSecretsAreHidden: the CRM repeats the request in its answer. Neither the log nor a client sees the secrets, in any place
// and any encoding.
func TestSentSecretsAreHidden(t *testing.T) {
	t.Parallel()
	const code, assertion = `the/code+"that=was sent`, "opaque of the connector"
	answers := map[string]func(recorded) string{
		"a page": func(r recorded) string { return "<p>" + r.URL.String() + " " + r.body + r.Header.Get("Authorization") },
		"a text": func(r recorded) string {
			return "error=odd&error_description=" + url.QueryEscape(r.URL.String()+r.body)
		},
		"decoded": func(r recorded) string { q, _ := url.QueryUnescape(r.URL.RawQuery + r.body); return "<p>" + q },
	}
	for body := range map[string]bool{"form": true, "json": true, "query": true} {
		for name, answer := range answers {
			t.Run(body+", "+name, func(t *testing.T) {
				t.Parallel()
				w, _ := sink(t, `"auth":"body","body":"`+body+`","rename":{"code":"k","client_secret":"s"}`, "", answer)
				w.conn.option = &connector.OAuthOption{Body: map[string]string{"x": assertion}}
				_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret(code), RedirectURI: redirect})
				var te *token.Error
				if !errors.As(err, &te) {
					t.Fatalf("got %v", err)
				}
				for _, secret := range []string{"code+", "code%2B", "that=", "that%3D", "secret+", "secret%2B", "opaque"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%s is shown: %v", secret, err)
					}
				}
			})
		}
	}
}

// TestRefreshNeedsAHost: if the manifest refreshes at the person's host, a person without a host is not refreshed.
func TestRefreshNeedsAHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	before := w.stored()
	w.declare(w.url, "", `"url":"http://{hostname}/oauth/refresh"`)
	w.conn.info.AccessTokenURI += "/oauth/token"
	w.clock.Add(2 * time.Hour)
	var refusal *crmgate.Refusal
	n := w.requests(func() {
		if _, err := w.live(); !errors.As(err, &refusal) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
	if g := w.stored(); n != 0 || g.Dead != "" || !g.RefreshToken.Equal(before.RefreshToken) {
		t.Errorf("%d requests, stored %+v", n, g)
	}
}

// TestRefreshIsHeldToTheHosts: the refresh token is not sent to a host that the connector made up.
func TestRefreshIsHeldToTheHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	before := w.stored()
	w.declare(w.url, "", `"url":"http://{hostname}/oauth/refresh"`)
	w.conn.info.AccessTokenURI += "/oauth/token"
	var hits atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer other.Close()
	elsewhere, err := crmgate.ParseHostPattern(hostOf(other.URL))
	must(t, err)
	w.conn.manifest.Environment = crmgate.Hosts{elsewhere} // a person may name this host, but nothing may be sent to it
	w.conn.info.Hostname = hostOf(other.URL)
	w.clock.Add(2 * time.Hour)
	var refusal *crmgate.Refusal
	if _, err := w.live(); !errors.As(err, &refusal) || hits.Load() != 0 {
		t.Errorf("got %v, and %d requests", err, hits.Load())
	}
	if g := w.stored(); g.Dead != "" || !g.RefreshToken.Equal(before.RefreshToken) {
		t.Errorf("stored %+v", g)
	}
}

// TestTokensAtPathsAreMasked: even a short token is masked under the name that the manifest gives it.
func TestTokensAtPathsAreMasked(t *testing.T) {
	t.Parallel()
	w, _ := sink(t, `"paths":{"accessToken":"result.pass","refreshToken":"renewal"}`, "", func(recorded) string {
		return `{"renewal":"short-two","result":{"pass":"short-one"`
	})
	_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect})
	if err == nil || strings.Contains(err.Error(), "short-") || !strings.Contains(err.Error(), "renewal") {
		t.Errorf("got %v", err)
	}
}

// TestLifetimeOfConnectorRefresh: crmgate.refresh also holds for the connector's own refresh.
func TestLifetimeOfConnectorRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.declare(w.url, `"lifetime":600`, `"lifetime":900`)
	w.conn.info.AccessTokenURI += "/oauth/token"
	w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("own")}, nil
	}
	w.clock.Add(2 * time.Hour)
	p, err := w.live()
	must(t, err)
	if got := p.Grant.Expiry.Sub(w.clock.Now()); got != 15*time.Minute {
		t.Errorf("the access token lives %v", got)
	}
}
