package guest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"

	"github.com/tetratelabs/wazero"
)

// Compile compiles a module that meter.Module.Instrument returned. It gives the machine code to keep, with the name of the file in
// CodeFolder where Load looks for it. It opens no file itself.
func Compile(ctx context.Context, code []byte, l Limits, keep func(name string, machine io.Reader) error) error {
	cache, err := keptBy(keep)
	if err != nil {
		return err
	}
	defer cache.Close(ctx)
	rt := wazero.NewRuntimeWithConfig(ctx, engineConfig().WithCompilationCache(cache).WithMemoryLimitPages(l.MemoryPages))
	defer rt.Close(ctx)
	compiled, err := rt.CompileModule(ctx, code)
	if err != nil {
		return fmt.Errorf("it does not compile: %w", err)
	}
	return compiled.Close(ctx)
}

// CodeFolder makes the folder in dir in which Load keeps the files with machine code, and returns its path. dir is empty before.
func CodeFolder(ctx context.Context, dir string) (string, error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir) // makes the folder, and names it after the version of wazero
	if err != nil {
		return "", err
	}
	if err := cache.Close(ctx); err != nil {
		return "", err
	}
	made, err := os.ReadDir(dir)
	if err == nil && len(made) != 1 {
		err = fmt.Errorf("%s has %d entries: expected one", dir, len(made))
	}
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, made[0].Name()), nil
}

// keeper is a cache of wazero that gives away what it gets, and has nothing.
type keeper func(name string, machine io.Reader) error

func (keeper) Get([32]byte) (io.ReadCloser, bool, error) { return nil, false, nil }
func (keeper) Delete([32]byte) error                     { return nil }

func (k keeper) Add(key [32]byte, machine io.Reader) error {
	return k(hex.EncodeToString(key[:]), machine)
}

// files is a cache of wazero.
type files interface {
	Get(key [32]byte) (io.ReadCloser, bool, error)
	Add(key [32]byte, machine io.Reader) error
	Delete(key [32]byte) error
}

// complete is a cache that has all that is needed: what it has not is an error, and is not compiled.
type complete struct{ files }

func (c complete) Get(key [32]byte) (io.ReadCloser, bool, error) {
	machine, ok, err := c.files.Get(key)
	if !ok && err == nil {
		err = errors.New("its machine code is not in the cache")
	}
	return machine, ok, err
}

func (complete) Delete([32]byte) error {
	return errors.New("its machine code in the cache is of another version")
}

// compiledIn returns a cache that is complete, of machine code in dir.
func compiledIn(dir string) (wazero.CompilationCache, error) {
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, err
	}
	return cache, replaceFiles(cache, func(old files) files { return complete{old} })
}

// keptBy returns a cache that gives machine code to keep.
func keptBy(keep keeper) (wazero.CompilationCache, error) {
	cache := wazero.NewCompilationCache()
	return cache, replaceFiles(cache, func(files) files { return keep })
}

// replaceFiles replaces where a cache has its files.
//
// wazero gives machine code to a folder, or to a cache of its own: the interface is internal. So the field is set by reflection. If a
// new version has no such field, the tests fail.
func replaceFiles(cache wazero.CompilationCache, by func(old files) files) error {
	v := reflect.Indirect(reflect.ValueOf(cache))
	if v.Kind() == reflect.Struct {
		v = v.FieldByName("fileCache")
	}
	if !v.IsValid() || !v.CanAddr() || v.Kind() != reflect.Interface || !reflect.TypeFor[files]().Implements(v.Type()) {
		return errors.New("this version of wazero keeps machine code in another way")
	}
	v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
	old, _ := v.Interface().(files) // nil for a cache in memory
	v.Set(reflect.ValueOf(by(old)))
	return nil
}
