package badger_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/crmgate/crmgate/storage/badger"
)

const nobody = 65534

// asNobody runs f as the user nobody if this process is root. It uses a thread that drops its rights. The goroutine does
// not unlock the thread, so the thread ends with it.
func asNobody(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			// syscall.Setresuid would change all threads.
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
				done <- fmt.Errorf("become nobody: %w", errno)
				return
			}
		}
		done <- f()
	}()
	return <-done
}

func TestADirectoryThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	err := asNobody(func() error {
		e, err := badger.Open(badger.Config{Dir: "/", Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			e.Close()
		}
		return err
	})
	if !errors.Is(err, fs.ErrPermission) || err.Error() != "the data directory / cannot be written: permission denied" {
		t.Errorf("got %v, want that / cannot be written", err)
	}
}

// TestStoreOfAnotherUser: root does not open a store of another user, and changes nothing. Another user is told which file
// cannot be opened.
func TestStoreOfAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	base, err := os.MkdirTemp("", "badger") // nobody cannot enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dir := filepath.Join(base, "store")
	if err := errors.Join(os.Chmod(base, 0o755), mustOpen(t, dir).Close()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	for _, path := range append(files, dir) {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	before := contents(t, dir)
	open := func() error {
		e, err := badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			err = e.Close()
		}
		return err
	}
	if err := open(); err == nil || !strings.Contains(err.Error(), "belongs to the user nobody: run this as that user, for example with sudo -u nobody") {
		t.Errorf("as root: %v", err)
	}
	if after := contents(t, dir); !maps.Equal(after, before) {
		t.Error("root changed the store")
	}
	if err := os.Chown(filepath.Join(dir, "MANIFEST"), 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := asNobody(open); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "MANIFEST belongs to the user root and cannot be written") {
		t.Errorf("as nobody, with a file of root: %v", err)
	}
}
