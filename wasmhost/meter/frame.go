package meter

import "math/bits"

// frame bounds what a call of a function takes on the engine's stack. The engine gives every value that is in use across a
// call, or that finds no register free, eight bytes of its own. Where paths merge, each local that was set on one of them gets
// a new value. For most functions of real modules the bound is four to seven times what they take.
type frame struct {
	values int
	height int      // the most operands that there were
	sets   []uint64 // for each open block, a bit for each local that is set in it; words for each
	words  int
}

// freeRegisters is how many values an expression may hold before some find no register.
const freeRegisters = 6

func (f *frame) reset(locals int, t *funcType) {
	*f = frame{sets: f.sets[:0], words: (locals + 63) / 64, values: len(t.params) + len(t.results)}
	f.enter(0)
}

// push records an operand; height is how many there are with it.
func (f *frame) push(height int) {
	f.height = max(f.height, height)
	if height > freeRegisters {
		f.values++
	}
}

func (f *frame) set(local uint32) {
	f.values++
	f.sets[len(f.sets)-f.words+int(local/64)] |= 1 << (local % 64)
}

// across is a place where the engine may call something while there are operands.
func (f *frame) across(operands int) { f.values += operands + baseValues }

// baseValues are the address and the length of the memory, which the engine loads again after each call.
const baseValues = 2

// again is a branch back to a loop. The engine makes a value for each local that the loop may change, for each such branch.
func (f *frame) again(locals int) { f.values += locals }

func (f *frame) call(operands int, t *funcType) {
	f.across(operands + len(t.params) + len(t.results))
}

// enter begins a block over operands.
func (f *frame) enter(operands int) {
	f.across(operands)
	for range f.words {
		f.sets = append(f.sets, 0)
	}
}

// leave ends a block: at its end, or its beginning if it is a loop, paths merge.
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

// bytes is the bound. A frame without values has some 100.
func (f *frame) bytes() int { return 128 + 8*f.values }
