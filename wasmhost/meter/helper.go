package meter

// Functions that the brake adds behind the module's own.
const (
	helperPause = iota // pauses, and refills the fuel
	helperBytes        // charges a number of bytes, and returns it
	helperPages        // the same for pages of memory, 64 KiB each
	helperFill         // memory.fill, in chunks
	helperCopy         // memory.copy, in chunks
)

type helper struct {
	params, results []valueType
	code            []byte
}

// assembly builds the code of a helper.
type assembly struct {
	b   *brake
	out []byte
}

func (a *assembly) op(ops ...opcode) *assembly {
	for _, op := range ops {
		a.out = appendOp(a.out, op)
	}
	return a
}

// with is an instruction with indexes or labels.
func (a *assembly) with(op opcode, immediates ...uint32) *assembly {
	a.op(op)
	for _, i := range immediates {
		a.out = appendUint(a.out, i)
	}
	return a
}

func (a *assembly) get(locals ...uint32) *assembly {
	for _, l := range locals {
		a.with(opLocalGet, l)
	}
	return a
}

func (a *assembly) number(n int64) *assembly {
	a.out = appendInt(a.op(opI32Const).out, n)
	return a
}

// block begins a block, loop or if without a type.
func (a *assembly) block(op opcode) *assembly {
	a.out = append(a.op(op).out, 0x40)
	return a
}

// charge takes bytes off the fuel, of which 16 cost 1, and pauses if it falls below zero. size puts the number of bytes on
// the stack. It goes down by less than 2^28: fuel that is not negative does not overflow.
func (a *assembly) charge(size func()) *assembly {
	a.with(opGlobalGet, a.b.fuel)
	size()
	a.number(4).op(opI32ShrU, opI32Sub).with(opGlobalSet, a.b.fuel)
	a.with(opGlobalGet, a.b.fuel).number(0).op(opI32LtS).block(opIf)
	return a.with(opCall, a.b.helpers+helperPause).op(opEnd)
}

// helperFunctions are the functions that the brake adds, in the order of their constants.
func (b *brake) helperFunctions() []helper {
	one, three := []valueType{i32}, []valueType{i32, i32, i32}
	start := func() *assembly { return &assembly{b: b, out: appendLocals(nil, nil)} }

	pause := start().with(opCall, uint32(len(b.m.imports))).number(fuelSlice).with(opGlobalSet, b.fuel)

	bytes, pages, fill, copied := start(), start(), start(), start()
	bytes.charge(func() { bytes.get(0) }).get(0)
	pages.charge(func() { pages.get(0).number(16).op(opI32Shl) }).get(0)

	// The parameters of both are where to, what or where from, and how many bytes.
	const to, from, size = 0, 1, 2
	all := func(a *assembly, op opcode) { // what is left, at once
		a.get(to, from, size)
		a.bulk(op).op(opReturn, opEnd)
	}
	few := func(a *assembly, op opcode) {
		a.get(size).number(freeBytes).op(opI32LeU).block(opIf)
		all(a, op)
	}
	last := func(a *assembly, op opcode) {
		a.get(size).number(chunk).op(opI32LeU).block(opIf).get(size).with(opCall, b.helpers+helperBytes).op(opDrop)
		all(a, op)
		a.number(chunk).with(opCall, b.helpers+helperBytes).op(opDrop)
	}
	move := func(a *assembly, local uint32, op opcode) { a.get(local).number(chunk).op(op).with(opLocalSet, local) }

	few(fill, opMemoryFill)
	fill.block(opLoop)
	last(fill, opMemoryFill)
	fill.get(to, from).number(chunk).bulk(opMemoryFill)
	move(fill, to, opI32Add)
	move(fill, size, opI32Sub)
	fill.with(opBr, 0).op(opEnd)

	few(copied, opMemoryCopy)
	copied.get(to, from).op(opI32LeU).block(opIf).block(opLoop)
	last(copied, opMemoryCopy)
	copied.get(to, from).number(chunk).bulk(opMemoryCopy)
	move(copied, to, opI32Add)
	move(copied, from, opI32Add)
	move(copied, size, opI32Sub)
	copied.with(opBr, 0).op(opEnd, opEnd)
	// The ranges may overlap, and what is copied lies before its place: it is copied from its end. That must not be past
	// 2^32, where addresses begin again.
	copied.get(to).op(opI64ExtendI32).get(size).op(opI64ExtendI32, opI64Add)
	copied.out = appendInt(copied.op(opI64Const).out, 1<<32)
	copied.op(opI64GtU).block(opIf).op(opUnreachable, opEnd).block(opLoop)
	last(copied, opMemoryCopy)
	move(copied, size, opI32Sub)
	copied.get(to, size).op(opI32Add).get(from, size).op(opI32Add).number(chunk).bulk(opMemoryCopy)
	copied.with(opBr, 0).op(opEnd)

	helpers := []helper{
		{nil, nil, pause.op(opEnd).out},
		{one, one, bytes.op(opEnd).out},
		{one, one, pages.op(opEnd).out},
		{three, nil, fill.op(opEnd).out},
		{three, nil, copied.op(opEnd).out},
	}
	if b.m.memory == nil {
		return helpers[:helperFill]
	}
	return helpers
}

// bulk is memory.fill or memory.copy.
func (a *assembly) bulk(op opcode) *assembly {
	if op == opMemoryCopy {
		return a.with(op, 0, 0)
	}
	return a.with(op, 0)
}
