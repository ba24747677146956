package wasmtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Root returns the folder of the repository. A test runs in the folder of its package.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.sum")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.sum above the tests")
		}
		dir = up
	}
}

// maxCompiled is the size at which FillCache deletes what earlier runs compiled, in bytes.
const maxCompiled = 1 << 30

// FillCache makes the folder dir, a cache of compiled modules, and puts the modules that the tests of any package compiled
// earlier into it. Compiling is most of what these tests do: the race detector makes it twelve times as slow.
//
// What a module was found to be (the facts) is not kept, so that each run checks the modules again.
func FillCache(dir string) error {
	compiled, err := compiledDir()
	if err != nil {
		return err
	}
	size := int64(0)
	_ = filepath.WalkDir(compiled, func(_ string, e fs.DirEntry, err error) error {
		if err == nil {
			if info, err := e.Info(); err == nil { // another package may have deleted it
				size += info.Size()
			}
		}
		return nil
	})
	if size > maxCompiled {
		if err := os.RemoveAll(compiled); err != nil {
			return err
		}
	}
	return linkCompiled(compiled, dir)
}

// KeepCache keeps what was compiled into the folder dir for later runs, in bin/test.
func KeepCache(dir string) error {
	compiled, err := compiledDir()
	if err != nil {
		return err
	}
	return linkCompiled(dir, compiled)
}

// compiledDir returns the folder of compiled modules, one for each version of wazero.
func compiledDir() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(`github\.com/tetratelabs/wazero (\S+)`).FindSubmatch(mod)
	if version == nil {
		return "", fmt.Errorf("go.mod does not name the version of wazero")
	}
	return filepath.Join(root, "bin", "test", "compiled-"+string(version[1])), nil
}

// linkCompiled makes the files of a cache appear in another one, but not the facts and not a file that is being written.
func linkCompiled(from, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		name := filepath.Base(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(name, "facts") || strings.HasPrefix(name, "new-") || strings.HasSuffix(name, ".tmp"):
			return nil
		case err != nil:
			return err
		}
		target, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target = filepath.Join(to, target)
		if e.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		if err := link(path, target); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// link makes a hard link, or a copy if the folders are on different file systems.
func link(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), "new-")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close(), os.Rename(f.Name(), to))
}
