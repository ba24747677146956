package storage_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/crmgate/crmgate/storage"
)

func TestLoadKeyRing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "keyset.json")
	first, created, err := storage.LoadKeyRing(path)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	second, created, err := storage.LoadKeyRing(path)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	engine := mustEngine(t, "")
	for _, ring := range []*storage.KeyRing{first, second} {
		_, err := storage.Open(t.Context(), engine, ring, storage.Config{})
		must(t, err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if len(files) != 1 || err != nil {
		t.Errorf("%v, %v: want the key ring alone", files, err)
	}
}

func TestOneOfManyMakesTheKeyRing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	engine := mustEngine(t, "")
	var made atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			ring, created, err := storage.LoadKeyRing(path)
			if err != nil {
				t.Error(err)
				return
			}
			if created {
				made.Add(1)
			}
			if _, err := storage.Open(t.Context(), engine, ring, storage.Config{}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Errorf("%d made it, want 1", made.Load())
	}
}

func TestKeyRingsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "good")
	_, _, err := storage.LoadKeyRing(good)
	must(t, err)
	b, err := os.ReadFile(good)
	must(t, err)
	for _, tt := range []struct {
		name, content string
		mode          fs.FileMode
		want          string
	}{
		{"readable by the group", string(b), 0o640, "may be read by others (mode 0640)"},
		{"readable by all", string(b), 0o604, "may be read by others (mode 0604)"},
		{"empty", "", 0o600, "is no key ring"},
		{"cut", string(b[:len(b)/2]), 0o600, "is no key ring"},
		{"no keys", `{"primaryKeyId":1,"key":[]}`, 0o600, "is no key ring"},
		{"no JSON", "canary", 0o600, "is no key ring"},
		{"another primary", strings.Replace(string(b), `"primaryKeyId":`, `"primaryKeyId":1`, 1), 0o600, "is no key ring"},
		{"another type", strings.ReplaceAll(string(b), "XAesGcmKey", "AesGcmKey"), 0o600, "is no key ring"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ring")
			must(t, os.WriteFile(path, []byte(tt.content), 0o600))
			must(t, os.Chmod(path, tt.mode))
			_, created, err := storage.LoadKeyRing(path)
			if err == nil || created || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if after, _ := os.ReadFile(path); string(after) != tt.content {
				t.Error("the file was changed")
			}
		})
	}
	if _, _, err := storage.LoadKeyRing(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a directory: %v", err)
	}
}
