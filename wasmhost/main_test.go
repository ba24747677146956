package wasmhost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/wasmhost"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// built is where TestMain leaves what takes long: guests built from source, and the cache that they are compiled to.
var built struct{ guests, cache string }

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wasmhost-test")
	if err != nil {
		panic(err)
	}
	built.guests, built.cache = filepath.Join(dir, "guests"), filepath.Join(dir, "cache")
	connectors := filepath.Join("..", "connectors-wasm")
	for name, from := range map[string][2]string{
		"relay": {".", "./testdata/relay"}, "practice": {connectors, "./practice"}, "practicekey": {connectors, "./practicekey"},
	} {
		if err := build(name, from[0], from[1]); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		wasmtest.Clean()
		os.Exit(code)
	}))
}

func build(name, dir, source string) error {
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-o", filepath.Join(built.guests, name+".wasm"), source)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return nil
}

func guest(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(built.guests, name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// manifest is a manifest of one platform of type oauth; more is added to its crmgate object.
func manifestOf(name, more string) string {
	return fmt.Sprintf(`{"author": {"name": "x"}, "platforms": {%q: {"auth": {"type": "oauth", "oauth": {"authUrl": "https://a.example/"}}, "crmgate": {%s}}}}`, name, more)
}

// folder writes files to a directory of the test's own.
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

// newHost makes a host with what the test leaves out: no network, no configuration, the log to the test's.
func newHost(t testing.TB, c wasmhost.Config) *wasmhost.Host {
	t.Helper()
	if c.CacheDir == "" {
		c.CacheDir = built.cache
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
	h, err := wasmhost.New(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// load loads a folder of these files.
func load(t testing.TB, h *wasmhost.Host, files map[string]string) *wasmhost.Folder {
	t.Helper()
	f, err := h.Load(t.Context(), folder(t, files), "http://127.0.0.1:8080")
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

// wantError checks that err is a *crmgate.ConnectorError whose message, or cause, has a text in it.
func wantError(t testing.TB, err error, text string) {
	t.Helper()
	var ce *crmgate.ConnectorError
	if !errors.As(err, &ce) || !strings.Contains(ce.Error(), text) {
		t.Errorf("got %v, want a ConnectorError with %q", err, text)
	}
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

// bearer is a sign-in for tests that ask for nothing particular.
func bearer(hostname string) connector.UserInfoRequest {
	return connector.UserInfoRequest{AuthHeader: crmgate.NewSecret("Bearer top-secret-token"), Hostname: hostname}
}

const short = 700 * time.Millisecond // a deadline for guests that are meant to run into it
