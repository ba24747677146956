// Package wasmtest makes WebAssembly modules for tests of the sandbox.
//
// [Module] assembles a module from instructions, so that a test module is small and hostile in exactly one way. The assembler
// does not validate anything: a module may be wrong on purpose.
//
// [Go], [C], [Rust] and [AssemblyScript] build guests from source, and cache what they build. [LogBuffer] records logs, and [Soak]
// selects the long form of tests.
package wasmtest

import "slices"

// Module is a module to assemble. Imports have the first function indexes. With the default imports, Funcs begin at index
// First.
type Module struct {
	Imports  []Import // default ABI
	Types    []Type   // function types after the named ones; the first has the index MoreTypes
	Funcs    []Func
	Table    []byte   // the body of the table section; default no table
	Elements []uint64 // function indexes at the beginning of the first table
	Pages    uint32   // initial memory pages; default 2
	MaxPages uint32   // maximum memory pages; default no maximum
	NoMemory bool     // do not export the memory
	Globals  []int64  // initial values of mutable i32 globals
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
	Locals    uint64 // the number of locals
	LocalType []byte // the type of the locals; default I32
	Body      []byte // without the end
}

// Data is the initial content of a range of memory.
type Data struct {
	At    int64
	Bytes string
}

// Type is the type of a function.
type Type struct{ Params, Results []byte }

// Value types.
const (
	I32 = 0x7f
	I64 = 0x7e
)

// Indexes of the types that every module has.
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

// Indexes of the functions that ABI imports.
const (
	Input = iota
	Output
	Fetch
	Config
	Take
	Log
	Now
	Random
	First // the next function index
)

// ABI returns the imports from crmgate_v1.
func ABI() []Import {
	const abi = "crmgate_v1"
	return []Import{
		{abi, "input", TwoToI32}, {abi, "output", Two}, {abi, "fetch", TwoToI32}, {abi, "config", TwoToI32},
		{abi, "take", TwoToI32}, {abi, "log", Three}, {abi, "now", ToI64}, {abi, "random", Two},
	}
}

// Indexes of the functions that WASI imports, after those of ABI.
const (
	RandomGet = First + iota
	FDWrite
	PollOneoff
	AfterWASI // the next function index
)

// WASI returns the imports from wasi_snapshot_preview1 that can keep the host busy.
func WASI() []Import {
	const wasi = "wasi_snapshot_preview1"
	return []Import{{wasi, "random_get", TwoToI32}, {wasi, "fd_write", FourToI32}, {wasi, "poll_oneoff", FourToI32}}
}

// Export returns an exported function of type () -> i32.
func Export(name string, body ...[]byte) Func { return Func{Name: name, Body: Seq(body...)} }

// Bytes assembles the module.
func (m Module) Bytes() []byte {
	if m.Imports == nil {
		m.Imports = ABI()
	}
	own := uint64(len(m.Imports))
	start := Section(8, nil)
	if m.Start != nil {
		m.Funcs = append(slices.Clone(m.Funcs), Func{Type: ToNothing, Body: m.Start})
		start = Section(8, Unsigned(own+uint64(len(m.Funcs))-1))
	}
	var functions, exports, codes [][]byte
	if !m.NoMemory {
		exports = append(exports, Seq(name("memory"), []byte{2, 0}))
	}
	for i, f := range m.Funcs {
		functions = append(functions, Unsigned(f.Type))
		codes = append(codes, f.code())
		if f.Name != "" {
			exports = append(exports, Seq(name(f.Name), []byte{0}, Unsigned(own+uint64(i))))
		}
	}
	return Seq([]byte("\x00asm\x01\x00\x00\x00"),
		Section(1, list(append(named(), m.Types...), Type.bytes)), Section(2, list(m.Imports, Import.bytes)),
		Section(3, Vector(functions)), Section(4, m.Table), Section(5, m.memory()), Section(6, list(m.Globals, global)),
		Section(7, Vector(exports)), start, Section(9, m.elements()), Section(10, Vector(codes)), Section(11, list(m.Data, Data.bytes)))
}

// String returns Bytes as a string.
func (m Module) String() string { return string(m.Bytes()) }

func (m Module) memory() []byte {
	if m.Pages == 0 {
		m.Pages = 2
	}
	if m.MaxPages == 0 {
		return Seq([]byte{1, 0}, Unsigned(uint64(m.Pages)))
	}
	return Seq([]byte{1, 1}, Unsigned(uint64(m.Pages)), Unsigned(uint64(m.MaxPages)))
}

func (m Module) elements() []byte {
	if m.Elements == nil {
		return nil
	}
	return Seq([]byte{1, 0}, Num(0), End(), list(m.Elements, Unsigned))
}

func (f Func) code() []byte {
	if f.LocalType == nil {
		f.LocalType = []byte{I32}
	}
	locals := []byte{0}
	if f.Locals > 0 {
		locals = Seq([]byte{1}, Unsigned(f.Locals), f.LocalType)
	}
	return Sized(Seq(locals, f.Body, End()))
}

func (t Type) bytes() []byte   { return Seq([]byte{0x60}, Sized(t.Params), Sized(t.Results)) }
func (i Import) bytes() []byte { return Seq(name(i.Module), name(i.Name), []byte{0}, Unsigned(i.Type)) }
func (d Data) bytes() []byte   { return Seq([]byte{0}, Num(d.At), End(), name(d.Bytes)) }

func global(first int64) []byte { return Seq([]byte{I32, 1}, Num(first), End()) }

// Sized returns bytes after their length.
func Sized(b []byte) []byte { return append(Unsigned(uint64(len(b))), b...) }

// Vector returns items after their number.
func Vector(items [][]byte) []byte { return append(Unsigned(uint64(len(items))), Seq(items...)...) }

func name(s string) []byte { return Sized([]byte(s)) }

// list returns a vector, or nil if there are no items.
func list[T any](all []T, encode func(T) []byte) []byte {
	if len(all) == 0 {
		return nil
	}
	items := make([][]byte, len(all))
	for i, one := range all {
		items[i] = encode(one)
	}
	return Vector(items)
}

// Section returns a section, or nil if its body is empty.
func Section(id byte, body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	return append([]byte{id}, Sized(body)...)
}
