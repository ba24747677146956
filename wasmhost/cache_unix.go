//go:build unix

package wasmhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openCacheDir makes the folder for compiled modules and returns its real path. It refuses a folder in which another
// user can write, or can have written: what is in it is run as machine code, and nothing signs it.
func openCacheDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	// Folders above may be links. The real path is checked, and used from now on: a link that changes gains nothing.
	above, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return "", err
	}
	if err := checkAbove(above); err != nil {
		return "", err
	}
	dir = filepath.Join(above, filepath.Base(dir))
	return dir, checkCache(dir, os.Geteuid())
}

// checkCache checks the cache and all that is in it, on behalf of a user.
func checkCache(dir string, user int) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != dir:
			return nil // another process has just renamed a file
		case err != nil:
			return err
		}
		return checkCached(path, info, user)
	})
}

func checkCached(path string, info fs.FileInfo, user int) error {
	mode, owner := info.Mode(), int(info.Sys().(*syscall.Stat_t).Uid)
	const why = "the cache holds machine code that is trusted"
	switch {
	case mode.Type() == fs.ModeSymlink:
		return fmt.Errorf("%s is a symbolic link (mode %v), and %s: name a folder, and remove links in it", path, mode, why)
	case !mode.IsDir() && !mode.IsRegular():
		return fmt.Errorf("%s is not a file or folder (mode %v), and %s: remove it", path, mode, why)
	case owner != user && owner != 0: // root can write everything anyway
		return fmt.Errorf("%s belongs to user %d (mode %04o), and %s: remove it, or name another folder", path, owner, mode.Perm(), why)
	case mode.Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others (mode %04o), and %s: remove it if others may have changed it, else run chmod go-w %s",
			path, mode.Perm(), why, path)
	}
	return nil
}

// checkAbove refuses a folder above the cache that all users can write: they could put another folder in the cache's
// place. The sticky bit, as /tmp has it, prevents that.
//
// A folder above that a group can write is accepted, because many systems give each user a group and the umask 002. So
// is one that belongs to another user, as a container's volume often does. Both are the operator's choice.
func checkAbove(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if mode := info.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
			return fmt.Errorf("%s can be written by others (mode %04o), so they could replace the cache in it: run chmod o-w %s, or name another folder",
				dir, mode.Perm(), dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}
