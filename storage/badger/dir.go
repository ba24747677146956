package badger

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// ErrInUse means that another process has the store open.
var ErrInUse = errors.New("is in use by another crmgate")

// prepareDir creates the directory and makes it private. Its error is a sentence for the operator.
func prepareDir(dir string, log *slog.Logger) error {
	err := os.MkdirAll(dir, 0o700)
	if info, statErr := os.Stat(dir); statErr == nil && !info.IsDir() {
		return fmt.Errorf("the data directory %s is a file: %w", dir, syscall.ENOTDIR)
	}
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be created: %w", dir, err)
	}
	if err := unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		if !errors.Is(err, fs.ErrPermission) { // a read-only file system
			err = fmt.Errorf("%w: %w", fs.ErrPermission, err)
		}
		return fmt.Errorf("the data directory %s cannot be written: %w", dir, err)
	}
	if err := checkOwner(dir); err != nil {
		return err
	}
	if err := keepPrivate(dir, log); err != nil {
		return fmt.Errorf("the data directory %s is not private: %w", dir, err)
	}
	return nil
}

// checkOwner refuses a store with a file of another user. Root could open it, and would leave files that the other user
// cannot open. Any other user gets a sentence instead of Badger's error.
func checkOwner(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be read: %w", dir, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !badgerFile(f.Name()) {
			continue // the LOCK of a process that has just ended
		}
		owner := int(info.Sys().(*syscall.Stat_t).Uid)
		switch path := filepath.Join(dir, f.Name()); {
		case owner == os.Geteuid():
		case os.Geteuid() == 0:
			return fmt.Errorf("the database in %s belongs to the user %s: run this as that user, for example with sudo -u %s", dir, userName(owner), userName(owner))
		case unix.Access(path, unix.R_OK|unix.W_OK) != nil:
			return fmt.Errorf("%s belongs to the user %s and cannot be written: give it to the user of the server with chown: %w", path, userName(owner), fs.ErrPermission)
		}
	}
	return nil
}

// userName is the name of a user, or the number if the user has none.
func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "#" + id // as sudo expects it
}

// keepPrivate removes the rights of group and others from the directory and from Badger's files in it. It does not change
// files of another user, or files that are not Badger's: a key ring that others could read must be refused, not repaired.
//
// It refuses a directory with other files and no store. If that was named by mistake, another program may need its mode.
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
		return fmt.Errorf("others can enter it (mode %04o), and it has other files but no database: use a folder of its own, or run chmod go-rwx %s",
			info.Mode().Perm(), dir)
	}
	names := []string{"."} // first, so that others can no longer replace a file
	for _, f := range files {
		if badgerFile(f.Name()) {
			names = append(names, f.Name())
		}
	}
	changed := 0
	for _, name := range names {
		path := dir + "/" + name // not Join, which would name the link if the directory is one
		info, err := os.Lstat(path)
		if err == nil && shared(info) {
			changed++
			err = os.Chmod(path, info.Mode()&^0o077)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the LOCK of a process that has just ended
			return err
		}
	}
	if changed > 0 {
		log.Info("removed the rights of group and others from the database and its folder", "dir", dir, "changed", changed)
	}
	return nil
}

// shared reports whether a file or directory of this user gives rights to others.
func shared(info fs.FileInfo) bool {
	mode, owner := info.Mode(), info.Sys().(*syscall.Stat_t).Uid
	return (mode.IsRegular() || mode.IsDir()) && mode.Perm()&0o077 != 0 && int(owner) == os.Geteuid()
}

// ownDir reports whether a directory has a store, or only files that may be there before the first start.
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

// badgerFile reports whether a file name is one of Badger's, or the reserve.
func badgerFile(name string) bool {
	return slices.Contains([]string{".mem", ".sst", ".vlog"}, filepath.Ext(name)) ||
		slices.Contains([]string{badger.ManifestFilename, badger.KeyRegistryFileName, "DISCARD", "LOCK", reserveName}, name)
}

// removeEmptyLogs removes the logs that a killed process made or emptied, but did not fill or remove. Badger does not open a
// store with an empty log at the first try. The caller keeps other processes from opening the store.
func removeEmptyLogs(dir string) error {
	logs, err := logFiles(dir, ".mem", ".vlog")
	if err != nil {
		return err
	}
	for _, path := range logs {
		info, err := os.Lstat(path)
		if err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			err = os.Remove(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// logFiles lists the files of a directory that have one of the extensions.
func logFiles(dir string, extensions ...string) (paths []string, err error) {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if slices.Contains(extensions, filepath.Ext(f.Name())) {
			paths = append(paths, filepath.Join(dir, f.Name()))
		}
	}
	return paths, err
}

// Empty reports whether a directory has no store, or a store without records. It does not open the store, because Badger
// writes even to a store that it only reads. For a store that was killed before its first record it returns false.
func Empty(dir string) (bool, error) {
	files, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("the data directory %s cannot be read: %w", dir, err)
	}
	// Every record is in a table (.sst) or in a log that is not a table yet (.mem). Value logs have only long values.
	return !slices.ContainsFunc(files, func(f fs.DirEntry) bool {
		ext := filepath.Ext(f.Name())
		return ext == ".sst" || ext == ".mem"
	}), nil
}

// explain makes a sentence of Badger's error. Its error for a locked directory has no type, so explain tries the lock again.
func explain(dir string, err error) error {
	if dir == "" {
		return fmt.Errorf("open store in memory: %w", err)
	}
	if locked := whileUnused(dir, func() error { return nil }); errors.Is(locked, ErrInUse) {
		return locked
	}
	return fmt.Errorf("open store in %s: %w", dir, err)
}

// whileUnused runs fn while no process can open the store. It returns an error that matches ErrInUse if one has it open.
func whileUnused(dir string, fn func() error) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close() // releases the lock
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("the data directory %s %w", dir, ErrInUse)
	case err != nil:
		return fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	return fn()
}
