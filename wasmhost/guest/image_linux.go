package guest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// image is the content of a memory, in a place of a file without a name. Instances map it: they share its pages until they write to them.
type image struct {
	file    *os.File
	fd      uintptr
	base    int    // where the place begins
	size    int    // of the memory that it was taken of
	runs    []span // of it, in the file: all but long ranges of zeros
	content []byte // the same memory, to read
	zero    []byte // a page

	restored atomic.Uint64          // how often
	written  atomic.Pointer[[]span] // what calls write to, as far as it is known; in order
}

// TemplateFile makes a file in memory, without a name, with places for the templates of some modules. The caller closes it. The error
// matches errors.ErrUnsupported on systems without such files.
func TemplateFile(l Limits, places int) (*os.File, error) {
	fd, err := unix.MemfdCreate("crmgate-template", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "template")
	if err := f.Truncate(int64(places) * l.Memory()); err != nil { // what is not written takes no space
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// ClearTemplate empties a place of a file that TemplateFile made. No module uses the place.
func ClearTemplate(f *os.File, l Limits, place int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	closed := conn.Control(func(fd uintptr) { // unlike Fd, it keeps another goroutine from closing the file meanwhile
		err = os.NewSyscallError("fallocate", unix.Fallocate(int(fd), punch, int64(place)*l.Memory(), l.Memory()))
	})
	return errors.Join(closed, err)
}

// newImage returns an image in an empty place of a file, which stays open for as long as the image is used.
func newImage(f *os.File, base int64) *image {
	i := &image{file: f, fd: f.Fd(), base: int(base), zero: make([]byte, os.Getpagesize())}
	i.written.Store(&[]span{})
	return i
}

// take makes this the image of a memory. It writes the pages that are not zero.
func (i *image) take(memory []byte) (err error) {
	i.size = len(memory)
	page := len(i.zero)
	for at := 0; at < len(memory); at += page {
		from := at
		for at < len(memory) && !bytes.Equal(memory[at:at+page], i.zero) {
			at += page
		}
		if from == at {
			continue
		}
		if _, err := i.file.WriteAt(memory[from:at], int64(i.base+from)); err != nil {
			return err
		}
		i.runs = appendPages(i.runs, span{from, at}, maxZeros)
	}
	if i.size == 0 {
		return nil
	}
	if i.size <= maxCompared {
		i.written.Store(&i.runs)
	}
	if i.content, err = reservePages(uint64(i.size)); err == nil {
		err = allowPages(i.content)
	}
	if err != nil {
		return err
	}
	return i.mapTo(i.content)
}

// span is a range of a memory, of whole pages.
type span struct{ from, to int }

// appendPages adds pages behind all spans. It extends the last one, if there is at most a gap between.
func appendPages(spans []span, s span, gap int) []span {
	if n := len(spans); n > 0 && s.from-spans[n-1].to <= gap {
		spans[n-1].to = s.to
		return spans
	}
	return append(spans, s)
}

// maxZeros is how many bytes of zeros the file may have in one run. Reading a page of the file that was not written takes memory, and
// reading a page outside of the file does not.
const maxZeros = 64 << 10

// mapTo replaces a memory that has no file by the image.
func (i *image) mapTo(b []byte) error {
	at := 0
	for _, r := range i.runs {
		if err := dropPages(b[at:r.from]); err != nil { // zeros
			return err
		}
		if err := mapFile(b[r.from:r.to], i.fd, i.base+r.from); err != nil {
			return err
		}
		at = r.to
	}
	return dropPages(b[at:i.size])
}

// copyTo replaces the beginning of an instance's memory by the image.
func (i *image) copyTo(m *memory) error {
	if !m.mapped || i.size > len(m.bytes) {
		return fmt.Errorf("an image of %d bytes does not fit the memory of an instance", i.size)
	}
	return i.mapTo(m.bytes)
}

// restore undoes all writes to the first size bytes of a memory that copyTo replaced. What follows the image is zero then.
//
// All calls of a module write to much the same pages. Those are copied back. All others are dropped: the next access maps the image's
// page again. A page that every call writes to costs 3 µs if it is dropped, and 0.2 µs if it is copied.
//
// Of a small image, all but long ranges of zeros counts as written from the beginning. Dropping pages takes some microseconds for each
// range, and then a fault for each page that the next call reads: for a script, whose writes are all over its memory, that was more than
// the call itself.
func (i *image) restore(m *memory, size int) error {
	if n := i.restored.Add(1); n&(n-1) == 0 { // the first time, the second, the fourth, the eighth …
		i.learn(m)
	}
	at := 0
	for _, s := range *i.written.Load() {
		if err := dropPages(m.bytes[at:s.from]); err != nil {
			return err
		}
		for at = s.from; at < s.to; at += len(i.zero) {
			i.restorePage(m, at)
		}
	}
	return dropPages(m.bytes[at:size])
}

// restorePage copies a page back. A page that has not been written stays shared.
func (i *image) restorePage(m *memory, at int) {
	if used, kept := m.bytes[at:at+len(i.zero)], i.content[at:at+len(i.zero)]; !bytes.Equal(used, kept) {
		copy(used, kept)
	}
}

// maxCompared is the size of the largest image of which all but long ranges of zeros count as written from the beginning, in bytes.
const maxCompared = 2 << 20

// most returns how many bytes are copied back at most, without the gaps between them.
func (i *image) most() int {
	if i.size <= maxCompared {
		return i.size
	}
	return maxKept
}

// maxGap is how many bytes may lie between two written pages of one span. Comparing them is cheaper than a system call.
const maxGap = 32 << 10

// kept returns how many bytes a restored memory keeps for itself at most.
func (i *image) kept() (n int64) {
	for _, s := range *i.written.Load() {
		n += int64(s.to - s.from)
	}
	return n
}

// maxKept is what is copied back of a large image at most, in bytes.
const maxKept = 1 << 20

// learn adds the pages of a used memory that differ from the image to those that calls write to. If two goroutines do it at once, what
// one has learned is lost: those pages are dropped instead of copied.
func (i *image) learn(m *memory) {
	var spans []span
	kept := 0
	known := *i.written.Load()
	for at := 0; at < i.size; at += len(i.zero) {
		end := at + len(i.zero)
		for len(known) > 0 && known[0].to <= at {
			known = known[1:]
		}
		if isKnown := len(known) > 0 && known[0].from <= at; !isKnown && bytes.Equal(m.bytes[at:end], i.content[at:end]) {
			continue
		}
		if kept += len(i.zero); kept > i.most() {
			break
		}
		spans = appendPages(spans, span{at, end}, maxGap)
	}
	i.written.Store(&spans)
}

// rest unmaps what was read of the content. The next restore maps it again.
func (i *image) rest() { _ = dropPages(i.content) }

// close unmaps the content.
func (i *image) close() {
	if i.content != nil {
		freePages(i.content)
	}
}
