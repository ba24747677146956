package meter_test

import (
	"slices"
	"strings"

	"github.com/crmgate/crmgate/wasmhost/meter"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// generator turns any bytes into a valid module: each byte is a choice. Therefore fuzzing reaches combinations of
// instructions. Most changes to the bytes of a module itself only make it invalid.
type generator struct {
	choices []byte
	out     []byte
	left    int         // how many more expressions and statements to generate
	labels  []labelType // of the open blocks, the innermost last
	locals  []byte      // their types
}

// labelType is the type that a branch takes, or 0.
type labelType byte

// signatures are the types of a generated module's functions, by function index.
var signatures = []struct{ params, results []byte }{
	{[]byte{i32, i64, f32, f64}, []byte{i64}},
	{[]byte{i32}, []byte{i32}},
	{[]byte{f64, i64}, []byte{f64, i32}},
	{nil, nil},
}

const (
	i32, i64, f32, f64 = 0x7f, 0x7e, 0x7d, 0x7c
	nothing            = 0x40
	maxCalls           = 30
)

var (
	numbers      = []byte{i32, i64, f32, f64}
	letters      = map[byte]byte{'i': i32, 'l': i64, 'f': f32, 'd': f64}
	instructions = meter.Instructions()
)

// generated returns a module that exports its functions f0 to f3, its memory, and its globals g0 to g4. g0 counts calls.
func generated(choices []byte) []byte {
	g := &generator{choices: choices}
	var types, functions, exports, globals, code [][]byte
	for i, s := range signatures {
		types = append(types, wasmtest.Seq([]byte{0x60}, wasmtest.Sized(s.params), wasmtest.Sized(s.results)))
		functions = append(functions, []byte{byte(i)})
		exports = append(exports, []byte{2, 'f', '0' + byte(i), 0, byte(i)})
		code = append(code, wasmtest.Sized(g.function(i)))
	}
	exports = append(exports, []byte("\x06memory\x02\x00"))
	for i, t := range append([]byte{i32}, numbers...) {
		globals = append(globals, wasmtest.Seq([]byte{t, 1}, zero(t), []byte{0x0b}))
		exports = append(exports, []byte{2, 'g', '0' + byte(i), 3, byte(i)})
	}
	return wasmtest.Seq([]byte("\x00asm\x01\x00\x00\x00"),
		wasmtest.Section(1, wasmtest.Vector(types)), wasmtest.Section(3, wasmtest.Vector(functions)),
		wasmtest.Section(4, []byte{2, 0x70, 1, 4, 8, 0x6f, 0, 3}), wasmtest.Section(5, []byte{1, 1, 1, 3}),
		wasmtest.Section(6, wasmtest.Vector(globals)), wasmtest.Section(7, wasmtest.Vector(exports)),
		wasmtest.Section(9, []byte{2, 0, 0x41, 0, 0x0b, 4, 0, 1, 2, 3, 1, 0, 2, 1, 2}),
		wasmtest.Section(12, []byte{1}), wasmtest.Section(10, wasmtest.Vector(code)), wasmtest.Section(11, wasmtest.Seq([]byte{1, 1}, wasmtest.Sized([]byte(strings.Repeat("data", 16))))))
}

func zero(t byte) []byte {
	switch t {
	case i32:
		return []byte{0x41, 0}
	case i64:
		return []byte{0x42, 0}
	case f32:
		return []byte{0x43, 0, 0, 0, 0}
	}
	return []byte{0x44, 0, 0, 0, 0, 0, 0, 0, 0}
}

func (g *generator) choose(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := g.choices[0]
	g.choices = g.choices[1:]
	return int(c) % n
}

func (g *generator) emit(b ...byte) { g.out = append(g.out, b...) }

// function writes the code of a function, which returns zeros after too many calls.
func (g *generator) function(i int) []byte {
	s := signatures[i]
	own := []byte{i32, i64, f32, f64, i32, f64}
	g.out, g.left, g.labels, g.locals = nil, 60, nil, append(slices.Clone(s.params), own...)
	g.emit(byte(len(own)))
	for _, t := range own {
		g.emit(1, t)
	}
	g.emit(0x23, 0, 0x41, maxCalls, 0x4b, 0x04, 0x40) // if calls > maxCalls
	for _, t := range s.results {
		g.emit(zero(t)...)
	}
	g.emit(0x0f, 0x0b, 0x23, 0, 0x41, 1, 0x6a, 0x24, 0)
	g.statements()
	for _, t := range s.results {
		g.value(t)
	}
	g.emit(0x0b)
	return g.out
}

func (g *generator) statements() {
	for range g.choose(6) {
		g.statement()
	}
}

// local returns a local of a type.
func (g *generator) local(t byte) byte {
	var all []byte
	for i, l := range g.locals {
		if l == t {
			all = append(all, byte(i))
		}
	}
	return all[g.choose(len(all))]
}

// masked pushes an i32 below a power of two.
func (g *generator) masked(bits int) {
	g.value(i32)
	g.emit(0x41)
	g.emit(wasmtest.Signed(1<<bits - 1)...)
	g.emit(0x71)
}

// block writes a block with a label around what inside writes.
func (g *generator) block(op, t byte, label labelType, inside func()) {
	g.emit(op, t)
	g.labels = append(g.labels, label)
	inside()
	g.labels = g.labels[:len(g.labels)-1]
	g.emit(0x0b)
}

// outer returns the label of an open block without parameters, if there is one.
func (g *generator) outer() (byte, bool) {
	var all []byte
	for i, l := range slices.Backward(g.labels) {
		if l == 0 {
			all = append(all, byte(len(g.labels)-1-i))
		}
	}
	if len(all) == 0 {
		return 0, false
	}
	return all[g.choose(len(all))], true
}

func (g *generator) statement() {
	if g.left--; g.left < 0 {
		g.emit(0x01)
		return
	}
	t := numbers[g.choose(4)]
	switch g.choose(16) {
	case 0:
		g.value(t)
		g.emit(0x21, g.local(t))
	case 1:
		g.value(t)
		g.canonical(t)
		g.emit(0x24, 1+byte(slices.Index(numbers, t)))
	case 2:
		g.store()
	case 3:
		g.value(i32)
		g.block(0x04, nothing, 0, func() {
			g.statements()
			if g.choose(2) == 0 {
				g.emit(0x05)
				g.statements()
			}
		})
	case 4:
		g.block(0x02, nothing, 0, g.statements)
	case 5:
		g.block(0x03, nothing, 0, func() {
			g.statements()
			g.value(i32)
			g.emit(0x0d, 0)
		})
	case 6:
		if l, ok := g.outer(); ok {
			g.value(i32)
			g.emit(0x0d, l)
		}
	case 7:
		a, ok := g.outer()
		if b, _ := g.outer(); ok {
			g.block(0x02, nothing, 0, func() {
				g.value(i32)
				g.emit(0x0e, 2, a+1, 0, b+1)
			})
		}
	case 8:
		g.dispatch()
	case 9:
		g.masked(14)
		g.masked(14)
		g.masked(12)
		g.emit(0xfc, 10+byte(g.choose(2)), 0)
		if g.out[len(g.out)-2] == 10 {
			g.emit(0)
		}
	case 10:
		g.masked(14)
		g.masked(5)
		g.masked(5)
		g.emit(0xfc, 8, 0, 0)
	case 11:
		g.tables()
	case 12:
		g.emit(0x10, 3)
	case 13:
		g.value(t)
		g.emit(0x1a)
	case 14:
		g.value(i32)
		g.block(0x04, nothing, 0, func() {
			if g.choose(3) == 0 {
				g.emit(0x00)
			} else {
				g.statements()
			}
		})
	default:
		g.masked(2)
		g.emit(0x40, 0, 0x1a)
	}
}

// tables writes table instructions. Table 0 holds functions.
func (g *generator) tables() {
	three := func() { g.masked(2); g.masked(2); g.masked(1) }
	switch g.choose(6) {
	case 0:
		g.masked(2)
		g.emit(0xd2, byte(g.choose(4)), 0x26, 0)
	case 1:
		three()
		g.emit(0xfc, 14, 0, 0)
	case 2:
		three()
		g.emit(0xfc, 12, 1, 0)
	case 3:
		g.masked(2)
		g.emit(0xd0, 0x6f)
		g.masked(1)
		g.emit(0xfc, 17, 1)
	case 4:
		g.emit(0xd0, 0x70)
		g.masked(1)
		g.emit(0xfc, 15, 0, 0x1a)
	default:
		g.emit(0xfc, 13, 1, 0xfc, 9, 0) // drop the segments
	}
}

// dispatch writes a Go dispatch loop with chosen targets.
func (g *generator) dispatch() {
	const parts = 3
	at := g.local(i32)
	g.block(0x03, nothing, 0, func() {
		g.emit(0x02, nothing, 0x02, nothing, 0x02, nothing, 0x20, at, 0x0e, parts-1, 0, 1, 2)
		for i := range byte(parts) {
			g.emit(0x0b)
			g.labels = append(g.labels, slices.Repeat([]labelType{0}, int(parts-1-i))...)
			g.statements()
			g.labels = g.labels[:len(g.labels)-int(parts-1-i)]
			g.emit(0x23, 0, 0x41, maxCalls, 0x49, 0x04, 0x40) // count it as a call, so that most loops end
			g.emit(0x23, 0, 0x41, 1, 0x6a, 0x24, 0, 0x41, byte(g.choose(5)), 0x21, at, 0x0c, parts-i, 0x0b)
		}
	})
}

func (g *generator) store() {
	var stores []meter.Instruction
	for _, in := range instructions {
		if in.Memory && strings.HasSuffix(in.Signature, ":") {
			stores = append(stores, in)
		}
	}
	in := stores[g.choose(len(stores))]
	g.masked(16)
	t := letters[in.Signature[1]]
	g.value(t)
	g.canonical(t)
	g.emit(in.Code...)
	g.emit(0, byte(g.choose(9)))
}

// canonical replaces NaN by 0: the bits of NaN are not deterministic.
func (g *generator) canonical(t byte) {
	if t != f32 && t != f64 {
		return
	}
	last := byte(slices.Index(g.locals, t)) // any local of that type
	equal := map[byte]byte{f32: 0x5b, f64: 0x61}[t]
	g.emit(0x22, last)
	g.emit(zero(t)...)
	g.emit(0x20, last, 0x20, last, equal, 0x1b)
}

// value pushes a number.
func (g *generator) value(t byte) {
	if g.left--; g.left < 0 {
		g.emit(zero(t)...)
		return
	}
	global := 1 + byte(slices.Index(numbers, t))
	switch g.choose(14) {
	case 0:
		g.constant(t)
	case 1, 2:
		g.emit(0x20, g.local(t))
	case 3:
		g.emit(0x23, global)
	case 4, 5, 6, 7, 8:
		g.operation(t)
	case 9:
		g.value(i32)
		g.block(0x04, t, labelType(t), func() {
			g.value(t)
			g.emit(0x05)
			g.statements()
			g.value(t)
		})
	case 10:
		g.block(0x02, t, labelType(t), func() {
			g.statements()
			g.value(t)
			g.value(i32)
			g.emit(0x0d, 0)
		})
	case 11:
		g.value(t)
		g.value(t)
		g.value(i32)
		if g.choose(2) == 0 {
			g.emit(0x1b)
		} else {
			g.emit(0x1c, 1, t)
		}
	case 12:
		g.call(t)
	default:
		g.value(t)
		g.emit(0x22, g.local(t))
	}
}

func (g *generator) constant(t byte) {
	all := map[byte][][]byte{
		i32: {{0x41, 0}, {0x41, 1}, {0x41, 0x7f}, append([]byte{0x41}, wasmtest.Signed(1<<31-1)...), append([]byte{0x41}, wasmtest.Signed(-1<<31)...), {0x41, 31}, {0x41, 32}},
		i64: {{0x42, 0}, {0x42, 1}, {0x42, 0x7f}, append([]byte{0x42}, wasmtest.Signed(1<<63-1)...), append([]byte{0x42}, wasmtest.Signed(-1<<63)...), {0x42, 63}, append([]byte{0x42}, wasmtest.Signed(1<<32)...)},
		f32: {zero(f32), {0x43, 0, 0, 0, 0x80}, {0x43, 0, 0, 0x80, 0x3f}, {0x43, 0, 0, 0x80, 0x7f}, {0x43, 0, 0, 0xc0, 0x7f}, {0x43, 0, 0, 0, 0x4f}, {0x43, 1, 0, 0, 0}},
		f64: {zero(f64), {0x44, 0, 0, 0, 0, 0, 0, 0, 0x80}, {0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}, {0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f}, {0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f}, {0x44, 0, 0, 0, 0, 0, 0, 0xe0, 0x43}, {0x44, 1, 0, 0, 0, 0, 0, 0, 0}},
	}[t]
	g.emit(all[g.choose(len(all))]...)
}

// operation writes an instruction that pushes a number, with its operands.
func (g *generator) operation(t byte) {
	var all []meter.Instruction
	for _, in := range instructions {
		if _, result, _ := strings.Cut(in.Signature, ":"); result != "" && letters[result[0]] == t {
			all = append(all, in)
		}
	}
	in := all[(g.choose(256)*256+g.choose(256))%len(all)]
	operands, _, _ := strings.Cut(in.Signature, ":")
	if in.Memory {
		g.masked(16)
		g.emit(in.Code...)
		g.emit(0, byte(g.choose(9)))
		return
	}
	for i := range operands {
		o := letters[operands[i]]
		g.value(o)
		switch in.Code[0] {
		case 0xbc, 0xbd, 0x98, 0xa6: // reinterpretations, copysign
			g.canonical(o)
		}
	}
	g.emit(in.Code...)
}

// call pushes a result of a function.
func (g *generator) call(t byte) {
	callee := map[byte]int{i64: 0, i32: 1, f32: 0, f64: 2}[t]
	s := signatures[callee]
	for _, p := range s.params {
		g.value(p)
	}
	if g.choose(2) == 0 {
		g.emit(0x10, byte(callee))
	} else {
		g.masked(2)
		g.emit(0x11, byte(callee), 0)
	}
	if callee == 2 {
		g.emit(0x1a) // the i32 behind the f64
	}
	if t == f32 {
		g.emit(0xb4) // of the i64
	}
}
