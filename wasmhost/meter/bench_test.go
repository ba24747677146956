package meter_test

import (
	"testing"

	quickjswasi "github.com/aperturerobotics/go-quickjs-wasi-reactor"

	"github.com/crmgate/crmgate/wasmhost/meter"
)

// BenchmarkModule decodes and instruments a Go module and QuickJS. That happens once for each module, before the engine
// compiles it, which takes ten times as long.
func BenchmarkModule(b *testing.B) {
	for name, file := range map[string][]byte{"Go": build(b, toolchains()["Go"]), "QuickJS": quickjswasi.QuickJSWASM} {
		b.Run(name+"/decode", func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := meter.Decode(file); err != nil {
					b.Fatal(err)
				}
			}
		})
		m := decode(b, file)
		b.Run(name+"/instrument", func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Instrument(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkManyBranches decodes a br_table of 40,000 labels above 20,000 operands. The time must not depend on the operands.
func BenchmarkManyBranches(b *testing.B) {
	file := module(manyBranches()).Bytes()
	for b.Loop() {
		if _, err := meter.Decode(file); err == nil {
			b.Fatal("the module was accepted")
		}
	}
}
