package token_test

import (
	"context"
	"errors"
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
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/sealed"
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
type testConnector struct {
	connector.Connector
	manifest *manifest.Manifest
	info     crmgate.OAuthInfo
	own      func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) // checkAndRefreshAccessToken, if it has one
	option   *connector.OAuthOption
}

func (c *testConnector) Manifest() *manifest.Manifest { return c.manifest }

func (c *testConnector) Implements(name string) bool {
	return name == "checkAndRefreshAccessToken" && c.own != nil || name == "getOverridingOAuthOption" && c.option != nil
}

func (c *testConnector) OAuthInfo(context.Context, connector.OAuthInfoRequest) (crmgate.OAuthInfo, error) {
	return c.info, nil
}

func (c *testConnector) OverridingOAuthOption(context.Context, connector.OAuthOptionRequest) (connector.OAuthOption, error) {
	return *c.option, nil
}

func (c *testConnector) BasicAuth(_ context.Context, key crmgate.Secret) (crmgate.Secret, error) {
	if key.Reveal() == "bad" {
		return crmgate.Secret{}, errors.New("bad key")
	}
	return crmgate.NewSecret("<" + key.Reveal() + ">"), nil
}

func (c *testConnector) RefreshAccessToken(ctx context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
	return c.own(ctx, r)
}

// world is an engine over a real store, before a real CRM.
type world struct {
	t      testing.TB
	clock  *clock
	crm    *practicecrm.CRM
	url    string
	db     *storage.DB
	conn   *testConnector
	engine *token.Engine
}

const redirect = "https://app.example/redirect.html"

var ada = crmgate.UserKey{Platform: "practice", ID: "1-practice"}

// newWorld makes one; extra is put into the manifest's crmgate.token, and change changes the engine's configuration.
func newWorld(t testing.TB, extra string, change ...func(*token.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}}
	w.crm = practicecrm.New(practicecrm.Config{Now: w.clock.Now})
	s := httptest.NewServer(w.crm)
	t.Cleanup(s.Close)
	w.url = s.URL
	w.conn = &testConnector{info: crmgate.OAuthInfo{ClientSecret: crmgate.NewSecret(practicecrm.ClientSecret)}}
	w.declare(s.URL, extra)
	w.conn.info.AccessTokenURI = s.URL + "/oauth/token"

	client, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxPerName: 2000})
	must(t, err)
	t.Cleanup(client.Close)
	engine, err := badger.Open(badger.Config{Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { engine.Close() })
	ring, err := sealed.NewKeyRing()
	must(t, err)
	w.db, err = storage.Open(t.Context(), engine, ring, storage.Config{Now: w.clock.Now})
	must(t, err)
	c := token.Config{
		DB: w.db, Fetch: client.Fetch, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler), Timeout: 2 * time.Second,
		Connector: func(crmgate.Platform) (connector.Connector, error) { return w.conn, nil },
	}
	for _, f := range change {
		f(&c)
	}
	w.engine, err = token.New(c)
	must(t, err)
	t.Cleanup(w.engine.Close)
	return w
}

// declare makes the connector that of a CRM at url, whose tokens come from there; extra goes into crmgate.token, and
// refresh into crmgate.refresh.
func (w *world) declare(url, extra string, refresh ...string) {
	w.t.Helper()
	manifests, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"auth":{"type":"oauth","oauth":{
		"authUrl":"` + url + `/oauth/authorize","clientId":"practice-client","redirectUri":"` + redirect + `"}},
		"crmgate":{"hosts":["` + strings.TrimPrefix(url, "http://") + `"],"token":{` + extra + `},"refresh":{` + strings.Join(refresh, ",") + `}}}}}`)}, "")
	must(w.t, err)
	w.conn.manifest, _ = manifests.Platform("practice")
	w.conn.info.AccessTokenURI = url
}

func must(t testing.TB, err error) {
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
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	code, err := practicecrm.Code(w.t.Context(), client, u, "ada")
	must(w.t, err)
	return crmgate.NewSecret(code)
}

func (w *world) client() token.Client {
	w.t.Helper()
	c, err := w.engine.Client(w.t.Context(), w.conn, connector.OAuthInfoRequest{}, nil)
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
	}, storage.DropEntry(tokens.Journal))
	must(w.t, err)
}

// store stores Ada with a grant of our own making.
func (w *world) store(g crmgate.Grant) {
	w.t.Helper()
	if g.App == (crmgate.App{}) {
		g.App = w.client().App
	}
	_, err := w.db.SignIn(w.t.Context(), ada, func(p *crmgate.Person) error {
		p.Grant = g
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
