package badger_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/crmgate/crmgate/storage/badger"
)

// asNobody runs f as the user nobody if this process is root. It uses a thread that drops its rights. The goroutine does
// not unlock the thread, so the thread ends with it.
func asNobody(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		const nobody = 65534
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
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "/ cannot be written") {
		t.Errorf("got %v, want that / cannot be written", err)
	}
}
