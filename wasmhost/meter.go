package wasmhost

import (
	"encoding/binary"
	"fmt"
)

// A guest must be stoppable wherever it is: compiled code is never preempted by Go, so that one spinning guest and one
// garbage collection would stop the whole process. wazero's own brake (WithCloseOnContextDone) leaves for Go at every
// turn of a loop, which makes real calls several times slower, and does not see recursion that has no loops.
//
// So modules are metered before they are compiled. At the head of each loop, at the entry of each function that calls
// others, and before each bulk instruction, a counter in a global goes down. Every slice ticks the guest leaves for Go
// once (memory.grow 0 is always served there, which is also where a garbage collection gets its turn), and then looks at
// a second global, which the host sets to stop it. wazero validates the result, so that a mistake here cannot break the
// sandbox.
const (
	slice    = 4096
	bulkCost = 256 // of filling or copying, which may take milliseconds
)

// Limits of one function. Compiling takes time and memory that grow faster than a function does, and cannot be stopped:
// modules of a few hundred KB have been made that take minutes and gigabytes. What toolchains make stays far below.
const (
	maxBody   = 128 << 10
	maxLocals = 512
	maxBlocks = 4096
)

// Exports that metering adds. No toolchain makes such names; a module that has them is refused as having them twice.
const (
	exportStop  = "crmgate:stop"
	exportStart = "crmgate:start" // the start function: it must not run before it can be stopped
)

// meter adds the two globals to a module, and the code that minds them.
func meter(m sections) (sections, error) {
	if m.find(memorySection) == nil || m.find(exportSection) == nil {
		return m, nil // it will be refused for what it lacks
	}
	globals := &reader{rest: m.find(globalSection)}
	var defined uint64
	if len(globals.rest) > 0 {
		defined = globals.uint()
	}
	tick := defined // imports are functions only
	body := binary.AppendUvarint(nil, defined+2)
	body = append(body, globals.rest...)
	body = append(body, 0x7f, 1, 0x41) // i32, mutable, i32.const
	body = append(appendSigned(body, slice), 0x0b)
	body = append(body, 0x7f, 1, 0x41, 0, 0x0b)
	m = m.with(globalSection, body)

	exports := &reader{rest: m.find(exportSection)}
	count := exports.uint() + 1
	added := appendExport(nil, exportStop, 3, tick+1)
	if start := m.find(startSection); start != nil {
		r := &reader{rest: start}
		added = appendExport(added, exportStart, 0, r.uint())
		count++
		m = m.without(startSection)
		if r.failed {
			return nil, errMalformed
		}
	}
	body = append(binary.AppendUvarint(nil, count), exports.rest...)
	m = m.with(exportSection, append(body, added...))

	if globals.failed || exports.failed {
		return nil, errMalformed
	}
	code := m.find(codeSection)
	if code == nil {
		return m, nil
	}
	code, err := meterCode(code, tick)
	return m.with(codeSection, code), err
}

func appendExport(b []byte, name string, kind byte, index uint64) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	return binary.AppendUvarint(append(b, kind), index)
}

func meterCode(b []byte, tick uint64) ([]byte, error) {
	check, bulk := checkpoint(tick, 1), checkpoint(tick, bulkCost)
	r := &reader{rest: b}
	count := r.uint()
	out := binary.AppendUvarint(make([]byte, 0, len(b)+len(b)/4), count)
	for range count {
		f := r.take(r.uint())
		if r.failed {
			return nil, errMalformed
		}
		metered, err := meterFunction(f, check, bulk)
		if err != nil {
			return nil, err
		}
		out = append(binary.AppendUvarint(out, uint64(len(metered))), metered...)
	}
	return out, r.err()
}

// checkpoint is the code that counts down, and now and then looks whether it is to stop.
func checkpoint(tick uint64, cost int64) []byte {
	get := func(b []byte, i uint64) []byte { return binary.AppendUvarint(append(b, 0x23), i) }
	set := func(b []byte, i uint64) []byte { return binary.AppendUvarint(append(b, 0x24), i) }
	b := appendSigned(append(get(nil, tick), 0x41), cost)
	b = set(append(b, 0x6b), tick)          // tick -= cost
	b = append(get(b, tick), 0x41, 0, 0x4c) // tick <= 0
	b = append(b, 0x04, 0x40, 0x41)         // if
	b = set(appendSigned(b, slice), tick)   //   tick = slice
	b = append(b, 0x41, 0, 0x40, 0, 0x1a)   //   memory.grow 0
	b = append(get(b, tick+1), 0x04, 0x40)  //   if stop
	return append(b, 0x00, 0x0b, 0x0b)      //     unreachable
}

