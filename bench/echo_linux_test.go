package bench

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// BenchmarkEcho measures a guest in C that returns its input of 1 KB, in this process.
//
//	own             crmgate's ABI. The guest can be stopped, and is reset after every call
//	extism          Extism's Go SDK as it is by default. Its guest cannot be stopped, and is not reset
//	extism-timeout  the same with a timeout, so that its guest can be stopped
//
// The three run in turn. "cpu-µs" is the processor time of a call, the least of several runs, and "times-own" its ratio to that of own.
func BenchmarkEcho(b *testing.B) {
	const calls = 1000
	input := bytes.Repeat([]byte("x"), 1<<10)
	repeat := func(run func([]byte) ([]byte, error)) func() {
		return func() {
			for range calls {
				if out, err := run(input); err != nil || !bytes.Equal(out, input) {
					b.Fatalf("got %d bytes and %v, want the input", len(out), err)
				}
			}
		}
	}
	least := wasmtest.Cheapest(b, 20, []int{os.Getpid()},
		repeat(ownEcho(b)), repeat(extismEcho(b, 0)), repeat(extismEcho(b, 10*time.Second)))
	for i, name := range []string{"own", "extism", "extism-timeout"} {
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(float64(least[i].Nanoseconds())/1e3/calls, "cpu-µs")
			b.ReportMetric(float64(least[i])/float64(least[0]), "times-own")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// ownEcho returns an echo through crmgate's ABI.
func ownEcho(b *testing.B) func([]byte) ([]byte, error) {
	b.Helper()
	m, err := meter.Decode(build(b, filepath.Join("..", "wasmhost", "guest", "testdata", "echo.c")))
	if err != nil {
		b.Fatal(err)
	}
	code, err := m.Instrument()
	if err != nil {
		b.Fatal(err)
	}
	module, err := guest.Load(b.Context(), code, b.TempDir(), guest.Limits{
		MemoryPages: 1024, MaxOutput: 1 << 20, MaxFetches: 32, MaxLogLines: 100, Start: 10 * time.Second,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(module.Close)
	if _, err := module.Start(b.Context(), noHost{}, nil); err != nil {
		b.Fatal(err)
	}
	return func(input []byte) ([]byte, error) {
		r, err := module.Run(b.Context(), guest.Call{Operation: "echo", Input: input, Host: noHost{}})
		return r.Output, err
	}
}

// extismEcho returns an echo through Extism. A timeout of 0 is none.
func extismEcho(b *testing.B, timeout time.Duration) func([]byte) ([]byte, error) {
	b.Helper()
	manifest := extism.Manifest{
		Wasm:    []extism.Wasm{extism.WasmData{Data: build(b, filepath.Join("testdata", "extism.c"))}},
		Timeout: uint64(timeout.Milliseconds()),
	}
	plugin, err := extism.NewPlugin(b.Context(), manifest, extism.PluginConfig{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = plugin.Close(context.Background()) })
	return func(input []byte) ([]byte, error) {
		_, out, err := plugin.Call("echo", input)
		return out, err
	}
}

// build builds a guest of a file in C.
func build(b *testing.B, source string) []byte {
	b.Helper()
	path := filepath.Join(b.TempDir(), "guest.wasm")
	wasmtest.C(b, path, "wasm32", source, "-O2", "-nostdlib", "-ffreestanding", "-Wl,--no-entry")
	code, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	return code
}

// noHost is a guest.Host that has nothing.
type noHost struct{}

func (noHost) Fetch(context.Context, []byte) []byte          { return nil }
func (noHost) Config(context.Context, []byte) (string, bool) { return "", false }
func (noHost) Derive(context.Context, []byte) (string, bool) { return "", false }
func (noHost) Log(context.Context, slog.Level, []byte)       {}
