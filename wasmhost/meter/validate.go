package meter

import "slices"

// validator checks one function at a time, by the algorithm in the specification's appendix: every index must exist, and every
// instruction must find operands of its types. It also bounds the stack frame, which Instrument needs.
type validator struct {
	m        *Module
	declared []bool
	body     *body
	locals   []valueType // parameters included
	operands []valueType
	blocks   []block
	err      error

	frame frame
}

// block is an open block.
type block struct {
	op              opcode
	params, results []valueType
	height          int // of the operand stack at its beginning
	loops           int // the number of enclosing loops, including itself
	unreachable     bool
}

// label returns the types that a branch to the block takes.
func (b *block) label() []valueType {
	if b.op == opLoop {
		return b.params
	}
	return b.results
}

// validateCode validates all functions, and records the functionInfo of each.
func (m *Module) validateCode() error {
	for _, g := range m.globals {
		if g.mutable {
			m.mutableGlobals++
		}
	}
	v := &validator{m: m, declared: m.declared(), body: &body{}}
	for i, c := range m.code {
		v.body.function = uint32(len(m.imports) + i)
		if err := v.body.read(&reader{file: m.file, at: c.from, end: c.to}); err != nil {
			return err
		}
		if err := v.function(m.typeOf(v.body.function)); err != nil {
			return inFunction(v.body.function, err)
		}
		if err := m.record(v); err != nil {
			return inFunction(v.body.function, err)
		}
	}
	return nil
}

func (v *validator) function(t *funcType) error {
	v.err, v.operands, v.blocks = nil, v.operands[:0], v.blocks[:0]
	v.locals = append(append(v.locals[:0], t.params...), v.body.locals...)
	v.frame.reset(len(v.locals), t)
	v.blocks = append(v.blocks, block{op: opBlock, results: t.results})
	for i := range v.body.instructions {
		in := &v.body.instructions[i]
		v.instruction(in)
		if v.err != nil {
			return v.err
		}
	}
	return nil
}

func (v *validator) fail(in *instruction, format string, args ...any) {
	if v.err == nil {
		v.err = errorAt(int(in.at), in.op.String()+": "+format, args...)
	}
}

func (v *validator) push(t valueType) {
	v.operands = append(v.operands, t)
	v.frame.push(len(v.operands))
}

func (v *validator) pushAll(types []valueType) {
	for _, t := range types {
		v.push(t)
	}
}

// pop removes an operand of type want and returns its type. anyType accepts every type.
func (v *validator) pop(in *instruction, want valueType) valueType {
	b := &v.blocks[len(v.blocks)-1]
	if len(v.operands) == b.height {
		if !b.unreachable {
			v.fail(in, "an operand is missing: expected %v", want)
		}
		return want
	}
	got := v.operands[len(v.operands)-1]
	v.operands = v.operands[:len(v.operands)-1]
	switch {
	case got == anyType:
		return want
	case want != anyType && got != want:
		v.fail(in, "an operand is %v: expected %v", got, want)
	}
	return got
}

func (v *validator) popAll(in *instruction, types []valueType) {
	for _, t := range slices.Backward(types) {
		v.pop(in, t)
	}
}

// unreachable marks the rest of the block as unreachable.
func (v *validator) unreachable() {
	b := &v.blocks[len(v.blocks)-1]
	v.operands = v.operands[:b.height]
	b.unreachable = true
}

func (v *validator) instruction(in *instruction) {
	m := v.m
	s := in.op.spec()
	switch s.imm {
	case immMemory8, immMemory16, immMemory32, immMemory64, immZero, immZeroZero, immDataZero:
		if m.memory == nil {
			v.fail(in, "the module has no memory")
		}
	case immLocal:
		if int64(in.x) >= int64(len(v.locals)) {
			v.fail(in, "local %d does not exist", in.x)
			return
		}
	case immGlobal:
		if int64(in.x) >= int64(len(m.globals)) {
			v.fail(in, "global %d does not exist", in.x)
			return
		}
	case immFunc:
		if int64(in.x) >= int64(m.functionCount()) {
			v.fail(in, "function %d does not exist", in.x)
			return
		}
	case immTable:
		v.table(in, in.x)
	case immIndirect, immElemTable:
		v.table(in, in.y)
	case immTableTable:
		v.table(in, in.x)
		v.table(in, in.y)
	}
	switch s.imm {
	case immMemory8, immMemory16, immMemory32, immMemory64, immGlobal:
		v.frame.values++ // the engine keeps the address or value for later
	case immZero, immZeroZero, immTable, immElemTable, immTableTable, immDataZero:
		v.frame.acrossCall(len(v.operands)) // may call into the engine
	}
	if s.imm == immData || s.imm == immDataZero {
		if !m.dataCount || int64(in.x) >= int64(len(m.data)) {
			v.fail(in, "data segment %d does not exist, or no section counts them", in.x)
		}
	}
	if (s.imm == immElem || s.imm == immElemTable) && int64(in.x) >= int64(len(m.elements)) {
		v.fail(in, "element segment %d does not exist", in.x)
	}
	if v.err == nil {
		v.operate(in, s)
	}
}

