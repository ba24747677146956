//go:build !wasip1

package sdk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The example in the README builds as it says, and its test passes.
func TestREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	clone, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	blocks := regexp.MustCompile("(?s)`([a-z_.]+)`:\n\n```(?:go)?\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != 3 {
		t.Fatalf("found %d files, want go.mod, main.go and main_test.go", len(blocks))
	}
	for _, b := range blocks {
		content := strings.ReplaceAll(b[2], "../crmgate/connectors-wasm", clone)
		if err := os.WriteFile(filepath.Join(dir, b[1]), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(env []string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "GOFLAGS="), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %s: %v\n%s", args[0], err, out)
		}
	}
	build := regexp.MustCompile(`GOOS=wasip1 GOARCH=wasm go (build .*) -ldflags="(.*)" (-o .*)`).FindStringSubmatch(string(readme))
	if build == nil {
		t.Fatal("the README does not say how to build")
	}
	run([]string{"GOOS=wasip1", "GOARCH=wasm"}, append(append(strings.Fields(build[1]), "-ldflags="+build[2]), strings.Fields(build[3])...)...)
	run(nil, "vet", ".")
	run(nil, "test", ".")
}
