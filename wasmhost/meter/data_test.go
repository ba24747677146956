package meter

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// Merged segments fill the memory in the same way as the module's own, in whatever order and place these are.
func TestMergedData(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	fewer := false
	for range 2000 {
		m := &Module{memory: &limits{1, 1}}
		at := int64(0)
		for range random.IntN(20) {
			if at += int64(random.IntN(100)); random.IntN(10) == 0 {
				at = int64(random.IntN(50000))
			}
			b := bytes.Repeat([]byte{byte(1 + random.IntN(255))}, random.IntN(50))
			m.data = append(m.data, dataSegment{mode: active, offset: instruction{op: opI32Const, value: at}, bytes: b})
			at += int64(len(b))
		}
		merged, ok := m.mergedData()
		if !ok {
			continue // they overlap
		}
		if !bytes.Equal(filled(m.data), filled(merged)) {
			t.Fatalf("%v are not the same as %v", merged, m.data)
		}
		fewer = fewer || len(merged) < len(m.data)
	}
	if !fewer {
		t.Error("no segments were merged")
	}
}

func filled(data []dataSegment) []byte {
	memory := make([]byte, 1<<16)
	for _, d := range data {
		copy(memory[d.start():], d.bytes)
	}
	return memory
}

// Segments stay as they are if instantiation must fail, or if the code can name them.
func TestDataThatIsNotMerged(t *testing.T) {
	t.Parallel()
	segment := func(at int64, mode byte) dataSegment {
		return dataSegment{mode: mode, offset: instruction{op: opI32Const, value: at}, bytes: []byte("ab")}
	}
	for name, m := range map[string]*Module{
		"beyond the memory": {memory: &limits{1, 1}, data: []dataSegment{segment(0, active), segment(2, active), segment(65535, active)}},
		"negative":          {memory: &limits{1, 1}, data: []dataSegment{segment(0, active), segment(2, active), segment(-1, active)}},
		"overlapping":       {memory: &limits{1, 1}, data: []dataSegment{segment(0, active), segment(2, active), segment(1, active)}},
		"passive":           {memory: &limits{1, 1}, data: []dataSegment{segment(0, active), segment(2, active), segment(0, passive)}},
		"named by code":     {memory: &limits{1, 1}, dataCount: true, data: []dataSegment{segment(0, active), segment(2, active)}},
	} {
		if got, ok := m.mergedData(); ok {
			t.Errorf("%s: %d segments became %d", name, len(m.data), len(got))
		}
	}
}
