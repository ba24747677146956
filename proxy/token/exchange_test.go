package token_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
)

func TestExchangeReadsEveryAnswer(t *testing.T) {
	t.Parallel()
	for _, a := range practicecrm.TokenAnswers() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			extra := `"path":"` + a.Path + `"`
			if a.Milliseconds {
				extra += `,"expiresIn":"milliseconds"`
			}
			w := newWorld(t, extra)
			w.crm.SetMood(practicecrm.Mood{Token: a.Name})
			tokens, err := w.exchange()
			if !a.Valid {
				var te *token.Error
				if !errors.As(err, &te) || te.Message == "" || strings.Contains(te.Message, "access_token") {
					t.Fatalf("got %v, want an Error with a message", err)
				}
				return
			}
			must(t, err)
			if !w.crm.Live(tokens.Access.Reveal()) {
				t.Error("the access token is not the CRM's")
			}
			if got := !tokens.Refresh.IsZero(); got != a.Refresh || got && !w.crm.LiveRefresh(tokens.Refresh.Reveal()) {
				t.Errorf("refresh token: %v, want %v", got, a.Refresh)
			}
			var life time.Duration
			if !tokens.Expiry.IsZero() {
				life = tokens.Expiry.Sub(w.clock.Now()).Round(time.Second)
			}
			if life != a.Lifetime {
				t.Errorf("lifetime %v, want %v", life, a.Lifetime)
			}
			for _, secret := range []string{tokens.Access.Reveal(), tokens.Refresh.Reveal()} {
				if secret != "" && strings.Contains(string(tokens.Data), secret) {
					t.Errorf("a token goes to the connector: %s", tokens.Data)
				}
			}
		})
	}
}

func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	for _, style := range []crmgate.TokenAuth{crmgate.TokenAuthBasic, crmgate.TokenAuthBasicRaw, crmgate.TokenAuthBody} {
		t.Run(string(style), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, `"auth":"`+string(style)+`"`)
			_, err := w.exchange()
			must(t, err)
			w.conn.info.ClientSecret = crmgate.NewSecret("wrong")
			// One request and no second in another style, which would send the code again.
			n := w.requests(func() { _, err = w.exchange() })
			if n != 1 || !errors.Is(err, crmgate.ErrAppDead) || !strings.HasPrefix(err.Error(), "The CRM rejects the application. Please tell your administrator.") {
				t.Errorf("%d requests, %v", n, err)
			}
		})
	}
}

// TestExchangeRequest looks at the request itself, where the practice CRM would forgive.
func TestExchangeRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		style          crmgate.TokenAuth
		secret         string
		option         *connector.OAuthOption
		authorization  string
		body, notInIt  string
		header, wanted string
	}{
		{"basic", "a b+c/ü", nil, "practice-client:a+b%2Bc%2F%C3%BC", "code=", "client_id", "Accept", "application/json, application/x-www-form-urlencoded"},
		{"basicRaw", "a b+c/ü", nil, "practice-client:a b+c/ü", "code=", "client_secret", "", ""},
		{"body", "s", nil, ":", "client_id=practice-client&client_secret=s", "", "", ""},
		{"none", "s", nil, ":", "client_id=practice-client", "client_secret", "", ""},
		{"basic", "", nil, ":", "client_id=practice-client", "client_secret", "", ""},
		{"basic", "s", &connector.OAuthOption{Body: map[string]string{"redirect_uri": "other"}, Headers: map[string]string{"X-A": "b"}}, "practice-client:s", "redirect_uri=other", "redirect.html", "X-A", "b"},
		{"basic", "s", &connector.OAuthOption{Headers: map[string]string{"authorization": ""}}, ":", "code=", "", "Authorization", "<none>"},
		{"basic", "s", &connector.OAuthOption{Headers: map[string]string{"user-agent": "", "ACCEPT": ""}}, "practice-client:s", "code=", "", "User-Agent", "<none>"},
		{"basic", "s", &connector.OAuthOption{Headers: map[string]string{"Accept": ""}}, "practice-client:s", "code=", "", "Accept", "<none>"},
	} {
		w := newWorld(t, "")
		var got *http.Request
		sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseForm(); got = r }))
		w.declare(sink.URL, `"auth":"`+string(c.style)+`"`)
		w.conn.info.ClientSecret = crmgate.NewSecret(c.secret)
		w.conn.option = c.option
		verifier := token.NewVerifier()
		_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect, Verifier: verifier})
		if err == nil {
			t.Error("an empty answer was a token")
		}
		sink.Close()
		id, secret, _ := got.BasicAuth()
		body := got.PostForm.Encode()
		if id+":"+secret != c.authorization || !strings.Contains(body, c.body) || c.notInIt != "" && strings.Contains(body, c.notInIt) ||
			c.header != "" && sent(got.Header, c.header) != c.wanted || got.PostForm.Get("code_verifier") != verifier.Reveal() || got.PostForm.Get("grant_type") != "authorization_code" {
			t.Errorf("%s: Basic %q, body %s, header %v", c.style, id+":"+secret, body, got.Header)
		}
	}
}

