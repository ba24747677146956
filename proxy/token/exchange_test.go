package token_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/practice"
	"github.com/crmgate/crmgate/proxy/token"
)

func TestExchangeReadsEveryAnswer(t *testing.T) {
	t.Parallel()
	for _, a := range practice.TokenAnswers() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			extra := `"path":"` + a.Path + `"`
			if a.Milliseconds {
				extra += `,"expiresIn":"milliseconds"`
			}
			w := newWorld(t, extra)
			w.crm.SetMood(practice.Mood{Token: a.Name})
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
			if n != 1 || !errors.Is(err, crmgate.ErrAppDead) || !strings.HasPrefix(err.Error(), "Client authentication failed") {
				t.Errorf("%d requests, %v", n, err)
			}
		})
	}
}

// TestWhatIsSent looks at the request itself, where the practice CRM would forgive.
func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		style          crmgate.TokenAuth
		secret         string
		option         *crmgate.OAuthOption
		authorization  string
		body, notInIt  string
		header, wanted string
	}{
		{"basic", "a b+c/ü", nil, "practice-client:a+b%2Bc%2F%C3%BC", "code=", "client_id", "Accept", "application/json, application/x-www-form-urlencoded"},
		{"basicRaw", "a b+c/ü", nil, "practice-client:a b+c/ü", "code=", "client_secret", "", ""},
		{"body", "s", nil, ":", "client_id=practice-client&client_secret=s", "", "", ""},
		{"none", "s", nil, ":", "client_id=practice-client", "client_secret", "", ""},
		{"basic", "", nil, ":", "client_id=practice-client", "client_secret", "", ""},
		{"basic", "s", &crmgate.OAuthOption{Body: map[string]string{"redirect_uri": "other"}, Headers: map[string]string{"X-A": "b"}}, "practice-client:s", "redirect_uri=other", "redirect.html", "X-A", "b"},
	} {
		w := newWorld(t, "")
		var got *http.Request
		sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseForm(); got = r }))
		m, err := crmgate.ParseManifests(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"auth":{"type":"oauth","oauth":{"authUrl":"https://x.example","clientId":"practice-client"}},
			"crmgate":{"hosts":["` + strings.TrimPrefix(sink.URL, "http://") + `"],"token":{"auth":"` + string(c.style) + `"}}}}}`)}, "")
		must(t, err)
		w.conn.manifest, _ = m.Platform("practice")
		w.conn.info = crmgate.OAuthInfo{ClientSecret: crmgate.NewSecret(c.secret), AccessTokenURI: sink.URL}
		w.conn.option = c.option
		verifier := token.NewVerifier()
		_, err = w.engine.Exchange(t.Context(), w.conn, w.client(), token.Exchange{Code: crmgate.NewSecret("K"), RedirectURI: redirect, Verifier: verifier})
		if err == nil {
			t.Error("an empty answer was a token")
		}
		sink.Close()
		id, secret, _ := got.BasicAuth()
		body := got.PostForm.Encode()
		if id+":"+secret != c.authorization || !strings.Contains(body, c.body) || c.notInIt != "" && strings.Contains(body, c.notInIt) ||
			c.header != "" && got.Header.Get(c.header) != c.wanted || got.PostForm.Get("code_verifier") != verifier.Reveal() || got.PostForm.Get("grant_type") != "authorization_code" {
			t.Errorf("%s: Basic %q, body %s, header %v", c.style, id+":"+secret, body, got.Header)
		}
	}
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
	for want, info := range map[string]crmgate.OAuthInfo{
		`Expected "accessTokenUri" to exist`:                {},
		"accessTokenUri: https://evil.example is not among": {AccessTokenURI: "https://evil.example/token"},
		"hostname": {AccessTokenURI: w.url + "/oauth/token", Hostname: "a b"},
	} {
		w.conn.info = info
		_, err := w.engine.Client(t.Context(), w.conn, crmgate.OAuthInfoRequest{})
		var r *crmgate.Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Message, want) {
			t.Errorf("got %v, want a Refusal with %q", err, want)
		}
	}
	w.conn.info = crmgate.OAuthInfo{FailMessage: "Not today"}
	_, err := w.engine.Client(t.Context(), w.conn, crmgate.OAuthInfoRequest{})
	var f *token.FailMessage
	if !errors.As(err, &f) || f.Message != "Not today" {
		t.Errorf("got %v", err)
	}
}
