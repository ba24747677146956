package meter

// Costs and bounds that tests check.
const (
	FuelSlice    = fuelSlice
	FrameGrowth  = frameGrowth
	MaxUnchecked = maxUnchecked
)

// InstrumentCounted is Instrument with two more exports: the global "spent" adds up the cost of each executed instruction,
// and the global "left" is the fuel.
func (m *Module) InstrumentCounted() ([]byte, error) {
	counted := *m
	spent, left := uint32(len(m.globals)), uint32(len(m.globals)+1)
	counted.globals = append(append([]global{}, m.globals...), global{i64, true, instruction{op: opI64Const}})
	counted.exports = append(append([]export{}, m.exports...), export{"spent", kindGlobal, spent}, export{"left", kindGlobal, left})
	b := &instrumenter{m: m, checked: make([]bool, len(m.code)), entry: make([]int, len(m.code))} // calls do not include the cost of their callee
	return counted.instrument(func(out []byte, in *instruction) []byte {
		cost := b.cost(in)
		if in.op == opCallIndirect {
			cost = callCost
		}
		if cost == 0 {
			return out
		}
		out = appendUint(appendOp(out, opGlobalGet), spent)
		out = appendOp(appendInt(appendOp(out, opI64Const), int64(cost)), opI64Add)
		return appendUint(appendOp(out, opGlobalSet), spent)
	})
}

// Frames returns the bound of each function's frame, in bytes.
func (m *Module) Frames() []int {
	var all []int
	for _, f := range m.info {
		all = append(all, f.frame)
	}
	return all
}

// Instruction is an instruction with a fixed signature.
type Instruction struct {
	Code      []byte // without immediates
	Signature string // as in specs
	Memory    bool   // has an alignment and an offset
}

// Instructions lists the instructions that generated modules use.
func Instructions() []Instruction {
	var all []Instruction
	for op := range opcode(len(specs)) {
		s := op.spec()
		memory := s.imm >= immMemory8 && s.imm <= immMemory64
		if s.signature != "" && (s.imm == immNone || memory) {
			all = append(all, Instruction{appendOp(nil, op), s.signature, memory})
		}
	}
	return all
}

// Hashed returns the names of the files that Version hashes.
func Hashed() []string {
	files, err := source.ReadDir(".")
	if err != nil {
		panic(err)
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name()
	}
	return names
}
