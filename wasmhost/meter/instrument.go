package meter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Instrumentation lets a host stop a guest at any point. Go cannot preempt compiled code, and a garbage collection waits for
// every goroutine, so one guest in an endless loop would stop the whole process.
//
// Fuel is a global that is added to the module. The guest pays about one unit for each instruction, more for slow
// instructions, and by length for bulk instructions. A fuel check subtracts the cost of the code that follows. If the fuel is
// then negative, the guest calls the import PauseFunction: the host checks the deadline, lets other goroutines run, and ends
// the call if necessary. The guest's own code cannot name the fuel global.
//
// The size of the memory, in pages, is a global too. A memory cannot shrink, but this number can be restored: the next
// memory.grow then takes pages that the memory already has. The host clears them.
//
// A call is also charged for its stack frame. Therefore the engine's stack grows by at most frameGrowth bytes between two
// pauses, and the host checks its size in each pause.

// PauseModule and PauseFunction name the import that Instrument adds. StartExport names the export that initializes the memory and
// calls the module's start function, which must not run before the host can stop it.
const (
	PauseModule   = "crmgate:brake"
	PauseFunction = "pause"
	StartExport   = reserved + "start"
)

// reserved begins the names of the exports that Instrument adds.
const reserved = "crmgate:"

// GlobalExport names the export of a mutable global. The globals of a restorable module are exported as 0, 1 and so on. Other
// modules have none of these exports.
//
// A module is restorable if its memory and these globals are all that its code can change: restoring them restores an instance.
// Other modules write tables, drop segments or keep references in mutable globals.
func GlobalExport(i int) string { return fmt.Sprint(reserved, "global ", i) }

// fuelSlice is the fuel between two pauses. It lasts about 0.1 milliseconds, or up to thirty milliseconds if every instruction
// waits for memory.
const fuelSlice = 1 << 18

// maxPath is the highest cost that one check charges for the code that follows. A check charges for the most expensive path, and few
// calls take it. An interpreter is one loop around the code of all its instructions: without this bound, each instruction of a script
// was charged 5,000 units, and a script paused every two microseconds.
const maxPath = 500

// frameBytes is how many bytes of a frame cost one unit of fuel. frameGrowth is how far the stack can grow between two pauses.
const (
	frameBytes  = 16
	frameGrowth = fuelSlice * frameBytes
)

// Costs of instructions, in fuel. An instruction that is not listed costs one unit.
const (
	callCost     = 4
	hostCost     = 100
	slowCost     = 10 // divisions and table instructions
	bulkCost     = 64 // memory.copy and memory.fill; includes the first freeBytes
	dispatchCost = 2  // the head of a Go dispatch loop: local.get and br_table

	freeBytes = 1024
	chunkSize = 1 << 18 // bytes copied or filled by one instruction
)

// maxUnchecked is the highest cost from a function's entry to its first check or its end without a check at the entry. An
// indirect call is charged more than this, so a function that calls itself through a table has a check.
const maxUnchecked = 1000

// instrumenter adds fuel checks to a module.
type instrumenter struct {
	m       *Module
	before  func(out []byte, in *instruction) []byte // writes code before each instruction; nil except in tests
	state   []byte                                   // of each function: unvisited, inProgress or done
	checked []bool                                   // whether a function has a check at its entry; final when the function is done
	entry   []int                                    // the cost from a function's entry to its next check, including the frame
	code    [][]byte
	size    int // of code, in bytes
	body    body
	flow    flow
	fuel    uint32
	helpers uint32
}

const (
	unvisited = iota
	inProgress
	done
)

// Instrument returns the module with fuel checks, in canonical form. The caller owns the bytes. The error names the reserved
// name that the module uses, or says that the code becomes too large. The host must
//
//   - provide the function PauseFunction in the import module PauseModule, without parameters and results, and panic there to
//     end a call
//   - call the export StartExport, if there is one, before any other export, unless it makes the memory and the globals those of an
//     instance in which it was called
//   - bound the time of its own functions
//   - discard an instance after a trap: a bulk instruction that is done in chunks may be half done
//
// Instrument gives tables and the memory a maximum. wazero does not count tables towards the memory limit, and the addresses
// of chunks must not exceed 2^32.
func (m *Module) Instrument() ([]byte, error) { return m.instrument(nil) }

