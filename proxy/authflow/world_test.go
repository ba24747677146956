package authflow_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/identity"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

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

// connector is the practice CRM's, without the sandbox.
type testConnector struct {
	connector.Connector
	manifest *manifest.Manifest
	info     crmgate.OAuthInfo
	own      func(context.Context, connector.UserRequest) (connector.Outcome, error) // unAuthorize, if it has one
	valid    func(context.Context, connector.UserRequest) (connector.Outcome, error) // authValidation, if it has one
}

func (c *testConnector) Manifest() *manifest.Manifest { return c.manifest }
func (c *testConnector) Implements(name string) bool {
	return name == "unAuthorize" && c.own != nil || name == "authValidation" && c.valid != nil
}

func (c *testConnector) OAuthInfo(context.Context, connector.OAuthInfoRequest) (crmgate.OAuthInfo, error) {
	return c.info, nil
}

func (c *testConnector) UnAuthorize(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	return c.own(ctx, r)
}

func (c *testConnector) AuthValidation(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	return c.valid(ctx, r)
}

func (c *testConnector) UserInfo(context.Context, connector.UserInfoRequest) (connector.UserInfo, error) {
	return connector.UserInfo{Successful: true, ID: person(1).ID, Name: "Ada"}, nil
}

func (c *testConnector) BasicAuth(context.Context, crmgate.Secret) (crmgate.Secret, error) {
	return crmgate.NewSecret("basic"), nil
}

// world is a store before a real CRM, and servers on it.
type world struct {
	t      *testing.T
	clock  *clock
	crm    *practicecrm.CRM
	url    string
	dir    string // of the store; empty: in memory
	ring   *storage.KeyRing
	engine storage.Engine
	db     *storage.DB
	fetch  crmgate.Fetch
	conn   *testConnector
	*authflow.Flows

	log     bytes.Buffer // written by logger, which every server has: its handler lets one in at a time
	logger  *slog.Logger
	mu      sync.Mutex
	counts  map[string]int // revocations by outcome; guarded by mu
	waiting atomic.Int64
}

const redirect = "https://app.example/redirect.html"

// newWorld makes one. in stands between the server and the CRM, if it is not nil.
func newWorld(t *testing.T, dir string, in func(http.Handler) http.Handler) *world {
	t.Helper()
	w := &world{t: t, dir: dir, clock: &clock{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}, counts: map[string]int{}}
	w.logger = slog.New(slog.NewTextHandler(&w.log, nil))
	w.crm = practicecrm.New(practicecrm.Config{Now: w.clock.Now})
	var h http.Handler = w.crm
	if in != nil {
		h = in(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	w.url = s.URL
	manifests, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"name":"Practice CRM","auth":{"type":"oauth","oauth":{
		"authUrl":"` + w.url + `/oauth/authorize","clientId":"practice-client","redirectUri":"` + redirect + `"}},
		"crmgate":{"hosts":["` + strings.TrimPrefix(w.url, "http://") + `"],"revoke":{"url":"` + w.url + `/oauth/revoke"}}}}}`)}, "")
	must(t, err)
	w.conn = &testConnector{info: crmgate.OAuthInfo{ClientSecret: crmgate.NewSecret(practicecrm.ClientSecret), AccessTokenURI: w.url + "/oauth/token"}}
	w.conn.manifest, _ = manifests.Platform("practice")
	client, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(t, err)
	t.Cleanup(client.Close)
	w.fetch = client.Fetch
	w.ring, err = storage.NewKeyRing()
	must(t, err)
	w.open()
	t.Cleanup(func() { must(t, w.engine.Close()) })
	return w
}

// open opens the store and a server on it; again, after the engine was closed, it is a restart.
func (w *world) open() {
	w.t.Helper()
	var err error
	w.engine, err = badger.Open(badger.Config{Dir: w.dir, Logger: slog.New(slog.DiscardHandler)})
	must(w.t, err)
	w.db = w.openDB()
	w.Flows = w.server(w.db)
}

func (w *world) openDB() *storage.DB {
	w.t.Helper()
	db, err := storage.Open(w.t.Context(), w.engine, w.ring, storage.Config{Now: w.clock.Now})
	must(w.t, err)
	return db
}

// server is one more on a store.
func (w *world) server(db *storage.DB) *authflow.Flows {
	w.t.Helper()
	find := func(crmgate.Platform) (connector.Connector, error) { return w.conn, nil }
	rc, err := identity.NewRingCentral(w.url, w.fetch, w.clock.Now)
	must(w.t, err)
	tokens, err := token.New(token.Config{DB: db, Connector: find, Fetch: w.fetch, Now: w.clock.Now, Logger: slog.New(slog.DiscardHandler), Timeout: 300 * time.Millisecond})
	must(w.t, err)
	w.t.Cleanup(tokens.Close)
	f, err := authflow.New(authflow.Config{
		DB: db, Tokens: tokens, Connectors: connector.Registry{Find: find, Platforms: func() []crmgate.Platform { return nil }}, Verify: rc.Verify, PublicURL: "http://gate.example",
		SessionKey: crmgate.NewSecret(strings.Repeat("k", 32)), HashKey: crmgate.NewSecret("h"), Now: w.clock.Now,
		Logger: w.logger,
		Random: func() float64 { return 1 },
		Count: func(flow string, _ crmgate.Platform, outcome string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if flow == "revoke" {
				w.counts[outcome]++
			}
		},
		Waiting: func(_ crmgate.Platform, n int) { w.waiting.Store(int64(n)) },
	})
	must(w.t, err)
	w.t.Cleanup(f.Close)
	return f
}

// signIn has one of the CRM's people sign in there, stores them under a key, and returns their grant.
func (w *world) signIn(login string, key crmgate.UserKey) crmgate.Grant {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	code, err := practicecrm.Code(w.t.Context(), client, w.url+"/oauth/authorize?response_type=code&client_id=practice-client&redirect_uri="+url.QueryEscape(redirect), login)
	must(w.t, err)
	c, err := w.Tokens.Client(w.t.Context(), w.conn, connector.OAuthInfoRequest{}, nil)
	must(w.t, err)
	tokens, err := w.Tokens.Exchange(w.t.Context(), w.conn, c, token.Exchange{Code: crmgate.NewSecret(code), RedirectURI: redirect})
	must(w.t, err)
	g := tokens.Grant(c, crmgate.Grant{})
	_, err = w.db.SignIn(w.t.Context(), key, func(p *crmgate.Person) error {
		p.User.SignedIn = w.clock.Now()
		p.Grant = g
		return nil
	})
	must(w.t, err)
	return g
}

func person(n int) crmgate.UserKey {
	return crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(fmt.Sprint(n, "-practice"))}
}

// alive reports whether the CRM still takes a grant.
func (w *world) alive(g crmgate.Grant) bool {
	return w.crm.LiveRefresh(g.RefreshToken.Reveal())
}