// meterFunction puts checkpoints into one function's body.
func meterFunction(f, check, bulk []byte) ([]byte, error) {
	r := &reader{rest: f}
	var locals, blocks uint64
	for range r.uint() { // groups of locals
		locals += r.uint()
		r.byte()
		if r.failed {
			return nil, errMalformed
		}
	}
	entry := len(f) - len(r.rest)
	var body []byte
	calls, done := false, entry
	put := func(at int, code []byte) {
		body = append(append(body, f[done:at]...), code...)
		done = at
	}
	for len(r.rest) > 0 {
		at := len(f) - len(r.rest)
		op := r.byte()
		kind, err := r.operands(op)
		if err != nil {
			return nil, err
		}
		switch kind {
		case opLoop:
			blocks++
			put(len(f)-len(r.rest), check)
		case opBlock:
			blocks++
		case opCall:
			calls = true
		case opBulk:
			put(at, bulk)
		}
	}
	if len(f) > maxBody || locals > maxLocals || blocks > maxBlocks {
		return nil, fmt.Errorf("it has a function of %d bytes, %d locals and %d blocks: expected at most %d, %d and %d",
			len(f), locals, blocks, maxBody, maxLocals, maxBlocks)
	}
	out := append(make([]byte, 0, len(f)+len(body)), f[:entry]...)
	if calls {
		out = append(out, check...)
	}
	return append(append(out, body...), f[done:]...), r.err()
}

// Kinds of instructions that metering tells apart.
const (
	opOther = iota
	opLoop
	opBlock
	opCall
	opBulk
)

// operands skips what follows an opcode, and says what kind of instruction it is.
func (r *reader) operands(op byte) (kind int, err error) {
	switch {
	case op == 0x03: // loop
		r.skip()
		return opLoop, nil
	case op == 0x02, op == 0x04: // block, if
		r.skip()
		return opBlock, nil
	case op == 0x10: // call
		r.skip()
		return opCall, nil
	case op == 0x11: // call_indirect
		r.skip()
		r.skip()
		return opCall, nil
	case op == 0x0e: // br_table
		for n := r.uint() + 1; n > 0 && !r.failed; n-- {
			r.skip()
		}
	case op == 0x1c: // select with types
		r.take(r.uint())
	case op >= 0x28 && op <= 0x3e: // loads and stores
		r.skip()
		r.skip()
	case op == 0x0c, op == 0x0d, // br, br_if
		op >= 0x20 && op <= 0x26, // variables and tables
		op == 0x3f, op == 0x40,   // memory.size, memory.grow
		op == 0x41, op == 0x42, // i32.const, i64.const
		op == 0xd0, op == 0xd2: // ref.null, ref.func
		r.skip()
	case op == 0x43:
		r.take(4)
	case op == 0x44:
		r.take(8)
	case op <= 0x01, op == 0x05, op == 0x0b, op == 0x0f, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4, op == 0xd1:
	case op == 0xfc:
		return r.bulkOperands()
	case op == 0xfd:
		return opOther, r.vectorOperands()
	default:
		return opOther, fmt.Errorf("it has an instruction, %#x, that is not known", op)
	}
	return opOther, nil
}

// bulkOperands reads the instructions behind 0xfc: conversions, and those that work on whole ranges.
func (r *reader) bulkOperands() (int, error) {
	switch op := r.uint(); {
	case op <= 7:
		return opOther, nil
	case op == 9, op == 11, op == 13, op == 15, op == 16, op == 17:
		r.skip()
	case op == 8, op == 10, op == 12, op == 14:
		r.skip()
		r.skip()
	default:
		return opOther, fmt.Errorf("it has an instruction, 0xfc %d, that is not known", op)
	}
	return opBulk, nil
}

// vectorOperands reads the instructions behind 0xfd.
func (r *reader) vectorOperands() error {
	switch op := r.uint(); {
	case op <= 11, op == 92, op == 93: // loads and stores
		r.skip()
		r.skip()
	case op >= 84 && op <= 91: // of one lane
		r.skip()
		r.skip()
		r.byte()
	case op == 12, op == 13: // v128.const, i8x16.shuffle
		r.take(16)
	case op >= 21 && op <= 34: // lanes
		r.byte()
	case op > 255:
		return fmt.Errorf("it has an instruction, 0xfd %d, that is not known", op)
	}
	return nil
}
