package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/crmgate/crmgate"
)

// ErrInUse means that another process has the store open.
var ErrInUse = errors.New("is in use by another crmgate")

// prepareDir makes the directory, or says in a sentence why it cannot be used.
func prepareDir(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	if info, statErr := os.Stat(dir); statErr == nil && !info.IsDir() {
		return fmt.Errorf("the data directory %s is a file: %w", dir, syscall.ENOTDIR)
	}
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be made: %w", dir, err)
	}
	if err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		// Join, because the reason may be a read-only file system, which fs.ErrPermission does not match by itself.
		return fmt.Errorf("the data directory %s cannot be written: %w", dir, errors.Join(err, fs.ErrPermission))
	}
	return nil
}

// Empty reports whether a directory has no store in it, or one that never held a record. It opens nothing, because Badger
// writes even to a store that it only reads. A store that was killed before its first record is not known to be empty.
func Empty(dir string) (bool, error) {
	files, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("the data directory %s cannot be read: %w", dir, err)
	}
	// Every record is in a table or in a log that is not a table yet. Value logs hold long values only, which those refer to.
	return !slices.ContainsFunc(files, func(f fs.DirEntry) bool {
		ext := filepath.Ext(f.Name())
		return ext == ".sst" || ext == ".mem"
	}), nil
}

// explain turns Badger's failure to open into a sentence. Badger's error for a locked directory has no type, so the lock is tried again.
func explain(dir string, err error) error {
	if dir == "" {
		return fmt.Errorf("open store in memory: %w", err)
	}
	if f, openErr := os.Open(dir); openErr == nil {
		defer f.Close()
		if errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK) {
			return fmt.Errorf("the data directory %s %w", dir, ErrInUse)
		}
	}
	return fmt.Errorf("open store in %s: %w", dir, err)
}

// diskFull is a write that was refused because the disk is almost full. The same write succeeds once there is space.
type diskFull struct {
	dir        string
	free, want uint64
}

func (d *diskFull) Error() string {
	return fmt.Sprintf("the disk is almost full: %s has %d MB free, and nothing is written below %d MB", d.dir, d.free>>20, d.want>>20)
}

func (d *diskFull) Is(target error) bool { return target == crmgate.ErrTransient }

// checkSpace returns an error matching crmgate.ErrTransient if the disk has less than want bytes free.
func checkSpace(dir string, want uint64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return fmt.Errorf("see how much space is free in %s: %w", dir, err)
	}
	if free := s.Bavail * uint64(s.Bsize); free < want {
		return &diskFull{dir: dir, free: free, want: want}
	}
	return nil
}
