package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/revoke"
)

func TestMain(m *testing.M) {
	if os.Getenv("CRMGATE_BARE") != "" { // a child of BenchmarkProgram
		serveBare()
		return
	}
	os.Exit(withStandIns(m))
}

func withStandIns(m *testing.M) int {
	dir, err := os.MkdirTemp("", "crmgate-roots")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	roots = trustStandIns(dir)
	return edgetest.Run(m)
}

// gate is a node with a client that checks every answer against the OpenAPI document.
type gate struct {
	*edgetest.Node
	t      *testing.T
	client *http.Client
	seen   *sync.Map // documented answers that occurred: "GET /isAlive 200"
}

// newGate starts a node; change may alter its options first.
func newGate(t *testing.T, change ...func(*edgetest.Options)) *gate {
	t.Helper()
	n := edgetest.New(t, change...)
	return &gate{Node: n, t: t, client: n.Client, seen: &sync.Map{}}
}

// withKey sets the session key to sessionKey.
func withKey(o *edgetest.Options) { o.Settings["CRMGATE_SESSION_KEY"] = sessionKey }

// withSalt sets the hash key to "salt".
func withSalt(o *edgetest.Options) { o.Settings["CRMGATE_HASH_KEY"] = "salt" }

func (g *gate) directory() operator.Directory { return g.Edge.Directory() }

// soak reports whether the long forms of the tests run. The long forms also measure; the short forms only wait for events.
func soak() bool { return os.Getenv("CRMGATE_SOAK") == "1" }

// inTime is how long a short form waits for an expected event. It suffices on any machine.
const inTime = 2 * time.Minute

// skip skips a test that this machine cannot run. It fails the test in CI.
func skip(t testing.TB, format string, a ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, a...)
	}
	t.Skipf(format, a...)
}

// answer is an answer of the server.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; header is names and values in turn. It does not send empty headers.
func (g *gate) do(method, path, body string, header ...string) answer {
	g.t.Helper()
	return g.exchange(g.request(method, path, body, header...))
}

func (g *gate) request(method, path, body string, header ...string) *http.Request {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, g.URL+path, strings.NewReader(body))
	edgetest.Must(g.t, err)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	return req
}

// exchange sends a request and checks the answer against the OpenAPI document.
func (g *gate) exchange(req *http.Request) answer {
	g.t.Helper()
	resp, err := g.client.Do(req)
	edgetest.Must(g.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	edgetest.Must(g.t, err)
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

// compose requests an authorization URL.
func (g *gate) compose(mode string) edgetest.Composed {
	g.t.Helper()
	var c edgetest.Composed
	a := g.get("/authUrl?platform=practice&mode=" + mode)
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.AuthURL == "" {
		g.t.Fatalf("authUrl: %d %s", a.status, a.body)
	}
	return c
}

// land has a person sign in at the CRM and returns the final URL of the browser.
func (g *gate) land(c edgetest.Composed, person string) string {
	g.t.Helper()
	landed, err := practicecrm.Browse(g.t.Context(), g.client, c.AuthURL, person)
	edgetest.Must(g.t, err)
	return landed
}

// callback forwards a landed URL, encoded.
func (g *gate) callback(landed, loginSecret string, header ...string) answer {
	g.t.Helper()
	return g.get("/oauth-callback?callbackUri="+url.QueryEscape(landed), append([]string{"X-Crmgate-Login", loginSecret}, header...)...)
}

// signIn is the answer to a sign-in.
type signIn struct {
	Token   string                   `json:"jwtToken"`
	Name    string                   `json:"name"`
	Message struct{ Message string } `json:"returnMessage"`
}

// token reads the session token from the answer to a sign-in.
func (g *gate) token(a answer) string {
	g.t.Helper()
	var in signIn
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || in.Token == "" {
		g.t.Fatalf("no session token: %d %s\n%s", a.status, a.body, g.Log)
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

// operator returns a client of the node's control socket.
func (g *gate) operator() *edge.Client { return edge.NewClient(g.Config) }

// forget removes a person as the operator.
func (g *gate) forget(p crmgate.Platform, id crmgate.UserID) revoke.Result {
	g.t.Helper()
	told, err := g.operator().Forget(g.t.Context(), edge.PersonName{Platform: p, ID: id})
	edgetest.Must(g.t, err)
	return told
}

// only returns the only person of a platform who has an id.
func (g *gate) only(p crmgate.Platform, id crmgate.UserID) crmgate.Person {
	g.t.Helper()
	keys, err := g.Edge.DB().Namesakes(g.t.Context(), p, id)
	edgetest.Must(g.t, err)
	if len(keys) != 1 {
		g.t.Fatalf("people with the id %s: %v", id, keys)
	}
	person, err := g.Edge.DB().Person(g.t.Context(), keys[0])
	edgetest.Must(g.t, err)
	return person
}

func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("got  %d %s\nwant %d %s", a.status, a.body, status, body)
	}
}

// told is the answer to a callback that failed, for the person to act on.
func told(kind, text string) string {
	b, _ := crmgate.EncodeJSON(map[string]any{"returnMessage": json.RawMessage(message(kind, text)), "successful": false}) // never fails
	return string(b)
}

// message is a returnMessage of the server.
func message(kind, text string) string {
	b, _ := crmgate.EncodeJSON(crmgate.ReturnMessage{Message: text, MessageType: kind, TTL: 5000}) // never fails
	return string(b)
}

// wantTold checks for the answer to a callback that failed with a message that contains text.
func (a answer) wantTold(t *testing.T, text string) {
	t.Helper()
	var in struct {
		signIn
		Successful *bool
	}
	err := json.Unmarshal([]byte(a.body), &in)
	if err != nil || a.status != 200 || in.Token != "" || in.Successful == nil || *in.Successful || !strings.Contains(in.Message.Message, text) || text == "" {
		t.Errorf("got  %d %s\nwant 200 with a message that contains %q, and no token", a.status, a.body, text)
	}
}

// wantError checks for {"error": …} with a message that contains text.
func (a answer) wantError(t *testing.T, status int, text string) {
	t.Helper()
	var e struct{ Error string }
	err := json.Unmarshal([]byte(a.body), &e)
	if err != nil || a.status != status || e.Error == "" || !strings.Contains(e.Error, text) {
		t.Errorf("got  %d %s\nwant %d with an error that contains %q", a.status, a.body, status, text)
	}
	if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("X-Request-Id") == "" {
		t.Errorf("the error has no CORS headers or no request id: %v", a.header)
	}
}
