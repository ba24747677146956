package e2e_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// What the hostile copy of Clio wants. Both need every encoding.
const (
	wantedToken  = `at/+%41"\end=token-1`
	wantedSecret = `us secret/+é"\%42`
	wantedCode   = "code-of-the-person"
)

// hostileSends is the manifest's declaration: the token may go to app.clio.com, and the secret to its token endpoint.
const hostileSends = `"secrets": "handles", "sends": {"accessToken": {"in": ["header", "body"], "hosts": ["app.clio.com"]}, "CLIO_CLIENT_SECRET": {"in": ["body"], "hosts": ["app.clio.com"]}},`

// signInAttempts and callAttempts name what connectors-wasm/testdata/hostile tries. "" is the connector as it should be.
var (
	signInAttempts = []string{
		"", "token endpoint at another host", "token endpoint at another host, secret in the header",
		"token endpoint at another host, without the secret", "secret in the header of the token request",
		"secret in the query of the token endpoint", "secret as client id", "secret as scope", "secret as failMessage", "secret in an error of getOauthInfo",
		"derived secret as client secret, token endpoint elsewhere", "token and secret as id and name", "token and secret as additional info and API key",
	}
	callAttempts = []string{
		"header, another host", "header of another name, another host", "header, percent-encoded, another host", "body, another host", "body, form, another host",
		"body, JSON, another host", "body, bytes, another host", "query, another host", "path, another host", "user name of the URL, another host", "host",
		"fragment, another host", "undeclared host", "another port, and plain http", "secret in a header of Clio", "query of Clio", "path of Clio",
		"method of Clio", "name of a header of Clio", "redirect of Clio to another host", "redirect 307 of Clio to another host, with the token",
		"log", "error text", "trap", "answer", "additional info", "handles of an earlier call", "handles without a nonce", "handle in two fields that Clio joins",
		"handle in two headers, another host", "base64, another host", "base64 of base64, another host", "Basic of both, another host", "Basic of both, Clio",
		"HMAC, another host", "base64 of base64, echo of Clio", "HMAC, log", "license",
		"echo of Clio: raw", "echo of Clio: json", "echo of Clio: ascii", "echo of Clio: percent", "echo of Clio: form", "echo of Clio: hex", "echo of Clio: HEX",
		"echo of Clio: base64 0", "echo of Clio: base64 1", "echo of Clio: base64 2", "echo of Clio: base64url 0", "echo of Clio: base64url 1",
		"echo of Clio: base64url 2", "echo of Clio: bytes", "echo of Clio: header",
	}
)

// encoded returns a text in an encoding in which a CRM may repeat it.
func encoded(as, v string) string {
	kind, before, _ := strings.Cut(as, " ")
	before = map[string]string{"0": "", "1": "x", "2": "xy"}[before]
	switch kind {
	case "json":
		b, _ := json.Marshal(v)
		return string(b)
	case "ascii":
		s := ""
		for _, r := range v {
			s += fmt.Sprintf(`\u%04x`, r)
		}
		return s
	case "percent":
		return strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
	case "form":
		return url.QueryEscape(v)
	case "hex":
		return hex.EncodeToString([]byte(v))
	case "HEX":
		return strings.ToUpper(hex.EncodeToString([]byte(v)))
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(before + v))
	case "base64url":
		return base64.RawURLEncoding.EncodeToString([]byte(before + v))
	case "bytes":
		return "\xff\xfe" + v
	}
	return v
}

// hostileCRM is Clio for the hostile connector: it repeats what it is told to.
type hostileCRM struct {
	mu      sync.Mutex
	attempt string // guarded by mu
	outcome string // guarded by mu; of the attempt
}

func (c *hostileCRM) begin(attempt string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempt, c.outcome = attempt, ""
}

