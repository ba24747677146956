package meter

import (
	"errors"
	"fmt"
	"slices"
)

// The brake lets a host stop a guest wherever it is. Go cannot preempt compiled code, and a garbage collection waits for every
// goroutine: one guest in an endless loop would stop the whole process.
//
// Fuel is a global of the module, which goes down by what the guest does: about one for each instruction, more for slow ones,
// and for bulk instructions by their length. When it falls below zero the guest calls an import, Pause, in which the host
// looks at the deadline, lets others run, and ends the call if it must. Nothing that a guest can name reaches the fuel.
//
// A call of a function is charged for its frame as well, so that between two pauses the engine's stack grows by
// frameGrowth bytes at most: the host checks it in Pause.

// The import that metering adds, and the name under which it exports the start function, which must not run before the host
// can stop it.
const (
	Brake = "crmgate:brake"
	Pause = "pause"
	Start = "crmgate:start"
)

// fuelSlice is what a guest may spend between two pauses: that takes a tenth of a millisecond, or up to thirty milliseconds if every
// instruction waits for memory.
const fuelSlice = 1 << 18

// frameBytes is how many bytes of a frame cost 1, and frameGrowth how far the stack may grow between two pauses.
const (
	frameBytes  = 16
	frameGrowth = fuelSlice * frameBytes
)

// Costs of instructions. One that is not named costs 1.
const (
	callCost     = 4
	hostCost     = 100
	slowCost     = 10 // division, and what works on tables
	bulkCost     = 64 // of memory.copy and memory.fill, for the first freeBytes
	dispatchCost = 2  // of the head of Go's shape: local.get and br_table

	freeBytes = 1024
	chunk     = 1 << 18 // bytes that are copied or filled at once
)

// maxUnchecked is what a function may cost from its entry to its first check or its end if it has no check at its entry. An
// indirect call is charged this much, and a little for itself: so a function that calls itself through a table has a check.
const maxUnchecked = 1000

// brake adds the brake to a module.
type brake struct {
	m       *Module
	before  func(out []byte, in *instruction) []byte // puts code before each instruction; nil but in tests
	state   []byte                                   // of each function: unseen, under way, done
	checked []bool                                   // whether a function has a check at its entry; known when it is done
	entry   []int                                    // what a function costs at its entry, the frame included
	code    [][]byte
	size    int // of code, in bytes
	body    body
	flow    flow
	fuel    uint32
	helpers uint32
}

const (
	unseen = iota
	underWay
	done
)

// Brake returns the module with the brake, in canonical form; the bytes are the caller's. The error says which reserved name the
// module uses, or that it becomes too large. The host must
//
//   - provide the function Pause of the import module Brake, without parameters and results, and end the call there by a panic
//   - call the export Start, if there is one, before any other
//   - bound the time of its own functions
//   - use an instance that has trapped no more: what is copied in chunks may have been done in part
//
// Tables and the memory get a maximum: wazero allocates tables outside of the memory's limit, and addresses of chunks must
// not pass 2^32.
func (m *Module) Brake() ([]byte, error) { return m.brake(nil) }

func (m *Module) brake(before func(out []byte, in *instruction) []byte) ([]byte, error) {
	for _, i := range m.imports {
		if i.module == Brake {
			return nil, errors.New("the import module " + Brake + " is reserved: rename it")
		}
	}
	for _, e := range m.exports {
		if e.name == Start {
			return nil, errors.New("the export " + Start + " is reserved: rename it")
		}
	}
	braked := *m
	imports := uint32(len(m.imports))
	b := &brake{m: m, before: before, state: make([]byte, len(m.code)), checked: make([]bool, len(m.code)), entry: make([]int, len(m.code)), code: make([][]byte, len(m.code))}
	b.fuel, b.helpers = uint32(len(m.globals)), uint32(m.functionCount())+1
	if err := b.all(); err != nil {
		return nil, err
	}

	braked.types, braked.functions, braked.code = slices.Clone(m.types), slices.Clone(m.functions), slices.Clone(m.code)
	braked.imports = append(slices.Clone(m.imports), functionImport{Brake, Pause, braked.typeIndex(nil, nil)})
	for _, h := range b.helperFunctions() {
		braked.functions = append(braked.functions, braked.typeIndex(h.params, h.results))
		braked.code = append(braked.code, span{})
		b.code = append(b.code, h.code)
	}
	braked.globals = append(slices.Clone(m.globals), global{i32, true, instruction{op: opI32Const, value: fuelSlice}})
	if m.start != nil {
		braked.exports = append(slices.Clone(m.exports), export{Start, kindFunction, *m.start})
		braked.start = nil
	}
	if m.memory != nil {
		braked.memory = &limits{m.memory.min, min(m.memory.max, maxPages)}
	}
	braked.tables = slices.Clone(m.tables)
	for i := range braked.tables {
		braked.tables[i].max = min(braked.tables[i].max, maxElements)
	}
	return braked.encode(imports, func(out []byte, i int) []byte { return append(out, b.code[i]...) }), nil
}

