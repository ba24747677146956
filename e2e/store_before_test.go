package e2e_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate/edge/edgetest"
)

// TestStoreBefore opens a store that the version 0cbea42 wrote, and reads everything in it: records of every kind, and what
// clients and browsers of that time kept. testdata/store.tar.gz has the store, its key ring, and known.json, which holds
// session tokens, callbacks, cookies and the time. testdata/store.txt has what they are answered, and what the CRM is asked.
//
// The records have no time to live in the store itself, which would drop them. They expire by the time in them.
func TestStoreBefore(t *testing.T) {
	data := unpackStore(t)
	var known struct {
		Time            time.Time
		Sessions        map[string]string
		Bound           string `json:"bound callback"`
		BoundSecret     string `json:"bound login secret"`
		Short           string `json:"short callback"`
		ShortSecret     string `json:"short login secret"`
		Spent           string `json:"spent callback"`
		SpentSecret     string `json:"spent login secret"`
		Completed       string `json:"completed auth session"`
		CompletedSecret string `json:"completed auth session secret"`
		Pending         string `json:"pending auth session"`
		PendingCookie   string `json:"pending auth session cookie"`
		AdminCookie     string `json:"admin cookie"`
	}
	b, err := os.ReadFile(filepath.Join(data, "known.json"))
	edgetest.Must(t, err)
	edgetest.Must(t, json.Unmarshal(b, &known))

	crm := newListeningCRM(t)
	r := newRecorder(t)
	var clock atomic.Pointer[gate] // nil while the server starts
	r.g = newGate(t, func(f *edgetest.Options) {
		f.Data, f.PublicURL = data, "http://gate.example"
		f.Resolve = []string{"crm.example:80:" + crm.Listener.Addr().String()}
		f.Connectors = edgetest.Folder(t, "crm.example:80", nil)
		f.Settings["PRACTICE_URL"], f.Settings["PRACTICEKEY_URL"] = "http://crm.example:80", "http://crm.example:80"
		addPlatforms(f, []string{"org", "team", "closedkey", "short", "own", "paste", "fields"})
		f.Now = func() time.Time {
			if g := clock.Load(); g != nil {
				return g.Now()
			}
			return known.Time
		}
	})
	r.g.FreezeAt(known.Time)
	clock.Store(r.g)
	r.g.client.Timeout = 0

	socket := r.socket()
	defer socket.CloseIdleConnections()
	control := func(method, path string) recorded { return r.sendBy(socket, method, "http://crmgate"+path, "") }
	r.get("/isAlive")
	r.section("the operator's commands")
	for _, path := range []string{"/users", "/audit", "/audit/verify"} {
		control("GET", path)
	}
	var kept []struct{ ID string }
	edgetest.Must(t, json.Unmarshal([]byte(control("GET", "/journal").body), &kept))
	for _, e := range kept {
		control("POST", "/journal/"+e.ID+"?dry")
	}
	r.section("settings, fields and applications")
	ada, team := known.Sessions["ada"], known.Sessions["team"]
	r.get("/userInfoHash?extensionId=102&accountId=1")
	for _, token := range []string{asAdmin, asUser, asOtherAdmin} {
		r.get("/user/preloadSettings", rcAs(token)...)
		r.get("/oauthManagedAuthState?platform=org", rcAs(token)...)
		r.get("/apiKeyManagedAuthState?platform=team", rcAs(token)...)
		r.get("/apiKeyManagedAuthState?platform=closedkey", rcAs(token)...)
	}
	r.get("/admin/settings", as(ada, rcAs(asAdmin)...)...)
	r.get("/user/settings", as(ada, rcAs(asUser)...)...)
	r.get("/admin/managedAuth", as(team, rcAs(asAdmin)...)...)
	r.section("an admin who has signed in")
	for _, path := range []string{"", "/org", "/people/org", "/people/own", "/people/practice", "/people/team", "/fields/team", "/fields/team?extension=102", "/audit"} {
		r.get("/admin"+path, "Cookie", known.AdminCookie)
	}
	r.section("clients that wait")
	r.get("/authSession/"+known.Completed, "X-Crmgate-Login", known.CompletedSecret)
	r.get("/connect/practicekey?session="+known.Pending, "Cookie", known.PendingCookie)
	r.section("sessions")
	for _, name := range slices.Sorted(maps.Keys(known.Sessions)) {
		session := as(known.Sessions[name])
		fmt.Fprintf(&r.b, "\n%s\n", name)
		r.get("/hostname", session...)
		r.get("/user/settings", session...)
		r.get("/authValidation", session...)
	}
	r.section("sign-ins that were begun")
	r.get(known.Spent, "X-Crmgate-Login", known.SpentSecret)
	r.get(known.Bound, "X-Crmgate-Login", known.BoundSecret)
	r.get(known.Short, "X-Crmgate-Login", known.ShortSecret)
	r.section("later")
	r.pass(time.Hour)
	r.send("POST", "/unAuthorize", "", as(ada)...) // has the queue of revocations looked at
	crm.wait(t, 4, "/oauth/revoke")
	fmt.Fprintf(&r.b, "\nThe CRM was asked\n%s\n\nConnectors were given\n%s\n", crm, inputs(r.g))
	r.compare("store.txt")
}