func (c *hostileCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	body := make([]byte, 1<<16)
	n, _ := r.Body.Read(body)
	switch r.URL.Path {
	case "/oauth/authorize":
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {wantedCode}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case "/oauth/token":
		b, _ := json.Marshal(map[string]any{"token_type": "bearer", "access_token": wantedToken, "refresh_token": "rt-1", "expires_in": 2592000, "echo": wantedToken})
		clioSays(w, 200, string(b))
	case "/attempt":
		_, _ = w.Write([]byte(c.attempt))
	case "/outcome":
		c.outcome = string(body[:n])
	case "/echo":
		text := encoded(r.URL.Query().Get("as"), token)
		if r.URL.Query().Get("as") == "header" {
			w.Header().Set("X-Echo", text)
			text = ""
		}
		_, _ = w.Write([]byte("you sent " + text + "."))
	case "/join":
		_, _ = w.Write([]byte(string(body[:n]) + r.Header.Get("X-Note")))
	case "/redirect":
		status := http.StatusFound
		if r.URL.RawQuery == "307" {
			status = http.StatusTemporaryRedirect
		}
		w.Header().Set("Location", "https://eu.app.clio.com/stolen?"+url.Values{"t": {token + r.Header.Get("Accept")}}.Encode())
		w.WriteHeader(status)
	}
}

// leaksOf returns the encodings in which a text has the token or the secret.
func leaksOf(text string) (all []string) {
	texts := []string{text}
	if u, err := url.QueryUnescape(text); err == nil {
		texts = append(texts, u)
	}
	texts = append(texts, strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\/`, "/").Replace(text), strings.NewReplacer(`\\\"`, `"`, `\\\\`, `\`).Replace(text))
	for name, v := range map[string]string{"token": wantedToken, "secret": wantedSecret} {
		twice := base64.StdEncoding.EncodeToString([]byte(v))
		for _, v := range []string{v, twice, url.QueryEscape(v)} {
			for _, as := range []string{"raw", "json", "ascii", "percent", "form", "hex", "HEX", "base64 0", "base64 1", "base64 2", "base64url 0", "base64url 1", "base64url 2"} {
				e := strings.Trim(encoded(as, v), `"=`)
				if strings.HasPrefix(as, "base64") { // without the characters that depend on what is around
					e = e[2 : len(e)-2]
				}
				for _, t := range texts {
					if strings.Contains(t, e) {
						all = append(all, name+" as "+as)
						break
					}
				}
			}
		}
	}
	return all
}

// TestHostileConnectorGetsNoSecret: a copy of the Clio connector that has handles tries to send the client secret and the person's
// token elsewhere. Neither is in a request to another host, in a place of a request to Clio that the manifest does not declare, in the
// log, in an answer of the server, or in the stored person.
func TestHostileConnectorGetsNoSecret(t *testing.T) {
	t.Parallel()
	module := filepath.Join(t.TempDir(), "clio.wasm")
	wasmtest.Go(t, module, filepath.Join("..", "connectors-wasm"), "./testdata/hostile")
	for name, processes := range map[string]int{"in a process of its own": 4, "in the server's process": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hostileTable(t, module, processes)
		})
	}
}

