package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestReload: a reload adds, changes and removes platforms, keeps what a wrong file would break, and changes nothing if the folder
// cannot be read. The answer, /readyz and the metrics say so.
func TestReload(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(o *edgetest.Options) { o.Strict = false })
	clientID := func() string {
		a := g.get("/authUrl?platform=swap")
		_, id, _ := strings.Cut(a.body, "client_id=")
		id, _, _ = strings.Cut(id, "&")
		return id
	}
	ask := func(path string) string {
		w := httptest.NewRecorder()
		g.Edge.Operator().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Body.String()
	}
	remove := func(name string) func() {
		return func() { edgetest.Must(t, os.Remove(filepath.Join(g.Connectors, name))) }
	}
	for _, step := range []struct {
		name   string
		do     func()
		change string // of swap; default none
		id     string // of swap afterwards; empty if it is not served
		note   string // in /readyz; default none
	}{
		{"nothing", func() {}, "", "", ""},
		{"a new connector", func() { addSwap(t, g.Connectors, "one", "") }, operator.Added, "one", ""},
		{"nothing", func() {}, "", "one", ""},
		{"another module", func() { addSwap(t, g.Connectors, "two", "") }, operator.Changed, "two", ""},
		{"a file of an editor", func() { putFile(t, g.Connectors, ".#swap.json", "{"); putFile(t, g.Connectors, "swap.wasm.tmp", "") }, "", "two", ""},
		{"a wrong module", func() { putFile(t, g.Connectors, "swap.wasm", "nonsense") }, operator.Kept, "two", "swap has a new connector that is not used, and the one before runs: swap.wasm: "},
		{"a wrong module again", func() {}, operator.Kept, "two", "swap has a new connector"},
		{"a right one", func() { addSwap(t, g.Connectors, "one", "") }, operator.Changed, "one", ""},
		{"a wrong manifest", func() { putFile(t, g.Connectors, "swap.json", "{") }, operator.Kept, "one", "swap.json: expected JSON"},
		{"the manifest as it was", func() { addSwap(t, g.Connectors, "one", "") }, "", "one", ""},
		{"no manifest", remove("swap.json"), operator.LeftOut, "", "swap is left out: swap.wasm has no manifest"},
		{"no file", remove("swap.wasm"), "", "", ""},
	} {
		step.do()
		r, err := g.Edge.Reload(t.Context())
		if err != nil {
			t.Fatal(step.name, err)
		}
		change := ""
		if len(r.Platforms) > 0 {
			change = r.Platforms[0].Change
		}
		if change != step.change || len(r.Platforms) > 1 || clientID() != step.id {
			t.Errorf("%s: got %+v, client id %q", step.name, r, clientID())
		}
		if ready := ask("/readyz"); !strings.Contains(ready, step.note) || step.note == "" && ready != "ready\n" {
			t.Errorf("%s: /readyz says %q", step.name, ready)
		}
		kept := step.change == operator.Kept
		if strings.Contains(ask("/metrics"), `crmgate_platforms_kept{platform="swap"} 1`) != kept {
			t.Errorf("%s: the metric is wrong", step.name)
		}
	}
	addSwap(t, g.Connectors, "one", "")
	putFile(t, g.Connectors, "manifest.json", "{")
	if r, err := g.Edge.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing has changed: manifest.json") {
		t.Errorf("a wrong manifest.json: %+v, %v", r, err)
	}
	g.apiKey()
	for outcome, n := range map[string]string{"ok": "8", "incomplete": "4", "failed": "1"} {
		if want := `crmgate_reloads_total{outcome="` + outcome + `"} ` + n; !strings.Contains(ask("/metrics"), want) {
			t.Errorf("no metric %s", want)
		}
	}
}

// TestReloadedSetting: a connector with a setting that cannot be read does not replace the one before.
func TestReloadedSetting(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(o *edgetest.Options) {
		o.Strict = false
		addSwap(t, o.Connectors, "one", "")
		find := o.Setting
		o.Setting = func(name string) (s crmgate.Secret, ok bool, err error) {
			if name == "SWAP_SECRET" {
				return s, false, errors.New("SWAP_SECRET_FILE: it cannot be read")
			}
			return find(name)
		}
	})
	addSwap(t, g.Connectors, "two", `],"config":["SWAP_SECRET"`)
	r, err := g.Edge.Reload(t.Context())
	if err != nil || len(r.Platforms) != 1 || r.Platforms[0].Change != operator.Kept || !strings.Contains(r.Platforms[0].Reason, "SWAP_SECRET_FILE") {
		t.Errorf("got %+v, %v", r, err)
	}
	if a := g.get("/authUrl?platform=swap"); !strings.Contains(a.body, "client_id=one") {
		t.Errorf("got %s", a.body)
	}
}

