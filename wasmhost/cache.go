package wasmhost

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

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

// writeCached writes a file and its hash, which detects a file that was cut by a crash. Renaming is atomic: other processes
// may use the same cache.
func writeCached(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "new-")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	_, err = f.Write(content)
	if err == nil {
		_, err = f.Write(sum[:])
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// cacheVersion identifies the code that makes the content of the cache. Increase the last number when the checks change.
func cacheVersion() string {
	return guest.EngineVersion + "-" + runtime.GOARCH + "-" + meter.Version() + "-6"
}
