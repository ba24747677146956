package badger

import (
	"os"

	"golang.org/x/sys/unix"
)

// fallocate gives a file n bytes of the disk. The error matches errors.ErrUnsupported if the file system cannot do that.
func fallocate(f *os.File, n int64) error { return unix.Fallocate(int(f.Fd()), 0, 0, n) }
