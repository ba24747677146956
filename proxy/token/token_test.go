package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/practice"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time of a test, which the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// connector is the practice CRM's, without the sandbox: what token needs of one is its manifest and its application.
type connector struct {
	crmgate.Connector
	manifest *crmgate.Manifest
	info     crmgate.OAuthInfo
	own      func(crmgate.RefreshRequest) (crmgate.RefreshAnswer, error) // checkAndRefreshAccessToken, if it has one
	option   *crmgate.OAuthOption
}

func (c *connector) Manifest() *crmgate.Manifest { return c.manifest }

func (c *connector) Implements(name string) bool {
	return name == "checkAndRefreshAccessToken" && c.own != nil || name == "getOverridingOAuthOption" && c.option != nil
}

func (c *connector) OAuthInfo(context.Context, crmgate.OAuthInfoRequest) (crmgate.OAuthInfo, error) {
	return c.info, nil
}

func (c *connector) OverridingOAuthOption(context.Context, crmgate.OAuthOptionRequest) (crmgate.OAuthOption, error) {
	return *c.option, nil
}

func (c *connector) RefreshAccessToken(_ context.Context, r crmgate.RefreshRequest) (crmgate.RefreshAnswer, error) {
	return c.own(r)
}

// world is an engine over a real store, before a real CRM.
type world struct {
	t      *testing.T
	clock  *clock
	crm    *practice.CRM
	url    string
	db     *storage.DB
	conn   *connector
	engine *token.Engine
}

const redirect = "https://app.example/redirect.html"

var ada = crmgate.UserKey{Platform: "practice", ID: "1-practice"}

// newWorld makes one; extra is put into the manifest's crmgate.token.
func newWorld(t *testing.T, extra string) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}}
	w.crm = practice.New(practice.Config{Now: w.clock.Now})
	s := httptest.NewServer(w.crm)
	t.Cleanup(s.Close)
	w.url = s.URL
	manifests, err := crmgate.ParseManifests(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"auth":{"type":"oauth","oauth":{
		"authUrl":"` + s.URL + `/oauth/authorize","clientId":"practice-client","redirectUri":"` + redirect + `"}},
		"crmgate":{"hosts":["` + strings.TrimPrefix(s.URL, "http://") + `"],"token":{` + extra + `}}}}}`)}, "")
	must(t, err)
	m, _ := manifests.Platform("practice")
	w.conn = &connector{manifest: m, info: crmgate.OAuthInfo{ClientSecret: crmgate.NewSecret(practice.ClientSecret), AccessTokenURI: s.URL + "/oauth/token"}}

	client, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxPerName: 2000})
	must(t, err)
	t.Cleanup(client.Close)
	engine, err := badger.Open(badger.Config{Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { engine.Close() })
	ring, err := storage.NewKeyRing()
	must(t, err)
	w.db, err = storage.Open(t.Context(), engine, ring, storage.Config{Now: w.clock.Now})
	must(t, err)
	w.engine, err = token.New(token.Config{
		DB: w.db, Fetch: client.Fetch, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler), Timeout: 2 * time.Second,
		Connector: func(crmgate.Platform) (crmgate.Connector, error) { return w.conn, nil },
	})
	must(t, err)
	t.Cleanup(w.engine.Close)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code has Ada sign in at the CRM and returns the code that it gave.
func (w *world) code(verifier crmgate.Secret) crmgate.Secret {
	w.t.Helper()
	u := w.url + "/oauth/authorize?response_type=code&client_id=practice-client&redirect_uri=" + url.QueryEscape(redirect)
	if !verifier.IsZero() {
		u += "&code_challenge_method=S256&code_challenge=" + token.Challenge(verifier)
	}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	landed, err := practice.Browse(w.t.Context(), client, u, "ada")
	must(w.t, err)
	to, err := url.Parse(landed)
	must(w.t, err)
	return crmgate.NewSecret(to.Query().Get("code"))
}

func (w *world) client() token.Client {
	w.t.Helper()
	c, err := w.engine.Client(w.t.Context(), w.conn, crmgate.OAuthInfoRequest{})
	must(w.t, err)
	return c
}

func (w *world) exchange() (token.Tokens, error) {
	w.t.Helper()
	return w.engine.Exchange(w.t.Context(), w.conn, w.client(), token.Exchange{Code: w.code(crmgate.Secret{}), RedirectURI: redirect})
}

// signIn stores Ada with a fresh grant.
func (w *world) signIn() {
	w.t.Helper()
	tokens, err := w.exchange()
	must(w.t, err)
	_, err = w.db.SignIn(w.t.Context(), ada, func(p *crmgate.Person) error {
		p.Grant = tokens.Grant(w.client(), p.Grant)
		return nil
	})
	must(w.t, err)
}

func (w *world) live() (crmgate.Person, error) { return w.engine.Live(w.t.Context(), ada) }

func (w *world) stored() crmgate.Grant {
	w.t.Helper()
	p, err := w.db.Person(w.t.Context(), ada)
	must(w.t, err)
	return p.Grant
}

// requests counts the token requests of f.
func (w *world) requests(f func()) int {
	before := w.crm.Counts().Token
	f()
	return w.crm.Counts().Token - before
}

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

func TestRefreshOnlyWhenDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	first := w.stored()
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {53 * time.Minute, 0}, {90 * time.Second, 1}, {0, 0}, {-time.Hour, 0}} { // an hour's token is due six minutes early; a clock may go back
		w.clock.add(step.after)
		if n := w.requests(func() { _, err := w.live(); must(t, err) }); n != step.want {
			t.Errorf("after %v: %d requests, want %d", step.after, n, step.want)
		}
	}
	if g := w.stored(); g.AccessToken.Equal(first.AccessToken) || g.RefreshToken.Equal(first.RefreshToken) || g.App.ClientID != practice.ClientID {
		t.Errorf("the new grant was not stored: %+v", g)
	}
}

