package e2e_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestWireDocument compares docs/wire.md with the tests: every sentence has a test that begins with its number, and every
// such number has a sentence.
func TestWireDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "docs", "wire.md"))
	edgetest.Must(t, err)
	sentences := map[string]bool{} // whether it needs a test
	for _, m := range regexp.MustCompile(`(?m)^(?:\* \*\*|\| )(\d[\w.]*)(?:\*\*| \|)(.*)$`).FindAllStringSubmatch(string(b), -1) {
		if _, twice := sentences[m[1]]; twice {
			t.Errorf("%s is in the document twice", m[1])
		}
		sentences[m[1]] = !strings.Contains(m[2], "*Not tested: ")
	}
	tested := testedSentences(t)
	if len(sentences) < 80 || len(tested) < 80 {
		t.Fatalf("only %d sentences and %d tests were found: this test searches for them wrongly", len(sentences), len(tested))
	}
	for id, needed := range sentences {
		if needed && !tested[id] {
			t.Errorf("%s has no test", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(tested)) {
		if _, ok := sentences[id]; !ok {
			t.Errorf("a test names %s, but docs/wire.md has no such sentence", id)
		}
	}
}

// testedSentences finds the numbers that begin the string literals of the wire tests: "7.18 1b an unknown path".
func testedSentences(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	number := regexp.MustCompile(`^\d(\.\d+)*(\.\d+|[a-z]) `)
	for _, folder := range []string{".", filepath.Join("..", "proxy")} {
		files, err := filepath.Glob(filepath.Join(folder, "wire_*_test.go"))
		edgetest.Must(t, err)
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			edgetest.Must(t, err)
			ast.Inspect(f, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					s, _ := strconv.Unquote(l.Value)
					for id := number.FindString(s); id != ""; id = number.FindString(s) {
						all[strings.TrimSpace(id)] = true
						s = s[len(id):]
					}
				}
				return true
			})
		}
	}
	return all
}

// wired is a gate with a platform for each kind of connector behaviour, and with the CRM's token endpoint.
type wired struct {
	*gate
	endpoint *endpoint
	codes    atomic.Int64
}

// endpoint is a CRM's token endpoint. It gives a test's answers and records the requests.
type endpoint struct {
	*httptest.Server
	mu       sync.Mutex
	answer   func(http.ResponseWriter)
	requests []*http.Request // their forms are read
}

const goodTokens = `{"access_token":"access-token-1","refresh_token":"refresh-token-1","expires_in":3600,"scope":"all"}`

func newEndpoint(t *testing.T) *endpoint {
	e := &endpoint{}
	e.says(200, goodTokens)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		e.mu.Lock()
		e.requests = append(e.requests, r)
		answer := e.answer
		e.mu.Unlock()
		answer(w)
	}))
	t.Cleanup(e.Close)
	return e
}