// TestReloadTriggers: the program reloads when the folder has changed, at SIGHUP, and when crmgate reload says so.
func TestReloadTriggers(t *testing.T) {
	t.Parallel()
	p := newVictim(t, practicecrm.New(practicecrm.Config{}))
	real := p.connectors // the program sees a link, which can be changed in one step
	link := filepath.Join(t.TempDir(), "connectors")
	edgetest.Must(t, os.Symlink(real, link))
	p.connectors = link
	addSwap(t, real, "zero", "")
	id := func() string {
		var c edgetest.Composed
		edgetest.Must(t, p.Ask(t.Context(), "GET", "/authUrl?platform=swap", "", &c))
		u, err := url.Parse(c.AuthURL)
		edgetest.Must(t, err)
		return u.Query().Get("client_id")
	}
	becomes := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(inTime); id() != want; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the client id is %s, want %s", id(), want)
			}
		}
	}
	reload := func() (string, error) {
		out, err := exec.Command(edgetest.Program(), "reload", "--data", p.data, "--connectors", p.connectors).CombinedOutput()
		return string(out), err
	}
	p.start(t)
	addSwap(t, real, "one", "")
	becomes("one")
	other := t.TempDir()
	edgetest.Must(t, os.CopyFS(other, os.DirFS(real)))
	addSwap(t, other, "two", "")
	edgetest.Must(t, os.Symlink(other, link+"~"))
	edgetest.Must(t, os.Rename(link+"~", link))
	becomes("two")
	addSwap(t, other, "three", "")
	becomes("three")
	putFile(t, other, "swap.js", `
exports.getAuthType = () => 'oauth';
exports.getOauthInfo = () => ({ clientId: 'script', clientSecret: 's', accessTokenUri: 'https://a.example/token', redirectUri: '', scopes: [] });
exports.getUserInfo = () => ({ successful: false });`)
	edgetest.Must(t, os.Remove(filepath.Join(other, "swap.wasm")))
	becomes("script")
	putFile(t, other, "swap.ts", `
export const getAuthType = (): string => 'oauth';
export const getOauthInfo = () => ({ clientId: 'typed' as const, clientSecret: 's', accessTokenUri: 'https://a.example/token', redirectUri: '', scopes: [] });
export const getUserInfo = () => ({ successful: false });`)
	edgetest.Must(t, os.Remove(filepath.Join(other, "swap.js")))
	becomes("typed")

	p.kill()
	edgetest.Must(t, os.Remove(filepath.Join(other, "swap.ts")))
	addSwap(t, other, "three", "")
	p.env = []string{"CRMGATE_WATCH=off"}
	p.start(t)
	addSwap(t, other, "four", "")
	edgetest.Must(t, p.cmd.Process.Signal(syscall.SIGHUP))
	becomes("four")
	addSwap(t, other, "five", "")
	if out, err := reload(); err != nil || !strings.Contains(out, "swap      changed") || id() != "five" {
		t.Errorf("crmgate reload: %s%v, %s", out, err, id())
	}
	if out, err := reload(); err != nil || out != "Nothing has changed.\n" {
		t.Errorf("crmgate reload again: %s%v", out, err)
	}
	putFile(t, other, "swap.wasm", "nonsense")
	out, err := reload()
	var failed *exec.ExitError
	if !errors.As(err, &failed) || failed.ExitCode() != 1 || !strings.Contains(out, "swap is kept:\n  swap.wasm: ") || id() != "five" {
		t.Errorf("crmgate reload with a wrong module: %s%v", out, err)
	}
	p.kill()
	if out, err := reload(); err == nil || !strings.Contains(out, "No server runs on") {
		t.Errorf("crmgate reload without a server: %s%v", out, err)
	}
}

