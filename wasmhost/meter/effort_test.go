package meter_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	quickjswasi "github.com/aperturerobotics/go-quickjs-wasi-reactor"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// A module that was made to compile slowly is rejected, and a fifth of it is not.
func TestCompileTime(t *testing.T) {
	t.Parallel()
	repeat := func(n int, code ...byte) []byte { return bytes.Repeat(code, n) }
	sets := []byte{0x20, 0, 0x04, 0x40} // local.get; if; 50 times i32.const and local.set; end
	for i := range byte(50) {
		sets = append(sets, 0x41, 1, 0x21, i)
	}
	sets = append(sets, 0x0b)
	for name, c := range map[string]struct {
		copies int
		f      wasmtest.Func
	}{
		"joins":          {75, wasmtest.Func{Locals: 50, Body: repeat(1500, 0x20, 0, 0x04, 0x40, 0x41, 1, 0x21, 1, 0x0b)}}, // local.get; if; i32.const; local.set; end
		"merged values":  {100, wasmtest.Func{Locals: 50, Body: repeat(500, sets...)}},
		"loops":          {8, wasmtest.Func{Locals: 1, Body: repeat(2000, 0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b)}},              // loop; local.get; br_if; end
		"many blocks":    {3000, wasmtest.Func{Locals: 1, Body: repeat(300, 0x20, 0, 0x04, 0x40, 0x0b)}},                     // local.get; if; end
		"indirect calls": {10, wasmtest.Func{Locals: 1, Body: repeat(20_000, 0x20, 0, 0x11, wasmtest.ToNothing, 0)}},         // local.get; call_indirect
		"calls":          {60, wasmtest.Func{Body: repeat(30_000, 0x10, 0)}},                                                 // call
		"accesses":       {60, wasmtest.Func{Locals: 1, Body: repeat(16_000, 0x20, 0, 0x28, 2, 0, 0x21, 0)}},                 // local.get; i32.load; local.set
		"conversions":    {60, wasmtest.Func{Locals: 1, LocalType: []byte{0x7c}, Body: repeat(20_000, 0x20, 0, 0xab, 0x1a)}}, // local.get; i32.trunc_f64_u; drop
		"divisions":      {110, wasmtest.Func{Locals: 2, Body: repeat(15_000, 0x20, 0, 0x20, 1, 0x6d, 0x21, 0)}},             // local.get twice; i32.div_s; local.set
		"globals":        {2, wasmtest.Func{Body: repeat(3000, 0x10, 0)}},                                                    // call
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.f.Type = wasmtest.ToNothing
			decode := func(copies int) (*meter.Module, error) {
				m := wasmtest.Module{Imports: []wasmtest.Import{{Module: "m", Name: "f", Type: wasmtest.ToNothing}}, Table: []byte{1, 0x70, 0, 1}}
				if name == "globals" {
					m.Globals = make([]int64, 3000)
				}
				for range copies {
					m.Funcs = append(m.Funcs, c.f)
				}
				return meter.Decode(m.Bytes())
			}
			if _, err := decode(c.copies); !errors.As(err, new(*meter.Error)) || !strings.Contains(err.Error(), "compiling it would take too long") {
				t.Errorf("got %v", err)
			}
			if name == "globals" {
				return
			}
			if m, err := decode(max(1, c.copies/5)); err != nil || m.CompileTime() > 2*time.Second {
				t.Errorf("a fifth of it: %v", err)
			}
		})
	}
}

// The estimates of real modules leave room for larger ones.
func TestCompileTimeOfRealModules(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		module []byte
		most   time.Duration
	}{
		"Go":      {build(t, toolchains()["Go"]), 7 * time.Second / 2},
		"QuickJS": {quickjswasi.QuickJSWASM, 3 * time.Second},
	} {
		if got := decode(t, c.module).CompileTime(); got > c.most || got < c.most/10 {
			t.Errorf("%s: got %v, want at most %v", name, got, c.most)
		}
	}
}
