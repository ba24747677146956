package badger_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/crmgate/crmgate/storage"
)

// A process that is killed while Badger makes or removes a file leaves it empty, or with a part of its header.
func TestFilesThatAKilledProcessLeaves(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir := filepath.Join(base, "store")
	e := mustOpen(t, dir)
	put := func(tx storage.Tx) error {
		return errors.Join(tx.Set([]byte("short"), []byte("1"), 0), tx.Set([]byte("long"), make([]byte, 5000), 0))
	}
	if err := errors.Join(e.Update(t.Context(), put), e.Close(), os.Remove(filepath.Join(dir, "reserve"))); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		file string
		size int
	}{
		{"00099.mem", 0}, {"00000.mem", 0}, {"00099.mem", 1}, {"00099.mem", 20}, {"000099.vlog", 0}, {"000000.vlog", 0}, {"000099.vlog", 19},
		{"000000.vlog", 20}, {"000099.sst", 0}, {"DISCARD", 0}, {"LOCK", 0}, {"reserve", 0}, {"MANIFEST-REWRITE", 0}, {"REWRITE-KEYREGISTRY", 0},
	} {
		t.Run(fmt.Sprintf("%s of %d bytes", tt.file, tt.size), func(t *testing.T) {
			killed := filepath.Join(base, fmt.Sprint("killed", i))
			if err := errors.Join(os.CopyFS(killed, os.DirFS(dir)), os.WriteFile(filepath.Join(killed, tt.file), make([]byte, tt.size), 0o600)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				e := mustOpen(t, killed)
				get := func(tx storage.Tx) error {
					_, short := tx.Get([]byte("short"))
					_, long := tx.Get([]byte("long"))
					return errors.Join(short, long)
				}
				if err := errors.Join(e.View(t.Context(), get), e.Update(t.Context(), put), e.Close()); err != nil {
					t.Error(err)
				}
			}
			if info, err := os.Stat(filepath.Join(killed, "reserve")); err != nil || info.Size() != 32<<20 {
				t.Errorf("the reserve: %v, %v; want 32 MB", info.Size(), err)
			}
		})
	}
}