// TestCapabilities: a connector that asks for more than was recorded is not used, at the start and at a reload, until that is accepted.
// One that asks for less is recorded as less.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	asked := 0
	g := newGate(t, func(o *edgetest.Options) {
		o.Strict = false
		o.Accept = func(_ context.Context, p crmgate.Platform, more []string) bool {
			asked++
			return false
		}
		addSwap(t, o.Connectors, "one", "")
	})
	serves := func(when, id string) {
		t.Helper()
		want := "client_id=" + id + "&"
		if id == "" {
			want = "Connector not found for platform: swap"
		}
		if a := g.get("/authUrl?platform=swap"); !strings.Contains(a.body, want) {
			t.Errorf("%s: got %s, want %s", when, a.body, id)
		}
	}
	reload := func(when, change string, accept ...crmgate.Platform) string {
		t.Helper()
		r, err := g.Edge.Reload(t.Context(), accept...)
		if err != nil || len(r.Platforms) != 1 || r.Platforms[0].Change != change {
			t.Fatalf("%s: got %+v, %v", when, r, err)
		}
		return r.Platforms[0].Reason
	}
	serves("first start", "one")
	const more = `,"b.example"],"config":["SWAP_X"],"reveal":["clientSecret"`
	addSwap(t, g.Connectors, "two", more)
	reason := reload("more", operator.Kept)
	if want := "the connector asks for more than was accepted: config SWAP_X, host b.example, reveal clientSecret, secrets to b.example: to accept that, run crmgate reload --accept-capabilities swap, or start the server with it"; reason != want {
		t.Errorf("got %q", reason)
	}
	serves("more", "one")
	if asked > 0 {
		t.Error("a reload asked")
	}
	g.Stop()
	g.Start()
	serves("more, at a start", "")
	if asked != 1 {
		t.Errorf("the start asked %d times", asked)
	}
	reload("another name", operator.LeftOut, "practice")
	if r, err := g.Edge.Reload(t.Context(), "nothing"); err == nil || !strings.Contains(err.Error(), `There is no connector "nothing"`) {
		t.Errorf("a wrong name: %+v, %v", r, err)
	}
	reload("accepted", operator.Added, "swap")
	serves("accepted", "two")
	g.Stop()
	g.Start()
	serves("accepted, at a start", "two")
	addSwap(t, g.Connectors, "three", "")
	reload("less", operator.Changed)
	addSwap(t, g.Connectors, "two", more)
	reload("the more of before", operator.Kept)
	serves("the more of before", "three")
	for _, want := range []string{"accepted a connector for the first time", "accepted a connector that may do more than before"} {
		if !strings.Contains(g.Log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// TestConnectorsCommand: crmgate connectors shows what the connectors of a running server are, do and may, and what has changed; without
// a server, what the folder and the database say.
func TestConnectorsCommand(t *testing.T) {
	t.Parallel()
	p := newVictim(t, practicecrm.New(practicecrm.Config{}))
	p.env = []string{"CRMGATE_WATCH=off"}
	addSwap(t, p.connectors, "one", `,"b.example"`)
	list := func(args ...string) string {
		t.Helper()
		args = append([]string{"connectors", "--data", p.data, "--connectors", p.connectors}, args...)
		out, err := exec.Command(edgetest.Program(), args...).CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v", args, err)
		}
		return string(out)
	}
	says := func(what, got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if ok, err := regexp.MatchString(w, got); err != nil || !ok {
				t.Errorf("%s: got\n%s\nwant %s", what, got, w)
			}
		}
	}
	says("before the first start", list(), `(?m)^practice +not running +Go go1\.\S+ +[0-9.]+ MiB +[0-9a-f]{12} +$`)
	if _, err := os.Stat(p.data); err == nil {
		t.Error("the list has made a database")
	}
	p.start(t)
	_, err := p.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	says("a running server", list(), `(?m)^practice +served +Go go1\.\S+ +[0-9.]+ MiB +[0-9a-f]{12} +[0-9]+ +[0-9.]+ MiB +[1-9][0-9]* +0 +[0-9.]+m?s`, `(?m)^swap +served +unknown .* idle `)
	addSwap(t, p.connectors, "two", "")
	_, err = exec.Command(edgetest.Program(), "reload", "--data", p.data).Output()
	edgetest.Must(t, err)
	says("a change", list(), `(?m)^swap .* module, may -2, 20`)
	says("all of one", list("swap"), `(?m)^may +host a\.example$`, `(?m)^ +secrets in clear$`, `(?m)^no more +host b\.example$`, `(?m)^isolation +process$`)
	says("wide", list("--wide"), `config PRACTICE_URL`)
	var all []operator.Connector
	edgetest.Must(t, json.Unmarshal([]byte(list("--json")), &all))
	if len(all) != 3 || all[2].Platform != "swap" || all[2].Running == nil || all[2].Previous == nil || len(all[2].Previous.Removed) != 2 {
		t.Errorf("JSON: %+v", all)
	}
	putFile(t, p.connectors, "swap.wasm", "nonsense")
	_ = exec.Command(edgetest.Program(), "reload", "--data", p.data).Run()
	says("a kept one", list("swap"), `(?m)^state +kept$`, `(?m)^reason +swap\.wasm: `)
	p.kill()
	says("after the end", list("swap"), `(?m)^state +not running$`, `(?m)^before +[0-9a-f]{64}$`)
}
