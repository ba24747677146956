package meter

import (
	"cmp"
	"slices"
)

// maxGap is how many zeros mergedData writes between two segments to make one of them, in bytes. Go's linker leaves zeros out:
// one of its modules has 43,000 segments, and 16 after merging.
const maxGap = 64

// maxPassive is how many segments the module's initializer copies at most. Compiling it takes 0.3 ms for each, which [Module.CompileTime]
// does not count. Modules with more, of which no toolchain is known, keep active segments.
const maxPassive = 256

// mergedData returns data segments that initialize the memory in the same way as the module's, but fewer of them. ok is false if
// the segments have to stay as they are.
//
// The segments must all fit into the memory, for otherwise the instantiation must fail, and must not overlap. Code that can
// name segments needs a data count section.
func (m *Module) mergedData() (segments []dataSegment, ok bool) {
	if m.dataCount || m.memory == nil || len(m.data) == 0 {
		return nil, false
	}
	var merged []dataSegment
	end := int64(0)
	for _, d := range slices.SortedStableFunc(slices.Values(m.data), func(a, b dataSegment) int { return cmp.Compare(a.start(), b.start()) }) {
		gap := d.start() - end
		if d.mode != active || gap < 0 || d.end() > int64(m.memory.min)<<16 {
			return nil, false
		}
		if last := len(merged) - 1; last >= 0 && gap <= maxGap {
			merged[last].bytes = append(append(merged[last].bytes, make([]byte, gap)...), d.bytes...)
		} else {
			d.bytes = slices.Clone(d.bytes)
			merged = append(merged, d)
		}
		end = d.end()
	}
	return merged, true
}

// initializer returns a helper that initializes the memory from data segments, and calls the module's start function if it has one.
//
// The engine initializes the memory of each instance from the active segments: in Go modules that was nine tenths of what an instance
// costs, and an instance that is made from a template does not need it. Passive segments are used only by this function.
func (b *instrumenter) initializer(segments []dataSegment) helper {
	a := &assembler{b: b, out: appendLocals(nil, nil)}
	for i, d := range segments {
		a.constI32(int64(int32(d.start()))).constI32(0).constI32(int64(len(d.bytes))).opWith(opMemoryInit, uint32(i), 0)
	}
	if b.m.start != nil {
		a.opWith(opCall, shifted(*b.m.start, uint32(len(b.m.imports))))
	}
	return helper{code: a.op(opEnd).out}
}

// start and end return the first address of an active segment, and the address after it.
func (d *dataSegment) start() int64 { return int64(uint32(d.offset.value)) }
func (d *dataSegment) end() int64   { return d.start() + int64(len(d.bytes)) }