func (v *validator) table(in *instruction, i uint32) {
	if int64(i) >= int64(len(v.m.tables)) {
		v.fail(in, "table %d does not exist", i)
	}
}

// operate pops an instruction's operands and pushes its results.
func (v *validator) operate(in *instruction, s *spec) {
	m := v.m
	switch in.op {
	case opUnreachable:
		v.unreachable()
	case opBlock, opLoop, opIf:
		v.open(in)
	case opElse:
		b := v.close(in)
		if b.op != opIf {
			v.fail(in, "there is no if before it")
			return
		}
		v.enter(block{op: opElse, params: b.params, results: b.results})
	case opEnd:
		b := v.close(in)
		if b.op == opIf && !slices.Equal(b.params, b.results) {
			v.fail(in, "an if without else leaves other types than it takes")
		}
		v.pushAll(b.results)
	case opBr:
		v.branch(in, v.body.labels[in.x])
		v.unreachable()
	case opBrIf:
		v.pop(in, i32)
		if types := v.branch(in, v.body.labels[in.x]); v.err == nil {
			v.pushAll(types)
		}
	case opBrTable:
		v.brTable(in)
	case opReturn:
		v.popAll(in, v.blocks[0].results)
		v.unreachable()
	case opCall:
		v.call(in, m.typeOf(in.x))
	case opCallIndirect:
		if int64(in.x) >= int64(len(m.types)) {
			v.fail(in, "type %d does not exist", in.x)
			return
		}
		if m.tables[in.y].elem != funcref {
			v.fail(in, "table %d does not hold functions", in.y)
		}
		v.pop(in, i32)
		v.call(in, &m.types[in.x])
	case opDrop:
		v.pop(in, anyType)
	case opSelect:
		v.pop(in, i32)
		a, b := v.pop(in, anyType), v.pop(in, anyType)
		if a.isRef() || b.isRef() || a != b && a != anyType && b != anyType {
			v.fail(in, "it chooses between %v and %v: expected two numbers of one type", b, a)
		}
		if a == anyType {
			a = b
		}
		v.push(a)
	case opSelectTyped:
		v.pop(in, i32)
		v.pop(in, valueType(in.x))
		v.pop(in, valueType(in.x))
		v.push(valueType(in.x))
	case opLocalGet:
		v.push(v.locals[in.x])
	case opLocalSet:
		v.pop(in, v.locals[in.x])
		v.frame.set(in.x)
	case opLocalTee:
		v.pop(in, v.locals[in.x])
		v.push(v.locals[in.x])
		v.frame.set(in.x)
	case opGlobalGet:
		v.push(m.globals[in.x].typ)
	case opGlobalSet:
		if !m.globals[in.x].mutable {
			v.fail(in, "global %d cannot be changed", in.x)
		}
		v.pop(in, m.globals[in.x].typ)
	case opTableGet:
		v.pop(in, i32)
		v.push(m.tables[in.x].elem)
	case opTableSet:
		v.pop(in, m.tables[in.x].elem)
		v.pop(in, i32)
	case opTableGrow:
		v.pop(in, i32)
		v.pop(in, m.tables[in.x].elem)
		v.push(i32)
	case opTableFill:
		v.pop(in, i32)
		v.pop(in, m.tables[in.x].elem)
		v.pop(in, i32)
	case opTableInit:
		v.match(in, m.tables[in.y].elem, m.elements[in.x].typ)
	case opTableCopy:
		v.match(in, m.tables[in.x].elem, m.tables[in.y].elem)
	case opRefNull:
		v.push(valueType(in.x))
	case opRefIsNull:
		if t := v.pop(in, anyType); !t.isRef() && t != anyType {
			v.fail(in, "an operand is %v: expected a reference", t)
		}
		v.push(i32)
	case opRefFunc:
		if !v.declared[in.x] {
			v.fail(in, "function %d is not declared: export it, or list it in an element segment", in.x)
		}
		v.push(funcref)
	default:
		v.plain(in, s.signature)
	}
}

