package meter

import (
	"fmt"
	"slices"
	"time"
)

// Module is a decoded module. Its code and data are slices of the file that was passed to Decode. It does not change after
// Decode, and is safe for concurrent use.
type Module struct {
	file      []byte
	types     []funcType
	imports   []functionImport
	functions []uint32 // the type index of each function that is not imported
	tables    []table
	memory    *limits // nil if the module has none
	globals   []global
	exports   []export
	start     *uint32
	elements  []element
	dataCount bool // whether the module has a data count section
	code      []span
	data      []dataSegment

	info           []functionInfo // of each function that is not imported
	mutableGlobals int            // the number of mutable globals
	changesTables  bool           // whether the code writes tables or drops segments
	compiling      int64          // see CompileTime; in nanoseconds
}

// span is a range of the file.
type span struct{ from, to int }

// valueType is the type of a value, as encoded in the binary format.
type valueType byte

const (
	anyType   valueType = 0 // a value in unreachable code
	i32       valueType = 0x7f
	i64       valueType = 0x7e
	f32       valueType = 0x7d
	f64       valueType = 0x7c
	funcref   valueType = 0x70
	externref valueType = 0x6f
)

func (t valueType) isRef() bool { return t == funcref || t == externref }

func (t valueType) String() string {
	switch t {
	case i32:
		return "i32"
	case i64:
		return "i64"
	case f32:
		return "f32"
	case f64:
		return "f64"
	case funcref:
		return "funcref"
	case externref:
		return "externref"
	case anyType:
		return "any type"
	}
	return fmt.Sprintf("type %#02x", byte(t))
}

func (r *reader) valueType() valueType {
	at := r.at
	t := valueType(r.byte())
	switch t {
	case i32, i64, f32, f64, funcref, externref:
		return t
	case 0x7b:
		r.fail(at, "it uses the type v128: %s", unsupported(0xfd))
	default:
		r.fail(at, "it uses the type %#02x: expected i32, i64, f32, f64, funcref or externref", byte(t))
	}
	return i32
}

type funcType struct{ params, results []valueType }

type functionImport struct {
	module, name string
	typ          uint32
}

// limits are the limits of a table or memory. max is noMax if there is no maximum.
type limits struct{ min, max uint32 }

const noMax = 1<<32 - 1

type table struct {
	elem valueType
	limits
}

type global struct {
	typ     valueType
	mutable bool
	init    instruction
}

type export struct {
	name  string
	kind  byte
	index uint32
}

// Kinds of exports.
const (
	kindFunction = iota
	kindTable
	kindMemory
	kindGlobal
)

// Modes of segments.
const (
	active = iota
	passive
	declarative
)

type element struct {
	mode   byte
	table  uint32
	offset instruction // of an active segment
	typ    valueType
	init   []uint32 // function indexes; noFunction stands for null
}

const noFunction = 1<<32 - 1

type dataSegment struct {
	mode   byte
	offset instruction
	bytes  []byte
}

// functionCount returns the number of functions, including imported ones.
func (m *Module) functionCount() int { return len(m.imports) + len(m.functions) }

// typeOf returns the type of a function. The index must be valid.
func (m *Module) typeOf(function uint32) *funcType {
	if int(function) < len(m.imports) {
		return &m.types[m.imports[function].typ]
	}
	return &m.types[m.functions[int(function)-len(m.imports)]]
}

// typeIndex returns the index of a type, and adds the type if it is missing.
func (m *Module) typeIndex(params, results []valueType) uint32 {
	i := slices.IndexFunc(m.types, func(t funcType) bool {
		return slices.Equal(t.params, params) && slices.Equal(t.results, results)
	})
	if i < 0 {
		i = len(m.types)
		m.types = append(m.types, funcType{params, results})
	}
	return uint32(i)
}

// functionInfo is what validation finds out about a function.
type functionInfo struct {
	frame int      // an upper bound of the stack frame, in bytes
	calls []uint32 // the functions of the module that it calls, sorted, without duplicates
}

// record stores the functionInfo of the function that v has just validated, and adds to the estimate of the compile time.
func (m *Module) record(v *validator) error {
	f := functionInfo{frame: v.frame.bytes()}
	e := effort{mutableGlobals: m.mutableGlobals}
	for i := range v.body.instructions {
		in := &v.body.instructions[i]
		e.add(in)
		switch in.op {
		case opCall:
			if int(in.x) >= len(m.imports) {
				f.calls = append(f.calls, in.x-uint32(len(m.imports)))
			}
		case opTableSet, opTableInit, opTableCopy, opTableGrow, opTableFill, opDataDrop, opElemDrop:
			m.changesTables = true
		}
	}
	slices.Sort(f.calls)
	f.calls = slices.Compact(f.calls)
	m.info = append(m.info, f)

	e.live, e.values = len(v.locals)+v.frame.maxHeight, v.frame.values
	m.compiling += e.nanoseconds()
	switch at := int(v.body.instructions[0].at); {
	case m.compiling > maxCompiling || int64(e.live)*int64(e.paths) > maxLive:
		return errorAt(at, "compiling it would take too long: the module up to here takes an estimated %.1f s of %d; "+
			"this function has %d locals and operands, blocks and branches to %d places, and %d calls beside the module's %d mutable globals: "+
			"split large functions, leave out code that is not needed, and keep globals in memory",
			float64(m.compiling)/1e9, maxCompiling/int64(time.Second), e.live, e.paths, e.calls, m.mutableGlobals)
	case f.frame > maxFrame:
		return errorAt(at, "a call may take %d KB of the engine's stack: expected at most %d; keep fewer values at once", f.frame>>10, maxFrame>>10)
	}
	return nil
}
