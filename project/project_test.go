package project_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write sdks.txtar")

// sdkSources are the folders of connectors-wasm that an SDK consists of, and where they are in sdks.txtar.
var sdkSources = map[string]string{"sdk": "go/sdk", "typescript": "typescript", "go.mod": "go/go.mod"}

// TestSDKs: the SDKs in the program are those of connectors-wasm.
func TestSDKs(t *testing.T) {
	t.Parallel()
	a := &txtar.Archive{Comment: []byte("The SDKs for new projects. Do not edit: go test ./project -run SDKs -update writes this file.\n")}
	for from, to := range sdkSources {
		root := filepath.Join("..", "connectors-wasm", from)
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".md") {
				return err
			}
			b, err := os.ReadFile(path)
			a.Files = append(a.Files, txtar.File{Name: to + strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(root)), Data: b})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(a.Files, func(a, b txtar.File) int { return strings.Compare(a.Name, b.Name) })
	want := txtar.Format(a)
	if *update {
		if err := os.WriteFile("sdks.txtar", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("sdks.txtar")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("sdks.txtar is not what connectors-wasm has (%v): run go test ./project -run SDKs -update", err)
	}
}
