package meter

// Functions that Instrument adds after the module's own.
const (
	helperPause = iota // calls the host, then refills the fuel
	helperBytes        // charges for a number of bytes, and returns that number
	helperGrow         // memory.grow, charged by length
	helperFill         // memory.fill, in chunks
	helperCopy         // memory.copy, in chunks
)

type helper struct {
	params, results []valueType
	code            []byte
}

// assembler writes the code of a helper.
type assembler struct {
	b   *instrumenter
	out []byte
}

func (a *assembler) op(ops ...opcode) *assembler {
	for _, op := range ops {
		a.out = appendOp(a.out, op)
	}
	return a
}

// opWith writes an instruction with unsigned immediates: indexes or labels.
func (a *assembler) opWith(op opcode, immediates ...uint32) *assembler {
	a.op(op)
	for _, i := range immediates {
		a.out = appendUint(a.out, i)
	}
	return a
}

func (a *assembler) get(locals ...uint32) *assembler {
	for _, l := range locals {
		a.opWith(opLocalGet, l)
	}
	return a
}

func (a *assembler) constI32(n int64) *assembler {
	a.out = appendInt(a.op(opI32Const).out, n)
	return a
}

// block begins a block, loop or if without parameters and results.
func (a *assembler) block(op opcode) *assembler {
	a.out = append(a.op(op).out, 0x40)
	return a
}

// charge subtracts the cost of bytes from the fuel, one unit for 16 bytes, and pauses if the result is negative. size writes
// code that pushes the number of bytes. The cost is less than 2^28, so the subtraction cannot overflow.
func (a *assembler) charge(size func()) *assembler {
	a.opWith(opGlobalGet, a.b.fuel)
	size()
	a.constI32(4).op(opI32ShrU, opI32Sub).opWith(opGlobalSet, a.b.fuel)
	a.opWith(opGlobalGet, a.b.fuel).constI32(0).op(opI32LtS).block(opIf)
	return a.opWith(opCall, a.b.helpers+helperPause).op(opEnd)
}

// grow writes the code of helperGrow: the parameter is the number of new pages, and the result the size before, or -1.
func (a *assembler) grow() {
	const pages, missing = 0, 1
	failed := func() { a.block(opIf).constI32(-1).op(opReturn, opEnd) }
	a.charge(func() { a.get(pages).constI32(16).op(opI32Shl) })
	a.get(pages).constI32(maxPages).op(opI32GtU) // so that the sum below cannot overflow
	failed()
	a.opWith(opGlobalGet, a.b.pages()).get(pages).op(opI32Add).opWith(opMemorySize, 0).op(opI32Sub).opWith(opLocalTee, missing)
	a.constI32(0).op(opI32GtS).block(opIf).get(missing).opWith(opMemoryGrow, 0).constI32(-1).op(opI32Eq)
	failed()
	a.op(opEnd)
	a.opWith(opGlobalGet, a.b.pages()).opWith(opGlobalGet, a.b.pages()).get(pages).op(opI32Add).opWith(opGlobalSet, a.b.pages())
}

// helperFunctions returns the added functions in the order of their constants.
func (b *instrumenter) helperFunctions() []helper {
	one, three := []valueType{i32}, []valueType{i32, i32, i32}
	start := func() *assembler { return &assembler{b: b, out: appendLocals(nil, nil)} }

	pause := start().opWith(opCall, uint32(len(b.m.imports))).constI32(fuelSlice).opWith(opGlobalSet, b.fuel)

	bytes, grow, fill, copied := start(), &assembler{b: b, out: appendLocals(nil, one)}, start(), start()
	bytes.charge(func() { bytes.get(0) }).get(0)
	grow.grow()

	// The parameters of fill and copy: the destination, the value or source, and the number of bytes.
	const to, from, size = 0, 1, 2
	wholeRange := func(a *assembler, op opcode) { // the rest, in one instruction
		a.get(to, from, size)
		a.bulk(op).op(opReturn, opEnd)
	}
	smallRange := func(a *assembler, op opcode) {
		a.get(size).constI32(freeBytes).op(opI32LeU).block(opIf)
		wholeRange(a, op)
	}
	lastChunk := func(a *assembler, op opcode) {
		a.get(size).constI32(chunkSize).op(opI32LeU).block(opIf).get(size).opWith(opCall, b.helpers+helperBytes).op(opDrop)
		wholeRange(a, op)
		a.constI32(chunkSize).opWith(opCall, b.helpers+helperBytes).op(opDrop)
	}
	advance := func(a *assembler, local uint32, op opcode) {
		a.get(local).constI32(chunkSize).op(op).opWith(opLocalSet, local)
	}

	smallRange(fill, opMemoryFill)
	fill.block(opLoop)
	lastChunk(fill, opMemoryFill)
	fill.get(to, from).constI32(chunkSize).bulk(opMemoryFill)
	advance(fill, to, opI32Add)
	advance(fill, size, opI32Sub)
	fill.opWith(opBr, 0).op(opEnd)

	smallRange(copied, opMemoryCopy)
	copied.get(to, from).op(opI32LeU).block(opIf).block(opLoop)
	lastChunk(copied, opMemoryCopy)
	copied.get(to, from).constI32(chunkSize).bulk(opMemoryCopy)
	advance(copied, to, opI32Add)
	advance(copied, from, opI32Add)
	advance(copied, size, opI32Sub)
	copied.opWith(opBr, 0).op(opEnd, opEnd)
	// The ranges may overlap and the source lies below the destination: copy from the end backwards. The end must not exceed
	// 2^32, where addresses wrap around.
	copied.get(to).op(opI64ExtendI32).get(size).op(opI64ExtendI32, opI64Add)
	copied.out = appendInt(copied.op(opI64Const).out, 1<<32)
	copied.op(opI64GtU).block(opIf).op(opUnreachable, opEnd).block(opLoop)
	lastChunk(copied, opMemoryCopy)
	advance(copied, size, opI32Sub)
	copied.get(to, size).op(opI32Add).get(from, size).op(opI32Add).constI32(chunkSize).bulk(opMemoryCopy)
	copied.opWith(opBr, 0).op(opEnd)

	helpers := []helper{
		{nil, nil, pause.op(opEnd).out},
		{one, one, bytes.op(opEnd).out},
		{one, one, grow.op(opEnd).out},
		{three, nil, fill.op(opEnd).out},
		{three, nil, copied.op(opEnd).out},
	}
	if b.m.memory == nil {
		return helpers[:helperGrow]
	}
	return helpers
}

// bulk writes memory.fill or memory.copy.
func (a *assembler) bulk(op opcode) *assembler {
	if op == opMemoryCopy {
		return a.opWith(op, 0, 0)
	}
	return a.opWith(op, 0)
}
