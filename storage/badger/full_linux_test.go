package badger_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/badger"
)

// ownDisk runs the calling test again in a process that has a disk of its own, and returns the disk's folder there. It
// returns an empty text in the first process, when the second has passed.
func ownDisk(t *testing.T) string {
	t.Helper()
	const variable = "CRMGATE_TEST_DISK"
	if dir := os.Getenv(variable); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=200m"); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Skipf("this system makes no user namespaces: %v", err)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Fatalf("%v\n%s", err, out)
	}
	return ""
}

// fill fills a disk to the last byte, and returns a function that gives the space back.
func fill(t *testing.T, disk string) (empty func()) {
	t.Helper()
	name := filepath.Join(disk, "filled")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 1} {
		for err = nil; err == nil; _, err = f.Write(make([]byte, size)) {
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func set(key string, size int) func(storage.Tx) error {
	return func(tx storage.Tx) error { return tx.Set([]byte(key), make([]byte, size), 0) }
}

func get(key string) func(storage.Tx) error {
	return func(tx storage.Tx) error { _, err := tx.Get([]byte(key)); return err }
}

// TestFullDisk fills the disk under a store, closes it, and opens it again and again, also a copy that was never closed. Nothing
// is lost, and writes go on when there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := ownDisk(t)
	if disk == "" {
		return
	}
	dir := filepath.Join(disk, "store")
	e := mustOpen(t, dir)
	for i := range 10 { // some of it in value logs, and 8 MB in the table that Close makes
		err := e.Update(t.Context(), func(tx storage.Tx) error {
			for j := range 1000 {
				if err := set(fmt.Sprint("short ", i*1000+j), 800)(tx); err != nil {
					return err
				}
			}
			return set(strconv.Itoa(i), 5000)(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	killed := filepath.Join(disk, "killed")
	for _, args := range [][]string{{"--sparse=always", "-r", dir, killed}, {"--sparse=never", dir + "/reserve", killed}} {
		if out, err := exec.Command("cp", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	empty := fill(t, disk)
	check := func(when string) {
		t.Helper()
		if err := e.Writable(); !errors.Is(err, crmgate.ErrTransient) {
			t.Errorf("%s: writable: %v", when, err)
		}
		if err := e.Update(t.Context(), set("new", 10)); !errors.Is(err, crmgate.ErrTransient) {
			t.Errorf("%s: update: %v", when, err)
		}
		for _, key := range []string{"0", "9", "short 0", "short 9999"} {
			if err := e.View(t.Context(), get(key)); err != nil {
				t.Errorf("%s: %s: %v", when, key, err)
			}
		}
	}
	check("full")
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for _, dir := range []string{dir, dir, killed, killed} {
		e = mustOpen(t, dir)
		check("opened")
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	var log bytes.Buffer
	e, err := badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	empty()
	if err := errors.Join(e.Writable(), e.Update(t.Context(), set("new", 10)), e.View(t.Context(), get("new")), e.View(t.Context(), get("0"))); err != nil {
		t.Errorf("with space again: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "the store accepts writes again"); n != 1 { // it compacts again, too
		t.Errorf("opened again %d times:\n%s", n, &log)
	}
}

// TestFullDiskWithoutReserve has no space to close: the store is left, and loses nothing.
func TestFullDiskWithoutReserve(t *testing.T) {
	t.Parallel()
	disk := ownDisk(t)
	if disk == "" {
		return
	}
	dir := filepath.Join(disk, "store")
	e := mustOpen(t, dir)
	if err := e.Update(t.Context(), set("a", 800)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "reserve")); err != nil {
		t.Fatal(err)
	}
	fill(t, disk)
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := badger.Open(badger.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}); !errors.Is(err, badger.ErrInUse) {
		t.Errorf("while the process runs: got %v, want %v", err, badger.ErrInUse)
	}
	os.Exit(pass(t)) // with Badger's goroutines
}

func pass(t *testing.T) int {
	if t.Failed() {
		return 1
	}
	os.Stdout.WriteString("--- PASS\n")
	return 0
}
