package meter

import "math/bits"

// frame computes an upper bound of a function's stack frame in the engine.
//
// The engine stores every value that is live across a call, or has no free register, in eight bytes of the frame. Where paths
// merge, each local that was set on one of them gets a new value. For most functions of real modules the bound is four to
// seven times the actual size.
type frame struct {
	values    int
	maxHeight int      // the maximum height of the operand stack
	sets      []uint64 // for each open block, one bit per local that was set in it; words items per block
	words     int
}

// freeRegisters is how many operands fit into registers.
const freeRegisters = 6

func (f *frame) reset(locals int, t *funcType) {
	*f = frame{sets: f.sets[:0], words: (locals + 63) / 64, values: len(t.params) + len(t.results)}
	f.enter(0)
}

// push records a new operand. height includes it.
func (f *frame) push(height int) {
	f.maxHeight = max(f.maxHeight, height)
	if height > freeRegisters {
		f.values++
	}
}

func (f *frame) set(local uint32) {
	f.values++
	f.sets[len(f.sets)-f.words+int(local/64)] |= 1 << (local % 64)
}

// acrossCall records a place where the engine may call a function while operands are live.
func (f *frame) acrossCall(operands int) { f.values += operands + memoryValues }

// memoryValues counts the address and the length of the memory, which the engine reloads after each call.
const memoryValues = 2

// backEdge records a branch to the head of a loop. For each such branch, the engine makes a value for each local.
func (f *frame) backEdge(locals int) { f.values += locals }

func (f *frame) call(operands int, t *funcType) {
	f.acrossCall(operands + len(t.params) + len(t.results))
}

// enter begins a block above a number of operands.
func (f *frame) enter(operands int) {
	f.acrossCall(operands)
	for range f.words {
		f.sets = append(f.sets, 0)
	}
}

// leave ends a block. Paths merge at its end, or at its beginning if it is a loop.
func (f *frame) leave() {
	outer := len(f.sets) - f.words
	for i, b := range f.sets[outer:] {
		f.values += bits.OnesCount64(b)
		if at := outer - f.words + i; at >= 0 {
			f.sets[at] |= b
		}
	}
	f.sets = f.sets[:outer]
}

// bytes returns the bound. A frame without values has about 100 bytes.
func (f *frame) bytes() int { return 128 + 8*f.values }
