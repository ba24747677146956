package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// shipped are the connectors that the project has.
var shipped = []string{"clio", "insightly", "practice", "practicekey"}

// built is what the tests share: the program, without the race detector, and the connectors, built once from source;
// their compiled form; and who signs for stand-ins.
var built struct {
	program, connectors, cache string
	roots                      tls.Certificate
}

func TestMain(m *testing.M) {
	keepFilesPrivate() // as main does; the tests call run
	testscript.Main(withConnectors{m}, map[string]func(){
		"crmgate": func() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) },
		"tamper":  tamper,
	})
}

// withConnectors builds the connectors before the tests; children that play the program do not come here.
type withConnectors struct{ m *testing.M }

func (w withConnectors) Run() int {
	if os.Getenv("CRMGATE_BARE") != "" { // a child of BenchmarkProgram
		serveBare()
		return 0
	}
	dir, err := os.MkdirTemp("", "crmgate-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	built.program, built.connectors, built.cache = filepath.Join(dir, "crmgate"), filepath.Join(dir, "connectors"), filepath.Join(dir, "cache")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", built.program, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	for _, name := range shipped {
		buildConnector(name)
	}
	compileConnectors(dir)
	built.roots = trustStandIns(dir)
	return w.m.Run()
}

func buildConnector(name string) {
	source := filepath.Join("..", "..", "connectors-wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w",
		"-o", filepath.Join(built.connectors, name+".wasm"), "./"+name)
	build.Dir = source
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	for _, file := range []string{name + ".json", name + ".vectors.json"} {
		b, err := os.ReadFile(filepath.Join(source, name, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(built.connectors, file), b, 0o600)
		}
		if err != nil {
			panic(err)
		}
	}
}

// compileConnectors has the program itself fill the cache: under the race detector, compiling a connector takes twelve
// times as long.
func compileConnectors(dir string) {
	serve := exec.Command(built.program, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "", "--data", filepath.Join(dir, "compile"),
		"--connectors", built.connectors, "--cache", built.cache)
	log, err := serve.StderrPipe()
	if err == nil {
		err = serve.Start()
	}
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(log)
	said := ""
	for !strings.Contains(said, `"ready"`) && lines.Scan() {
		said = lines.Text()
	}
	_ = serve.Process.Signal(os.Interrupt)
	if err := serve.Wait(); err != nil {
		panic(said)
	}
}

// gate is a running server with a practice CRM of its own: real store, real wasm, real HTTP.
type gate struct {
	t      *testing.T
	url    string
	crm    *practicecrm.CRM
	crmURL string
	node   *edge.Node
	flags  *options
	log    *journal
	client *http.Client
	*world
}

// options are what a gate is started with.
type options struct {
	edge.Config
	preset map[string]string // settings that go before the environment's
}

func (o *options) setting(name string) (crmgate.Secret, bool, error) {
	if v, ok := o.preset[name]; ok {
		return crmgate.NewSecret(v), true, nil
	}
	return setting(name)
}

// world is what a test changes around a running server. Safe for concurrent use.
type world struct {
	watch  atomic.Pointer[func(*http.Request)]
	passed atomic.Int64
	frozen atomic.Pointer[time.Time] // nil: the clock goes
	seen   sync.Map                  // answers of the OpenAPI document that there have been: "GET /isAlive 200"
}

// journal keeps what was logged. Safe for concurrent use.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// ship puts a connector into a folder, its manifest with texts replaced.
func ship(t testing.TB, dir, name string, replace ...string) {
	t.Helper()
	must(t, os.Link(filepath.Join(built.connectors, name+".wasm"), filepath.Join(dir, name+".wasm")))
	b, err := os.ReadFile(filepath.Join(built.connectors, name+".json"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, name+".json"), []byte(strings.NewReplacer(replace...).Replace(string(b))), 0o600))
}

// connectorsFor copies the practice connectors to a folder of the test's own, for a practice CRM at an address, with files laid over.
func connectorsFor(t testing.TB, crm string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"practice", "practicekey"} {
		ship(t, dir, name, practiceAddr, crm)
	}
	for name, content := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// skip leaves a test out that this machine cannot run; those that judge a change have to.
func skip(t testing.TB, format string, a ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, a...)
	}
	t.Skipf(format, a...)
}

// newGate starts a server; change may alter its flags first.
func newGate(t *testing.T, change ...func(*options)) *gate {
	t.Helper()
	g := &gate{t: t, log: &journal{}, world: &world{}, client: &http.Client{
		Transport:     &http.Transport{},
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	g.crm = practicecrm.New(practicecrm.Config{Now: g.now})
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if watch := g.watch.Load(); watch != nil {
			(*watch)(r)
		}
		g.crm.ServeHTTP(w, r)
	}))
	t.Cleanup(hs.Close)
	g.crmURL = hs.URL
	t.Cleanup(g.client.CloseIdleConnections)
	g.flags = &options{
		Config: edge.Config{
			Data: filepath.Join(t.TempDir(), "data"), Cache: built.cache, AllowEgress: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			Connectors:     connectorsFor(t, strings.TrimPrefix(hs.URL, "http://"), nil),
			RingCentralURL: hs.URL, Now: g.now,
			Logger: slog.New(slog.NewJSONHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		},
		preset: map[string]string{"PRACTICE_URL": hs.URL, "PRACTICEKEY_URL": hs.URL, "PRACTICE_CLIENT_SECRET": practicecrm.ClientSecret},
	}
	g.flags.Setting = g.flags.setting
	for _, c := range change {
		c(g.flags)
	}
	g.start()
	t.Cleanup(func() { g.stop() })
	return g
}

