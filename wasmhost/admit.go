package wasmhost

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/crmgate/crmgate/wasmhost/process"
)

// start starts a process of the module. If its machine code is missing or damaged, the module is compiled.
func (m *module) start(ctx context.Context, code []byte, dir string) (*process.Process, error) {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	// An instance of a Go connector asks for 4 MB and more, of which it touches a tenth.
	data := m.host.Memory + int64(m.host.MaxCalls)<<23
	c := process.Config{Code: code, Dir: dir, Limits: m.host.limits(), Data: data}
	if _, err := os.Stat(dir); err == nil {
		p, err := process.Start(ctx, c)
		if err == nil || errors.As(err, new(*process.Died)) {
			return p, err
		}
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	if err := m.admit(ctx, c); err != nil {
		return nil, err
	}
	return process.Start(ctx, c)
}

// admit compiles a module into its folder. A process of its own compiles it into an empty folder, and can write to no other.
func (m *module) admit(ctx context.Context, c process.Config) error {
	dir := c.Dir
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	c.Dir, c.Compile = fresh, true
	p, err := process.Start(ctx, c)
	if err != nil {
		return err
	}
	p.Close()
	if err = os.Rename(fresh, dir); errors.Is(err, os.ErrExist) { // another server on the cache was first
		return nil
	}
	return err
}
