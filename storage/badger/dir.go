package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"github.com/crmgate/crmgate"
)

// ErrInUse means that another process has the store open.
var ErrInUse = errors.New("is in use by another crmgate")

// prepareDir makes the directory, and keeps others out of it, or says in a sentence why it cannot be used.
func prepareDir(dir string, log *slog.Logger) error {
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
	if err := keepPrivate(dir, log); err != nil {
		return fmt.Errorf("the data directory %s is not private: %w", dir, err)
	}
	return nil
}

// keepPrivate takes the rights of group and others from the directory and from Badger's files in it. It leaves alone what
// belongs to another user, and files of others than Badger: a key ring that others could read is to be refused, not mended.
//
// A directory with other files and no store is refused: if it was named by mistake, other programs may need it as it is.
func keepPrivate(dir string, log *slog.Logger) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if shared(info) && !ownDir(files) {
		return fmt.Errorf("others can enter it (mode %04o), and it holds other files and no database: name a folder of its own, or run chmod go-rwx %s",
			info.Mode().Perm(), dir)
	}
	names := []string{"."} // first, so that others can put nothing in the place of a file any more
	for _, f := range files {
		if badgerFile(f.Name()) {
			names = append(names, f.Name())
		}
	}
	changed := 0
	for _, name := range names {
		path := dir + "/" + name // not Join: the directory may be a link, and is meant itself
		info, err := os.Lstat(path)
		if err == nil && shared(info) {
			changed++
			err = os.Chmod(path, info.Mode()&^0o077)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // LOCK of another process that has just ended
			return err
		}
	}
	if changed > 0 {
		log.Info("took the rights of group and others from the database and its folder", "dir", dir, "changed", changed)
	}
	return nil
}

// shared reports whether a file or directory of this user's has rights for others.
func shared(info fs.FileInfo) bool {
	mode, owner := info.Mode(), info.Sys().(*syscall.Stat_t).Uid
	return (mode.IsRegular() || mode.IsDir()) && mode.Perm()&0o077 != 0 && int(owner) == os.Geteuid()
}

// ownDir reports whether a directory holds a store, or nothing but what may be in its place before the first start.
func ownDir(files []fs.DirEntry) bool {
	before := []string{"cache", "keyset.json", "lost+found"}
	own := true
	for _, f := range files {
		if f.Name() == badger.ManifestFilename {
			return true
		}
		own = own && slices.Contains(before, f.Name())
	}
	return own
}

// badgerFile reports whether Badger has files of that name.
func badgerFile(name string) bool {
	return slices.Contains([]string{".mem", ".sst", ".vlog"}, filepath.Ext(name)) ||
		slices.Contains([]string{badger.ManifestFilename, badger.KeyRegistryFileName, "DISCARD", "LOCK"}, name)
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
