package wasmhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/crmgate/crmgate/wasmhost/guest"
	"github.com/crmgate/crmgate/wasmhost/process"
)

// Names in the folder of a module.
const (
	isolatedFile   = "isolated.wasm"  // the instrumented module that processes run
	isolatedFolder = "isolated"       // its machine code
	isolatedFacts  = "isolated-facts" // what a process says of it
)

// start starts a process that runs code. most is how many modules it can have. Code that is not in the cache, or is damaged, is compiled.
func (m *module) start(ctx context.Context, code []byte, most int) (*process.Module, error) {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	folder := m.host.folder(m.codeSum())
	// An instance of a Go connector asks for 4 MB and more, of which it touches a tenth.
	data := m.host.Memory + int64(most)*int64(m.host.MaxCalls)<<23
	c := process.Config{Dir: filepath.Join(folder, isolatedFolder), Limits: m.host.limits(), Most: most, Data: data}
	if m.compiled() {
		if instrumented, ok := readCached(filepath.Join(folder, isolatedFile)); ok {
			c.Code = instrumented
			p, err := process.Start(ctx, c)
			if err == nil || innocent(err) {
				return p, err
			}
		}
		if err := os.RemoveAll(c.Dir); err != nil {
			return nil, m.host.cacheError(err)
		}
	}
	c.Code = code
	if err := m.admit(ctx, folder, c); err != nil {
		return nil, err
	}
	instrumented, ok := readCached(filepath.Join(folder, isolatedFile))
	if !ok {
		return nil, m.host.cacheError(errors.New("what was written cannot be read"))
	}
	c.Code = instrumented
	return process.Start(ctx, c)
}

// innocent reports whether an error is not the module's, nor that of what is in the cache: another time it may load.
func innocent(err error) bool {
	return errors.As(err, new(*process.Died)) || errors.Is(err, process.ErrNotStarted) || errors.Is(err, errCache)
}

// compiled reports whether the machine code of a module is in the cache.
func (m *module) compiled() bool {
	dir := isolatedFolder
	if m.host.Processes == 0 {
		dir = ownFolder
	}
	_, err := os.Stat(filepath.Join(m.host.folder(m.codeSum()), dir))
	return err == nil
}

// admit compiles a module into its folder of the cache. A process of its own instruments and compiles it. That process can write no
// file: what it sends is written here, to new files, which are moved when they are complete.
func (m *module) admit(ctx context.Context, folder string, c process.Config) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return m.host.cacheError(err)
	}
	fresh, err := os.MkdirTemp(folder, newPrefix)
	if err != nil {
		return m.host.cacheError(err)
	}
	defer os.RemoveAll(fresh)
	if err := m.host.compile(ctx, c, fresh); err != nil {
		return err
	}
	// In this order: another server on the cache removes a folder without its module.
	err = os.Rename(filepath.Join(fresh, isolatedFile), filepath.Join(folder, isolatedFile))
	if err == nil {
		err = os.Rename(filepath.Join(fresh, isolatedFolder), c.Dir)
	}
	if errors.Is(err, os.ErrExist) { // another server was first
		return nil
	}
	return m.host.cacheError(err)
}

// compile compiles a module into an empty folder. A process decides the content of the files, but not where they are, how many there
// are, or how large they become.
func (h *Host) compile(ctx context.Context, c process.Config, fresh string) error {
	code, err := guest.CodeFolder(ctx, filepath.Join(fresh, isolatedFolder))
	if err != nil {
		return h.cacheError(err)
	}
	instrumented, err := createCached(filepath.Join(fresh, isolatedFile))
	if err != nil {
		return h.cacheError(err)
	}
	defer instrumented.Close()
	machine, err := os.OpenFile(filepath.Join(code, newPrefix), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return h.cacheError(err)
	}
	defer machine.Close()
	name, err := process.Compile(ctx, c, cacheWriter{h, instrumented}, cacheWriter{h, machine})
	if err != nil {
		return err
	}
	return h.cacheError(errors.Join(instrumented.finish(), machine.Sync(), machine.Close(), os.Rename(machine.Name(), filepath.Join(code, name))))
}
