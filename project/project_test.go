package project_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/crmgate/crmgate/project"
)

var update = flag.Bool("update", false, "write sdks.txtar")

// sdkSources are the folders of connectors-wasm that an SDK consists of, and where they are in sdks.txtar.
var sdkSources = map[string]string{
	"sdk": "go/sdk", "go.mod": "go/go.mod", "typescript": "typescript", "assemblyscript": "assemblyscript", "c": "c", "rust": "rust",
}

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

func write(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(name), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// The connector of a folder is found before its first build, and beside files of other tools.
func TestOpen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		files      []string
		name, file string
		err        string
	}{
		{[]string{"acme.json", "acme.js"}, "acme", "acme.js", ""},
		{[]string{"acme.json", "acme.vectors.json", "main.go"}, "acme", "acme.wasm", ""},
		{[]string{"acme.json", "acme.ts", "package.json", "tsconfig.json", "acme.recorded.vectors.json"}, "acme", "acme.ts", ""},
		{[]string{"acme.json", "acme.ts", "acme.js"}, "acme", "acme.js", ""}, // the bundle of the other
		{[]string{"acme.json"}, "", "", "there is no connector in"},
		{[]string{"acme.js"}, "", "", "there is no connector in"},
		{[]string{"a.json", "a.js", "b.json", "b.wasm"}, "", "", "there are several connectors in"},
	} {
		dir := t.TempDir()
		write(t, dir, tt.files...)
		p, err := project.Open(dir)
		switch {
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: got the error %v, want %s", tt.files, err, tt.err)
		case tt.err == "" && (err != nil || string(p.Name) != tt.name || p.File() != filepath.Join(dir, tt.file)):
			t.Errorf("%q: got %s in %s, %v; want %s in %s", tt.files, p.Name, p.File(), err, tt.name, tt.file)
		}
	}
}

// A manifest that needs no code is the connector.
func TestOpenWithoutCode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "acme.vectors.json")
	manifest := filepath.Join(dir, "acme.json")
	if err := os.WriteFile(manifest, []byte(`{"platforms": {"acme": {"crmgate": {"userInfo": {"id": 1}}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := project.Open(dir); err != nil || p.File() != manifest {
		t.Errorf("got %s, %v", p.File(), err)
	}
}

// What a build writes does not look like a change of the sources, which would be built again.
func TestSources(t *testing.T) {
	t.Parallel()
	for built, sources := range map[string][]string{
		"acme.wasm": {"acme.json", "src/lib.rs", "src/deep/new.rs"},
		"acme.js":   {"acme.json", "acme.ts", "acme.js"},
	} {
		dir := t.TempDir()
		write(t, dir, "acme.json", "build.sh", built)
		p, err := project.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		before := project.Print(p)
		write(t, dir, built, "lib.o", "target/debug/acme", "node_modules/x/index.js", ".git/index", "data/keyset.json", "data/000001.vlog")
		if after := project.Print(p); after != before {
			t.Errorf("a build changes the sources from\n%s\nto\n%s", before, after)
		}
		for _, name := range sources {
			write(t, dir, name)
			if err := os.Truncate(filepath.Join(dir, name), 1); err != nil { // the clock of files may be coarse
				t.Fatal(err)
			}
			after := project.Print(p)
			if after == before {
				t.Errorf("a change of %s is not seen", name)
			}
			before = after
		}
	}
}

// A build that fails, or writes nothing, says so.
func TestBuild(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{
		"echo no such type >&2; exit 3": "build.sh: exit status 3",
		"set -eu\r\ntrue\r\n":           "build.sh has line ends of Windows: save it with LF line ends",
		"true":                          "build.sh did not write acme.wasm",
		"echo x > acme.wasm":            "",
	} {
		dir := t.TempDir()
		write(t, dir, "acme.json", "acme.vectors.json")
		if err := os.WriteFile(filepath.Join(dir, "build.sh"), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := project.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		output, err := p.Build(t.Context())
		if (err == nil) != (want == "") || err != nil && err.Error() != want || strings.HasPrefix(script, "echo no") && output != "no such type\n" {
			t.Errorf("%s: got %q, %v; want %s", script, output, err, want)
		}
	}
}
