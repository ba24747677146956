package meter

// instruction is one instruction of a function's body.
type instruction struct {
	op opcode
	at uint32 // offset in the file
	// x and y are immediates: an index, or a memory access's alignment and offset. For a branch, x is the position of its
	// labels in body.labels, and y is their number.
	x, y uint32
	// value holds the bits of a constant, or the type of a block: emptyBlock, a value type minus 0x80, or a type index.
	value int64
}

const emptyBlock = 0x40 - 0x80

// body is the code of a function. It can be reused for another function, to save allocations.
type body struct {
	function     uint32 // its index, imports included
	locals       []valueType
	instructions []instruction
	labels       []uint32
}

// read decodes one function. Afterwards blocks are balanced and immediates have valid widths. The validator checks indexes
// and types.
func (b *body) read(r *reader) error {
	b.locals, b.instructions, b.labels = b.locals[:0], b.instructions[:0], b.labels[:0]
	start := r.at
	if size := r.end - start; size > maxBody {
		r.fail(start, "the function has %d bytes: expected at most %d", size, maxBody)
	}
	r.vector(maxLocals, "groups of locals", func() {
		at := r.at
		n, t := r.uint(), r.valueType()
		if uint64(len(b.locals))+uint64(n) > maxLocals {
			r.fail(at, "the function has more than %d locals", maxLocals)
			return
		}
		for range n {
			b.locals = append(b.locals, t)
		}
	})
	for depth := 1; depth > 0 && r.err == nil; {
		in := b.readOne(r)
		switch in.op {
		case opBlock, opLoop, opIf:
			if depth++; depth > maxNesting {
				r.fail(int(in.at), "blocks are nested more than %d deep", maxNesting)
			}
		case opEnd:
			depth--
		}
		b.instructions = append(b.instructions, in)
	}
	if r.more() {
		r.fail(r.at, "instructions follow the end of the function")
	}
	return inFunction(b.function, r.err)
}

func (b *body) readOne(r *reader) instruction {
	in := instruction{at: uint32(r.at)}
	in.op = opcode(r.byte())
	if in.op == 0xfc {
		sub := r.uint()
		in.op = prefixed + opcode(min(sub, 0xff))
	}
	if r.err != nil {
		return in
	}
	switch in.op.spec().imm {
	case immUnknown:
		r.fail(int(in.at), "%v: %s", in.op, unsupported(in.op))
	case immNone:
	case immBlock:
		in.value = r.blockType()
	case immFunc, immLocal, immGlobal, immTable, immData, immElem:
		in.x = r.uint()
	case immLabel, immLabels:
		in.x = uint32(len(b.labels))
		if in.op == opBrTable {
			r.vector(maxBody, "labels", func() { b.labels = append(b.labels, r.uint()) })
		}
		b.labels = append(b.labels, r.uint())
		in.y = uint32(len(b.labels)) - in.x
	case immIndirect, immElemTable, immTableTable:
		in.x, in.y = r.uint(), r.uint()
	case immSelected:
		if n := r.uint(); n != 1 {
			r.fail(int(in.at), "select names %d types: expected one", n)
		}
		in.x = uint32(r.valueType())
	case immMemory8, immMemory16, immMemory32, immMemory64:
		in.x, in.y = r.uint(), r.uint()
		if most := uint32(in.op.spec().imm - immMemory8); in.x > most {
			r.fail(int(in.at), "%v is aligned to 2^%d bytes: expected at most 2^%d", in.op, in.x, most)
		}
	case immZero:
		r.memoryIndex(in.at)
	case immZeroZero:
		r.memoryIndex(in.at)
		r.memoryIndex(in.at)
	case immDataZero:
		in.x = r.uint()
		r.memoryIndex(in.at)
	case immI32:
		in.value = r.int(32)
	case immI64:
		in.value = r.int(64)
	case immF32:
		in.value = int64(le32(r.take(4)))
	case immF64:
		low, high := le32(r.take(4)), le32(r.take(4))
		in.value = int64(high<<32 | low)
	case immRef:
		if in.x = uint32(r.valueType()); r.err == nil && !valueType(in.x).isRef() {
			r.fail(int(in.at), "ref.null names %v: expected funcref or externref", valueType(in.x))
		}
	}
	return in
}

// memoryIndex reads the index of the memory, which must be zero: a module has at most one memory.
func (r *reader) memoryIndex(at uint32) {
	if c := r.byte(); c != 0 {
		r.fail(int(at), "memory %d is used: expected memory 0", c)
	}
}

// labelsOf returns the labels of a branch, or nil for other instructions. The default of a br_table is last.
func (b *body) labelsOf(in *instruction) []uint32 {
	if in.op < opBr || in.op > opBrTable {
		return nil
	}
	return b.labels[in.x : in.x+in.y]
}

// append writes an instruction. Function indexes from defined on grow by one, to make room for the added import.
func (b *body) append(out []byte, in *instruction, defined uint32) []byte {
	out = appendOp(out, in.op)
	switch in.op.spec().imm {
	case immBlock, immI32, immI64:
		return appendInt(out, in.value)
	case immLocal, immGlobal, immTable, immData, immElem:
		return appendUint(out, in.x)
	case immLabel:
		return appendUint(out, b.labels[in.x])
	case immFunc:
		return appendUint(out, shifted(in.x, defined))
	case immLabels:
		out = appendUint(out, in.y-1)
		for _, l := range b.labelsOf(in) {
			out = appendUint(out, l)
		}
	case immIndirect, immElemTable, immTableTable, immMemory8, immMemory16, immMemory32, immMemory64:
		return appendUint(appendUint(out, in.x), in.y)
	case immSelected:
		return append(out, 1, byte(in.x))
	case immZero:
		return append(out, 0)
	case immZeroZero:
		return append(out, 0, 0)
	case immDataZero:
		return append(appendUint(out, in.x), 0)
	case immF32, immF64:
		v := uint64(in.value)
		for range 4 * (1 + int(in.op-opF32Const)) {
			out = append(out, byte(v))
			v >>= 8
		}
	case immRef:
		return append(out, byte(in.x))
	}
	return out
}
