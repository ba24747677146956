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
)

// FuzzDecode: what is decoded, wazero accepts, with the brake and without; and encoding it again changes nothing.
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
			t.Errorf("encoded twice: % x, and % x", once, again)
		}
		accepted := [][]byte{once}
		if braked, err := m.Instrument(); err == nil {
			accepted = append(accepted, braked)
		} else if !strings.Contains(err.Error(), "reserved") && !strings.Contains(err.Error(), "too many loops") {
			t.Error(err)
		}
		for _, b := range accepted {
			compiled, err := rt.CompileModule(ctx, b)
			if err != nil {
				t.Fatalf("wazero refuses what was decoded: %v", err)
			}
			_ = compiled.Close(ctx)
		}
	})
}

// FuzzRun: a generated module is decoded, is charged for what it does, and does the same compiled and interpreted, with the
// brake and without.
func FuzzRun(f *testing.F) {
	for i := range 100 {
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
			t.Fatalf("a valid module is refused: %v", err)
		}
		braked, err := m.InstrumentCounted()
		if err != nil {
			t.Fatal(err)
		}
		interpreted := observe(t, interpreter, braked)
		compiled := observe(t, compiler, braked)
		if interpreted != compiled {
			t.Errorf("interpreted and compiled differ:\n%s\n%s", interpreted, compiled)
		}
		if interpreted.ended {
			if free := observe(t, compiler, m.Encode()); free != interpreted {
				t.Errorf("with the brake and without differ:\n%s\n%s", interpreted, free)
			}
		}
	})
}

// observation is what a generated module did.
type observation struct {
	ended   bool // it was not stopped
	trapped bool
	results string
	globals string
	memory  string
}

func (o observation) String() string {
	return fmt.Sprintf("ended %v, trapped %v, results %s, globals %s, memory %.40x…", o.ended, o.trapped, o.results, o.globals, o.memory)
}

// observe calls f0 of a module, and lets it pause a few times.
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
	w := &watch{t: t, most: 3}
	args := []uint64{3, 1<<40 + 5, uint64(math.Float32bits(1.5)), math.Float64bits(-2.25)}
	var results []uint64
	if guest.ExportedGlobal("spent") == nil {
		results, err = guest.ExportedFunction("f0").Call(ctx, args...)
	} else {
		results, err = w.call(guest, "f0", args...)
	}
	o := observation{ended: !errors.Is(err, errEnough), trapped: err != nil, results: fmt.Sprint(results)}
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
