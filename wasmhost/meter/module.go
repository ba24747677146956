package meter

import (
	"fmt"
	"slices"
)

// Module is a decoded module. Its code and data still lie in the file that Decode was given. It does not change after Decode:
// its methods may be called concurrently.
type Module struct {
	file      []byte
	types     []funcType
	imports   []functionImport
	functions []uint32 // the type of each function that is not imported
	tables    []table
	memory    *limits // nil if the module has none
	globals   []global
	exports   []export
	start     *uint32
	elements  []element
	dataCount bool // whether there is a section that counts the data segments
	code      []span
	data      []dataSegment

	facts   []facts // of each function that is not imported
	mutable int     // how many globals can change
	joins   int64   // what compiling takes: see maxJoins and maxReloads
	reloads int64
}

// span is a range of the file.
type span struct{ from, to int }

// valueType is a type of values by its byte in the binary format.
type valueType byte

const (
	anyType   valueType = 0 // of a value in code that is not reachable
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

// limits are those of a table or memory; max is noMax if there is none.
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
	init   []uint32 // indexes of functions; noFunction is null
}

const noFunction = 1<<32 - 1

type dataSegment struct {
	mode   byte
	offset instruction
	bytes  []byte
}

// functionCount counts the functions, imported ones included.
func (m *Module) functionCount() int { return len(m.imports) + len(m.functions) }

// typeOf returns the type of a function that exists.
func (m *Module) typeOf(function uint32) *funcType {
	if int(function) < len(m.imports) {
		return &m.types[m.imports[function].typ]
	}
	return &m.types[m.functions[int(function)-len(m.imports)]]
}

// typeIndex returns the index of a type, which is added if it is not there.
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

// facts are what validation learns of a function.
type facts struct {
	frame int      // the most that a call takes on the engine's stack, in bytes
	calls []uint32 // which functions of the module it calls, each once, in order
}

// note keeps the facts of the function that v has validated, and what compiling it takes.
func (m *Module) note(v *validator) error {
	f := facts{frame: v.frame.bytes()}
	paths, calls := 0, 0
	for i := range v.body.instructions {
		switch in := &v.body.instructions[i]; in.op {
		case opBlock, opLoop, opIf:
			paths++
		case opBr, opBrIf, opBrTable:
			paths += int(in.y)
		case opCall:
			calls++
			if int(in.x) >= len(m.imports) {
				f.calls = append(f.calls, in.x-uint32(len(m.imports)))
			}
		case opCallIndirect:
			calls++
		}
	}
	slices.Sort(f.calls)
	f.calls = slices.Compact(f.calls)
	m.facts = append(m.facts, f)

	kept := len(v.locals) + v.frame.height
	m.joins += int64(kept+16) * int64(paths) * int64(paths)
	m.reloads += int64(calls) * int64(m.mutable)
	switch at := int(v.body.instructions[0].at); {
	case m.joins > maxJoins || int64(kept)*int64(paths) > maxKept:
		return errorAt(at, "the function has %d locals and operands, blocks and branches to %d places: compiling it would take too long; split it into smaller functions", kept, paths)
	case f.frame > maxFrame:
		return errorAt(at, "a call of it may take %d KB of the engine's stack: expected at most %d; keep fewer values at once", f.frame>>10, maxFrame>>10)
	case m.reloads > maxReloads:
		return errorAt(at, "the function has %d calls, and the module %d mutable globals: compiling it would take too long; keep some of the globals in memory", calls, m.mutable)
	}
	return nil
}
