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

// openCacheDir creates the folder for compiled modules and returns its real path. It returns an error if another user can
// write to the folder or owns a file in it: its content is run as machine code, without a signature.
func openCacheDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	// Parent folders may be links. The real path is checked and used from now on, so a link that changes later has no effect.
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

// checkCache checks the cache and everything in it on behalf of a user.
func checkCache(dir string, user int) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = e.Info()
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != dir:
			return nil // another process has renamed a file
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
	case owner != user && owner != 0: // root can write to everything anyway
		return fmt.Errorf("%s belongs to user %d (mode %04o), and %s: remove it, or name another folder", path, owner, mode.Perm(), why)
	case mode.Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written by others (mode %04o), and %s: remove it if others may have changed it, else run chmod go-w %s",
			path, mode.Perm(), why, path)
	}
	return nil
}

// checkAbove returns an error if all users can write to a parent folder: they could replace the cache. The sticky bit, which
// /tmp has, prevents that.
//
// A parent folder that a group can write to is accepted, because many systems give each user their own group and the umask
// 002. A parent folder of another user is accepted too, because container volumes often are. Both are the operator's choice.
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
