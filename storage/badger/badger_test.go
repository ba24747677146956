package badger_test

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
	"github.com/crmgate/crmgate/storage/enginetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// mustOpen opens a store. A process that another test starts has the lock of a store that was just closed, until it runs its program.
func mustOpen(t testing.TB, dir string) *badger.Engine {
	t.Helper()
	e, err := badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	for end := time.Now().Add(10 * time.Second); errors.Is(err, badger.ErrInUse) && time.Now().Before(end); time.Sleep(time.Millisecond) {
		e, err = badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformanceInMemory(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Volatile, func(t *testing.T) enginetest.Store {
		return enginetest.Store{Engine: mustOpen(t, "")}
	})
}

func TestConformanceOnDisk(t *testing.T) {
	t.Parallel()
	enginetest.Run(t, enginetest.Durable, func(t *testing.T) enginetest.Store {
		dir := filepath.Join(t.TempDir(), "store")
		return enginetest.Store{
			Engine: mustOpen(t, dir),
			Reopen: func() storage.Engine { return mustOpen(t, dir) },
		}
	})
}

func TestDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "store")
	e := mustOpen(t, dir)
	defer e.Close()
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode(), err)
	}
}

// Open makes a store private that others could read, and changes nothing else in its directory.
func TestDirectoryBecomesPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	if err := errors.Join(os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	e := mustOpen(t, dir)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the empty directory became %v, %v; want 0700", info.Mode(), err)
	}
	put := func(tx storage.Tx) error { return tx.Set([]byte("a"), make([]byte, 5000), 0) }
	if err := errors.Join(e.Update(t.Context(), put), e.Close()); err != nil {
		t.Fatal(err)
	}
	before, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(before) < 5 {
		t.Fatalf("the store is %q, %v", before, err)
	}
	for _, path := range before {
		if err := os.Chmod(path, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "other.txt")
	if err := errors.Join(os.WriteFile(other, nil, 0o600), os.Chmod(other, 0o644), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	e = mustOpen(t, link)
	defer e.Close()
	for path, want := range map[string]fs.FileMode{dir: 0o700, other: 0o644} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s became %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
	for _, path := range before {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s became %v, %v; want 0600", path, info.Mode(), err)
		}
	}
}

// A folder that was named by mistake is not changed.
func TestDirectoryOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "another-program"), 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	_, err := badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), dir+" is not private: others can enter it (mode 0755)") || !strings.Contains(err.Error(), "chmod go-rwx "+dir) {
		t.Errorf("got %v", err)
	}
	files, err := os.ReadDir(dir)
	if info, statErr := os.Stat(dir); err != nil || statErr != nil || len(files) != 1 || info.Mode().Perm() != 0o755 {
		t.Errorf("%d files, mode %v; want it as it was", len(files), info.Mode())
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := mustOpen(t, dir).Close(); err != nil {
		t.Error(err)
	}
}

func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := t.TempDir()
	e := mustOpen(t, locked)
	defer e.Close()
	for _, tt := range []struct {
		name, dir string
		want      error
		text      string
	}{
		{"a file", file, syscall.ENOTDIR, "is a file"},
		{"below a file", filepath.Join(file, "x"), syscall.ENOTDIR, "cannot be created"},
		{"in use", locked, badger.ErrInUse, "is in use by another crmgate"},
		{"below an unwritable folder", "/proc/self/store", fs.ErrNotExist, "cannot be created"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := badger.Open(badger.Config{Dir: tt.dir, Logger: slog.New(slog.DiscardHandler)})
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), tt.dir) {
				t.Errorf("got %v, want %v and %q", err, tt.want, tt.text)
			}
		})
	}
}

// Empty changes no file of the store.
func TestEmpty(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	look := func(name, dir string, want bool) {
		t.Helper()
		before := contents(t, dir)
		if empty, err := badger.Empty(dir); err != nil || empty != want {
			t.Errorf("%s: empty is %v, %v; want %v", name, empty, err, want)
		}
		if after := contents(t, dir); !maps.Equal(after, before) {
			t.Errorf("%s: the files were %v, and are %v", name, slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
		}
	}
	dir := filepath.Join(base, "store")
	look("no directory", dir, true)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	look("a directory without a store", dir, true)
	if err := mustOpen(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	look("a store without records", dir, true)
	e := mustOpen(t, dir)
	if err := e.Update(t.Context(), func(tx storage.Tx) error { return tx.Set([]byte("a"), []byte("1"), 0) }); err != nil {
		t.Fatal(err)
	}
	look("a store in use", dir, false)
	killed := filepath.Join(base, "killed")
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	look("a store that was not closed", killed, false)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	look("a store", dir, false)
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	look("a file", file, true)
}

// contents are the hashes of the files below a path.
func contents(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	all := map[string][sha256.Size]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = sha256.Sum256(b)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return all
}

// Badger dies of SIGBUS on a full disk, so Open does not even create its files.
func TestDiskAlmostFull(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	_, err := badger.Open(badger.Config{Dir: dir, MinFree: math.MaxUint64})
	if !errors.Is(err, crmgate.ErrTransient) || !strings.Contains(err.Error(), "the disk is almost full") {
		t.Errorf("open: got %v", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 0 {
		t.Errorf("%d files, %v; want none", len(files), err)
	}

	e := mustOpen(t, dir)
	defer e.Close()
	put := func(tx storage.Tx) error { return tx.Set([]byte("a"), []byte("1"), 0) }
	if err := e.Update(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	badger.SetMinFree(e, math.MaxUint64)
	if err := e.Update(t.Context(), put); !errors.Is(err, crmgate.ErrTransient) {
		t.Errorf("update: got %v, want a refusal", err)
	}
	get := func(tx storage.Tx) error { _, err := tx.Get([]byte("a")); return err }
	if err := errors.Join(e.View(t.Context(), get), e.Update(t.Context(), get)); err != nil {
		t.Errorf("reads do not go on: %v", err)
	}
}

func TestTransactionTooLarge(t *testing.T) {
	t.Parallel()
	e := mustOpen(t, "")
	defer e.Close()
	err := e.Update(t.Context(), func(tx storage.Tx) error {
		for i := range 4 {
			if err := tx.Set([]byte{byte(i)}, make([]byte, 900_000), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
	if err := e.Update(t.Context(), func(tx storage.Tx) error { return tx.Set([]byte("a"), nil, 0) }); err != nil {
		t.Error(err)
	}
}

// A failed commit is reported.
func TestCommitFails(t *testing.T) {
	t.Parallel()
	e := mustOpen(t, "")
	badger.Break(e)
	if err := e.Update(t.Context(), func(tx storage.Tx) error { return tx.Set([]byte("a"), nil, 0) }); err == nil {
		t.Error("a write that was lost is reported as stored")
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
