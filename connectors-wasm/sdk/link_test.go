//go:build !wasip1

package sdk_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Small connectors contain none of the packages that would make them large and slow. A Go module has the names of its functions,
// inlined ones too, each after a zero byte; a function that is not linked has none.
func TestSmallConnectorsAreSmall(t *testing.T) {
	t.Parallel()
	const most = 2_200_000 // bytes
	for _, connector := range []string{"practice", "practicekey"} {
		t.Run(connector, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat("../" + connector + "/main.go"); err != nil { // so that a change of it is no cached result
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "connector.wasm")
			build := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", path, "../"+connector)
			build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			module, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			has := func(pkg string) bool { return bytes.Contains(module, []byte("\x00"+pkg+".")) }
			for _, pkg := range []string{"encoding/json", "fmt", "reflect", "net/url"} {
				if has(pkg) {
					t.Errorf("package %s is linked: go list -deps says which imports lead to it", pkg)
				}
			}
			if !has("github.com/crmgate/crmgate/connectors-wasm/sdk/json") || !has("strconv") {
				t.Error("no names of functions were found")
			}
			if len(module) > most {
				t.Errorf("%d bytes, want at most %d", len(module), most)
			}
		})
	}
}