// all treats every function after those that it calls: what a call costs is then known. A function that is called while it
// is under way is recursive, and gets a check.
func (b *brake) all() error {
	type visit struct{ function, next int }
	var stack []visit
	for i := range b.m.code {
		if b.state[i] != unseen {
			continue
		}
		b.state[i] = underWay
		stack = append(stack, visit{function: i})
		for len(stack) > 0 {
			v := &stack[len(stack)-1]
			calls := b.m.facts[v.function].calls
			if v.next == len(calls) {
				if b.function(v.function); b.size > maxBraked {
					return fmt.Errorf("its code has more than %d MB with the brake: it has too many loops; split the module", maxBraked>>20)
				}
				b.state[v.function] = done
				stack = stack[:len(stack)-1]
				continue
			}
			callee := int(calls[v.next])
			v.next++
			switch b.state[callee] {
			case unseen:
				b.state[callee] = underWay
				stack = append(stack, visit{function: callee})
			case underWay:
				b.checked[callee] = true
			}
		}
	}
	return nil
}

// cost is what an instruction costs, without what a check of its own charges.
func (b *brake) cost(in *instruction) int {
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

// function makes the code of a function that has the brake.
func (b *brake) function(i int) {
	m := b.m
	c := m.code[i]
	if err := b.body.read(&reader{file: m.file, at: c.from, end: c.to}); err != nil {
		panic(err) // Decode read it
	}
	b.flow.read(&b.body)
	b.flow.price(b.cost)
	b.entry[i] = b.flow.rest[0] + m.facts[i].frame/frameBytes
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
			if b.flow.through[j] == nil {
				out = b.check(out, b.flow.rest[j+1], in.value == emptyBlock)
			}
		case opBr:
			part, back, ok := b.flow.jump(j)
			switch {
			case !ok:
				out = b.body.append(out, in, noFunction)
			case back:
				out = b.jumpBack(out, dispatchCost+b.flow.rest[b.flow.end[part]], b.body.labels[in.x])
			default:
				out = appendUint(appendOp(out, opBr), uint32(b.flow.depth[j]-1-b.flow.depth[part]))
			}
		case opMemoryFill:
			out = b.call(out, helperFill)
		case opMemoryCopy:
			out = b.call(out, helperCopy)
		case opMemoryInit, opTableInit, opTableCopy, opTableFill, opTableGrow: // a table's elements count as bytes
			out = b.body.append(b.call(out, helperBytes), in, noFunction)
		case opMemoryGrow:
			out = b.body.append(b.call(out, helperPages), in, noFunction)
		default:
			out = b.body.append(out, in, uint32(len(m.imports)))
		}
	}
	b.code[i] = out
	b.size += len(out)
}

// charge takes a cost off the fuel, and leaves what is left on the stack.
func (b *brake) charge(out []byte, cost int) []byte {
	out = appendUint(appendOp(out, opGlobalGet), b.fuel)
	out = appendOp(appendInt(appendOp(out, opI32Const), int64(cost)), opI32Sub)
	out = appendUint(appendOp(out, opGlobalSet), b.fuel)
	return appendUint(appendOp(out, opGlobalGet), b.fuel)
}

// check charges a cost, and pauses if the fuel has fallen below zero. At the head of a loop that takes no parameters the loop
// then begins again: what the engine knows on the path without a pause then needs no merging with what it knows after one,
// which makes loops some percent faster. That charges the cost, which is at most fuelSlice, once more.
func (b *brake) check(out []byte, cost int, again bool) []byte {
	out = appendInt(appendOp(b.charge(out, cost), opI32Const), 0)
	out = append(appendOp(appendOp(out, opI32LtS), opIf), 0x40)
	out = b.call(out, helperPause)
	if again {
		out = appendUint(appendOp(out, opBr), 1)
	}
	return appendOp(out, opEnd)
}

// jumpBack is a check before a branch: the branch is the likely path.
func (b *brake) jumpBack(out []byte, cost int, label uint32) []byte {
	out = appendInt(appendOp(b.charge(out, cost), opI32Const), 0)
	out = appendUint(appendOp(appendOp(out, opI32GeS), opBrIf), label)
	return appendUint(appendOp(b.call(out, helperPause), opBr), label)
}

func (b *brake) call(out []byte, helper uint32) []byte {
	return appendUint(appendOp(out, opCall), b.helpers+helper)
}