// sent is a header's value; <none> if it was not sent, not even empty.
func sent(h http.Header, name string) string {
	if len(h.Values(name)) == 0 {
		return "<none>"
	}
	return h.Get(name)
}

func TestPKCE(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	v := token.NewVerifier()
	code := w.code(v)
	_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: code, RedirectURI: redirect, Verifier: token.NewVerifier()})
	if !errors.Is(err, crmgate.ErrUserDead) {
		t.Errorf("another verifier: %v", err)
	}
	code = w.code(v)
	_, err = w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: code, RedirectURI: redirect, Verifier: v})
	must(t, err)
}

func TestClientIsHeldToTheManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	good := crmgate.Application{AccessTokenURI: w.url + "/oauth/token"}
	const notAnAddress = ` is not an address of practice. Please check it, or ask your administrator.`
	for _, c := range []struct {
		info     crmgate.Application
		tokenURL string
		told     string // to the person
		logged   string // the advice for the operator
	}{
		{crmgate.Application{}, "", `Expected "accessTokenUri" to exist`, ""},
		{crmgate.Application{AccessTokenURI: "https://evil.example/token"}, "", `"evil.example"` + notAnAddress,
			"accessTokenUri: https://evil.example is not on a host that the manifest declares: add evil.example to crmgate.hosts"},
		{crmgate.Application{AccessTokenURI: w.url + "/oauth/token", Hostname: "a b"}, "", `"a b"` + notAnAddress, `hostname: "a b" is not a host name`},
		{good, "https://user:pw@evil.example/token", `"evil.example"` + notAnAddress, "tokenUrl: the URL contains a user name: remove it"},
		{good, "here", `"here"` + notAnAddress, `tokenUrl: "here" is not an absolute URL`},
	} {
		w.conn.info = connector.OAuthInfo{Application: c.info}
		_, err := w.engine.Client(t.Context(), w.conn, connector.OAuthInfoRequest{TokenURL: c.tokenURL}, nil)
		var r *crmgate.Refusal
		if !errors.As(err, &r) || r.Message != c.told || r.Kind != crmgate.Declined || !strings.HasSuffix(err.Error(), c.logged) {
			t.Errorf("got %v, want %q for the person and %q in the log", err, c.told, c.logged)
		}
	}
	w.conn.info = connector.OAuthInfo{FailMessage: "Not today"}
	_, err := w.engine.Client(t.Context(), w.conn, connector.OAuthInfoRequest{}, nil)
	var f *token.FailMessage
	if !errors.As(err, &f) || f.Message != "Not today" {
		t.Errorf("got %v", err)
	}
}

// TestOrgApplicationWithoutTheConnectors: an organisation's application that names all that is needed works although the
// connector has none, or reports an error. A call that was stopped is tried again later.
func TestOrgApplicationWithoutTheConnectors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	whole := crmgate.Application{ClientID: "own", AccessTokenURI: w.url + "/oauth/token"}
	for _, c := range []struct {
		name string
		info connector.OAuthInfo
		err  error
		app  crmgate.Application
		want string // the error; empty for none
	}{
		{"a text", connector.OAuthInfo{FailMessage: "Not today"}, nil, whole, ""},
		{"an error", connector.OAuthInfo{}, &crmgate.ConnectorError{Message: "No configuration."}, whole, ""},
		{"an error without a token endpoint", connector.OAuthInfo{}, &crmgate.ConnectorError{Message: "No configuration."}, crmgate.Application{ClientID: "own"}, "No configuration."},
		{"a text without a client", connector.OAuthInfo{FailMessage: "Not today"}, nil, crmgate.Application{Scopes: "read"}, "Not today"},
		{"a stopped call", connector.OAuthInfo{}, &crmgate.ConnectorError{Message: "took too long", Err: context.DeadlineExceeded}, whole, "took too long"},
	} {
		w.conn.info, w.conn.failing = c.info, c.err
		got, err := w.engine.Client(t.Context(), w.conn, connector.OAuthInfoRequest{}, &crmgate.OrgApplication{Application: c.app})
		if c.want == "" && (err != nil || got.ID != "own") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %q, %v; want %q", c.name, got.ID, err, c.want)
		}
	}
}