func (m *Module) instrument(before func(out []byte, in *instruction) []byte) ([]byte, error) {
	for _, i := range m.imports {
		if i.module == PauseModule {
			return nil, errors.New("the import module " + PauseModule + " is reserved: rename it")
		}
	}
	for _, e := range m.exports {
		if strings.HasPrefix(e.name, reserved) {
			return nil, fmt.Errorf("the export %s is reserved: rename it", e.name)
		}
	}
	instrumented := *m
	imports := uint32(len(m.imports))
	b := &instrumenter{m: m, before: before, state: make([]byte, len(m.code)), checked: make([]bool, len(m.code)), entry: make([]int, len(m.code)), code: make([][]byte, len(m.code))}
	b.fuel, b.helpers = uint32(len(m.globals)), uint32(m.functionCount())+1
	if err := b.instrumentAll(); err != nil {
		return nil, err
	}

	instrumented.types, instrumented.functions, instrumented.code = slices.Clone(m.types), slices.Clone(m.functions), slices.Clone(m.code)
	instrumented.imports = append(slices.Clone(m.imports), functionImport{PauseModule, PauseFunction, instrumented.typeIndex(nil, nil)})
	helpers := b.helperFunctions()
	start := m.start
	data, ok := m.mergedData()
	if ok {
		instrumented.data = data
	}
	if ok && len(data) <= maxPassive {
		index := uint32(m.functionCount() + len(helpers))
		helpers, start = append(helpers, b.initializer(data)), &index
		for i := range data {
			data[i].mode = passive
		}
		instrumented.dataCount = true
	}
	for _, h := range helpers {
		instrumented.functions = append(instrumented.functions, instrumented.typeIndex(h.params, h.results))
		instrumented.code = append(instrumented.code, span{})
		b.code = append(b.code, h.code)
	}
	instrumented.globals = append(slices.Clone(m.globals), global{i32, true, instruction{op: opI32Const, value: fuelSlice}})
	if m.memory != nil {
		instrumented.globals = append(instrumented.globals, global{i32, true, instruction{op: opI32Const, value: int64(m.memory.min)}})
		instrumented.memory = &limits{m.memory.min, min(m.memory.max, maxPages)}
	}
	instrumented.exports = append(slices.Clone(m.exports), instrumented.mutableExports()...)
	if start != nil {
		instrumented.exports = append(instrumented.exports, export{StartExport, kindFunction, *start})
		instrumented.start = nil
	}
	instrumented.tables = slices.Clone(m.tables)
	for i := range instrumented.tables {
		instrumented.tables[i].max = min(instrumented.tables[i].max, maxTableSize)
	}
	return instrumented.encode(imports, func(out []byte, i int) []byte { return append(out, b.code[i]...) }), nil
}

// mutableExports returns an export for each mutable global; none if the module is not restorable.
func (m *Module) mutableExports() (all []export) {
	if m.changesTables {
		return nil
	}
	for i, g := range m.globals {
		switch {
		case !g.mutable:
		case g.typ.isRef():
			return nil
		default:
			all = append(all, export{GlobalExport(len(all)), kindGlobal, uint32(i)})
		}
	}
	return all
}

// instrumentAll instruments every function after its callees, so that the cost of a call is known. A function that is called
// while it is in progress is recursive, and gets a check at its entry.
func (b *instrumenter) instrumentAll() error {
	type visit struct{ function, next int }
	var stack []visit
	for i := range b.m.code {
		if b.state[i] != unvisited {
			continue
		}
		b.state[i] = inProgress
		stack = append(stack, visit{function: i})
		for len(stack) > 0 {
			v := &stack[len(stack)-1]
			calls := b.m.info[v.function].calls
			if v.next == len(calls) {
				if b.instrumentFunction(v.function); b.size > maxInstrumented {
					return fmt.Errorf("its code has more than %d MB with fuel checks: split the module", maxInstrumented>>20)
				}
				b.state[v.function] = done
				stack = stack[:len(stack)-1]
				continue
			}
			callee := int(calls[v.next])
			v.next++
			switch b.state[callee] {
			case unvisited:
				b.state[callee] = inProgress
				stack = append(stack, visit{function: callee})
			case inProgress:
				b.checked[callee] = true
			}
		}
	}
	return nil
}

// cost returns the cost of an instruction, without what a helper or a check in the callee charges.
func (b *instrumenter) cost(in *instruction) int {
	switch in.op {
	case opUnreachable, opBlock, opLoop, opElse, opEnd, 0x01:
		return 0
	case opCall:
		callee := int(in.x) - len(b.m.imports)
		switch {
		case callee < 0:
			return hostCost
		case b.checked[callee]:
			return callCost
		}
		return callCost + b.entry[callee]
	case opCallIndirect:
		return callCost + maxUnchecked
	case opMemoryCopy, opMemoryFill:
		return bulkCost
	case 0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82, 0x91, 0x95, 0x9f, 0xa3, // division, square root
		opTableGet, opTableSet, opMemoryGrow, opMemoryInit, opTableInit, opTableCopy, opTableGrow, opTableFill:
		return slowCost
	}
	return 1
}

