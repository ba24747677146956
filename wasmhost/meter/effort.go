package meter

import "time"

// effort estimates the processor time that the engine takes to compile a function.
//
// The engine joins values where paths merge: it looks at each pair of paths, and at the values that live there. It reloads the mutable
// globals after each call, and compares an access to memory with earlier ones. The rest is linear. The weights were measured with
// functions of one kind of instruction, on a server of 2025. A module that was made to compile slowly takes between half of the estimate
// and a fifth more than it. Real modules take two thirds of it.
type effort struct {
	mutableGlobals int // of the module
	live           int // locals and operands
	values         int // that type frame counts
	paths          int // blocks and branches
	calls          int
	accesses       int   // of memory
	linear         int64 // ns
}

// Weights in nanoseconds.
const (
	perFunction     = 10_000
	perReload       = 450
	perPath         = 1_000
	perMerged       = 1_000 // a value of the frame
	perCall         = 2_500
	perIndirectCall = 40_000
	perAccess       = 3_500
	perAccessPair   = 0.25
	perConversion   = 7_000 // to an integer, with its checks
	perDivision     = 4_000
	perBulk         = 4_000
	perOperation    = 1_200 // any other
	perValue        = 100   // a local, a constant, or nothing at all
)

// pathsOfLoop is how many paths a loop has, with the fuel check at its head.
const pathsOfLoop = 4

// CompileTime returns an estimate of the processor time that compiling the module takes. Decode rejects a module that takes too long.
func (m *Module) CompileTime() time.Duration { return time.Duration(m.compiling) }

// add adds an instruction.
func (e *effort) add(in *instruction) {
	switch op := in.op; {
	case op == opLoop:
		e.paths += pathsOfLoop
	case op == opBlock || op == opIf:
		e.paths++
	case op == opBr || op == opBrIf || op == opBrTable:
		e.paths += int(in.y)
	case op == opCall:
		e.calls++
		e.linear += perCall
	case op >= opI32Load && op <= opI64Store32:
		e.accesses++
	case op == opCallIndirect:
		e.calls++
		e.linear += perIndirectCall
	default:
		e.linear += weight(op)
	}
}

// weight returns the weight of an instruction that is not a branch, a call or an access to memory.
func weight(op opcode) int64 {
	switch {
	case op <= opSelectTyped && op != opSelect && op != opSelectTyped, op >= opLocalGet && op <= opLocalTee, op >= opI32Const && op <= opF64Const:
		return perValue
	case op >= opI32DivS && op <= opI32RemU, op >= opI64DivS && op <= opI64RemU, op >= opF32Min && op <= opF32Copysign, op >= opF64Min && op <= opF64Copysign:
		return perDivision
	case op >= opI32TruncF32S && op <= opI32TruncF64U, op >= opI64TruncF32S && op <= opI64TruncF64U, op >= prefixed && op <= opI64TruncSatF64U:
		return perConversion
	case op >= opMemoryInit, op == opMemoryGrow, op == opTableGet, op == opTableSet, op == opRefFunc:
		return perBulk
	}
	return perOperation
}

// nanoseconds returns the estimate.
func (e *effort) nanoseconds() int64 {
	paths, live, accesses := float64(e.paths), float64(e.live), float64(e.accesses)
	linear := perPath*paths + perMerged*float64(e.values) + perAccess*accesses
	quadratic := (16+0.3*live+0.001*live*live)*paths*paths + perAccessPair*accesses*accesses
	return perFunction + e.linear + int64(linear+quadratic) + perReload*int64(e.calls)*int64(e.mutableGlobals)
}
