package sealed_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/crmgate/crmgate/storage/sealed"
)

func TestLoadKeyRing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "keyset.json")
	first, created, err := sealed.LoadKeyRing(path)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	second, created, err := sealed.LoadKeyRing(path)
	if err != nil || created {
		t.Fatalf("created %v, %v", created, err)
	}
	value, err := first.Seal("x", nil)
	must(t, err)
	_, err = second.Unseal("x", value)
	must(t, err)
	files, err := os.ReadDir(filepath.Dir(path))
	if len(files) != 1 || err != nil {
		t.Errorf("%v, %v: want the key ring alone", files, err)
	}
}

func TestOneProcessMakesTheKeyRing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	rings := make([]*sealed.KeyRing, 8)
	var made atomic.Int64
	var group sync.WaitGroup
	for i := range rings {
		group.Go(func() {
			ring, created, err := sealed.LoadKeyRing(path)
			if err != nil {
				t.Error(err)
				return
			}
			if created {
				made.Add(1)
			}
			rings[i] = ring
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	value, err := rings[0].Seal("x", nil)
	must(t, err)
	for _, ring := range rings {
		_, err := ring.Unseal("x", value)
		must(t, err)
	}
	if made.Load() != 1 {
		t.Errorf("%d made it, want 1", made.Load())
	}
}

func TestKeyRingsThatAreRefused(t *testing.T) {
	t.Parallel()
	good := filepath.Join(t.TempDir(), "good")
	_, _, err := sealed.LoadKeyRing(good)
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
		{"empty", "", 0o600, "is not a key ring"},
		{"cut", string(b[:len(b)/2]), 0o600, "is not a key ring"},
		{"no keys", `{"primaryKeyId":1,"key":[]}`, 0o600, "is not a key ring"},
		{"no JSON", "canary", 0o600, "is not a key ring"},
		{"another primary", strings.Replace(string(b), `"primaryKeyId":`, `"primaryKeyId":1`, 1), 0o600, "is not a key ring"},
		{"another type", strings.ReplaceAll(string(b), "XAesGcmKey", "AesGcmKey"), 0o600, "is not a key ring"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ring")
			must(t, os.WriteFile(path, []byte(tt.content), 0o600))
			must(t, os.Chmod(path, tt.mode))
			_, created, err := sealed.LoadKeyRing(path)
			if err == nil || created || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if after, _ := os.ReadFile(path); string(after) != tt.content {
				t.Error("the file was changed")
			}
		})
	}
	if _, _, err := sealed.LoadKeyRing(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a directory: %v", err)
	}
}

func FuzzKeyRing(f *testing.F) {
	path := filepath.Join(f.TempDir(), "ring")
	_, _, err := sealed.LoadKeyRing(path)
	must(f, err)
	b, err := os.ReadFile(path)
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"primaryKeyId":1,"key":[{"keyId":1,"status":"ENABLED","outputPrefixType":"TINK"}]}`))
	f.Add([]byte(`{"key":[null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ring, err := sealed.ParseKeyRing(b)
		if (ring == nil) != (err != nil) {
			t.Fatalf("%v, %v", ring, err)
		}
	})
}
