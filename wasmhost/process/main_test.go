package process

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// A guest process of these tests does something else than to serve if the folder is named after it.
var instead = map[string]func(*server, hello){}

func TestMain(m *testing.M) {
	if started() {
		if s, h, err := greet(); err == nil {
			if act := instead[strings.SplitN(filepath.Base(h.Dir), " ", 2)[0]]; act != nil {
				act(s, h)
				os.Exit(0)
			}
			if err = s.serve(h); err != nil {
				println(err.Error())
				os.Exit(2)
			}
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		wasmtest.Clean()
		_ = os.RemoveAll(built.dir)
		os.Exit(code)
	}))
}

// limits are those of the server.
var limits = guest.Limits{MemoryPages: 1024, MaxOutput: 1 << 20, MaxFetches: 32, MaxLogLines: 100, Start: 10 * time.Second}

// built has the practice connector in Go, instrumented, and the folder of its machine code.
var built struct {
	sync.Once
	code []byte
	dir  string
}

// practice returns the configuration of a process with the practice connector.
func practice(t testing.TB) Config {
	t.Helper()
	built.Do(func() {
		path := filepath.Join(t.TempDir(), "practice.wasm")
		wasmtest.Go(t, path, filepath.Join("..", "..", "connectors-wasm"), "./practice")
		var err error
		if built.dir, err = os.MkdirTemp("", "crmgate-process"); err != nil {
			t.Fatal(err)
		}
		built.code = compile(t, path, built.dir)
	})
	return Config{Code: built.code, Dir: built.dir, Limits: limits}
}

// compile compiles a module in a process, and returns it instrumented.
func compile(t testing.TB, path, dir string) []byte {
	t.Helper()
	module, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	code, err := guest.CodeFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var instrumented, machine bytes.Buffer
	name, err := Compile(t.Context(), Config{Code: module, Limits: limits}, &instrumented, &machine)
	if err == nil {
		err = os.WriteFile(filepath.Join(code, name), machine.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return instrumented.Bytes()
}

// spinning returns the configuration of a process with a guest that has an endless loop, spin, and an operation that does nothing, rest.
func spinning(t testing.TB) Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spin.wasm")
	m := wasmtest.Module{Funcs: []wasmtest.Func{wasmtest.Export("spin", wasmtest.Forever(), wasmtest.Num(0)), wasmtest.Export("rest", wasmtest.Num(0))}}
	if err := os.WriteFile(path, m.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return Config{Code: compile(t, path, dir), Dir: dir, Limits: limits}
}

func mustStart(t testing.TB, c Config) *Module {
	t.Helper()
	p, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// crm is a host with a CRM that knows Ada.
type crm struct {
	mu    sync.Mutex
	lines []string                     // guarded by mu
	fetch func(context.Context) []byte // if set, answers
}

func (c *crm) Fetch(ctx context.Context, _ []byte) []byte {
	if c.fetch != nil {
		return c.fetch(ctx)
	}
	return []byte(`{"status":200,"headers":{},"body":"{\"id\":42,\"name\":\"Ada\",\"timezone\":{\"name\":\"Europe/London\",\"offset\":0}}"}`)
}

func (c *crm) Derive(context.Context, []byte) (string, bool) { return "", false }

func (c *crm) Config(_ context.Context, name []byte) (string, bool) {
	return "http://crm.example", string(name) == "PRACTICE_URL"
}

func (c *crm) Log(_ context.Context, level slog.Level, line []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, level.String()+" "+string(line))
}

// userInfo is a call that fetches once.
func userInfo(h guest.Host) guest.Call {
	return guest.Call{Operation: "getUserInfo", Input: []byte(`{"authHeader":"Bearer x"}`), Host: h}
}
