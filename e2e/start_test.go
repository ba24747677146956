package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge"
	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// startFails starts a second server with the flags of the first and expects an error that contains want.
func startFails(t *testing.T, f edge.Config, want string) {
	t.Helper()
	n, err := edge.Start(context.Background(), f)
	if err == nil {
		n.Close()
		t.Fatal("the server started")
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want an error with %q", err, want)
	}
}

func TestStartRefusals(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.apiKey()
	second := g.Options.Config
	second.Listen = "127.0.0.1:0"
	t.Run("the data folder is locked", func(t *testing.T) {
		startFails(t, second, "in use by another")
	})
	t.Run("the port is taken", func(t *testing.T) {
		taken := second
		taken.Listen = strings.TrimPrefix(g.URL, "http://")
		startFails(t, taken, "is taken by another program")
	})
	g.Stop()
	t.Run("another key", func(t *testing.T) {
		other := second
		other.Keyset = filepath.Join(t.TempDir(), "other.json")
		startFails(t, other, "key")
	})
	t.Run("the key ring is lost", func(t *testing.T) {
		copied := filepath.Join(t.TempDir(), "keyset.json")
		edgetest.Must(t, os.Rename(filepath.Join(second.Data, "keyset.json"), copied))
		before := listing(t, second.Data)
		startFails(t, second, filepath.Join(second.Data, "keyset.json")+" not found")
		elsewhere := second
		elsewhere.Keyset = filepath.Join(t.TempDir(), "new", "keyset.json")
		startFails(t, elsewhere, elsewhere.Keyset+" not found")
		if _, err := os.Stat(filepath.Dir(elsewhere.Keyset)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder of the key ring was created: %v", err)
		}
		if after := listing(t, second.Data); after != before {
			t.Errorf("the files were\n%sand are\n%s", before, after)
		}
		edgetest.Must(t, os.Rename(copied, filepath.Join(second.Data, "keyset.json")))
	})
	t.Run("the data folder is a file", func(t *testing.T) {
		file := second
		file.Data = filepath.Join(t.TempDir(), "file")
		edgetest.Must(t, os.WriteFile(file.Data, nil, 0o600))
		startFails(t, file, file.Data)
	})
	t.Run("an invalid connector", func(t *testing.T) {
		bad := second
		bad.Connectors = edgetest.Folder(t, "127.0.0.1:1", nil)
		edgetest.Must(t, os.WriteFile(filepath.Join(bad.Connectors, "bad.wasm"), []byte("nonsense"), 0o600))
		edgetest.Must(t, os.WriteFile(filepath.Join(bad.Connectors, "bad.json"), []byte(`{"platforms":{"bad":{"auth":{"type":"apiKey"}}}}`), 0o600))
		bad.Strict = true
		startFails(t, bad, "connectors: bad.wasm: ")
	})
	t.Run("a syntax error in manifest.json", func(t *testing.T) {
		bad := second
		bad.Connectors = edgetest.Folder(t, "127.0.0.1:1", map[string]string{"manifest.json": `{"platforms": {`})
		startFails(t, bad, "connectors: manifest.json: expected JSON")
	})
	g.Start() // after these failures, the first server's store is unchanged
	if e, err := g.directory().Entries(t.Context()); err != nil || len(e) != 1 {
		t.Errorf("%v, %v; want the person who had signed in", e, err)
	}
}

// listing lists the files below a folder with their times and sizes.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	edgetest.Must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime())
		}
		return err
	}))
	return b.String()
}

