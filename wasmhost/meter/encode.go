package meter

// encoder writes a module. Function indexes from defined on grow by one, to make room for one more import. Without an added
// import, defined is noFunction.
type encoder struct {
	out     []byte
	defined uint32
}

// Encode returns the module in canonical form: every number in its shortest form, and no custom sections. Decoding and
// encoding the result again gives the same bytes.
func (m *Module) Encode() []byte {
	b := &body{}
	return m.encode(noFunction, func(out []byte, i int) []byte {
		c := m.code[i]
		if err := b.read(&reader{file: m.file, at: c.from, end: c.to}); err != nil {
			panic(err) // Decode read it
		}
		out = appendLocals(out, b.locals)
		for j := range b.instructions {
			out = b.append(out, &b.instructions[j], noFunction)
		}
		return out
	})
}

// encode writes the module. code appends the code of function i.
func (m *Module) encode(defined uint32, code func(out []byte, i int) []byte) []byte {
	e := &encoder{out: append(make([]byte, 0, len(m.file)+len(m.file)/4), magic...), defined: defined}
	e.out = append(e.out, version...)
	e.vector(typeSection, len(m.types), func(b []byte, i int) []byte {
		t := m.types[i]
		return appendTypes(appendTypes(append(b, 0x60), t.params), t.results)
	})
	e.vector(importSection, len(m.imports), func(b []byte, i int) []byte {
		f := m.imports[i]
		return appendUint(append(appendName(appendName(b, f.module), f.name), kindFunction), f.typ)
	})
	e.vector(functionSection, len(m.functions), func(b []byte, i int) []byte { return appendUint(b, m.functions[i]) })
	e.vector(tableSection, len(m.tables), func(b []byte, i int) []byte {
		return m.tables[i].append(append(b, byte(m.tables[i].elem)))
	})
	if m.memory != nil {
		e.vector(memorySection, 1, func(b []byte, _ int) []byte { return m.memory.append(b) })
	}
	e.vector(globalSection, len(m.globals), func(b []byte, i int) []byte {
		g := m.globals[i]
		mutable := byte(0)
		if g.mutable {
			mutable = 1
		}
		return e.constant(append(b, byte(g.typ), mutable), g.init)
	})
	e.vector(exportSection, len(m.exports), func(b []byte, i int) []byte {
		x := m.exports[i]
		if x.kind == kindFunction {
			x.index = shifted(x.index, defined)
		}
		return appendUint(append(appendName(b, x.name), x.kind), x.index)
	})
	if m.start != nil {
		e.section(startSection, appendUint(nil, shifted(*m.start, defined)))
	}
	e.vector(elementSection, len(m.elements), func(b []byte, i int) []byte { return e.element(b, &m.elements[i]) })
	if m.dataCount {
		e.section(dataCountSection, appendUint(nil, uint32(len(m.data))))
	}
	var f []byte
	e.vector(codeSection, len(m.code), func(b []byte, i int) []byte {
		f = code(f[:0], i)
		return appendBytes(b, f)
	})
	e.vector(dataSection, len(m.data), func(b []byte, i int) []byte {
		d := m.data[i]
		b = append(b, d.mode)
		if d.mode == active {
			b = e.constant(b, d.offset)
		}
		return appendBytes(b, d.bytes)
	})
	return e.out
}

func (e *encoder) section(id byte, content []byte) {
	e.out = appendBytes(append(e.out, id), content)
}

// vector writes a section of n items. It writes nothing if n is zero.
func (e *encoder) vector(id byte, n int, item func(b []byte, i int) []byte) {
	if n == 0 {
		return
	}
	b := appendUint(nil, uint32(n))
	for i := range n {
		b = item(b, i)
	}
	e.section(id, b)
}

func (e *encoder) constant(b []byte, in instruction) []byte {
	return appendOp((&body{}).append(b, &in, e.defined), opEnd)
}

// element writes functions as indexes if none of them is null, and as expressions otherwise.
func (e *encoder) element(b []byte, s *element) []byte {
	expressions := s.typ != funcref
	for _, f := range s.init {
		expressions = expressions || f == noFunction
	}
	flags := [...]uint32{active: 0, passive: 1, declarative: 3}[s.mode]
	if s.mode == active && (s.table != 0 || s.typ != funcref) {
		flags = 2
	}
	if expressions {
		flags |= 4
	}
	b = appendUint(b, flags)
	if flags&3 == 2 {
		b = appendUint(b, s.table)
	}
	if s.mode == active {
		b = e.constant(b, s.offset)
	}
	if flags&3 != 0 {
		if expressions {
			b = append(b, byte(s.typ))
		} else {
			b = append(b, 0)
		}
	}
	b = appendUint(b, uint32(len(s.init)))
	for _, f := range s.init {
		switch {
		case !expressions:
			b = appendUint(b, shifted(f, e.defined))
		case f == noFunction:
			b = e.constant(b, instruction{op: opRefNull, x: uint32(s.typ)})
		default:
			b = e.constant(b, instruction{op: opRefFunc, x: f})
		}
	}
	return b
}

func shifted(function, defined uint32) uint32 {
	if function >= defined {
		return function + 1
	}
	return function
}

func (l *limits) append(b []byte) []byte {
	if l.max == noMax {
		return appendUint(append(b, 0), l.min)
	}
	return appendUint(appendUint(append(b, 1), l.min), l.max)
}

func appendTypes(b []byte, types []valueType) []byte {
	b = appendUint(b, uint32(len(types)))
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

// appendLocals writes the locals of a function, grouped by type.
func appendLocals(b []byte, locals []valueType) []byte {
	groups := 0
	for i := range locals {
		if i == 0 || locals[i] != locals[i-1] {
			groups++
		}
	}
	b = appendUint(b, uint32(groups))
	for len(locals) > 0 {
		n := 1
		for n < len(locals) && locals[n] == locals[0] {
			n++
		}
		b = append(appendUint(b, uint32(n)), byte(locals[0]))
		locals = locals[n:]
	}
	return b
}
