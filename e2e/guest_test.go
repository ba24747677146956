package e2e_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// guest is a small connector with fixed answers, by exported operation. An answer that begins with "!" is an error. An empty
// answer means that the operation is unsupported. Every operation logs its input, so tests can check it.
type guest map[string]string

// wasm assembles the module.
func (g guest) wasm() string {
	const in, most = 128 << 10, 64 << 10 // address and size of inputs
	logged := wasmtest.Seq(wasmtest.Num(1), wasmtest.Num(in), wasmtest.Invoke(wasmtest.Input, in, most), wasmtest.Invoke(wasmtest.Log))
	m := wasmtest.Module{Pages: 4}
	at := int64(1024)
	for _, name := range slices.Sorted(maps.Keys(g)) {
		answer, failed := strings.CutPrefix(g[name], "!")
		result := int64(0)
		if failed {
			result = 1
		}
		end := wasmtest.Seq(wasmtest.Invoke(wasmtest.Output, at, int64(len(answer))), wasmtest.Num(result))
		if answer == "" {
			end = wasmtest.Num(2)
		}
		m.Funcs = append(m.Funcs, wasmtest.Export(name, logged, end))
		m.Data = append(m.Data, wasmtest.Data{At: at, Bytes: answer})
		at += int64(len(answer))
	}
	return m.String()
}
