package guest

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A restored memory equals the image, whatever calls have written to: pages that every call writes to, and others. So does a small one,
// which counts as written from the beginning, but for its zeros.
func TestRestoreUndoesEveryWrite(t *testing.T) {
	t.Parallel()
	for _, size := range []int{300 * os.Getpagesize(), maxCompared + 32*os.Getpagesize()} {
		restoreUndoesEveryWrite(t, size)
	}
}

func restoreUndoesEveryWrite(t *testing.T, size int) {
	page, random := os.Getpagesize(), rand.New(rand.NewPCG(1, 2))
	grown := size + 32*page
	l := Limits{MemoryPages: uint32(grown / pageSize)}
	f, err := TemplateFile(l, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{1}, 2*int(l.Memory())), 0); err != nil { // another module had the place, and one has the first
		t.Fatal(err)
	}
	if err := ClearTemplate(f, l, 1); err != nil {
		t.Fatal(err)
	}
	i := newImage(f, l.Memory())
	defer i.close()
	content := make([]byte, size)
	for at := 0; at < size/2; at++ { // the rest is zero
		if p := at / page; p < 20 || p >= 24 && p < 50 || p >= 90 { // a short range of zeros, and a long one
			content[at] = byte(random.Uint32())
		}
	}
	if err := i.take(content); err != nil {
		t.Fatal(err)
	}
	want := append(bytes.Clone(content), make([]byte, grown-size)...)
	for range 2 { // instances
		used := mapped(t, grown)
		for at := range used { // what the engine has initialized the memory with
			used[at] = 1
		}
		m := &memory{bytes: used, mapped: true, writable: uint64(grown)}
		if err := i.copyTo(m); err != nil {
			t.Fatal(err)
		}
		clear(used[size:])
		for call := range 40 {
			if at := firstDifference(used, want); at >= 0 {
				t.Fatalf("before call %d, byte %d of page %d is %d, want %d", call, at%page, at/page, used[at], want[at])
			}
			for _, always := range []int{0, 1, 7, 130, 299} {
				used[always*page+call]++
			}
			for range call {
				used[random.IntN(grown)]++
			}
			if err := i.restore(m, grown); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.ContainsFunc(*i.written.Load(), func(s span) bool { return s.from <= 299*page && 299*page < s.to }) {
		t.Errorf("size %d: it has not learned that all calls write to a page of zeros", size)
	}
}

func mapped(t *testing.T, size int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(b) })
	return b
}

func firstDifference(a, b []byte) int {
	for at := range a {
		if a[at] != b[at] {
			return at
		}
	}
	return -1
}

// A resting instance counts with the pages that it keeps, and nothing counts when it is gone.
func TestRestingInstancesCount(t *testing.T) {
	t.Parallel()
	m := practice(t)
	m.limits.Budget = NewBudget(64 << 20)
	before := m.limits.Budget.Used()
	for range 3 {
		if _, err := m.Run(t.Context(), Call{Operation: "getUserInfo", Input: []byte(`{"authHeader":"Bearer x"}`), Host: ada{}}); err != nil {
			t.Fatal(err)
		}
		if used, kept := m.limits.Budget.Used()-before, m.image.kept(); used != kept || kept == 0 {
			t.Errorf("a resting instance counts %d bytes, and keeps %d", used, kept)
		}
	}
	m.letGo()
	if used := m.limits.Budget.Used() - before; used != 0 {
		t.Errorf("%d bytes count when all instances are gone", used)
	}
}
