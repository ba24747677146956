package wasmhost_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost"
)

// TestFilesWithoutAnEnd: a named pipe, a device and an oversized manifest leave out their own platform. They do not stop a reload.
func TestFilesWithoutAnEnd(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		"pipe.json": manifestOf("pipe", ""), "zero.json": manifestOf("zero", ""), "y.json": manifestOf("y", ""),
		"large.json": manifestOf("large", "") + strings.Repeat(" ", 4<<20),
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(
		syscall.Mkfifo(at("pipe.wasm"), 0o600), os.Symlink("/dev/zero", at("zero.wasm")),
		syscall.Mkfifo(at("pipes.json"), 0o600), os.Symlink("/dev/zero", at("zeros.json")),
	); err != nil {
		t.Fatal(err)
	}
	want := map[crmgate.Platform]string{
		"pipe": "pipe.wasm: expected a file", "zero": "zero.wasm: expected a file", "pipes": "pipes.json: expected a file", "zeros": "zeros.json: expected a file",
		"large": "large.json: expected at most 4 MB",
	}
	f := mustReload(t, newHost(t, wasmhost.Config{}), dir, nil)
	defer f.Close()
	_, surveyed, err := wasmhost.Survey(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	for who, wrong := range map[string]map[crmgate.Platform]error{"a load": f.LeftOut(), "a survey": surveyed} {
		if len(wrong) != len(want) {
			t.Errorf("%s leaves out %v", who, wrong)
		}
		for p, text := range want {
			if err := wrong[p]; err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %s: got %v, want %s", who, p, err, text)
			}
		}
	}
}
