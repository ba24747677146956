package guest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkInstance measures what a new instance of a connector in Go costs.
//
//	new    makes an instance from the template, and closes it
//	plain  the same without the template: it runs the code of the language's runtime
func BenchmarkInstance(b *testing.B) {
	m := practice(b)
	plain := &Module{limits: m.limits, runtime: m.runtime, compiled: m.compiled}
	for name, m := range map[string]*Module{"new": m, "plain": plain} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				inst, err := m.instantiate(b.Context(), silent{})
				if err != nil {
					b.Fatal(err)
				}
				inst.close()
			}
		})
	}
}

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
	if err == nil {
		code, err = instrumented(code)
	}
	if err != nil {
		b.Fatal(err)
	}
	m, err := Load(b.Context(), code, b.TempDir(), limits)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.Close)
	if _, err := m.Start(b.Context(), silent{}); err != nil {
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

func (silent) Fetch(context.Context, []byte) []byte          { return nil }
func (silent) Config(context.Context, []byte) (string, bool) { return "", false }
func (silent) Log(context.Context, slog.Level, []byte)       {}
