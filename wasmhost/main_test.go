package wasmhost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/process"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// shared is a folder for what several tests need: guests built from source, and the cache of compiled modules.
var shared struct{ guests, cache string }

func TestMain(m *testing.M) {
	process.Main()
	dir, err := os.MkdirTemp("", "wasmhost-test")
	if err != nil {
		panic(err)
	}
	shared.guests, shared.cache = filepath.Join(dir, "guests"), filepath.Join(dir, "cache")
	if err := wasmtest.FillCache(shared.cache); err != nil {
		panic(err)
	}
	if err := os.Mkdir(shared.guests, 0o700); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := wasmtest.KeepCache(shared.cache); err != nil {
			panic(err)
		}
		_ = os.RemoveAll(dir)
		wasmtest.Clean()
		os.Exit(code)
	}))
}

// inProcesses says that connectors run in processes of their own. TestInProcesses sets it for a part of the tests.
var inProcesses = os.Getenv("CRMGATE_TEST_PROCESSES") != ""

// notInProcesses are tests that look into the engine, or that have a fake clock.
var notInProcesses = []string{"TestIdleConnectorsAreUnloaded", "TestStateOfModules", "TestUnsafeCaches"}

// guests are the guests in Go, by name. Each is built when a test first needs it.
var guests = map[string]*struct {
	dir, pkg string
	once     sync.Once
}{
	"acme":        {dir: filepath.Join("..", "connectors-wasm"), pkg: "./example/go"},
	"echo":        {dir: ".", pkg: "./testdata/echo"},
	"relay":       {dir: ".", pkg: "./testdata/relay"},
	"practice":    {dir: filepath.Join("..", "connectors-wasm"), pkg: "./practice"},
	"practicekey": {dir: filepath.Join("..", "connectors-wasm"), pkg: "./practicekey"},
	"insightly":   {dir: filepath.Join("..", "connectors-wasm"), pkg: "./insightly"},
}

// guest returns a guest in Go.
func guest(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join(shared.guests, name+".wasm")
	g := guests[name]
	g.once.Do(func() { wasmtest.Go(t, path, g.dir, g.pkg) })
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// manifest is a manifest of one platform of type oauth; more is added to its crmgate object.
func manifestOf(name, more string) string {
	return fmt.Sprintf(`{"author": {"name": "x"}, "platforms": {%q: {"auth": {"type": "oauth", "oauth": {"authUrl": "https://a.example/"}}, "crmgate": {%s}}}}`, name, more)
}

// folder writes files to a temporary directory.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// newHost returns a host with test defaults: no network, no configuration, no log.
func newHost(t testing.TB, c wasmhost.Config) *wasmhost.Host {
	t.Helper()
	if c.CacheDir == "" {
		c.CacheDir = shared.cache
	}
	if c.Fetch == nil {
		c.Fetch = func(*http.Request, crmgate.Egress) (*http.Response, error) {
			return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: "there is no network"}
		}
	}
	if c.Setting == nil {
		c.Setting = func(string) (crmgate.Secret, bool) { return crmgate.Secret{}, false }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = slog.New(slog.DiscardHandler)
	}
	if inProcesses && !slices.Contains(notInProcesses, strings.Split(t.Name(), "/")[0]) {
		c.Processes = 8
	}
	h, err := wasmhost.New(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// loading lets one test load at a time, so that a module of several tests is compiled once, into the shared cache.
var loading sync.Mutex

// loadAll loads a folder. A platform that is left out is an error.
func loadAll(t testing.TB, h *wasmhost.Host, dir, publicURL string) (*wasmhost.Folder, error) {
	t.Helper()
	f, err := h.Load(t.Context(), dir, publicURL)
	if err != nil {
		return nil, err
	}
	if err := f.Err(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// load loads a folder with these files.
func load(t testing.TB, h *wasmhost.Host, files map[string]string) *wasmhost.Folder {
	t.Helper()
	loading.Lock()
	f, err := loadAll(t, h, folder(t, files), "http://127.0.0.1:8080")
	loading.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func mustConnector(t testing.TB, f *wasmhost.Folder, p crmgate.Platform) connector.Connector {
	t.Helper()
	c, err := f.Connector(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantError checks that err is a *crmgate.ConnectorError, and that its message or cause contains a text.
func wantError(t testing.TB, err error, text string) {
	t.Helper()
	var ce *crmgate.ConnectorError
	if !errors.As(err, &ce) || !strings.Contains(ce.Error(), text) {
		t.Errorf("got %v, want a ConnectorError with %q", err, text)
	}
}

// bearer returns a sign-in with a bearer token.
func bearer(hostname string) connector.UserInfoRequest {
	return connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer top-secret-token"), Hostname: hostname}
}

// short is a deadline for guests that must reach it. Guests that must finish first get a minute.
const short = 300 * time.Millisecond
