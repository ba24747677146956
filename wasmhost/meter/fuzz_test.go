package meter_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// FuzzDecode checks that wazero accepts every decoded module, with fuel checks and without, and that encoding is stable.
func FuzzDecode(f *testing.F) {
	for i := range 40 {
		f.Add(generated(bytes.Repeat([]byte{byte(i * 7), byte(i * 13), 3, byte(i)}, 50)))
	}
	for _, body := range [][]byte{nil, {0x02, 0xff, 0x7e, 0x41, 0, 0x0b, 0x1a}, {0x02, 0xc0, 0x7f, 0x0b}, {0xfd, 0x8c, 0, 0, 0}} {
		f.Add(module(body).Bytes())
	}
	for _, name := range []string{"C -O0", "C -Os", "C with everything"} {
		f.Add(build(f, toolchains()[name]))
	}
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(1<<16).
		WithCoreFeatures(api.CoreFeaturesV2.SetEnabled(api.CoreFeatureSIMD, false)))
	f.Cleanup(func() { _ = rt.Close(ctx) })
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := meter.Decode(b)
		if err != nil {
			return
		}
		once := m.Encode()
		if again := decode(t, once).Encode(); !bytes.Equal(once, again) {
			t.Errorf("encoding twice: got % x, want % x", again, once)
		}
		accepted := [][]byte{once}
		if instrumented, err := m.Instrument(); err == nil {
			accepted = append(accepted, instrumented)
		} else if !strings.Contains(err.Error(), "reserved") && !strings.Contains(err.Error(), "too many loops") {
			t.Error(err)
		}
		for _, b := range accepted {
			compiled, err := rt.CompileModule(ctx, b)
			if err != nil {
				t.Fatalf("wazero rejects a decoded module: %v", err)
			}
			_ = compiled.Close(ctx)
		}
	})
}

// FuzzRun checks that a generated module is decoded, is charged for what it does, and has the same effects compiled and
// interpreted, with fuel checks and without.
func FuzzRun(f *testing.F) {
	seeds := 40
	if wasmtest.Soak() {
		seeds = 400
	}
	for i := range seeds {
		seed := make([]byte, 400)
		for j := range seed {
			seed[j] = byte((i+1)*(j+3)*2654435761>>11) ^ byte(j*j)
		}
		f.Add(seed)
	}
	interpreter, compiler := runtime(f, wazero.NewRuntimeConfigInterpreter()), runtime(f, wazero.NewRuntimeConfigCompiler())
	f.Fuzz(func(t *testing.T, choices []byte) {
		b := generated(choices)
		m, err := meter.Decode(b)
		if err != nil {
			t.Fatalf("a valid module is rejected: %v", err)
		}
		instrumented, err := m.InstrumentCounted()
		if err != nil {
			t.Fatal(err)
		}
		interpreted := observe(t, interpreter, instrumented)
		compiled := observe(t, compiler, instrumented)
		if interpreted != compiled {
			t.Errorf("interpreted and compiled differ:\n%s\n%s", interpreted, compiled)
		}
		if interpreted.ended {
			if free := observe(t, compiler, m.Encode()); free != interpreted {
				t.Errorf("with fuel checks and without differ:\n%s\n%s", interpreted, free)
			}
		}
	})
}

// observation holds the visible effects of a generated module.
type observation struct {
	ended   bool // it was not stopped at the pause limit
	trapped bool
	results string
	globals string
	memory  string
}

func (o observation) String() string {
	return fmt.Sprintf("ended %v, trapped %v, results %s, globals %s, memory %.40x…", o.ended, o.trapped, o.results, o.globals, o.memory)
}

// observe calls f0 of a module, and stops it after a few pauses.
func observe(t *testing.T, rt wazero.Runtime, b []byte) observation {
	t.Helper()
	ctx := t.Context()
	compiled, err := rt.CompileModule(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	defer compiled.Close(ctx)
	guest, err := rt.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close(ctx)
	w := &pauseRecorder{t: t, limit: 3}
	args := []uint64{3, 1<<40 + 5, uint64(math.Float32bits(1.5)), math.Float64bits(-2.25)}
	var results []uint64
	if guest.ExportedGlobal("spent") == nil {
		results, err = guest.ExportedFunction("f0").Call(ctx, args...)
	} else {
		results, err = w.call(guest, "f0", args...)
	}
	o := observation{ended: !errors.Is(err, errPauseLimit), trapped: err != nil, results: fmt.Sprint(results)}
	for i, t := range append([]byte{i32}, numbers...) {
		v := guest.ExportedGlobal(fmt.Sprintf("g%d", i)).Get()
		if t == i32 || t == f32 {
			v &= 1<<32 - 1
		}
		o.globals += fmt.Sprintf(" %#x", v)
	}
	memory, _ := guest.Memory().Read(0, guest.Memory().Size())
	o.memory = string(memory)
	return o
}
