package wasmhost_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate/wasmhost"
)

// What a process has compiled is in the cache as files of the server, and nothing else is.
func TestAdmittedFiles(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	load(t, newHost(t, wasmhost.Config{CacheDir: cache, Processes: 2}), map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")})
	want := regexp.MustCompile(`^[^/]+/(isolated-facts|isolated\.wasm|module\.wasm|isolated/wazero-[^/]+/[0-9a-f]{64})$`)
	files := 0
	err := filepath.WalkDir(cache, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		name, mode := strings.TrimPrefix(path, cache+"/"), info.Mode()
		if mode.IsDir() && mode.Perm() != 0o700 || !mode.IsDir() && (mode != 0o600 || !want.MatchString(name)) {
			t.Errorf("%s has the mode %v", name, mode)
		}
		if !mode.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files != 4 {
		t.Errorf("got %d files, %v, want 4", files, err)
	}
}

// A connector that cannot be compiled because the cache cannot be written is left out, with a reason that is not the module's fault.
func TestUnwritableCache(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	files := map[string]string{"x.wasm": oauth(num(2)).String(), "x.json": manifestOf("x", "")}
	load(t, newHost(t, wasmhost.Config{CacheDir: cache, Processes: 2}), files)
	made, err := filepath.Glob(filepath.Join(cache, "*"))
	if err != nil || len(made) != 1 {
		t.Fatal(made, err)
	}
	// A file is where the folder should be: root cannot write there either.
	if err := errors.Join(os.RemoveAll(made[0]), os.WriteFile(made[0], nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	files["y.wasm"], files["y.json"] = oauth(num(3)).String(), manifestOf("y", "")
	f, err := newHost(t, wasmhost.Config{CacheDir: cache, Processes: 2}).Load(t.Context(), folder(t, files), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	left := f.LeftOut()
	if len(left) != 1 || errors.As(left["x"], new(wasmhost.Problems)) || !strings.Contains(left["x"].Error(), "x.wasm: could not write to the cache of compiled connectors: mkdir") ||
		!strings.Contains(left["x"].Error(), "free space there, or name another folder") {
		t.Errorf("got %v", left)
	}
}

// What a server that crashed has left in the cache is removed, and what another server is writing is not.
func TestStaleFiles(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{"m/new-1/isolated/x", "m/new-2", "m/code/wazero-v1/abc.123.tmp", "m/facts"} {
		for _, when := range []string{"old", "recent"} {
			path := filepath.Join(cache, when, name)
			err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600))
			if when == "old" {
				err = errors.Join(err, os.Chtimes(path, old, old), os.Chtimes(filepath.Join(cache, when, "m/new-1"), old, old))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	newHost(t, wasmhost.Config{CacheDir: cache})
	for name, want := range map[string]bool{
		"old/m/new-1": false, "old/m/new-2": false, "old/m/code/wazero-v1/abc.123.tmp": false, "old/m/facts": true,
		"recent/m/new-1/isolated/x": true, "recent/m/new-2": true, "recent/m/code/wazero-v1/abc.123.tmp": true,
	} {
		if _, err := os.Stat(filepath.Join(cache, name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