// TestRedirectsAreNotFollowed: the code and the secret go to the declared URL and nowhere else.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	var hits atomic.Int32
	sink := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		http.Redirect(rw, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer sink.Close()
	c := w.client()
	c.TokenURL = sink.URL + "/token?tenant=1"
	_, err := w.engine.Exchange(t.Context(), w.conn, c, token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect})
	var refusal *crmgate.Refusal
	if !errors.As(err, &refusal) || hits.Load() != 0 {
		t.Errorf("a host that the manifest does not name: %v, %d requests", err, hits.Load())
	}
	w.declare(sink.URL, "")
	c = w.client()
	_, err = w.engine.Exchange(t.Context(), w.conn, c, token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect})
	var te *token.Error
	if !errors.As(err, &te) || te.Message != "HTTP status 307" || hits.Load() != 1 {
		t.Errorf("got %v after %d requests", err, hits.Load())
	}
}

// TestOverridesOfTheQuery: overrides are added to the query of the token URL, which keeps its own parameters unchanged.
func TestOverridesOfTheQuery(t *testing.T) {
	t.Parallel()
	for want, option := range map[string]*connector.OAuthOption{
		"b=1&a=%20":     nil,
		"a=+&b=2&c=%26": {Query: map[string]string{"b": "2", "c": "&"}, Headers: map[string]string{"authorization": "Custom x"}},
	} {
		w := newWorld(t, "")
		var query, authorization string
		sink := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			query, authorization = r.URL.RawQuery, r.Header.Get("Authorization")
			_, _ = rw.Write([]byte(`{"access_token":"a"}`))
		}))
		w.declare(sink.URL, "")
		w.conn.info.AccessTokenURI += "/token?b=1&a=%20"
		w.conn.option = option
		_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect})
		sink.Close()
		if err != nil || query != want || (authorization == "Custom x") != (option != nil) {
			t.Errorf("query %q, want %q; Authorization %q; %v", query, want, authorization, err)
		}
	}
}

// TestOverridesOfTheHostsHeaders: a connector's headers of the connection are its error, and nothing is sent.
func TestOverridesOfTheHostsHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	var hits atomic.Int64
	sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer sink.Close()
	w.declare(sink.URL, "")
	for name, value := range map[string]string{
		"Upgrade": "h2c", "te": "trailers", "Expect": "100-continue", "Proxy-Authorization": "Basic eA==", "connection": "X-A", "Host": "other.example",
		"Content-Length": "0", "X-A": "b\r\nX-B: c", "X-B": strings.Repeat("x", 1<<20),
	} {
		w.conn.option = &connector.OAuthOption{Headers: map[string]string{name: value}}
		_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect})
		var ce *crmgate.ConnectorError
		if !errors.As(err, &ce) || ce.Operation != "getOverridingOAuthOption" || !strings.Contains(ce.Message, "with wrong headers: ") || len(ce.Message) > 300 {
			t.Errorf("%s: %.400v", name, err)
		}
	}
	if hits.Load() > 0 {
		t.Errorf("%d requests were sent", hits.Load())
	}
}

// TestMessagesForClients tests messages for answers that the practice CRM does not give.
func TestMessagesForClients(t *testing.T) {
	t.Parallel()
	const code = "the-code-that-was-sent"
	for _, c := range []struct {
		name    string
		status  int
		header  http.Header
		body    string
		kind    error
		code    string
		message string
		after   time.Duration
	}{
		{"a standard text", 400, nil, `{"error":"invalid_scope","error_description":"x"}`, crmgate.ErrTransient, "invalid_scope", "The requested scope is invalid, unknown, or malformed.", 0},
		{"with status 200", 200, nil, `{"error":"access_denied"}`, crmgate.ErrTransient, "access_denied", "The resource owner or authorization server denied the request.", 0},
		{"another code's description", 400, nil, `error=odd&error_description=Odd+things`, crmgate.ErrTransient, "odd", "Odd things", 0},
		{"another code", 400, nil, `{"error":"odd"}`, crmgate.ErrTransient, "odd", "odd", 0},
		{"a redirect URI that is not registered", 400, nil, `{"error":"redirect_uri_mismatch"}`, crmgate.ErrAppDead, "redirect_uri_mismatch", "The CRM rejects the application. Please tell your administrator.", 0},
		{"a description that repeats the code", 400, nil, `{"error":"odd","error_description":"` + code + ` is odd"}`, crmgate.ErrTransient, "odd", "[…] is odd", 0},
		{"a status", 503, http.Header{"Retry-After": {"Tue, 24 Nov 2026 12:00:30 GMT"}}, "busy", crmgate.ErrTransient, "", "HTTP status 503", 30 * time.Second},
		{"a status, and an absurd time to wait", 429, http.Header{"Retry-After": {"999999"}}, "", crmgate.ErrTransient, "", "HTTP status 429", time.Hour},
		{"a status that has no body", 204, nil, "", crmgate.ErrTransient, "", "The CRM answered the token request with status 204 and no token.", 0},
		{"a token that cannot be read", 200, nil, `{"access_token":"` + code + `"`, crmgate.ErrTransient, "", "The CRM answered the token request with status 200 and no token.", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			sink := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
				for k, v := range c.header {
					rw.Header()[k] = v
				}
				rw.WriteHeader(c.status)
				_, _ = rw.Write([]byte(c.body))
			}))
			defer sink.Close()
			w.declare(sink.URL, "")
			_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret(code), RedirectURI: redirect})
			var te *token.Error
			if !errors.As(err, &te) {
				t.Fatalf("got %v", err)
			}
			if te.Message != c.message || te.Code != c.code || te.Status != c.status || te.RetryAfter != c.after || !errors.Is(err, c.kind) {
				t.Errorf("got %+v", te)
			}
			if strings.Contains(err.Error(), code) {
				t.Errorf("the log shows the code: %v", err)
			}
		})
	}
}

