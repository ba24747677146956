// Package wasmtest assembles WebAssembly modules by hand, for tests of the sandbox: a module can be small, and hostile in
// exactly one way.
//
// The assembler checks nothing. A module may be wrong on purpose, and only the engine says whether it is valid.
package wasmtest

import (
	"encoding/binary"
	"slices"
)

// Module is a module to assemble. Its first functions are its imports, and its own functions follow: without other
// imports the first of Funcs has the index First.
type Module struct {
	Imports  []Import // default ABI
	Types    []Type   // of functions, beside those that have a name; the first has the index MoreTypes
	Funcs    []Func
	Table    []byte   // the body of the table section; default no table
	Elements []uint64 // indices of the functions that the first table begins with
	Pages    uint32   // of memory, at first; default 2
	MaxPages uint32   // of memory; default no maximum
	NoMemory bool     // do not export the memory
	Globals  []int64  // variables of type i32, by their first values
	Start    []byte   // the body of the start function; default no start function
	Data     []Data
}

// Import is a function that a module imports.
type Import struct {
	Module, Name string
	Type         uint64
}

// Func is a function of a module.
type Func struct {
	Name      string // of the export; empty if the function is not exported
	Type      uint64 // default ToI32
	Locals    uint64 // variables, after the parameters
	LocalType []byte // of the variables; default I32
	Body      []byte // without the end
}

// Data is what memory holds at first.
type Data struct {
	At    int64
	Bytes string
}

// Type is the type of a function.
type Type struct{ Params, Results []byte }

// The types of values.
const (
	I32 = 0x7f
	I64 = 0x7e
)

// Indices of the types that every module has.
const (
	ToI32     = iota // () -> i32
	TwoToI32         // (i32, i32) -> i32
	Two              // (i32, i32) -> ()
	Three            // (i32, i32, i32) -> ()
	ToI64            // () -> i64
	ToNothing        // () -> ()
	FourToI32        // (i32, i32, i32, i32) -> i32
	MoreTypes        // the first of Module.Types
)

func named() []Type {
	i32s := func(n int) []byte { return slices.Repeat([]byte{I32}, n) }
	return []Type{
		{nil, i32s(1)}, {i32s(2), i32s(1)}, {i32s(2), nil}, {i32s(3), nil}, {nil, []byte{I64}}, {nil, nil}, {i32s(4), i32s(1)},
	}
}

// Indices of the functions of ABI.
const (
	Input = iota
	Output
	Fetch
	Config
	Take
	Log
	Now
	Random
	First // the function after them
)

// ABI returns the imports from crmgate_v1.
func ABI() []Import {
	const abi = "crmgate_v1"
	return []Import{
		{abi, "input", TwoToI32}, {abi, "output", Two}, {abi, "fetch", TwoToI32}, {abi, "config", TwoToI32},
		{abi, "take", TwoToI32}, {abi, "log", Three}, {abi, "now", ToI64}, {abi, "random", Two},
	}
}

// Indices of the functions of WASI where they follow ABI.
const (
	RandomGet = First + iota
	FDWrite
	PollOneoff
	AfterWASI // the function after them
)

// WASI returns imports from wasi_snapshot_preview1 that can keep the host busy.
func WASI() []Import {
	const wasi = "wasi_snapshot_preview1"
	return []Import{{wasi, "random_get", TwoToI32}, {wasi, "fd_write", FourToI32}, {wasi, "poll_oneoff", FourToI32}}
}

// Export returns a function of type () -> i32 that is exported.
func Export(name string, body ...[]byte) Func { return Func{Name: name, Body: Seq(body...)} }

// Bytes assembles the module.
func (m Module) Bytes() []byte {
	if m.Imports == nil {
		m.Imports = ABI()
	}
	own := uint64(len(m.Imports))
	start := section(8, nil)
	if m.Start != nil {
		m.Funcs = append(slices.Clone(m.Funcs), Func{Type: ToNothing, Body: m.Start})
		start = section(8, number(own+uint64(len(m.Funcs))-1))
	}
	var functions, exports, codes [][]byte
	if !m.NoMemory {
		exports = append(exports, Seq(name("memory"), []byte{2, 0}))
	}
	for i, f := range m.Funcs {
		functions = append(functions, number(f.Type))
		codes = append(codes, f.code())
		if f.Name != "" {
			exports = append(exports, Seq(name(f.Name), []byte{0}, number(own+uint64(i))))
		}
	}
	return Seq([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, list(append(named(), m.Types...), Type.bytes)), section(2, list(m.Imports, Import.bytes)),
		section(3, vector(functions)), section(4, m.Table), section(5, m.memory()), section(6, list(m.Globals, global)),
		section(7, vector(exports)), start, section(9, m.elements()), section(10, vector(codes)), section(11, list(m.Data, Data.bytes)))
}

// String is Bytes, for what is kept as text.
func (m Module) String() string { return string(m.Bytes()) }

func (m Module) memory() []byte {
	if m.Pages == 0 {
		m.Pages = 2
	}
	if m.MaxPages == 0 {
		return Seq([]byte{1, 0}, number(uint64(m.Pages)))
	}
	return Seq([]byte{1, 1}, number(uint64(m.Pages)), number(uint64(m.MaxPages)))
}

func (m Module) elements() []byte {
	if m.Elements == nil {
		return nil
	}
	return Seq([]byte{1, 0}, Num(0), End(), list(m.Elements, number))
}

func (f Func) code() []byte {
	if f.LocalType == nil {
		f.LocalType = []byte{I32}
	}
	locals := []byte{0}
	if f.Locals > 0 {
		locals = Seq([]byte{1}, number(f.Locals), f.LocalType)
	}
	return sized(Seq(locals, f.Body, End()))
}

func (t Type) bytes() []byte   { return Seq([]byte{0x60}, sized(t.Params), sized(t.Results)) }
func (i Import) bytes() []byte { return Seq(name(i.Module), name(i.Name), []byte{0}, number(i.Type)) }
func (d Data) bytes() []byte   { return Seq([]byte{0}, Num(d.At), End(), name(d.Bytes)) }

func global(first int64) []byte { return Seq([]byte{I32, 1}, Num(first), End()) }

func number(n uint64) []byte { return binary.AppendUvarint(nil, n) }
func sized(b []byte) []byte  { return append(number(uint64(len(b))), b...) }
func name(s string) []byte   { return sized([]byte(s)) }

func vector(items [][]byte) []byte { return append(number(uint64(len(items))), Seq(items...)...) }

// list is a vector. Without items it is empty, and its section is left out.
func list[T any](all []T, encode func(T) []byte) []byte {
	if len(all) == 0 {
		return nil
	}
	items := make([][]byte, len(all))
	for i, one := range all {
		items[i] = encode(one)
	}
	return vector(items)
}

// section leaves out a section without a body.
func section(id byte, body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	return append([]byte{id}, sized(body)...)
}
