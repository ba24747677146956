//go:build unix

package wasmhost

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// withMemory has instances that are made with the context keep their memory outside of Go's heap. There, growing it would
// copy it, garbage of 64 MiB would wait for a collection, and a collection would let the heap grow by as much again: two
// guests that grow their memory took 310 MB. A mapping of the most that a memory may have costs only the pages that are
// touched, and goes at once when the instance is closed. The caller calls free if no instance was made: the engine does not.
func withMemory(ctx context.Context) (_ context.Context, free func()) {
	var all []*memory
	allocate := func(_, most uint64) experimental.LinearMemory {
		m := &memory{}
		var err error
		m.bytes, err = unix.Mmap(-1, 0, int(most), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if m.mapped = err == nil; !m.mapped {
			m.bytes = make([]byte, most) // Allocate cannot return an error
		}
		all = append(all, m)
		return m
	}
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate)), func() {
		for _, m := range all {
			m.Free()
		}
	}
}

// memory is that of one instance.
type memory struct {
	bytes  []byte // the most that there may be
	mapped bool
}

// Reallocate returns the first size bytes.
func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.bytes)) {
		return nil
	}
	return m.bytes[:size:size]
}

// Free gives the memory back. The engine calls it when the instance is closed, and uses the memory no more.
func (m *memory) Free() {
	if m.mapped {
		_ = unix.Munmap(m.bytes)
	}
	*m = memory{}
}
