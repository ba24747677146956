package wasmhost

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/meter"
)

// cached returns what produce returned for a module earlier, or calls it and keeps the result in the cache. kind names the
// result, and sum is the hash of the module's file.
func (h *Host) cached(kind string, sum [sha256.Size]byte, produce func() ([]byte, error)) ([]byte, error) {
	path := filepath.Join(h.folder(sum), kind)
	if b, ok := readCached(path); ok {
		return b, nil
	}
	b, err := produce()
	if err != nil {
		return nil, err
	}
	err = os.MkdirAll(h.folder(sum), 0o700)
	if err = cmp.Or(err, writeCached(path, b)); err != nil {
		h.Logger.Warn("could not write to the cache of connectors; the next start compiles again", "err", err)
	}
	return b, nil
}

// folder is the folder of a module in the cache: what cached keeps, and the machine code. Files of another version of the
// compiler, of package meter or of the checks are in another folder.
func (h *Host) folder(sum [sha256.Size]byte) string {
	return filepath.Join(h.CacheDir, fmt.Sprintf("%s-%x", cacheVersion(), sum))
}

// readCached returns the content of a file that writeCached wrote. ok is false if there is no file, or if it is damaged.
func readCached(path string) (content []byte, ok bool) {
	b, err := os.ReadFile(path)
	if err != nil || len(b) < sha256.Size {
		return nil, false
	}
	content, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	return content, sha256.Sum256(content) == [sha256.Size]byte(sum)
}

// newPrefix begins the name of a file or folder that is not complete.
const newPrefix = "new-"

// writeCached writes a file and its hash, which detects a file that was cut by a crash. Renaming is atomic: other processes
// may use the same cache.
func writeCached(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), newPrefix)
	if err != nil {
		return err
	}
	c := &cachedFile{f, sha256.New()}
	_, err = c.Write(content)
	if err = errors.Join(err, c.finish()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// cachedFile is a file that readCached reads, while it is written.
type cachedFile struct {
	*os.File
	sum hash.Hash
}

func createCached(path string) (*cachedFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return &cachedFile{f, sha256.New()}, err
}

func (c *cachedFile) Write(b []byte) (int, error) {
	c.sum.Write(b)
	return c.File.Write(b)
}

// finish writes the hash, and closes the file.
func (c *cachedFile) finish() error {
	_, err := c.File.Write(c.sum.Sum(nil))
	return errors.Join(err, c.Close())
}

// errCache means that a connector could not be loaded because the cache cannot be written.
var errCache = errors.New("could not write to the cache of compiled connectors")

// cacheError returns the error of a write to the cache, with what to do; nil if there is none.
func (h *Host) cacheError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w: let this user write to %s and free space there, or name another folder", errCache, err, h.CacheDir)
}

// cacheWriter writes to a file of the cache.
type cacheWriter struct {
	h  *Host
	to io.Writer
}

func (c cacheWriter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	return n, c.h.cacheError(err)
}

// staleAfter is the age at which a file or folder that is not complete was left by a server that crashed.
const staleAfter = time.Hour

// removeStale removes what servers that crashed have left in the cache. Other servers may be using it.
func removeStale(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // another server has removed it, or New has said what is wrong
		}
		if !strings.HasPrefix(e.Name(), newPrefix) && !strings.HasSuffix(e.Name(), ".tmp") { // the engine's end so
			return nil
		}
		if info, err := e.Info(); err != nil || time.Since(info.ModTime()) < staleAfter {
			return nil
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// cacheVersion identifies the code that makes the content of the cache. Increase the last number when the checks change.
func cacheVersion() string {
	return guest.EngineVersion + "-" + runtime.GOARCH + "-" + meter.Version() + "-8"
}