// TestOneRefresh is the promise: a due token, rotation with reuse detection, a slow CRM, a thousand callers, one request.
func TestOneRefresh(t *testing.T) {
	t.Parallel()
	const callers, rounds = 1000, 5
	w := newWorld(t, "")
	w.signIn()
	w.crm.SetMood(practice.Mood{Latency: 50 * time.Millisecond})
	for range rounds {
		w.clock.add(55 * time.Minute)
		n := w.requests(func() {
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					if p, err := w.live(); err != nil || !w.crm.Live(p.Grant.AccessToken.Reveal()) {
						t.Errorf("a caller got %v", err)
					}
				})
			}
			wg.Wait()
		})
		if n != 1 {
			t.Fatalf("%d refreshes, want 1", n)
		}
	}
}

func TestCallersWhoLeaveDoNotEndTheFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	before := w.stored()
	w.crm.SetMood(practice.Mood{Latency: 200 * time.Millisecond})
	w.clock.add(59 * time.Minute)
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer leave()
	if _, err := w.engine.Live(ctx, ada); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	n := w.requests(func() { _, err := w.live(); must(t, err) })
	if g := w.stored(); n > 1 || g.AccessToken.Equal(before.AccessToken) || w.crm.Counts().Refreshes != 1 {
		t.Errorf("%d refreshes in all, want 1 whose tokens are stored", w.crm.Counts().Refreshes)
	}
}

func TestFailuresOfThreeKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		mood    practice.Mood
		kind    error
		message string
		dead    bool
	}{
		{"invalid_grant", practice.Mood{Error: "invalid_grant"}, crmgate.ErrUserDead, "The provided authorization grant", true},
		{"invalid_client", practice.Mood{Error: "invalid_client"}, crmgate.ErrAppDead, "Client authentication failed", false},
		{"unauthorized_client", practice.Mood{Error: "unauthorized_client"}, crmgate.ErrAppDead, "The client is not authorized", false},
		{"an error of its own", practice.Mood{Error: "weather"}, crmgate.ErrTransient, "in that mood", false},
		{"500", practice.Mood{Status: 500}, crmgate.ErrTransient, "HTTP status 500", false},
		{"429", practice.Mood{Status: 429, RetryAfter: 7 * time.Second}, crmgate.ErrTransient, "HTTP status 429", false},
		{"cut before", practice.Mood{CutBefore: true}, crmgate.ErrTransient, "Unable to connect to", false},
		{"hang", practice.Mood{Hang: true}, crmgate.ErrTransient, "Unable to connect to", false},
		{"a page of HTML", practice.Mood{Token: "html with status 502"}, crmgate.ErrTransient, "HTTP status 502", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.signIn()
			before := w.stored()
			w.crm.SetMood(c.mood)
			w.clock.add(55 * time.Minute) // due, and alive for five minutes more
			p, err := w.live()
			if c.dead != (err != nil) || err == nil && !p.Grant.AccessToken.Equal(before.AccessToken) {
				t.Fatalf("while the token lives: %v", err)
			}
			w.clock.add(time.Hour)
			_, err = w.live()
			var te *token.Error
			if !errors.Is(err, c.kind) || !errors.As(err, &te) {
				t.Fatalf("got %v, want %v", err, c.kind)
			}
			if c.mood.RetryAfter > 0 && te.RetryAfter != 7*time.Second {
				t.Errorf("Retry-After %v", te.RetryAfter)
			}
			now := w.stored()
			if now.RefreshToken.IsZero() || !now.RefreshToken.Equal(before.RefreshToken) || (now.Dead != "") != c.dead {
				t.Errorf("stored %+v", now)
			}
			if c.dead {
				if n := w.requests(func() { _, err = w.live() }); n != 0 || !errors.Is(err, crmgate.ErrUserDead) {
					t.Errorf("a dead grant cost %d requests, %v", n, err)
				}
				return
			}
			if !strings.Contains(te.Message, c.message) {
				t.Errorf("message %q, want %q", te.Message, c.message)
			}
			w.crm.SetMood(practice.Mood{})
			_, err = w.live()
			must(t, err)
		})
	}
}

func TestKeptRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	old := w.stored()
	c := w.client()
	fresh := token.Tokens{Access: crmgate.NewSecret("new")}
	if g := fresh.Grant(c, old); !g.RefreshToken.Equal(old.RefreshToken) {
		t.Error("an answer without a refresh token lost the one there was")
	}
	dead := old
	dead.Dead = "the CRM said so"
	if g := fresh.Grant(c, dead); !g.RefreshToken.IsZero() || g.Dead != "" {
		t.Error("a refresh token that is dead was kept")
	}
	other := old
	other.App.ClientID = "other"
	if g := fresh.Grant(c, other); !g.RefreshToken.IsZero() {
		t.Error("another application's refresh token was kept")
	}
	w.conn.info.ClientID = "other"
	w.clock.add(2 * time.Hour)
	var err error
	if n := w.requests(func() { _, err = w.live() }); n != 0 || !errors.Is(err, crmgate.ErrAppDead) {
		t.Errorf("a grant of another application cost %d requests, %v", n, err)
	}
}

func TestNothingToRefreshWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.crm.SetMood(practice.Mood{Token: "no refresh_token"})
	w.signIn()
	w.clock.add(59 * time.Minute)
	_, err := w.live()
	must(t, err)
	w.clock.add(2 * time.Minute)
	if n := w.requests(func() { _, err = w.live() }); n != 0 || !errors.Is(err, crmgate.ErrUserDead) {
		t.Errorf("%d requests, %v", n, err)
	}
}

// TestLogoutDuringRefresh: what somebody else has stored meanwhile is never overwritten.
func TestLogoutDuringRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.add(2 * time.Hour)
	w.conn.own = func(crmgate.RefreshRequest) (crmgate.RefreshAnswer, error) {
		_, err := w.db.EndSession(context.Background(), ada)
		return crmgate.RefreshAnswer{AccessToken: crmgate.NewSecret("late"), ExpiresIn: 60}, err
	}
	if _, err := w.live(); !errors.Is(err, crmgate.ErrUserDead) {
		t.Errorf("got %v", err)
	}
	if g := w.stored(); !g.Empty() {
		t.Errorf("a refresh brought somebody back who had logged out: %+v", g)
	}
}

func TestSignInDuringRefusedRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.add(2 * time.Hour)
	w.conn.own = func(crmgate.RefreshRequest) (crmgate.RefreshAnswer, error) {
		w.signIn()
		return crmgate.RefreshAnswer{}, fmt.Errorf("refused: %w", crmgate.ErrUserDead)
	}
	p, err := w.live()
	if err != nil || p.Grant.Dead != "" || !w.crm.Live(p.Grant.AccessToken.Reveal()) {
		t.Errorf("a newer grant was not used: %v", err)
	}
	if w.stored().Dead != "" {
		t.Error("a newer grant was marked dead")
	}
}

func TestAPIKeysNeedNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	_, err := w.db.SignIn(t.Context(), ada, func(p *crmgate.Person) error {
		p.Grant.APIKey = crmgate.NewSecret("key")
		return nil
	})
	must(t, err)
	if n := w.requests(func() { _, err = w.live() }); n != 0 || err != nil {
		t.Errorf("%d requests, %v", n, err)
	}
	if _, err := w.engine.Live(t.Context(), crmgate.UserKey{Platform: "practice", ID: "nobody"}); !errors.Is(err, crmgate.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}
