package guest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/quickjs"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// practice returns the practice connector, started.
func practice(b testing.TB) *Module {
	b.Helper()
	path := filepath.Join(b.TempDir(), "practice.wasm")
	wasmtest.Go(b, path, filepath.Join("..", "..", "connectors-wasm"), "./practice")
	return started(b, path)
}

// started returns the module in a file, started.
func started(b testing.TB, path string) *Module {
	b.Helper()
	code, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return startedCode(b, code, nil)
}

// scripted returns a script, started.
func scripted(b testing.TB, source string) *Module {
	b.Helper()
	return startedCode(b, quickjs.Engine(), &Script{Name: "x.js", Source: source})
}

func startedCode(b testing.TB, code []byte, script *Script) *Module {
	b.Helper()
	code, err := instrumented(code)
	if err != nil {
		b.Fatal(err)
	}
	m, err := Load(b.Context(), code, b.TempDir(), limits)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	if _, err := m.Start(b.Context(), silent{}, script); err != nil {
		b.Fatal(err)
	}
	return m
}

func instrumented(code []byte) ([]byte, error) {
	m, err := meter.Decode(code)
	if err != nil {
		return nil, err
	}
	return m.Instrument()
}

// limits are those of the server.
var limits = Limits{MemoryPages: 1024, MaxOutput: 1 << 20, MaxFetches: 32, MaxLogLines: 100, Start: 10 * time.Second}

// silent is a host that has nothing.
type silent struct{}

func (silent) Derive(context.Context, []byte) (string, bool) { return "", false }
func (silent) Fetch(context.Context, []byte) []byte          { return nil }
func (silent) Config(context.Context, []byte) (string, bool) { return "", false }
func (silent) Log(context.Context, slog.Level, []byte)       {}
