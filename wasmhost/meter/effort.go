package meter

import "time"

// effort estimates the processor time that the engine takes to compile a function.
//
// Its compiler joins values where paths merge, which takes about a nanosecond for each live value and each pair of paths. A call
// reloads the mutable globals. An access to memory is compared with earlier ones. The rest is linear. The weights come from functions
// with one kind of instruction each, on a server of 2025. For modules that were made to compile slowly, the estimate is between 0.6 and
// 1.1 of what they take. Real modules take half of it.
type effort struct {
	mutableGlobals int // of the module
	live           int // locals and operands
	paths          int // blocks and branches
	calls          int
	accesses       int   // of memory
	linear         int64 // ns
}

// Weights in nanoseconds.
const (
	perFunction     = 10_000
	perJoin         = 0.9
	perReload       = 450
	perPath         = 5_000
	perCall         = 5_000
	perIndirectCall = 40_000
	perAccess       = 5_000
	perAccessPair   = 0.2
	perConversion   = 7_000 // to an integer, with its checks
	perDivision     = 4_000
	perBulk         = 10_000
	perOperation    = 1_200 // any other
	perValue        = 100   // a local, a constant, or nothing at all
)

// pathsOfLoop is how many paths a loop has, with the fuel check at its head.
const pathsOfLoop = 3

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
	paths, accesses := float64(e.paths), float64(e.accesses)
	quadratic := perJoin*float64(e.live+16)*paths*paths + perAccessPair*accesses*accesses
	return perFunction + e.linear + int64(perPath*paths+perAccess*accesses+quadratic) + perReload*int64(e.calls)*int64(e.mutableGlobals)
}