// TestLocked: only what the CRM says counts, and not other text of the error, such as the endpoint's address.
func TestLocked(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string, header ...string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				rw.Header().Set(header[i], header[i+1])
			}
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   bool
	}{
		"429":              {answer(429, ""), true},
		"Retry-After":      {answer(503, "", "Retry-After", "30"), true},
		"a word":           {answer(400, `{"error":"account_locked"}`), true},
		"another word":     {answer(400, `{"error":"invalid_request","error_code":"RATE_LIMIT"}`), true},
		"a description":    {answer(403, `{"error":"invalid_client","error_description":"The client is Suspended."}`), true},
		"a page":           {answer(403, `<h1>Too many requests</h1>`), true},
		"a refusal":        {answer(400, `{"error":"invalid_grant"}`), false},
		"a status":         {answer(500, "busy"), false},
		"no answer at all": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			sink := httptest.NewServer(c.answer)
			defer sink.Close()
			w.declare(sink.URL, "")
			w.conn.info.AccessTokenURI += "/locked"
			_, err := w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("code"), RedirectURI: redirect})
			var te *token.Error
			if !errors.As(err, &te) || te.Locked != c.want {
				t.Errorf("got %+v, want %v", te, c.want)
			}
		})
	}
}

// TestReasonsOfTheCRM: an error has the CRM's own words, in full for the log, and without the secrets that were sent.
func TestReasonsOfTheCRM(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.refuse(400, `{"error":"invalid_scope","error_description":"a-code may not `+strings.Repeat("x", 500)+` end"}`)
	err := w.exchangeAnyCode()
	var te *token.Error
	if !errors.As(err, &te) || te.Said != "[…] may not "+strings.Repeat("x", 500)+" end" || !strings.Contains(err.Error(), "x end") || strings.Contains(te.Message, "end") {
		t.Errorf("got %+v", te)
	}
	w.refuse(400, `{"error":"odd","error_description":"`+strings.Repeat("ü", 5000)+`"}`)
	if err := w.exchangeAnyCode(); !errors.As(err, &te) || len(te.Said) != 4096 {
		t.Errorf("got %d bytes of the CRM's words", len(te.Said))
	}
}

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	sink := httptest.NewServer(http.NotFoundHandler())
	w.declare(sink.URL, "")
	c := w.client()
	c.TokenURL += "/token?key=of-ours"
	sink.Close()
	_, err := w.engine.Exchange(t.Context(), w.conn, c, token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect})
	var te *token.Error
	if !errors.As(err, &te) || te.Message != `Unable to connect to "`+sink.URL+`/token"` || te.Kind != crmgate.ErrTransient {
		t.Errorf("got %v", err)
	}
}

func TestAuthHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, c := range []struct {
		grant crmgate.Grant
		want  string
	}{
		{crmgate.Grant{AccessToken: crmgate.NewSecret("a")}, "Bearer a"},
		{crmgate.Grant{APIKey: crmgate.NewSecret("k")}, "Basic <k>"},
		{crmgate.Grant{APIKey: crmgate.NewSecret("bad")}, ""},
	} {
		got, err := token.AuthHeader(t.Context(), w.conn, crmgate.Person{Grant: c.grant})
		if got.Reveal() != c.want || (err != nil) != (c.want == "") {
			t.Errorf("got %q, %v; want %q", got.Reveal(), err, c.want)
		}
	}
}

func TestNewRequires(t *testing.T) {
	t.Parallel()
	if _, err := token.New(token.Config{}); err == nil {
		t.Error("an engine without anything")
	}
}

// An endpoint that needs no code would grant a made-up one a token, so it is not tried.
func TestTryWithoutCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `"omit":["code"],"parameters":{"grant_type":"client_credentials"}`)
	if err := w.engine.Try(t.Context(), w.conn, w.client()); !errors.Is(err, errors.ErrUnsupported) || w.crm.Counts().Token != 0 {
		t.Errorf("got %v, and %d requests", err, w.crm.Counts().Token)
	}
}