// instrumentFunction writes the code of a function with fuel checks.
func (b *instrumenter) instrumentFunction(i int) {
	m := b.m
	c := m.code[i]
	if err := b.body.read(&reader{file: m.file, at: c.from, end: c.to}); err != nil {
		panic(err) // Decode read it
	}
	b.flow.analyze(&b.body)
	b.flow.computeCosts(b.cost)
	b.entry[i] = b.flow.remaining[0] + m.info[i].frame/frameBytes
	b.checked[i] = b.checked[i] || b.entry[i] > maxUnchecked

	out := appendLocals(make([]byte, 0, 2*(c.to-c.from)), b.body.locals)
	if b.checked[i] {
		out = b.check(out, b.entry[i], false)
	}
	for j := range b.body.instructions {
		in := &b.body.instructions[j]
		if b.before != nil {
			out = b.before(out, in)
		}
		if cost := b.flow.checks[j]; cost > 0 {
			out = b.check(out, cost, false)
		}
		switch in.op {
		case opLoop:
			out = b.body.append(out, in, noFunction)
			if b.flow.dispatches[j] == nil {
				out = b.check(out, b.flow.remaining[j+1], in.value == emptyBlock)
			}
		case opBr:
			target, back, ok := b.flow.jump(j)
			switch {
			case !ok:
				out = b.body.append(out, in, noFunction)
			case back:
				out = b.checkedBackEdge(out, dispatchCost+b.flow.remaining[b.flow.end[target]], b.body.labels[in.x])
			default:
				out = appendUint(appendOp(out, opBr), uint32(b.flow.depth[j]-1-b.flow.depth[target]))
			}
		case opMemoryFill:
			out = b.call(out, helperFill)
		case opMemoryCopy:
			out = b.call(out, helperCopy)
		case opMemoryInit, opTableInit, opTableCopy, opTableFill, opTableGrow: // table elements count as bytes
			out = b.body.append(b.call(out, helperBytes), in, noFunction)
		case opMemoryGrow:
			out = b.call(out, helperGrow)
		case opMemorySize:
			out = appendUint(appendOp(out, opGlobalGet), b.pages())
		default:
			out = b.body.append(out, in, uint32(len(m.imports)))
		}
	}
	b.code[i] = out
	b.size += len(out)
}

// pages is the global that holds the size of the memory, as the module's code sees it.
func (b *instrumenter) pages() uint32 { return b.fuel + 1 }

// charge subtracts a cost from the fuel, and leaves the result on the operand stack.
func (b *instrumenter) charge(out []byte, cost int) []byte {
	out = appendUint(appendOp(out, opGlobalGet), b.fuel)
	out = appendOp(appendInt(appendOp(out, opI32Const), int64(cost)), opI32Sub)
	out = appendUint(appendOp(out, opGlobalSet), b.fuel)
	return appendUint(appendOp(out, opGlobalGet), b.fuel)
}

// check charges a cost, and pauses if the fuel is then negative. With restart, the loop starts again after a pause. That is
// possible at the head of a loop without parameters, and charges the cost twice.
//
// Restarting makes loops a few percent faster: the engine does not have to merge its state after a pause with its state
// without one.
func (b *instrumenter) check(out []byte, cost int, restart bool) []byte {
	out = appendInt(appendOp(b.charge(out, cost), opI32Const), 0)
	out = append(appendOp(appendOp(out, opI32LtS), opIf), 0x40)
	out = b.call(out, helperPause)
	if restart {
		out = appendUint(appendOp(out, opBr), 1)
	}
	return appendOp(out, opEnd)
}

// checkedBackEdge writes a check and a branch to the head of a loop. The branch without a pause is the likely path.
func (b *instrumenter) checkedBackEdge(out []byte, cost int, label uint32) []byte {
	out = appendInt(appendOp(b.charge(out, cost), opI32Const), 0)
	out = appendUint(appendOp(appendOp(out, opI32GeS), opBrIf), label)
	return appendUint(appendOp(b.call(out, helperPause), opBr), label)
}

func (b *instrumenter) call(out []byte, helper uint32) []byte {
	return appendUint(appendOp(out, opCall), b.helpers+helper)
}
