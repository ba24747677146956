package meter_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	quickjswasi "github.com/aperturerobotics/go-quickjs-wasi-reactor"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// compiled is the cache of compiled modules, for modules that take long to compile.
var compiled wazero.CompilationCache

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "meter")
	if err == nil {
		err = wasmtest.FillCache(dir)
	}
	if err == nil {
		compiled, err = wazero.NewCompilationCacheWithDir(dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	if err := errors.Join(compiled.Close(context.Background()), wasmtest.KeepCache(dir), os.RemoveAll(dir)); err != nil {
		panic(err)
	}
	wasmtest.Clean()
	os.Exit(code)
}

// toolchains returns a build function for each real toolchain that the tests cover.
func toolchains() map[string]func(t testing.TB, to string) {
	c := func(flags ...string) func(testing.TB, string) {
		return func(t testing.TB, to string) {
			wasmtest.C(t, to, "wasm32", "testdata/work.c", append([]string{"-nostdlib", "-ffreestanding", "-Wl,--no-entry"}, flags...)...)
		}
	}
	return map[string]func(testing.TB, string){
		"C -O0":             c("-O0"),
		"C -O2":             c("-O2", "-fno-builtin"),
		"C -Os":             c("-Os"),
		"C with everything": c("-O3", "-mbulk-memory", "-mmultivalue", "-mreference-types", "-msign-ext", "-mnontrapping-fptoint", "-mmutable-globals"),
		"C on WASI": func(t testing.TB, to string) {
			wasmtest.C(t, to, "wasm32-wasi", "testdata/work.c", "-O2", "-mexec-model=reactor")
		},
		"Rust": func(t testing.TB, to string) {
			wasmtest.Rust(t, to, wasmtest.RustPlain, "testdata/work.rs", "-C", "opt-level=2")
		},
		"Rust on WASI": func(t testing.TB, to string) {
			wasmtest.Rust(t, to, wasmtest.RustWASI, "testdata/work.rs", "-C", "opt-level=1")
		},
		"AssemblyScript": func(t testing.TB, to string) {
			wasmtest.AssemblyScript(t, to, "testdata/work.ts", "-O3", "--runtime", "incremental", "--use", "abort=")
		},
		"AssemblyScript, not optimised": func(t testing.TB, to string) {
			wasmtest.AssemblyScript(t, to, "testdata/work.ts", "--runtime", "minimal", "--use", "abort=")
		},
		"Go": func(t testing.TB, to string) { wasmtest.Go(t, to, "testdata/go", ".") },
	}
}

// build returns the module that a toolchain builds.
func build(t testing.TB, make func(testing.TB, string)) []byte {
	t.Helper()
	to := filepath.Join(t.TempDir(), "work.wasm")
	make(t, to)
	b, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The output of real toolchains is decoded, is charged for what it does, and returns the same results with fuel checks and
// without, compiled and interpreted.
func TestToolchains(t *testing.T) {
	t.Parallel()
	for name, make := range toolchains() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := build(t, make)
			m := decode(t, b)
			if once := m.Encode(); !bytes.Equal(once, decode(t, once).Encode()) {
				t.Error("decoding and encoding again changes the bytes")
			}
			instrumented, err := m.Instrument()
			if err != nil {
				t.Fatal(err)
			}
			checkCharges(t, m)
			interpreter, compiler := wazero.NewRuntimeConfigInterpreter(), wazero.NewRuntimeConfigCompiler().WithCompilationCache(compiled)
			type variant struct {
				name   string
				module []byte
				config wazero.RuntimeConfig
			}
			variants := []variant{
				{"original, interpreted", b, interpreter}, {"re-encoded, compiled", m.Encode(), compiler}, {"instrumented, compiled", instrumented, compiler},
			}
			switch { // the interpreter is slow, above all under the race detector
			case wasmtest.Soak():
				variants = append(variants, variant{"instrumented, interpreted", instrumented, interpreter})
			case name == "Go":
				variants = []variant{{"original, compiled", b, compiler}, {"instrumented, compiled", instrumented, compiler}}
			}
			want := results(t, variants[0].module, variants[0].config)
			if len(want) < 3 {
				t.Fatalf("got results of %d exports, want at least 3: %v", len(want), want)
			}
			for _, v := range variants[1:] {
				got := results(t, v.module, v.config)
				for f := range want {
					if !slices.Equal(got[f], want[f]) {
						t.Errorf("%s: got %v from %s, want %v", v.name, got[f], f, want[f])
					}
				}
			}
		})
	}
}

