package meter

import (
	"cmp"
	"slices"
)

// maxGap is how many zeros mergedData writes between two segments to make one of them, in bytes. Go's linker leaves zeros out:
// one of its modules has 43,000 segments, and 16 after merging.
const maxGap = 64

// mergedData returns data segments that initialize the memory in the same way as the module's, but fewer of them. The engine
// evaluates each segment for every instance: in Go modules they were nine tenths of what an instance costs.
//
// The segments must all fit into the memory, for otherwise the instantiation must fail, and must not overlap. Code that can
// name segments needs a data count section, and then all stay as they are.
func (m *Module) mergedData() []dataSegment {
	if m.dataCount || m.memory == nil {
		return m.data
	}
	var merged []dataSegment
	end := int64(0)
	for _, d := range slices.SortedStableFunc(slices.Values(m.data), func(a, b dataSegment) int { return cmp.Compare(a.start(), b.start()) }) {
		gap := d.start() - end
		if d.mode != active || gap < 0 || d.end() > int64(m.memory.min)<<16 {
			return m.data
		}
		if last := len(merged) - 1; last >= 0 && gap <= maxGap {
			merged[last].bytes = append(append(merged[last].bytes, make([]byte, gap)...), d.bytes...)
		} else {
			d.bytes = slices.Clone(d.bytes)
			merged = append(merged, d)
		}
		end = d.end()
	}
	return merged
}

// start and end return the first address of an active segment, and the address after it.
func (d *dataSegment) start() int64 { return int64(uint32(d.offset.value)) }
func (d *dataSegment) end() int64   { return d.start() + int64(len(d.bytes)) }