func (g *gate) start() {
	g.t.Helper()
	n, err := edge.Start(context.Background(), g.flags.Config)
	must(g.t, err)
	g.node, g.url = n, "http://"+n.Addr()
	g.flags.Listen = n.Addr() // the next start has the same URL
}

func (g *gate) stop() {
	if g.node != nil {
		if err := g.node.Close(); err != nil {
			g.t.Error(err)
		}
		g.node = nil
	}
}

// now is the time for the server and the CRM alike: the real one, and what the test has let pass.
func (w *world) now() time.Time {
	if t := w.frozen.Load(); t != nil {
		return t.Add(time.Duration(w.passed.Load()))
	}
	return time.Now().Add(time.Duration(w.passed.Load()))
}

// whenAsked has f called with every request to the CRM, before that answers; nil ends it.
func (w *world) whenAsked(f func(*http.Request)) {
	if f == nil {
		w.watch.Store(nil)
		return
	}
	w.watch.Store(&f)
}

// freeze stops the clock at a whole second: from now on only pass moves it.
func (w *world) freeze() {
	t := w.now().Truncate(time.Second)
	w.frozen.Store(&t)
}

// pass lets time pass.
func (w *world) pass(d time.Duration) { w.passed.Add(int64(d)) }

func (g *gate) directory() operator.Directory { return g.node.Directory() }

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; header is names and values in turn, and one that is empty is not sent.
func (g *gate) do(method, path, body string, header ...string) answer {
	g.t.Helper()
	return g.exchange(g.request(method, path, body, header...))
}

func (g *gate) request(method, path, body string, header ...string) *http.Request {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.url+path, strings.NewReader(body))
	must(g.t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	return req
}

// exchange sends a request, and holds the answer to the OpenAPI document.
func (g *gate) exchange(req *http.Request) answer {
	g.t.Helper()
	resp, err := g.client.Do(req)
	must(g.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(g.t, err)
	a := answer{resp.StatusCode, resp.Header, string(b)}
	if a.status == 500 {
		g.t.Errorf("%s %s: 500 %s", req.Method, req.URL.RequestURI(), b)
	}
	g.conforms(req, a)
	return a
}

func (g *gate) get(path string, header ...string) answer {
	g.t.Helper()
	return g.do("GET", path, "", header...)
}

func (g *gate) postJSON(path, body string, header ...string) answer {
	g.t.Helper()
	return g.do("POST", path, body, append([]string{"Content-Type", "application/json"}, header...)...)
}

// bearer is the header of a session.
func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// metrics is what the operator's listener shows.
func (g *gate) metrics() string {
	w := httptest.NewRecorder()
	g.node.Operator().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// compose asks for an authorization URL.
func (g *gate) compose(mode string) composed {
	g.t.Helper()
	var c composed
	a := g.get("/authUrl?platform=practice&mode=" + mode)
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.AuthURL == "" {
		g.t.Fatalf("authUrl: %d %s", a.status, a.body)
	}
	return c
}

// land has a person sign in at the CRM and returns the URL that the browser ended on.
func (g *gate) land(c composed, person string) string {
	g.t.Helper()
	landed, err := practicecrm.Browse(g.t.Context(), g.client, c.AuthURL, person)
	must(g.t, err)
	return landed
}

// callback forwards a landed URL as a client does that encodes it.
func (g *gate) callback(landed, loginSecret string, header ...string) answer {
	g.t.Helper()
	return g.get("/oauth-callback?callbackUri="+url.QueryEscape(landed), append([]string{"X-Crmgate-Login", loginSecret}, header...)...)
}

// token reads the session token out of a sign-in's answer.
func (g *gate) token(a answer) string {
	g.t.Helper()
	var in signIn
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || in.Token == "" {
		g.t.Fatalf("no session token: %d %s\n%s", a.status, a.body, g.log)
	}
	return in.Token
}

func (g *gate) oauth(person string) string {
	g.t.Helper()
	c := g.compose("bound")
	return g.token(g.callback(g.land(c, person), c.LoginSecret))
}

func (g *gate) apiKey() string {
	g.t.Helper()
	return g.token(g.postJSON("/apiKeyLogin", `{"platform":"practicekey","apiKey":"`+practicecrm.APIKey+`"}`))
}

func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got  %d %s\nwant %d %s", a.status, a.body, status, body)
	}
}

// wantError checks {"error": …} with a text that contains the given one.
func (a answer) wantError(t *testing.T, status int, text string) {
	t.Helper()
	var e struct{ Error string }
	err := json.Unmarshal([]byte(a.body), &e)
	if err != nil || a.status != status || e.Error == "" || !strings.Contains(e.Error, text) {
		t.Errorf("got  %d %s\nwant %d with an error that contains %q", a.status, a.body, status, text)
	}
	if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("X-Request-Id") == "" {
		t.Errorf("an error without CORS headers or request id: %v", a.header)
	}
}