// results calls every exported function of type i32 -> i32 with a few numbers.
func results(t testing.TB, b []byte, config wazero.RuntimeConfig) map[string][]uint64 {
	t.Helper()
	guest := open(t, b, config, nil)
	numbers := []uint64{0, 7, 1<<32 - 5}
	if wasmtest.Soak() {
		numbers = append(numbers, 1, 1000)
	}
	all := map[string][]uint64{}
	for name, f := range guest.ExportedFunctionDefinitions() {
		if !slices.Equal(f.ParamTypes(), []api.ValueType{api.ValueTypeI32}) || !slices.Equal(f.ResultTypes(), []api.ValueType{api.ValueTypeI32}) || name[0] == '_' {
			continue
		}
		for _, n := range numbers {
			r, err := guest.ExportedFunction(name).Call(t.Context(), n)
			if err != nil {
				t.Fatalf("%s(%d): %v", name, n, err)
			}
			all[name] = append(all[name], r...)
		}
	}
	return all
}

// open instantiates a module in its own runtime, with WASI and with the import of instrumented modules. w may be nil.
func open(t testing.TB, b []byte, config wazero.RuntimeConfig, w *pauseRecorder) api.Module {
	t.Helper()
	rt := runtime(t, config)
	wasi_snapshot_preview1.MustInstantiate(t.Context(), rt)
	guest, err := rt.InstantiateWithConfig(w.in(t.Context()), b, wazero.NewModuleConfig().WithStartFunctions(meter.StartExport, "_initialize"))
	if err != nil {
		t.Fatal(err)
	}
	return guest
}

// runtime returns a runtime with the import of instrumented modules. It passes pauses to the recorder in the call's context.
func runtime(t testing.TB, config wazero.RuntimeConfig) wazero.Runtime {
	t.Helper()
	rt := wazero.NewRuntimeWithConfig(context.Background(), config.WithMemoryLimitPages(1024))
	t.Cleanup(func() { _ = rt.Close(context.Background()) })
	pause := api.GoModuleFunc(func(ctx context.Context, guest api.Module, _ []uint64) {
		if w, _ := ctx.Value(recorderKey{}).(*pauseRecorder); w != nil {
			w.pause(guest)
		}
	})
	_, err := rt.NewHostModuleBuilder(meter.PauseModule).NewFunctionBuilder().
		WithGoModuleFunction(pause, nil, nil).Export(meter.PauseFunction).Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// checkCharges calls each function with many numbers, and checks that the guest is charged for what it does.
func checkCharges(t *testing.T, m *meter.Module) {
	t.Helper()
	b, err := m.InstrumentCounted()
	if err != nil {
		t.Fatal(err)
	}
	times := uint64(50)
	if wasmtest.Soak() {
		times = 200
	}
	w := &pauseRecorder{t: t, limit: 1 << 30}
	guest := open(t, b, wazero.NewRuntimeConfig().WithCompilationCache(compiled), w)
	for name, f := range guest.ExportedFunctionDefinitions() {
		if len(f.ParamTypes()) != 1 || name[0] == '_' {
			continue
		}
		for n := range times {
			if _, err := guest.ExportedFunction(name).Call(w.in(t.Context()), n); err != nil {
				t.Fatalf("%s(%d): %v", name, n, err)
			}
		}
		w.charged += meter.MaxUnchecked * times // the host's calls
	}
	t.Logf("%d pauses, at most %d between two", w.pauses, w.maxStep)
}

// QuickJS runs JavaScript with fuel checks.
func TestQuickJS(t *testing.T) {
	t.Parallel()
	m := decode(t, quickjswasi.QuickJSWASM)
	b, err := m.InstrumentCounted()
	if err != nil {
		t.Fatal(err)
	}
	w := &pauseRecorder{t: t, limit: 1 << 30}
	guest := open(t, b, wazero.NewRuntimeConfig().WithCompilationCache(compiled), w)
	call := func(name string, args ...uint64) uint64 {
		r, err := guest.ExportedFunction(name).Call(w.in(t.Context()), args...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return append(r, 0)[0]
	}
	text := func(s string) uint64 {
		p := call("malloc", uint64(len(s)+1))
		guest.Memory().WriteString(uint32(p), s+"\x00")
		return p
	}
	js := call("JS_NewContext", call("JS_NewRuntime"))
	const script = `
		const fib = n => n < 2 ? n : fib(n - 1) + fib(n - 2);
		const words = "the quick brown fox".split(" ").map((w, i) => w.toUpperCase() + i).sort();
		JSON.stringify({fib: fib(18), words, match: /(q\w+) b/.exec("a quick brown")[1], sum: [...Array(2000).keys()].reduce((a, b) => a + b * 1.5)})`
	value := call("JS_Eval", js, text(script), uint64(len(script)), text("x.js"), 0)
	at := call("JS_ToCStringLen2", js, 0, value, 0)
	const want = `{"fib":2584,"words":["BROWN2","FOX3","QUICK1","THE0"],"match":"quick","sum":2998500}` + "\x00"
	if got, _ := guest.Memory().Read(uint32(at), uint32(len(want))); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if w.pauses == 0 {
		t.Error("the guest did not pause")
	}
}
