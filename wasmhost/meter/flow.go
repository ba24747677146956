package meter

import "slices"

// flow is how control moves through a function, and what the paths through it cost.
//
// A check is a place where the brake charges, and pauses the guest if its fuel is spent: the entry of some functions, the head of
// each loop, each back edge in Go's code, and the middle of a path that costs more than fuelSlice. Between checks control only
// moves forward, so that the most expensive path from every instruction to the next check is found in one pass from the end.
//
// Go compiles a function to one loop around a table of all its blocks:
//
//	loop  block block block
//	        local.get $block; br_table 0 1 2
//	      end … i32.const 2; local.set $block; br $loop   a jump forward to the third part
//	      end …
//	      end … i32.const 0; local.set $block; br $loop   a back edge to the first part
//	end
//
// The constant says where such a branch leads. So the head of that loop needs no check: back edges have one each, and a jump
// forward goes to its part directly.
type flow struct {
	body *body
	end  []int // of each block, loop and if; of each else, the end as well
	open []int // of each end; outside for the function's
	// depth is how many blocks are open before each instruction, the function itself included.
	depth []int
	other []int // of each if: its else, or its end
	// jumps is where each branch of Go's shape leads.
	jumps []jump
	// through holds the loops of Go's shape that nothing else branches to.
	through map[int]*dispatch
	// rest is the cost of the most expensive path from each instruction to the next check or the function's end: at most fuelSlice.
	rest []int
	// checks is what is charged before each instruction where a path would cost more than fuelSlice, and zero elsewhere.
	checks []int

	stack []int
}

const outside = -1

// jump is a branch of Go's shape: by way of a loop to the end of a block, its part. Other branches have no loop.
type jump struct{ loop, part int }

// dispatch is the head of Go's shape.
type dispatch struct {
	local uint32
	parts []int // the block whose end each value of local leads to, the default last
	odd   bool  // something branches to the loop without a constant
}

// part returns where a value of the local leads.
func (d *dispatch) part(value int64) int {
	return d.parts[min(uint64(uint32(value)), uint64(len(d.parts)-1))]
}

func resize(s []int, n int) []int { return slices.Grow(s[:0], n)[:n] }

// read finds the blocks, and the loops and jumps of Go's shape.
func (f *flow) read(b *body) {
	n := len(b.instructions)
	f.body = b
	f.end, f.open, f.depth, f.other, f.rest = resize(f.end, n), resize(f.open, n), resize(f.depth, n), resize(f.other, n), resize(f.rest, n+1)
	f.checks = resize(f.checks, n)
	f.jumps, f.through = slices.Grow(f.jumps[:0], n)[:n], map[int]*dispatch{}
	f.stack = append(f.stack[:0], outside)
	for i := range b.instructions {
		in := &b.instructions[i]
		f.depth[i], f.jumps[i] = len(f.stack), jump{loop: outside}
		switch in.op {
		case opBlock, opLoop, opIf:
			f.stack = append(f.stack, i)
			f.other[i] = outside
		case opElse:
			f.other[f.stack[len(f.stack)-1]] = i
		case opEnd:
			o := f.stack[len(f.stack)-1]
			f.stack = f.stack[:len(f.stack)-1]
			if f.open[i] = o; o == outside {
				break
			}
			f.end[o] = i
			if e := f.other[o]; e != outside {
				f.end[e] = i
			} else {
				f.other[o] = i
			}
		case opBrTable:
			if loop, d := f.dispatch(i); d != nil {
				f.through[loop] = d
				break
			}
			fallthrough
		case opBr, opBrIf:
			f.branch(i)
		}
	}
	for loop, d := range f.through {
		if d.odd {
			delete(f.through, loop)
		}
	}
}

// dispatch returns the loop that a br_table makes one of Go's shape, or nil.
func (f *flow) dispatch(i int) (int, *dispatch) {
	ins := f.body.instructions
	if i == 0 || ins[i-1].op != opLocalGet {
		return 0, nil
	}
	loop := i - 2
	for loop >= 0 && ins[loop].op == opBlock && ins[loop].value == emptyBlock {
		loop--
	}
	if loop < 0 || loop == i-2 || ins[loop].op != opLoop || ins[loop].value != emptyBlock {
		return 0, nil
	}
	d := &dispatch{local: ins[i-1].x}
	for _, l := range f.body.labelsOf(&ins[i]) {
		part := f.stack[len(f.stack)-1-int(l)]
		if part <= loop {
			return 0, nil
		}
		d.parts = append(d.parts, part)
	}
	return loop, d
}

// branch notes a branch to a loop of Go's shape.
func (f *flow) branch(i int) {
	ins := f.body.instructions
	for _, l := range f.body.labelsOf(&ins[i]) {
		to := f.stack[len(f.stack)-1-int(l)]
		d := f.through[to]
		switch {
		case d == nil:
		case ins[i].op == opBr && ins[i-1].op == opLocalSet && ins[i-1].x == d.local && ins[i-2].op == opI32Const:
			f.jumps[i] = jump{to, d.part(ins[i-2].value)}
		default:
			d.odd = true
		}
	}
}

// jump returns the block to whose end a branch of Go's shape leads, and whether that is a back edge.
func (f *flow) jump(i int) (part int, back, ok bool) {
	j := f.jumps[i]
	if j.loop == outside || f.through[j.loop] == nil {
		return 0, false, false
	}
	return j.part, f.end[j.part] < i, true
}

// price fills in rest and checks. cost is what an instruction costs by itself.
func (f *flow) price(cost func(in *instruction) int) {
	ins := f.body.instructions
	f.stack = f.stack[:0]
	f.rest[len(ins)] = 0
	for i := len(ins) - 1; i >= 0; i-- {
		in := &ins[i]
		next := f.rest[i+1]
		switch in.op {
		case opEnd:
			f.stack = append(f.stack, f.open[i])
		case opBlock, opLoop, opIf:
			f.stack = f.stack[:len(f.stack)-1]
			switch {
			case in.op == opLoop && f.through[i] == nil:
				next = 0 // a check
			case in.op == opIf:
				next = max(next, f.rest[f.other[i]+1])
			}
		case opElse:
			next = f.rest[f.end[f.stack[len(f.stack)-1]]]
		case opBr:
			next = f.after(i, f.body.labels[in.x])
		case opBrIf, opBrTable:
			if in.op == opBrTable {
				next = 0
			}
			for _, l := range f.body.labelsOf(in) {
				next = max(next, f.after(i, l))
			}
		case opReturn, opUnreachable:
			next = 0
		}
		f.checks[i], f.rest[i] = 0, next+cost(in)
		if f.rest[i] > fuelSlice {
			f.checks[i], f.rest[i] = f.rest[i], 0
		}
	}
}

// after is the cost of what follows a branch.
func (f *flow) after(i int, label uint32) int {
	if part, back, ok := f.jump(i); ok {
		if back {
			return 0 // a check
		}
		return f.rest[f.end[part]]
	}
	switch to := f.stack[len(f.stack)-1-int(label)]; {
	case to == outside:
		return 0
	case f.body.instructions[to].op == opLoop:
		return 0 // a check
	default:
		return f.rest[f.end[to]]
	}
}
