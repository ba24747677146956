package token_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/storage/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var must = proxytest.Must

// size is short, or long if CRMGATE_SOAK=1 asks for the long form of the tests.
func size(short, long int) int {
	if os.Getenv("CRMGATE_SOAK") == "1" {
		return long
	}
	return short
}

// testConnector is a connector for the practice CRM without the sandbox.
type testConnector struct {
	connector.Connector
	manifest *manifest.Manifest
	info     connector.OAuthInfo
	failing  error                                                                            // of OAuthInfo
	own      func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) // checkAndRefreshAccessToken, if it has one
	option   *connector.OAuthOption
}

func (c *testConnector) Manifest() *manifest.Manifest { return c.manifest }

func (c *testConnector) Implements(name string) bool {
	return name == "checkAndRefreshAccessToken" && c.own != nil || name == "getOverridingOAuthOption" && c.option != nil
}

func (c *testConnector) OAuthInfo(context.Context, connector.OAuthInfoRequest) (connector.OAuthInfo, error) {
	return c.info, c.failing
}

func (c *testConnector) OverridingOAuthOption(context.Context, connector.OAuthOptionRequest) (connector.OAuthOption, error) {
	return *c.option, nil
}

func (c *testConnector) BasicAuth(_ context.Context, key crmgate.Secret) (crmgate.Secret, error) {
	if key.Reveal() == "bad" {
		return crmgate.Secret{}, errors.New("bad key")
	}
	return crmgate.NewSecret("Basic <" + key.Reveal() + ">"), nil
}

func (c *testConnector) RefreshAccessToken(ctx context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
	return c.own(ctx, r)
}

// world is an engine over a real store, before a real CRM.
type world struct {
	t       testing.TB
	clock   *storetest.Clock
	crm     *practicecrm.CRM
	url     string
	browser *http.Client // the person's browser
	db      *storage.DB
	conn    *testConnector
	engine  *token.Engine
}

const redirect = "https://app.example/redirect.html"

var ada = crmgate.UserKey{Platform: "practice", ID: "1-practice"}

// newWorld makes a world. extra is put into the manifest's crmgate.token, and change changes the engine's configuration.
func newWorld(t testing.TB, extra string, change ...func(*token.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: storetest.NewClock()}
	w.crm = practicecrm.New(practicecrm.Config{Now: w.clock.Now})
	s := httptest.NewServer(w.crm)
	t.Cleanup(s.Close)
	w.url, w.browser = s.URL, &http.Client{Transport: &http.Transport{}}
	t.Cleanup(w.browser.CloseIdleConnections)
	client, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxPerName: 2000})
	must(t, err)
	t.Cleanup(client.Close)
	engine, err := badger.Open(badger.Config{Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { engine.Close() })
	w.open(engine, client.Fetch, extra, change)
	return w
}

// newVirtualWorld makes a world without a network, for a bubble of synctest: even on a slow machine, a deadline passes only
// when all goroutines wait.
func newVirtualWorld(t testing.TB, extra string, change ...func(*token.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: storetest.NewClock(), url: "https://crm.example"}
	w.crm = practicecrm.New(practicecrm.Config{Now: w.clock.Now})
	w.browser = &http.Client{Transport: proxytest.InProcess{Handler: w.crm}}
	w.open(proxytest.NewMemory(), proxytest.InProcess{Handler: w.crm}.Fetch, extra, change)
	return w
}

// open opens the store and starts the engine. The deadlines are longer than any test waits.
func (w *world) open(engine storage.Engine, fetch crmgate.Fetch, extra string, change []func(*token.Config)) {
	w.t.Helper()
	w.conn = &testConnector{info: connector.OAuthInfo{Application: crmgate.Application{ClientSecret: crmgate.NewSecret(practicecrm.ClientSecret)}}}
	w.declare(w.url, extra)
	w.conn.info.AccessTokenURI = w.url + "/oauth/token"
	ring, err := sealed.NewKeyRing()
	must(w.t, err)
	w.db, err = storage.Open(w.t.Context(), engine, ring, storage.Config{Now: w.clock.Now})
	must(w.t, err)
	c := token.Config{
		DB: w.db, Fetch: fetch, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler), Timeout: time.Minute, Wait: 5 * time.Minute,
		Connector: func(context.Context, crmgate.Platform) (connector.Connector, error) { return w.conn, nil },
	}
	for _, f := range change {
		f(&c)
	}
	w.engine, err = token.New(c)
	must(w.t, err)
	w.t.Cleanup(w.engine.Close)
}

// lapse is longer than a lease of the engine that open starts.
const lapse = 10 * time.Minute

func hostOf(raw string) string {
	_, host, _ := strings.Cut(raw, "://")
	return host
}

// declare makes the connector one for a CRM at url. extra goes into crmgate.token, and refresh into crmgate.refresh.
func (w *world) declare(url, extra string, refresh ...string) {
	w.t.Helper()
	manifests, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"auth":{"type":"oauth","oauth":{
		"authUrl":"` + url + `/oauth/authorize","clientId":"practice-client","redirectUri":"` + redirect + `"}},
		"crmgate":{"hosts":["` + hostOf(url) + `"],"token":{` + extra + `},"refresh":{` + strings.Join(refresh, ",") + `}}}}}`)}, "")
	must(w.t, err)
	w.conn.manifest, _ = manifests.Platform("practice")
	w.conn.info.AccessTokenURI = url
}

// code has Ada sign in at the CRM and returns the code that it gave.
func (w *world) code(verifier crmgate.Secret) crmgate.Secret {
	w.t.Helper()
	u := w.url + "/oauth/authorize?response_type=code&client_id=practice-client&redirect_uri=" + url.QueryEscape(redirect)
	if !verifier.IsZero() {
		u += "&code_challenge_method=S256&code_challenge=" + token.Challenge(verifier)
	}
	code, err := practicecrm.Code(w.t.Context(), w.browser, u, "ada")
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

// store stores Ada with the given grant.
func (w *world) store(g crmgate.Grant) {
	w.t.Helper()
	if g.App == (crmgate.ApplicationKey{}) {
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