func hostileTable(t *testing.T, module string, processes int) {
	crm := &hostileCRM{}
	s := newStandIn(t, crm)
	g := newGate(t, s.reached, func(o *edgetest.Options) {
		edgetest.Must(t, os.Link(module, filepath.Join(o.Connectors, "clio.wasm")))
		edgetest.Must(t, os.WriteFile(filepath.Join(o.Connectors, "clio.json"), hostileManifest(t), 0o600))
		o.GuestProcesses = processes
		o.Settings["CLIO_CLIENT_ID"], o.Settings["CLIO_CLIENT_SECRET"] = "us-id", wantedSecret
	})
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "attempt\trequests to Clio\telsewhere\tthe connector saw\tleaked")
	logged := 0
	check := func(attempt string, answers []string) {
		log := g.Log.String()
		clio, others, found := sorted(s.take())
		for place, texts := range map[string][]string{"the log": {log[logged:]}, "an answer": answers, "the stored person": g.storedPeople()} {
			for _, text := range texts {
				for _, leak := range leaksOf(text) {
					found = append(found, leak+" in "+place)
				}
			}
		}
		logged = len(log)
		leaked := "nothing"
		if len(found) > 0 {
			leaked = strings.Join(found, "; ")
			t.Errorf("%s: %s", attempt, leaked)
		}
		crm.mu.Lock()
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", attempt, clio, others, crm.outcome, leaked)
		crm.mu.Unlock()
	}
	session := ""
	for _, attempt := range signInAttempts {
		crm.begin(attempt)
		answers, token := g.hostileSignIn(s)
		if attempt == "" {
			session = token
			attempt = "(none: the sign-in works)"
		}
		check(attempt, answers)
	}
	if session == "" {
		t.Fatalf("the sign-in does not work:\n%s", g.Log)
	}
	for _, attempt := range callAttempts {
		crm.begin(attempt)
		path := "/authValidation"
		if attempt == "license" {
			path = "/licenseStatus"
		}
		a := g.get(path, bearer(session)...)
		check(attempt, []string{a.body, fmt.Sprint(a.header)})
	}
	_ = w.Flush()
	t.Log("\n" + table.String())
}

// hostileManifest is Clio's manifest with hostileSends.
func hostileManifest(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "connectors-wasm", "clio", "clio.json"))
	edgetest.Must(t, err)
	before, rest, ok1 := strings.Cut(string(b), `"secrets": "handles",`)
	_, after, ok2 := strings.Cut(rest, `"token": {"auth"`)
	if !ok1 || !ok2 {
		t.Fatal("Clio's manifest has changed")
	}
	return []byte(before + hostileSends + ` "token": {"auth"` + after)
}

// hostileSignIn signs a person in, as far as it goes, and returns the server's answers and the session.
func (g *gate) hostileSignIn(s *standIn) (answers []string, session string) {
	g.t.Helper()
	a := g.get("/authUrl?platform=clio&hostname=app.clio.com&mode=bound")
	answers = append(answers, a.body)
	var c edgetest.Composed
	if json.Unmarshal([]byte(a.body), &c) != nil || c.AuthURL == "" {
		return answers, ""
	}
	a = g.callback(s.browse(g.t, c.AuthURL), c.LoginSecret)
	var in signIn
	_ = json.Unmarshal([]byte(a.body), &in)
	return append(answers, a.body, fmt.Sprint(a.header)), in.Token
}

// sorted counts the requests to Clio and to other hosts, and returns what they leak.
func sorted(requests []string) (clio, others int, found []string) {
	for _, r := range requests {
		line, rest, _ := strings.Cut(r, "\n")
		_, to, _ := strings.Cut(line, " ")
		text, where := r, "a request to "+to
		if host, _, _ := strings.Cut(strings.TrimPrefix(to, "https://"), "/"); host == "app.clio.com" {
			clio++
			text = line // the token may be in its headers and body
			for _, leak := range leaksOf(rest) {
				if strings.HasPrefix(leak, "secret") && !strings.HasPrefix(to, "https://app.clio.com/oauth/token") {
					found = append(found, leak+" in "+where)
				}
			}
		} else {
			if others++; strings.Contains(r, wantedCode) {
				found = append(found, "code in "+where)
			}
		}
		for _, leak := range leaksOf(text) {
			found = append(found, leak+" in "+where)
		}
	}
	return clio, others, found
}

// storedPeople returns what the server keeps of Ada, but for her tokens.
func (g *gate) storedPeople() (all []string) {
	g.t.Helper()
	for _, key := range g.clioPeople() {
		p, err := g.Edge.DB().Person(g.t.Context(), key)
		edgetest.Must(g.t, err)
		all = append(all, fmt.Sprintf("%+v %s", p.User, p.User.AdditionalInfo))
	}
	return all
}