// says sets the answer to later requests.
func (e *endpoint) says(status int, body string) {
	e.does(func(w http.ResponseWriter) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

func (e *endpoint) does(answer func(http.ResponseWriter)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

// asked returns the requests so far and forgets them.
func (e *endpoint) asked() []*http.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.requests
	e.requests = nil
	return r
}

const (
	wireRedirect = "https://app.example/redirect.html"
	wireID       = "wire client"
	wireSecret   = "wire+secret/:%"
)

// newWired starts a gate with a connector of each of the guests, by platform.
func newWired(t *testing.T, guests map[string]guest, more ...func(*edgetest.Options)) *wired {
	t.Helper()
	e := newEndpoint(t)
	g := newGate(t, append(more, func(f *edgetest.Options) {
		for name, answers := range guests {
			e.connector(t, f.Connectors, name, answers)
		}
	})...)
	return &wired{gate: g, endpoint: e}
}

// swap replaces a platform's connector by a restart.
func (w *wired) swap(platform string, answers guest) {
	w.t.Helper()
	w.Stop()
	w.endpoint.connector(w.t, w.Options.Connectors, platform, answers)
	w.Start()
}

// remove removes a file from the connectors folder.
func (w *wired) remove(name string) {
	w.t.Helper()
	edgetest.Must(w.t, os.Remove(filepath.Join(w.Options.Connectors, name)))
}

// connector writes a guest and its manifest into a folder. It adds the operations that the guest needs but does not have.
// $PLATFORM and $CRM in answers stand for the platform's name and the CRM's URL. "basicRaw" and "fields" are not operations:
// they set the manifest's client authentication and form fields.
func (e *endpoint) connector(t *testing.T, folder, name string, answers guest) {
	t.Helper()
	kind, auth := "oauth", "basic"
	if _, ok := answers["getBasicAuth"]; ok {
		kind = "apiKey"
	}
	if _, ok := answers["basicRaw"]; ok {
		auth = "basicRaw"
	}
	all := guest{"getAuthType": `{"type":"` + kind + `"}`, "getUserInfo": `{"successful":true,"platformUserInfo":{"id":"7-$PLATFORM","name":"Wired"}}`}
	if kind == "oauth" {
		all["getOauthInfo"] = `{"clientId":"` + wireID + `","clientSecret":"` + wireSecret + `","accessTokenUri":"$CRM/token"}`
	}
	maps.Copy(all, answers)
	delete(all, "basicRaw")
	fields := `{"const":"region","required":true},{"const":"apiKey","required":true},{"const":"note"}`
	if own, ok := answers["fields"]; ok {
		fields = own
		delete(all, "fields")
	}
	fill := strings.NewReplacer("$PLATFORM", name, "$CRM", e.URL, "$HOST", strings.TrimPrefix(e.URL, "http://"))
	for operation, answer := range all {
		all[operation] = fill.Replace(answer)
	}
	manifest := fill.Replace(`{"author":{"name":"Somebody"},"platforms":{"$PLATFORM":{"name":"Wire CRM","auth":{"type":"` + kind + `","oauth":{` +
		`"authUrl":"$CRM/authorize","clientId":"","redirectUri":"` + wireRedirect + `"},"apiKey":{"page":{"content":[` + fields + `]}}},` +
		`"crmgate":{"hosts":["$HOST"],"reveal":["refreshToken"],"token":{"auth":"` + auth + `"}}}}}`)
	edgetest.Must(t, os.WriteFile(filepath.Join(folder, name+".json"), []byte(manifest), 0o600))
	edgetest.Must(t, os.WriteFile(filepath.Join(folder, name+".wasm"), []byte(all.wasm()), 0o600))
}

// in signs a platform's only person in, by an unencoded callback.
func (w *wired) in(platform, more string, header ...string) answer {
	w.t.Helper()
	return w.get("/oauth-callback?callbackUri="+wireRedirect+"?code="+w.code()+"&state=platform="+platform+more, header...)
}

// code returns a new authorization code.
func (w *wired) code() string { return fmt.Sprint("ABC", w.codes.Add(1)) }

func (w *wired) person(platform string) crmgate.Person {
	w.t.Helper()
	return w.only(crmgate.Platform(platform), crmgate.UserID("7-"+platform))
}

// got returns the last input of a connector's operation, from the log.
func (w *wired) got(platform, operation string) string {
	w.t.Helper()
	last := ""
	for line := range strings.Lines(w.Log.String()) {
		var l struct{ Text, Platform, Operation string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Platform == platform && l.Operation == operation && strings.HasPrefix(l.Text, "{") {
			last = l.Text
		}
	}
	return last
}

// wantGot checks that the last input of an operation contains some parts.
func (w *wired) wantGot(platform, operation string, parts ...string) {
	w.t.Helper()
	in := w.got(platform, operation)
	for _, p := range parts {
		if !strings.Contains(in, p) {
			w.t.Errorf("%s of %s got %s, want %s in it", operation, platform, in, p)
		}
	}
}

// wantHeader checks headers, given as names and values in turn; "" means that the header must be missing.
func (a answer) wantHeader(t *testing.T, namesAndValues ...string) {
	t.Helper()
	for i := 0; i < len(namesAndValues); i += 2 {
		name, want := namesAndValues[i], namesAndValues[i+1]
		if got := strings.Join(a.header.Values(name), " | "); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// query encodes names and values in turn.
func query(namesAndValues ...string) string {
	q := url.Values{}
	for i := 0; i < len(namesAndValues); i += 2 {
		q.Add(namesAndValues[i], namesAndValues[i+1])
	}
	return q.Encode()
}
