package proxytest

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

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/storage/storetest"
)

// Fataler is what Must needs of a test.
type Fataler interface {
	Helper()
	Fatal(...any)
}

// Must ends the test on an error.
func Must(t Fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Connector is the practice CRM's connector, without the sandbox.
type Connector struct {
	connector.Connector
	manifest *manifest.Manifest
	Info     connector.OAuthInfo // the result of OAuthInfo
	// Own is unAuthorize and Valid is authValidation; nil if the connector does not implement it.
	Own, Valid func(context.Context, connector.UserRequest) (connector.Outcome, error)
	// Who is getUserInfo; nil answers Ada.
	Who func(context.Context, connector.UserInfoRequest) (connector.UserInfo, error)
}

// Manifest returns the connector's manifest, which a test may change before it is used.
func (c *Connector) Manifest() *manifest.Manifest { return c.manifest }

// Implements reports whether the test has set the operation.
func (c *Connector) Implements(name string) bool {
	return name == "unAuthorize" && c.Own != nil || name == "authValidation" && c.Valid != nil
}

// OAuthInfo returns the practice CRM's application.
func (c *Connector) OAuthInfo(context.Context, connector.OAuthInfoRequest) (connector.OAuthInfo, error) {
	return c.Info, nil
}

// UnAuthorize calls Own.
func (c *Connector) UnAuthorize(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	return c.Own(ctx, r)
}

// AuthValidation calls Valid.
func (c *Connector) AuthValidation(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	return c.Valid(ctx, r)
}

// UserInfo calls Who.
func (c *Connector) UserInfo(ctx context.Context, r connector.UserInfoRequest) (connector.UserInfo, error) {
	if c.Who != nil {
		return c.Who(ctx, r)
	}
	return connector.UserInfo{Successful: true, ID: Person(1).ID, Name: "Ada"}, nil
}

// BasicAuth accepts every key.
func (c *Connector) BasicAuth(context.Context, crmgate.Secret) (crmgate.Secret, error) {
	return crmgate.NewSecret("Basic basic"), nil
}

// World is a store, the practice CRM, and the services of one process.
type World struct {
	testing.TB
	Clock  *storetest.Clock
	CRM    *practicecrm.CRM
	URL    string // of the CRM
	Engine storage.Engine
	DB     *storage.DB
	Fetch  crmgate.Fetch
	Conn   *Connector
	*Services

	browser *http.Client // of the people who sign in
	ring    *sealed.KeyRing
	log     bytes.Buffer // written by logger, one record at a time

	logger  *slog.Logger
	mu      sync.Mutex
	counts  map[string]int // revocations by outcome; guarded by mu
	waiting atomic.Int64
}

const redirect = "https://app.example/redirect.html"

// NewWorld makes a World with a CRM on loopback. dir is the folder of its store. in, if not nil, wraps the CRM.
func NewWorld(t testing.TB, dir string, in func(http.Handler) http.Handler) *World {
	t.Helper()
	w := newWorld(t)
	s := httptest.NewServer(w.crm(in))
	t.Cleanup(s.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	w.URL, w.browser = s.URL, &http.Client{Transport: transport}
	client, err := egress.New(egress.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxPerName: 2000})
	Must(t, err)
	t.Cleanup(client.Close)
	w.Fetch = client.Fetch
	w.open(openBadger(t, dir))
	return w
}

// NewVirtualWorld makes a World without a network, with its store in memory. A test that waits for deadlines runs it in a
// bubble of testing/synctest: there, a slow machine changes nothing. in, if not nil, wraps the CRM.
func NewVirtualWorld(t testing.TB, in func(http.Handler) http.Handler) *World {
	t.Helper()
	w := newWorld(t)
	p := InProcess{w.crm(in)}
	w.URL, w.browser, w.Fetch = "https://crm.example", &http.Client{Transport: p}, p.Fetch
	w.open(NewMemory())
	return w
}

func newWorld(t testing.TB) *World {
	t.Helper()
	w := &World{TB: t, Clock: storetest.NewClock(), counts: map[string]int{}}
	w.logger = slog.New(slog.NewTextHandler(&w.log, nil))
	w.CRM = practicecrm.New(practicecrm.Config{Now: w.Clock.Now})
	var err error
	w.ring, err = sealed.NewKeyRing()
	Must(t, err)
	return w
}

func (w *World) crm(in func(http.Handler) http.Handler) http.Handler {
	if in == nil {
		return w.CRM
	}
	return in(w.CRM)
}

func openBadger(t testing.TB, dir string) storage.Engine {
	t.Helper()
	engine, err := badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	Must(t, err)
	return engine
}

// open makes the connector and opens the store.
func (w *World) open(engine storage.Engine) {
	w.Helper()
	_, host, _ := strings.Cut(w.URL, "://")
	manifests, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"name":"Practice CRM","auth":{"type":"oauth","oauth":{
		"authUrl":"` + w.URL + `/oauth/authorize","clientId":"practice-client","redirectUri":"` + redirect + `"}},
		"crmgate":{"hosts":["` + host + `"],"revoke":{"url":"` + w.URL + `/oauth/revoke"}}}}}`)}, "")
	Must(w, err)
	w.Conn = &Connector{Info: connector.OAuthInfo{Application: crmgate.Application{ClientSecret: crmgate.NewSecret(practicecrm.ClientSecret), AccessTokenURI: w.URL + "/oauth/token"}}}
	w.Conn.manifest, _ = manifests.Platform("practice")
	w.start(engine)
	w.Cleanup(func() { Must(w, w.Engine.Close()) })
}

// Restart closes the store in dir, and opens it with a new process.
func (w *World) Restart(dir string) {
	w.Helper()
	Must(w, w.Engine.Close())
	w.start(openBadger(w.TB, dir))
}

func (w *World) start(engine storage.Engine) {
	w.Engine = engine
	w.DB = w.OpenDB()
	w.Services = w.Process(w.DB)
}

// OpenDB opens the store once more.
func (w *World) OpenDB() *storage.DB {
	w.Helper()
	db, err := storage.Open(w.Context(), w.Engine, w.ring, storage.Config{Now: w.Clock.Now})
	Must(w, err)
	return db
}

// Process starts another process on a store.
func (w *World) Process(db *storage.DB) *Services {
	w.Helper()
	return New(w.TB, Config{
		DB: db, Fetch: w.Fetch, RingCentral: w.URL, Now: w.Clock.Now, Logger: w.logger, Timeout: time.Minute,
		Connectors: connector.Registry{
			Find:      func(context.Context, crmgate.Platform) (connector.Connector, error) { return w.Conn, nil },
			Platforms: func(context.Context) []crmgate.Platform { return nil },
		},
		Count: func(flow, outcome string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if flow == "revoke" {
				w.counts[outcome]++
			}
		},
		Waiting: func(_ crmgate.Platform, n int) { w.waiting.Store(int64(n)) },
	})
}

// Revoked returns the number of revocations with an outcome.
func (w *World) Revoked(outcome string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[outcome]
}

// Waiting returns the number of waiting revocations that the worker last reported to the metrics.
func (w *World) Waiting() int { return int(w.waiting.Load()) }

// Log returns what the processes have logged. Nothing may log at the same time.
func (w *World) Log() string { return w.log.String() }

// SignIn signs one of the CRM's people in at the CRM, stores them under a key, and returns the grant.
func (w *World) SignIn(login string, key crmgate.UserKey) crmgate.Grant {
	w.Helper()
	code, err := practicecrm.Code(w.Context(), w.browser, w.URL+"/oauth/authorize?response_type=code&client_id=practice-client&redirect_uri="+url.QueryEscape(redirect), login)
	Must(w, err)
	c, err := w.Tokens.Client(w.Context(), w.Conn, connector.OAuthInfoRequest{}, nil)
	Must(w, err)
	tokens, err := w.Tokens.Exchange(w.Context(), w.Conn, c, token.Exchange{Code: crmgate.NewSecret(code), RedirectURI: redirect})
	Must(w, err)
	g := tokens.Grant(c, crmgate.Grant{})
	_, err = w.DB.SignIn(w.Context(), key, func(p *crmgate.Person) error {
		p.User.SignedIn = w.Clock.Now()
		p.Grant = g
		return nil
	})
	Must(w, err)
	return g
}

// Logout logs a person out.
func (w *World) Logout(key crmgate.UserKey) {
	w.Helper()
	m, err := w.Sessions.Logout(w.Context(), key)
	Must(w, err)
	if m.MessageType != "success" || m.Message != "Logged out of Practice CRM" {
		w.Errorf("the message is %+v", m)
	}
}

// Person is the key of a person of the practice CRM.
func Person(n int) crmgate.UserKey {
	return crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(fmt.Sprint(n, "-practice"))}
}

// Alive reports whether the CRM still accepts a grant.
func (w *World) Alive(g crmgate.Grant) bool {
	return w.CRM.LiveRefresh(g.RefreshToken.Reveal())
}

// PlainAnswer is a format for the body of a token answer: the access token, then the refresh token.
const PlainAnswer = `{"access_token":%q,"refresh_token":%q,"expires_in":3600}`

// Answered puts a token answer into a person's journal, as if the CRM had rotated their refresh token and the process had
// ended before it stored the new one. It returns the new grant.
func (w *World) Answered(key crmgate.UserKey, from crmgate.Grant, body string) crmgate.Grant {
	w.Helper()
	g := w.SignIn("ada", Person(99)) // a sign-in of its own, which the revocation of the old token does not end
	w.PutAnswer(storage.JournalEntry{User: key, From: from.RefreshToken, App: g.App}, g, body)
	return g
}

// PutAnswer puts a token answer with a grant into the journal and returns its id. body is its format, such as PlainAnswer.
func (w *World) PutAnswer(e storage.JournalEntry, g crmgate.Grant, body string) string {
	w.Helper()
	e.At, e.Status, e.Body = w.Clock.Now(), 200, crmgate.NewSecret(fmt.Sprintf(body, g.AccessToken.Reveal(), g.RefreshToken.Reveal()))
	id, err := w.DB.PutEntry(w.Context(), e)
	Must(w, err)
	return id
}