// plain handles an instruction with a fixed signature.
func (v *validator) plain(in *instruction, signature string) {
	results := len(signature)
	for i := range signature {
		if signature[i] == ':' {
			results = i
		}
	}
	for i := results - 1; i >= 0; i-- {
		v.pop(in, signatureType(signature[i]))
	}
	for i := results + 1; i < len(signature); i++ {
		v.push(signatureType(signature[i]))
	}
}

func signatureType(c byte) valueType {
	switch c {
	case 'i':
		return i32
	case 'l':
		return i64
	case 'f':
		return f32
	case 'd':
		return f64
	}
	return funcref
}

// match checks the three numeric operands and the two types of an instruction that copies references.
func (v *validator) match(in *instruction, to, from valueType) {
	if to != from {
		v.fail(in, "it copies %v to a table of %v", from, to)
	}
	for range 3 {
		v.pop(in, i32)
	}
}

func (v *validator) call(in *instruction, t *funcType) {
	v.popAll(in, t.params)
	v.frame.call(len(v.operands), t)
	v.pushAll(t.results)
}

// open begins a block.
func (v *validator) open(in *instruction) {
	b := block{op: in.op}
	switch t := in.value; {
	case t == emptyBlock:
	case t < 0:
		one := valueType(t & 0x7f)
		if !slices.Contains([]valueType{i32, i64, f32, f64, funcref, externref}, one) {
			v.fail(in, "the block has the type %#02x: expected a value type or an index", byte(t&0x7f))
			return
		}
		b.results = singleTypes[one&0x7f : one&0x7f+1]
	case t >= int64(len(v.m.types)):
		v.fail(in, "type %d does not exist", t)
		return
	default:
		b.params, b.results = v.m.types[t].params, v.m.types[t].results
	}
	if in.op == opIf {
		v.pop(in, i32)
	}
	v.popAll(in, b.params)
	if v.enter(b); v.blocks[len(v.blocks)-1].loops > maxLoops {
		v.fail(in, "loops are nested more than %d deep", maxLoops)
	}
}

// singleTypes holds each value type at its own index, so that a slice of one type needs no allocation.
var singleTypes = func() (all [0x80]valueType) {
	for i := range all {
		all[i] = valueType(i)
	}
	return all
}()

func (v *validator) enter(b block) {
	b.height, b.loops = len(v.operands), v.blocks[len(v.blocks)-1].loops
	if b.op == opLoop {
		b.loops++
	}
	v.blocks = append(v.blocks, b)
	v.frame.enter(b.height)
	v.pushAll(b.params)
}

// close ends the innermost block. The operand stack must hold exactly its results.
func (v *validator) close(in *instruction) block {
	b := v.blocks[len(v.blocks)-1]
	v.popAll(in, b.results)
	if len(v.operands) != b.height {
		v.fail(in, "%d operands are left over", len(v.operands)-b.height)
	}
	v.blocks = v.blocks[:len(v.blocks)-1]
	v.frame.leave()
	return b
}

// branch pops the operands that the label takes, and returns their types.
func (v *validator) branch(in *instruction, label uint32) []valueType {
	v.frame.acrossCall(len(v.operands))
	if int64(label) >= int64(len(v.blocks)) {
		v.fail(in, "label %d does not exist", label)
		return nil
	}
	b := &v.blocks[len(v.blocks)-1-int(label)]
	if b.op == opLoop {
		v.frame.backEdge(len(v.locals))
	}
	v.popAll(in, b.label())
	return b.label()
}

func (v *validator) brTable(in *instruction) {
	v.pop(in, i32)
	labels := v.body.labelsOf(in)
	arity := -1
	for _, l := range slices.Backward(labels) {
		if int64(l) >= int64(len(v.blocks)) {
			v.fail(in, "label %d does not exist", l)
			return
		}
		b := &v.blocks[len(v.blocks)-1-int(l)]
		if b.op == opLoop {
			v.frame.backEdge(len(v.locals))
		}
		types := b.label()
		if arity < 0 {
			arity = len(types)
		}
		if len(types) != arity {
			v.fail(in, "its labels take different numbers of operands: %d and %d", arity, len(types))
			return
		}
		v.peek(in, types)
	}
	v.unreachable()
}

// peek checks the types of the topmost operands without popping them.
func (v *validator) peek(in *instruction, types []valueType) {
	b := &v.blocks[len(v.blocks)-1]
	for i, t := range types {
		at := len(v.operands) - len(types) + i
		switch {
		case at < b.height && !b.unreachable:
			v.fail(in, "an operand is missing: expected %v", t)
		case at >= b.height && v.operands[at] != t && v.operands[at] != anyType:
			v.fail(in, "an operand is %v: expected %v", v.operands[at], t)
		}
	}
}
