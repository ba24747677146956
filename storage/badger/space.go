package badger

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/crmgate/crmgate"
)

// diskFull means that a write was refused because the disk is almost full. It can be retried once there is space.
type diskFull struct {
	dir        string
	free, want uint64
}

func (d *diskFull) Error() string {
	return fmt.Sprintf("the disk is almost full: %s has %d MB free, and needs %d MB", d.dir, d.free>>20, d.want>>20)
}

func (d *diskFull) Is(target error) bool { return target == crmgate.ErrTransient }

// checkSpace returns an error matching crmgate.ErrTransient if the disk has less than want bytes free.
func checkSpace(dir string, want uint64) error {
	free, err := freeSpace(dir)
	if err == nil && free < want {
		err = &diskFull{dir: dir, free: free, want: want}
	}
	return err
}

func freeSpace(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("read the free space of %s: %w", dir, err)
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// workspace is how much space Badger needs to open or close the store: it writes each log (.mem) as a table, and then removes
// the log. A table is a little larger than its log, because it has an index too.
func workspace(dir string) (uint64, error) {
	const small = 4 << 20 // for the manifest, and the first blocks of new logs
	logs, err := logFiles(dir, ".mem")
	if err != nil {
		return 0, err
	}
	var largest uint64
	for _, path := range logs {
		var s unix.Stat_t
		if err := unix.Stat(path, &s); err != nil {
			return 0, fmt.Errorf("read the size of %s: %w", path, err)
		}
		largest = max(largest, uint64(s.Blocks)*512) // logs have holes
	}
	return small + largest + largest/4, nil
}

// A reserve is a file that takes up space while the store is used, to have it when Badger is opened or closed on a full disk.
const (
	reserveName = "reserve"
	reserveSize = 32 << 20 // the workspace of the largest log
)

// makeReserve makes the reserve, as large as a disk allows that keeps some bytes free. If it is too small, it grows.
func makeReserve(dir string, keep uint64) error {
	path := filepath.Join(dir, reserveName)
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the size of %s: %w", path, err)
	}
	has := uint64(s.Blocks) * 512
	free, err := freeSpace(dir)
	if err != nil || free <= keep || has >= reserveSize {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = allocate(f, int64(min(reserveSize, has+free-keep)))
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// allocate gives an empty file n bytes of the disk.
func allocate(f *os.File, n int64) error {
	err := fallocate(f, n)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, n) // a file system may store zeros without space
	return err
}

// makeRoom removes the reserve if the disk has less than want bytes free. It returns an error matching crmgate.ErrTransient if
// that is not enough.
func makeRoom(dir string, want uint64) error {
	err := checkSpace(dir, want)
	if !errors.As(err, new(*diskFull)) {
		return err
	}
	if err := os.Remove(filepath.Join(dir, reserveName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return checkSpace(dir, want)
}
