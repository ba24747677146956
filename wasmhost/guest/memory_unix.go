//go:build unix

package guest

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
)

// withMemory returns a context for making one instance, which then has this memory outside Go's heap. The caller calls Free if
// no instance was made, because the engine does not.
//
// In Go's heap, growing a memory would copy it, 64 MiB of garbage would wait for a collection, and the heap would be allowed
// to grow by as much again: two guests that grow their memory took 310 MB. A mapping of the maximum size costs only the pages
// that are used, and is freed when the instance is closed. The part that the guest does not have yet cannot be accessed, so that it
// does not count against a limit of the process (RLIMIT_DATA).
func withMemory(ctx context.Context, b *Budget) (context.Context, *memory) {
	m := &memory{budget: b} // package meter accepts modules with one memory at most
	allocate := func(_, most uint64) experimental.LinearMemory {
		var err error
		m.bytes, err = reservePages(most)
		if m.mapped = err == nil; !m.mapped {
			m.bytes = make([]byte, most) // Allocate cannot return an error
		}
		return m
	}
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate)), m
}

// memory is the memory of one instance.
type memory struct {
	bytes    []byte // of the maximum size
	mapped   bool
	writable uint64 // how many of the bytes can be accessed
	budget   *Budget
	resting  bool  // it is restored, and only what it keeps counts
	kept     int64 // how many bytes it keeps while it rests
}

// Reallocate returns the first size bytes, or nil if the memory cannot be as large.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.bytes)) {
		return nil
	}
	if size > m.writable {
		more := int64(size - m.writable)
		if !m.budget.take(more) {
			return nil
		}
		if m.mapped && allowPages(m.bytes[m.writable:size]) != nil {
			m.budget.give(more)
			return nil
		}
		m.writable = size
	}
	return m.bytes[:size:size]
}

// Free unmaps the memory. The engine calls it when the instance is closed, and does not use the memory afterwards.
func (m *memory) Free() {
	if m.mapped {
		freePages(m.bytes)
	}
	if m.resting {
		m.budget.give(m.kept)
	} else {
		m.budget.give(int64(m.writable))
	}
	*m = memory{}
}

// rest gives back what the memory has of the budget, except for the bytes that it keeps: it is restored.
func (m *memory) rest(kept int64) {
	if !m.resting {
		m.kept = min(kept, int64(m.writable))
		m.budget.give(int64(m.writable) - m.kept)
		m.resting = true
	}
}

// wake takes that again before a call. It reports false if the budget does not have as much.
func (m *memory) wake() bool {
	m.resting = !m.budget.take(int64(m.writable) - m.kept)
	return !m.resting
}