// TestDataIsPrivate runs the program in a folder that other users can enter, under the umask of most systems.
func TestDataIsPrivate(t *testing.T) {
	t.Parallel()
	p := newVictim(t, practicecrm.New(practicecrm.Config{}))
	edgetest.Must(t, os.Mkdir(p.data, 0o700))
	edgetest.Must(t, os.Chmod(p.data, 0o755))
	p.cache = filepath.Join(p.data, "cache")
	check := func(when string) {
		t.Helper()
		edgetest.Must(t, filepath.WalkDir(p.data, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if want := map[bool]fs.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
				t.Errorf("%s: %s is %v, want %v", when, path, info.Mode(), want)
			}
			return err
		}))
	}
	p.start(t)
	token, err := p.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	check("after a start")
	edgetest.Must(t, p.cmd.Process.Signal(os.Interrupt))
	edgetest.Must(t, p.cmd.Wait())
	check("after the end")
	// An older store: Badger's own modes under that umask.
	edgetest.Must(t, os.Chmod(p.data, 0o755))
	files, err := filepath.Glob(filepath.Join(p.data, "*.*"))
	edgetest.Must(t, err)
	for _, path := range append(files, filepath.Join(p.data, "DISCARD")) {
		if path != filepath.Join(p.data, "keyset.json") && path != filepath.Join(p.data, "control.sock") {
			edgetest.Must(t, os.Chmod(path, 0o644))
		}
	}
	p.start(t)
	if !p.lives(t, token) {
		t.Error("the session is lost")
	}
	check("after another start")
}

func TestControlSocketIsTheOwnersAlone(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	fi, err := os.Stat(filepath.Join(g.Options.Data, "control.sock"))
	edgetest.Must(t, err)
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", fi.Mode())
	}
	c, err := net.Dial("unix", filepath.Join(g.Options.Data, "control.sock"))
	edgetest.Must(t, err)
	c.Close()
}

// TestRealClock starts a node as the program does, without a clock of the test's. RingCentral is asked for the first request,
// and the second one uses what is remembered.
func TestRealClock(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(o *edgetest.Options) { o.Now = nil })
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL+"/authUrl?platform=practice&mode=bound", nil)
		edgetest.Must(t, err)
		req.Header.Set("X-RC-Access-Token", practicecrm.RCUserToken)
		resp, err := g.client.Do(req)
		edgetest.Must(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
}

// TestUnreadableSetting: a platform whose setting cannot be read is not available, and the operator sees which. The others are.
func TestUnreadableSetting(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(o *edgetest.Options) {
		o.Strict = false
		o.Setting = func(name string) (crmgate.Secret, bool, error) {
			v, ok := o.Settings[name]
			if name == "PRACTICE_CLIENT_SECRET" {
				return crmgate.Secret{}, false, errors.New("no such file")
			}
			return crmgate.NewSecret(v), ok, nil
		}
	})
	g.apiKey()
	g.get("/authUrl?platform=practice&mode=bound").wantError(t, 503, "Practice CRM is not available here. Ask your administrator.")
	g.get("/oauth-callback?callbackUri="+url.QueryEscape("https://gate.example/redirect.html?code=x&state=platform=practice")).wantError(t, 503, "Practice CRM is not available here.")
	if a := g.get("/connect/practice", "Accept", "text/html"); a.status != 503 || !strings.Contains(a.body, "Practice CRM is not available here. Ask your administrator.") {
		t.Errorf("the page: %d %s", a.status, a.body)
	}
	if a := g.get("/", "Accept", "text/html"); strings.Contains(a.body, "/connect/practice\"") || !strings.Contains(a.body, "/connect/practicekey") {
		t.Errorf("the index: %s", a.body)
	}
	if !strings.Contains(g.Log.String(), "a setting cannot be read: the platform is not available") {
		t.Error("the log does not say why")
	}
	for path, want := range map[string]string{"/readyz": "ready\npractice is left out: no such file\n", "/metrics": "crmgate_platforms_left_out{platform=\"practice\"} 1\n"} {
		w := httptest.NewRecorder()
		if g.Edge.Operator().ServeHTTP(w, httptest.NewRequest("GET", path, nil)); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: got %d %s, want %s", path, w.Code, w.Body, want)
		}
	}
	g.Stop()
	strict := g.Config
	strict.Strict = true
	startFails(t, strict, "connectors: no such file")
}
