package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/crmgate/crmgate/edge/edgetest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// ownDisk mounts a small disk on a folder, where only processes that within runs see it. It returns the disk's folder as the
// test sees it.
func ownDisk(t *testing.T, dir string) (within []string, disk string) {
	t.Helper()
	holder := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size=160m,mode=700 tmpfs "$0" && echo mounted && exec cat`, dir)
	in, err := holder.StdinPipe() // the holder ends with it
	edgetest.Must(t, err)
	out, err := holder.StdoutPipe()
	edgetest.Must(t, err)
	if err := holder.Start(); err != nil {
		skip(t, "this system has no unshare: %v", err)
	}
	t.Cleanup(func() { in.Close(); _ = holder.Wait() })
	if _, err := io.ReadFull(out, make([]byte, len("mounted\n"))); err != nil {
		skip(t, "this system makes no user namespaces: %v", err)
	}
	pid := fmt.Sprint(holder.Process.Pid)
	return []string{"nsenter", "--preserve-credentials", "--user", "--mount", "--target", pid}, filepath.Join("/proc", pid, "root", dir)
}

// TestFullDisk fills the disk under the running program, and stops and starts it meanwhile.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	p := newVictim(t, practicecrm.New(practicecrm.Config{}))
	edgetest.Must(t, os.Mkdir(p.data, 0o700))
	p.admin = "127.0.0.1:0"
	var disk string
	p.within, disk = ownDisk(t, p.data)
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get(p.adminURL + path)
		edgetest.Must(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		edgetest.Must(t, err)
		return resp.StatusCode, string(b)
	}
	p.start(t)
	token, err := p.OAuth(t.Context(), "ada")
	edgetest.Must(t, err)
	filled := filepath.Join(disk, "filled")
	f, err := os.Create(filled)
	edgetest.Must(t, err)
	_, err = io.Copy(f, zeros{})
	f.Close()
	if !strings.Contains(fmt.Sprint(err), syscall.ENOSPC.Error()) {
		t.Fatalf("the disk is not full: %v", err)
	}
	for _, when := range []string{"while it runs", "after a start", "after another start"} {
		if status, text := get("/readyz"); status != 503 || !strings.Contains(text, "the disk is almost full") {
			t.Errorf("%s: readyz: %d %s", when, status, text)
		}
		if _, err := p.OAuth(t.Context(), "grace"); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("%s: a sign-in: %v, want status 503", when, err)
		}
		if !p.lives(t, token) {
			t.Errorf("%s: the session is lost", when)
		}
		edgetest.Must(t, p.cmd.Process.Signal(syscall.SIGTERM))
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%s: the end: %v", when, err)
		}
		p.start(t)
	}
	edgetest.Must(t, os.Remove(filled))
	if status, text := get("/readyz"); status != 200 {
		t.Errorf("with space again: readyz: %d %s", status, text)
	}
	if _, err := p.OAuth(t.Context(), "grace"); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
