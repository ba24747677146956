package meter_test

import (
	"testing"

	quickjswasi "github.com/aperturerobotics/go-quickjs-wasi-reactor"

	"github.com/crmgate/crmgate/wasmhost/meter"
)

// BenchmarkModule decodes modules, and writes them with the brake: a module in Go, and QuickJS. It happens once for each
// content of a module, before the engine compiles it, which takes ten times as long.
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
		b.Run(name+"/brake", func(b *testing.B) {
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
