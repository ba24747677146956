package meter

import "slices"

// flow is the control flow of a function, and the cost of the paths through it.
//
// A check is a place that charges fuel, and pauses the guest if its fuel is spent. There are checks at the entry of some
// functions, at the head of each loop, at each back edge of a Go dispatch loop, and within a path that costs more than
// maxPath. Between checks control only moves forward. Therefore one backward pass finds the most expensive path from every
// instruction to its next check.
//
// Go compiles a function to a dispatch loop: one loop around a table of all its basic blocks.
//
//	loop  block block block
//	        local.get $block; br_table 0 1 2
//	      end … i32.const 2; local.set $block; br $loop   a forward jump to the third target
//	      end …
//	      end … i32.const 0; local.set $block; br $loop   a back edge to the first target
//	end
//
// The constant determines the target of such a branch. Therefore the head of a dispatch loop needs no check: each back edge
// has one, and a forward jump branches directly to its target.
type flow struct {
	body *body
	end  []int // the end of each block, loop, if and else
	open []int // the beginning of the block of each end; none for the function's
	// depth is the number of open blocks before each instruction, counting the function itself.
	depth     []int
	elseOrEnd []int // the else of each if, or its end without an else
	// jumps holds the target of each branch that goes through a dispatch loop.
	jumps []jump
	// dispatches holds the dispatch loops. Only branches with a constant go to them.
	dispatches map[int]*dispatch
	// remaining is the cost of the most expensive path from each instruction to the next check or the function's end: at most
	// maxPath.
	remaining []int
	// checks is the charge before each instruction where a path would cost more than maxPath, and zero elsewhere.
	checks []int

	stack []int
}

const none = -1

// jump is a branch through a dispatch loop to the end of a block, its target. The loop of other branches is none.
type jump struct{ loop, target int }

// dispatch is the head of a dispatch loop.
type dispatch struct {
	local         uint32
	targets       []int // for each value of local, the block at whose end control continues; the default is last
	otherBranches bool  // there are branches to the loop without a constant
}

// target returns the target for a value of the local.
func (d *dispatch) target(value int64) int {
	return d.targets[min(uint64(uint32(value)), uint64(len(d.targets)-1))]
}

func resize(s []int, n int) []int { return slices.Grow(s[:0], n)[:n] }

// analyze finds the blocks, the dispatch loops and the jumps through them.
func (f *flow) analyze(b *body) {
	n := len(b.instructions)
	f.body = b
	f.end, f.open, f.depth, f.elseOrEnd, f.remaining = resize(f.end, n), resize(f.open, n), resize(f.depth, n), resize(f.elseOrEnd, n), resize(f.remaining, n+1)
	f.checks = resize(f.checks, n)
	f.jumps, f.dispatches = slices.Grow(f.jumps[:0], n)[:n], map[int]*dispatch{}
	f.stack = append(f.stack[:0], none)
	for i := range b.instructions {
		in := &b.instructions[i]
		f.depth[i], f.jumps[i] = len(f.stack), jump{loop: none}
		switch in.op {
		case opBlock, opLoop, opIf:
			f.stack = append(f.stack, i)
			f.elseOrEnd[i] = none
		case opElse:
			f.elseOrEnd[f.stack[len(f.stack)-1]] = i
		case opEnd:
			o := f.stack[len(f.stack)-1]
			f.stack = f.stack[:len(f.stack)-1]
			if f.open[i] = o; o == none {
				break
			}
			f.end[o] = i
			if e := f.elseOrEnd[o]; e != none {
				f.end[e] = i
			} else {
				f.elseOrEnd[o] = i
			}
		case opBrTable:
			if loop, d := f.dispatch(i); d != nil {
				f.dispatches[loop] = d
				break
			}
			fallthrough
		case opBr, opBrIf:
			f.branch(i)
		}
	}
	for loop, d := range f.dispatches {
		if d.otherBranches {
			delete(f.dispatches, loop)
		}
	}
}

// dispatch returns the dispatch loop that a br_table belongs to, or nil.
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
		target := f.stack[len(f.stack)-1-int(l)]
		if target <= loop {
			return 0, nil
		}
		d.targets = append(d.targets, target)
	}
	return loop, d
}

// branch records a branch if it goes to a dispatch loop.
func (f *flow) branch(i int) {
	ins := f.body.instructions
	for _, l := range f.body.labelsOf(&ins[i]) {
		to := f.stack[len(f.stack)-1-int(l)]
		d := f.dispatches[to]
		switch {
		case d == nil:
		case ins[i].op == opBr && ins[i-1].op == opLocalSet && ins[i-1].x == d.local && ins[i-2].op == opI32Const:
			f.jumps[i] = jump{to, d.target(ins[i-2].value)}
		default:
			d.otherBranches = true
		}
	}
}

// jump returns the target of a branch through a dispatch loop, and whether it is a back edge. ok is false for other branches.
func (f *flow) jump(i int) (target int, back, ok bool) {
	j := f.jumps[i]
	if j.loop == none || f.dispatches[j.loop] == nil {
		return 0, false, false
	}
	return j.target, f.end[j.target] < i, true
}

// computeCosts fills in remaining and checks. cost returns the cost of a single instruction.
func (f *flow) computeCosts(cost func(in *instruction) int) {
	ins := f.body.instructions
	f.stack = f.stack[:0]
	f.remaining[len(ins)] = 0
	for i := len(ins) - 1; i >= 0; i-- {
		in := &ins[i]
		next := f.remaining[i+1]
		switch in.op {
		case opEnd:
			f.stack = append(f.stack, f.open[i])
		case opBlock, opLoop, opIf:
			f.stack = f.stack[:len(f.stack)-1]
			switch {
			case in.op == opLoop && f.dispatches[i] == nil:
				next = 0 // a check
			case in.op == opIf:
				next = max(next, f.remaining[f.elseOrEnd[i]+1])
			}
		case opElse:
			next = f.remaining[f.end[f.stack[len(f.stack)-1]]]
		case opBr:
			next = f.costAfter(i, f.body.labels[in.x])
		case opBrIf, opBrTable:
			if in.op == opBrTable {
				next = 0
			}
			for _, l := range f.body.labelsOf(in) {
				next = max(next, f.costAfter(i, l))
			}
		case opReturn, opUnreachable:
			next = 0
		}
		f.checks[i], f.remaining[i] = 0, next+cost(in)
		if f.remaining[i] > maxPath {
			f.checks[i], f.remaining[i] = f.remaining[i], 0
		}
	}
}

// costAfter returns the cost from the target of a branch to the next check.
func (f *flow) costAfter(i int, label uint32) int {
	if target, back, ok := f.jump(i); ok {
		if back {
			return 0 // a check
		}
		return f.remaining[f.end[target]]
	}
	switch to := f.stack[len(f.stack)-1-int(label)]; {
	case to == none:
		return 0
	case f.body.instructions[to].op == opLoop:
		return 0 // a check
	default:
		return f.remaining[f.end[to]]
	}
}