// teamAtHosts has people of the platform team choose between two hosts.
func teamAtHosts(f *edgetest.Options) {
	path := filepath.Join(f.Connectors, "team.json")
	b, err := os.ReadFile(path)
	if err == nil {
		const selections = `"environment": {"type": "selectable", "selections": [{"const": "https://eu.team.example", "name": "EU"}, {"const": "https://us.team.example", "name": "US"}]}, "auth": {`
		err = os.WriteFile(path, []byte(strings.Replace(string(b), `"auth": {`, selections, 1)), 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// TestStoreBeforeHosts opens the store of TestStoreBefore, whose managed values have no host. If people choose the host of
// the platform, no member gets the values until an admin has used them at a host.
func TestStoreBeforeHosts(t *testing.T) {
	t.Parallel()
	data := unpackStore(t)
	g := newGate(t, func(f *edgetest.Options) {
		f.Data, f.PublicURL = data, "http://gate.example"
		addPlatforms(f, []string{"team"})
		teamAtHosts(f)
	})
	g.Freeze()
	login := func(host, rc string) answer {
		t.Helper()
		return g.postJSON("/apiKeyLogin", `{"platform":"team","hostname":"https://`+host+`.team.example","additionalInfo":{"region":"eu"}`+rc+`}`)
	}
	asked := missingBody(`"apiKey","companyId"`)
	login("eu", rcUser).want(t, 400, asked)
	g.token(login("eu", rcAdmin))
	g.token(login("eu", rcUser)) // the values of other extensions are moved with the organisation's
	login("us", rcUser).want(t, 400, asked)
	login("us", rcAdmin).want(t, 400, asked)
}

// inputs are the inputs of the guests' operations, which they log, in the order of their letters.
func inputs(g *gate) string {
	all := map[string]bool{}
	for line := range strings.Lines(g.Log.String()) {
		var l struct{ Text, Platform, Operation string }
		if json.Unmarshal([]byte(line), &l) == nil && l.Operation != "" && l.Operation != "getAuthType" && strings.HasPrefix(l.Text, "{") {
			all[l.Platform+" "+l.Operation+" "+l.Text] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), "\n")
}

// unpackStore unpacks testdata/store.tar.gz into a folder.
func unpackStore(t *testing.T) string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "store.tar.gz"))
	edgetest.Must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	edgetest.Must(t, err)
	dir := filepath.Join(t.TempDir(), "data")
	edgetest.Must(t, os.Mkdir(dir, 0o700))
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		edgetest.Must(t, err)
		b, err := io.ReadAll(files)
		edgetest.Must(t, err)
		edgetest.Must(t, os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), b, 0o600))
	}
}

// listeningCRM is a CRM that takes every token and notes what it is asked.
type listeningCRM struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // guarded by mu
}

func newListeningCRM(t *testing.T) *listeningCRM {
	c := &listeningCRM{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		c.asked = append(c.asked, fmt.Sprintf("%s %s %s %q", r.Method, r.URL.Path, r.Header.Get("Authorization"), body))
		c.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/oauth/token":
			_, _ = io.WriteString(w, `{"access_token":"new-access-token","token_type":"Bearer","expires_in":3600,"refresh_token":"new-refresh-token"}`)
		case "/api/me":
			_, _ = io.WriteString(w, `{"id":1,"name":"Ada Lovelace","email":"ada@practice.example","timezone":{"name":"Europe/London","offset":0}}`)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// wait waits for n requests of a path.
func (c *listeningCRM) wait(t *testing.T, n int, path string) {
	t.Helper()
	for range 1000 {
		if strings.Count(c.String(), " "+path+" ") >= n {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the CRM was not asked for %s %d times:\n%s", path, n, c)
}

// String lists the requests, in the order of their letters: some come from the background.
func (c *listeningCRM) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(slices.Sorted(slices.Values(c.asked)), "\n")
}
