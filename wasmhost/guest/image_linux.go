package guest

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// image is the content of a memory, in a file without a name. Instances map it: they share its pages until they write to them.
type image struct {
	file *os.File
	fd   uintptr
	size int // of the memory that it was taken of
}

// newImage returns an image for a memory of at most a size. It makes the file, which a process may no longer do once a guest runs in
// it. The caller closes it.
func newImage(most int64) (*image, error) {
	fd, err := unix.MemfdCreate("crmgate-template", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	i := &image{file: os.NewFile(uintptr(fd), "template"), fd: uintptr(fd)}
	if err := i.file.Truncate(most); err != nil { // what is not written takes no space
		i.close()
		return nil, err
	}
	return i, nil
}

// take makes this the image of a memory. It writes the pages that are not zero.
func (i *image) take(memory []byte) error {
	i.size = len(memory)
	page := os.Getpagesize()
	zero := make([]byte, page)
	for at := 0; at < len(memory); at += page {
		if p := memory[at:min(at+page, len(memory))]; !bytes.Equal(p, zero[:len(p)]) {
			if _, err := i.file.WriteAt(p, int64(at)); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyTo replaces the beginning of an instance's memory by the image.
func (i *image) copyTo(m *memory) error {
	if !m.mapped || i.size > len(m.bytes) {
		return fmt.Errorf("an image of %d bytes does not fit the memory of an instance", i.size)
	}
	return mapFile(m.bytes[:i.size], i.fd)
}

// restore undoes all writes to the first size bytes of a memory that copyTo replaced. What follows the image is zero then.
func (i *image) restore(m *memory, size int) error {
	return dropPages(m.bytes[:size])
}

// close closes the file. The system keeps the pages until the last memory that maps them is unmapped.
func (i *image) close() { _ = i.file.Close() }
