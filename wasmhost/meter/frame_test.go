package meter_test

import (
	"bytes"
	"reflect"
	"slices"
	"sort"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// The bound of a frame is not below the size of a frame, in functions with large frames.
func TestFrames(t *testing.T) {
	t.Parallel()
	const locals = 300
	each := func(before, after []byte) (b []byte) {
		for i := range locals {
			b = append(append(append(b, before...), leb(4+i)...), after...)
		}
		return b
	}
	repeat := func(n int, b ...byte) []byte { return bytes.Repeat(b, n) }
	set := each([]byte{0x10, 1, 0x21}, nil) // call 1, local.set
	use := each([]byte{0x20}, []byte{0x10, 2})
	table := []byte{0x10, 1, 0x0e, 40}
	for i := range byte(41) {
		table = append(table, i)
	}
	var parts []byte
	for i := range 41 {
		parts = append(append(append(parts, 0x0b, 0x10, 1, 0x21), leb(4+i)...), 0x10, 1, 0x21)
		parts = append(parts, leb(4+100+i)...)
	}
	for name, c := range map[string]struct{ before, after []byte }{
		"nothing":              {nil, nil},
		"sums":                 {each([]byte{0x20, 1, 0x20, 0, 0x6a, 0x22, 1, 0x21}, nil), use}, // one local each
		"locals":               {set, use},
		"locals, twice":        {slices.Concat(set, []byte{0x10, 1, 0x1a}, set), use},
		"operands":             {repeat(300, 0x10, 1), repeat(300, 0x10, 2)},
		"operands, four times": {bytes.Repeat(append(repeat(150, 0x10, 1), repeat(150, 0x10, 2)...), 4), nil},
		"back edges":           {set, slices.Concat([]byte{0x03, 0x40}, repeat(100, 0x10, 1, 0x0d, 0), use, set, []byte{0x10, 1, 0x0d, 0, 0x0b}, use)},
		"an expression":        {append(repeat(1000, 0x20, 0, 0x28, 2, 0), repeat(999, 0x6a)...), repeat(1, 0x1a)},
		"addresses":            {slices.Concat(set, each([]byte{0x20}, []byte{0x28, 2, 0, 0x1a}), each([]byte{0x20}, []byte{0x28, 2, 4, 0x1a})), use},
		"a table":              {slices.Concat(set, repeat(41, 0x02, 0x40), table, parts), use},
		"loops":                {slices.Concat(set, repeat(12, 0x03, 0x40), set, []byte{0x10, 1, 0x1a}, repeat(12, 0x10, 1, 0x0d, 0, 0x0b)), use},
		"ifs":                  {slices.Concat(set, bytes.Repeat(slices.Concat([]byte{0x10, 1, 0x04, 0x40}, set[:60], []byte{0x0b}), 40)), use},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recurse := []byte{0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 0, 0x0b}
			one := wasmtest.Type{Params: []byte{i32}}
			m := wasmtest.Module{Imports: []wasmtest.Import{}, Types: []wasmtest.Type{one}, Funcs: []wasmtest.Func{
				{Name: "f", Type: wasmtest.MoreTypes, Locals: 3 + locals, Body: slices.Concat(c.before, recurse, c.after)},
				{Type: wasmtest.ToI32, Body: []byte{0x41, 0}},
				{Type: wasmtest.MoreTypes},
			}}
			d := decode(t, m.Bytes())
			b, err := d.Instrument()
			if err != nil {
				t.Fatal(err)
			}
			guest := open(t, b, wazero.NewRuntimeConfigCompiler(), nil)
			stack := func(depth int) int {
				f := guest.ExportedFunction("f")
				if _, err := f.Call(t.Context(), uint64(depth)); err != nil {
					t.Fatal(err)
				}
				return reflect.ValueOf(f).Elem().FieldByName("stack").Len()
			}
			// The stack grows by doubling. Find the depth at which it has to grow: there the smaller stack is full.
			depth := max(4, 1<<20/d.Frames()[0])
			full := stack(depth)
			for stack(depth) == full {
				depth *= 2
			}
			grows := depth/2 + sort.Search(depth/2, func(n int) bool { return stack(depth/2+n) > full })
			const rest = 4 << 10 // for the first and the last call, and the engine's reserve
			if size := (full - rest) / grows; size > d.Frames()[0] {
				t.Errorf("a frame has %d bytes, want at most the bound %d", size, d.Frames()[0])
			} else {
				t.Logf("a frame has %d bytes, the bound is %d", size, d.Frames()[0])
			}
		})
	}
}
