package meter

import (
	"bytes"
	"errors"
	"fmt"
)

// Section ids.
const (
	customSection = iota
	typeSection
	importSection
	functionSection
	tableSection
	memorySection
	globalSection
	exportSection
	startSection
	elementSection
	codeSection
	dataSection
	dataCountSection
)

// sectionOrder is the position of each section id. The data count section has the highest id, but comes before the code.
var sectionOrder = [...]int{
	typeSection: 1, importSection: 2, functionSection: 3, tableSection: 4, memorySection: 5, globalSection: 6,
	exportSection: 7, startSection: 8, elementSection: 9, dataCountSection: 10, codeSection: 11, dataSection: 12,
}

const magic = "\x00asm"

var version = []byte{1, 0, 0, 0}

// Decode reads and validates a module. It accepts WebAssembly 1.0 with sign extension, saturating conversions, multiple
// values, bulk memory, and the reference types funcref and externref. Imports must be functions, and the module must stay
// within the limits of this package. Custom sections are skipped.
//
// The error is an *Error if b is a module that is not accepted, and another error if b is not a module or has another version.
// The Module refers to b, which must not change.
func Decode(b []byte) (*Module, error) {
	if err := checkHeader(b); err != nil {
		return nil, err
	}
	m := &Module{file: b}
	r := &reader{file: b, at: len(magic) + len(version), end: len(b)}
	last, dataCount := 0, -1
	for r.more() {
		start := r.at
		id, size := int(r.byte()), r.uint()
		s := r.sub(size)
		if r.err != nil {
			return nil, r.err
		}
		if id == customSection {
			continue
		}
		if id >= len(sectionOrder) {
			return nil, errorAt(start, "section %d is not known: expected sections 0 to 12", id)
		}
		if sectionOrder[id] <= last {
			return nil, errorAt(start, "section %d is out of order or repeated", id)
		}
		last = sectionOrder[id]
		if id == dataCountSection {
			m.dataCount, dataCount = true, int(s.uint())
		} else {
			m.section(s, id)
		}
		if s.err == nil && s.more() {
			s.fail(s.at, "section %d is longer than what it holds", id)
		}
		if s.err != nil {
			return nil, s.err
		}
	}
	switch {
	case len(m.code) != len(m.functions):
		return nil, errorAt(len(b), "it declares %d functions and has code for %d", len(m.functions), len(m.code))
	case m.dataCount && dataCount != len(m.data):
		return nil, errorAt(len(b), "it announces %d data segments and has %d", dataCount, len(m.data))
	}
	if err := m.validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// checkHeader returns an error if b is not a WebAssembly 1 module.
func checkHeader(b []byte) error {
	switch {
	case len(b) < 8 || !bytes.HasPrefix(b, []byte(magic)):
		return errors.New("it is not a WebAssembly module")
	case b[4] == 0x0d && b[6] == 1:
		return errors.New("it is a component: recompile as a core wasip1 module")
	case !bytes.Equal(b[4:8], version):
		return fmt.Errorf("it has version %#x of WebAssembly: expected 1", b[4:8])
	}
	return nil
}

func (m *Module) section(r *reader, id int) {
	switch id {
	case typeSection:
		r.vector(maxTypes, "types", func() { m.types = append(m.types, r.funcType()) })
	case importSection:
		r.vector(maxImports, "imports", func() { m.imports = append(m.imports, r.functionImport()) })
	case functionSection:
		r.vector(maxFunctions, "functions", func() { m.functions = append(m.functions, r.uint()) })
	case tableSection:
		r.vector(maxTables, "tables", func() { m.tables = append(m.tables, r.table()) })
	case memorySection:
		r.vector(1, "memories", func() { m.memory = r.memory() })
	case globalSection:
		r.vector(maxGlobals, "globals", func() { m.globals = append(m.globals, r.global()) })
	case exportSection:
		r.vector(maxExports, "exports", func() { m.exports = append(m.exports, r.export()) })
	case startSection:
		i := r.uint()
		m.start = &i
	case elementSection:
		r.vector(maxElementSegments, "element segments", func() { m.elements = append(m.elements, r.element(maxSegmentElements-m.elementCount())) })
	case codeSection:
		r.vector(maxFunctions, "functions", func() {
			f := r.sub(r.uint())
			m.code = append(m.code, span{f.at, f.end})
		})
	case dataSection:
		r.vector(maxDataSegments, "data segments", func() { m.data = append(m.data, r.dataSegment()) })
	}
}

func (r *reader) funcType() funcType {
	at := r.at
	if c := r.byte(); c != 0x60 {
		r.fail(at, "type %#02x is not a function's: %s", c, unsupported(0xfb))
	}
	return funcType{r.valueTypes(maxParams, "parameters"), r.valueTypes(maxResults, "results")}
}

func (r *reader) valueTypes(limit int, what string) (all []valueType) {
	r.vector(limit, what, func() { all = append(all, r.valueType()) })
	return all
}

func (r *reader) functionImport() functionImport {
	i := functionImport{module: r.name(), name: r.name()}
	at := r.at
	if kind := r.byte(); kind != kindFunction {
		r.fail(at, "it imports %q.%q, which is not a function: expected imports of functions only", i.module, i.name)
	}
	i.typ = r.uint()
	return i
}

func (r *reader) limits() limits {
	at := r.at
	l := limits{max: noMax}
	switch flags := r.byte(); flags {
	case 0:
		l.min = r.uint()
	case 1:
		if l.min, l.max = r.uint(), r.uint(); l.max < l.min {
			r.fail(at, "the maximum %d is less than the minimum %d", l.max, l.min)
		}
	default:
		r.fail(at, "the limits have the flags %#x: expected 0 or 1, without shared or 64-bit memory", flags)
	}
	return l
}

func (r *reader) memory() *limits {
	at := r.at
	l := r.limits()
	if l.min > maxPages || l.max != noMax && l.max > 1<<16 {
		r.fail(at, "the memory has %d pages of 64 KiB, and at most %d: expected at most %d and %d", l.min, l.max, maxPages, 1<<16)
	}
	return &l
}

func (r *reader) table() table {
	at := r.at
	t := table{elem: r.valueType()}
	if !t.elem.isRef() {
		r.fail(at, "a table holds %v: expected funcref or externref", t.elem)
	}
	if t.limits = r.limits(); t.min > maxTableSize {
		r.fail(at, "it has a table of %d elements: expected at most %d", t.min, maxTableSize)
	}
	return t
}

func (r *reader) global() global {
	g := global{typ: r.valueType()}
	at := r.at
	switch c := r.byte(); c {
	case 0, 1:
		g.mutable = c == 1
	default:
		r.fail(at, "a global has the mutability %#x: expected 0 or 1", c)
	}
	g.init = r.constant()
	return g
}

// constant reads an initial value: one instruction, and end. A module without imported globals needs nothing else.
func (r *reader) constant() instruction {
	at := r.at
	in := (&body{}).readOne(r)
	switch in.op {
	case opI32Const, opI64Const, opF32Const, opF64Const, opRefNull, opRefFunc:
	default:
		r.fail(at, "%v cannot be in an initial value: expected a constant", in.op)
	}
	if end := opcode(r.byte()); end != opEnd {
		r.fail(at, "an initial value has more than one instruction: expected a constant and end")
	}
	return in
}

func (r *reader) export() export {
	e := export{name: r.name()}
	at := r.at
	if e.kind = r.byte(); e.kind > kindGlobal {
		r.fail(at, "the export %q is of kind %d: expected a function, table, memory or global", e.name, e.kind)
	}
	e.index = r.uint()
	return e
}

// elementCount returns the number of elements in all segments read so far.
func (m *Module) elementCount() (n int) {
	for _, e := range m.elements {
		n += len(e.init)
	}
	return n
}

// element reads an element segment of at most limit elements.
//
// The bits of its flags mean: 1 not active, 2 declarative or with a table index, 4 with expressions instead of indexes.
func (r *reader) element(limit int) element {
	at := r.at
	flags := r.uint()
	if flags > 7 {
		r.fail(at, "an element segment has the flags %#x: expected at most 7", flags)
		return element{}
	}
	e := element{typ: funcref}
	switch flags & 3 {
	case 0:
		e.offset = r.constant()
	case 1:
		e.mode = passive
	case 2:
		e.table = r.uint()
		e.offset = r.constant()
	case 3:
		e.mode = declarative
	}
	expressions := flags&4 != 0
	if flags&3 != 0 {
		if kind := r.at; !expressions {
			if c := r.byte(); c != 0 {
				r.fail(kind, "an element segment is of kind %d: expected functions", c)
			}
		} else if e.typ = r.valueType(); !e.typ.isRef() {
			r.fail(kind, "an element segment holds %v: expected funcref or externref", e.typ)
		}
	}
	r.vector(limit, "elements more", func() {
		if expressions {
			e.init = append(e.init, r.reference(e.typ))
			return
		}
		i := r.uint()
		if i >= maxFunctions {
			r.fail(at, "function %d does not exist", i)
		}
		e.init = append(e.init, i)
	})
	return e
}

// reference reads an expression that is a function index or null.
func (r *reader) reference(t valueType) uint32 {
	in := r.constant()
	switch {
	case in.op == opRefFunc && t == funcref:
		return in.x
	case in.op == opRefNull && valueType(in.x) == t:
	default:
		r.fail(int(in.at), "%v is not an element of type %v", in.op, t)
	}
	return noFunction
}

func (r *reader) dataSegment() dataSegment {
	at := r.at
	var d dataSegment
	switch flags := r.uint(); flags {
	case 0:
		d.offset = r.constant()
	case 1:
		d.mode = passive
	case 2:
		if i := r.uint(); i != 0 {
			r.fail(at, "a data segment is for memory %d: expected memory 0", i)
		}
		d.offset = r.constant()
	default:
		r.fail(at, "a data segment has the flags %#x: expected at most 2", flags)
	}
	d.bytes = r.take(r.uint())
	return d
}

// validate checks references between sections, and the code.
func (m *Module) validate() error {
	end := len(m.file)
	functions := uint32(m.functionCount())
	if functions > maxFunctions {
		return errorAt(end, "it has %d functions: expected at most %d", functions, maxFunctions)
	}
	for _, f := range m.imports {
		if int64(f.typ) >= int64(len(m.types)) {
			return errorAt(end, "the import %q.%q is of type %d, which does not exist", f.module, f.name, f.typ)
		}
	}
	for i, t := range m.functions {
		if int64(t) >= int64(len(m.types)) {
			return errorAt(end, "function %d is of type %d, which does not exist", len(m.imports)+i, t)
		}
	}
	for i, g := range m.globals {
		if err := m.checkConstant(&g.init, g.typ); err != nil {
			return fmt.Errorf("global %d: %w", i, err)
		}
	}
	if err := m.checkExports(); err != nil {
		return err
	}
	if m.start != nil {
		if *m.start >= functions {
			return errorAt(end, "the start function %d does not exist", *m.start)
		}
		if t := m.typeOf(*m.start); len(t.params)+len(t.results) > 0 {
			return errorAt(end, "the start function %d takes parameters or returns results", *m.start)
		}
	}
	for i, e := range m.elements {
		if err := m.checkElement(&e); err != nil {
			return fmt.Errorf("element segment %d: %w", i, err)
		}
	}
	for i, d := range m.data {
		if d.mode != active {
			continue
		}
		if m.memory == nil {
			return errorAt(end, "data segment %d is for a memory, which does not exist", i)
		}
		if err := m.checkConstant(&d.offset, i32); err != nil {
			return fmt.Errorf("data segment %d: %w", i, err)
		}
	}
	return m.validateCode()
}

// checkConstant checks the type of a constant.
func (m *Module) checkConstant(in *instruction, want valueType) error {
	var got valueType
	switch in.op {
	case opI32Const, opI64Const, opF32Const, opF64Const:
		got = i32 - valueType(in.op-opI32Const)
	case opRefNull:
		got = valueType(in.x)
	case opRefFunc:
		if got = funcref; int64(in.x) >= int64(m.functionCount()) {
			return errorAt(int(in.at), "function %d does not exist", in.x)
		}
	}
	if got != want {
		return errorAt(int(in.at), "%v is of type %v: expected %v", in.op, got, want)
	}
	return nil
}

func (m *Module) checkExports() error {
	names := make(map[string]bool, len(m.exports))
	counts := [...]int{kindFunction: m.functionCount(), kindTable: len(m.tables), kindGlobal: len(m.globals), kindMemory: 0}
	if m.memory != nil {
		counts[kindMemory] = 1
	}
	for _, e := range m.exports {
		if names[e.name] {
			return errorAt(len(m.file), "it has two exports %q", e.name)
		}
		names[e.name] = true
		if int64(e.index) >= int64(counts[e.kind]) {
			return errorAt(len(m.file), "the export %q refers to something that does not exist", e.name)
		}
	}
	return nil
}

func (m *Module) checkElement(e *element) error {
	if e.mode == active {
		if int64(e.table) >= int64(len(m.tables)) {
			return errorAt(len(m.file), "table %d does not exist", e.table)
		}
		if t := m.tables[e.table]; t.elem != e.typ {
			return errorAt(len(m.file), "it is of type %v, and table %d of type %v", e.typ, e.table, t.elem)
		}
		if err := m.checkConstant(&e.offset, i32); err != nil {
			return err
		}
	}
	for _, f := range e.init {
		if f != noFunction && int64(f) >= int64(m.functionCount()) {
			return errorAt(len(m.file), "function %d does not exist", f)
		}
	}
	return nil
}

// declared returns which functions occur outside the code: ref.func may name only those.
func (m *Module) declared() []bool {
	all := make([]bool, m.functionCount())
	for _, e := range m.exports {
		if e.kind == kindFunction {
			all[e.index] = true
		}
	}
	for _, g := range m.globals {
		if g.init.op == opRefFunc {
			all[g.init.x] = true
		}
	}
	for _, e := range m.elements {
		for _, f := range e.init {
			if f != noFunction {
				all[f] = true
			}
		}
	}
	return all
}
