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

// keptBy returns a cache that gives machine code to keep.
//
// wazero gives machine code to a folder, or to a cache of its own: the interface is internal. So the field is set by reflection. If a
// new version has no such field, the tests fail.
func keptBy(keep keeper) (wazero.CompilationCache, error) {
	cache := wazero.NewCompilationCache()
	v := reflect.Indirect(reflect.ValueOf(cache))
	if v.Kind() == reflect.Struct {
		v = v.FieldByName("fileCache")
	}
	if !v.IsValid() || !v.CanAddr() || v.Kind() != reflect.Interface || !reflect.TypeOf(keep).Implements(v.Type()) {
		return nil, errors.New("this version of wazero keeps machine code in another way")
	}
	reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem().Set(reflect.ValueOf(keep))
	return cache, nil
}
