package connectortest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/wasmhost/connectortest"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// examples is the folder of the example connector.
var examples = filepath.Join("..", "..", "connectors-wasm", "example")

// commands returns the indented lines of shell in a README.
func commands(readme string) (lines []string) {
	readme = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(readme, "")
	for _, m := range regexp.MustCompile(`(?m)^    (\w(?:.*\\\n)*.*)$`).FindAllStringSubmatch(readme, -1) {
		lines = append(lines, m[1])
	}
	return lines
}

// The README of each SDK has the example, and its commands build and check it.
func TestREADMEsOfSDKs(t *testing.T) {
	t.Parallel()
	for language, file := range map[string]string{"assemblyscript": "acme.ts", "c": "acme.c", "rust": "acme.rs"} {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			readme, err := os.ReadFile(filepath.Join("..", "..", "connectors-wasm", language, "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			source, err := os.ReadFile(filepath.Join(examples, language, file))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(readme), "\n"+string(source)+"```\n") {
				t.Errorf("the README does not have %s as it is", file)
			}
			wasmtest.Connector(t, filepath.Join(t.TempDir(), "acme.wasm"), filepath.Join(examples, language, file)) // skips if a tool is missing
			path := os.Getenv("PATH")
			if language == "rust" {
				rustc, _ := wasmtest.Rustc(t, wasmtest.RustPlain)
				path = filepath.Dir(rustc) + ":" + path
			}
			dir := exampleFolder(t)
			if err := os.WriteFile(filepath.Join(dir, file), source, 0o600); err != nil {
				t.Fatal(err)
			}
			checked := false
			for _, line := range commands(string(readme)) {
				switch {
				case strings.HasPrefix(line, "git clone "): // the folder has it
				case line == "crmgate check acme.wasm":
					wellChecked(t, filepath.Join(dir, "acme.wasm"))
					checked = true
				default:
					cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", line)
					cmd.Dir, cmd.Env = dir, append(os.Environ(), "npm_config_prefer_offline=true", "PATH="+path)
					if out, err := cmd.CombinedOutput(); err != nil {
						if strings.HasPrefix(line, "npm ") && os.Getenv("CI") == "" {
							t.Skipf("%s: %v\n%s", line, err, out)
						}
						t.Fatalf("%s: %v\n%s", line, err, out)
					}
				}
			}
			if !checked {
				t.Error("the README does not say how to check the connector")
			}
		})
	}
}

// The example is the same connector in every language.
func TestExamples(t *testing.T) {
	t.Parallel()
	for path, build := range map[string]func(to string){
		filepath.Join("javascript", "acme.js"): nil,
		filepath.Join("typescript", "acme.ts"): nil,
		filepath.Join("go", "acme.wasm"): func(to string) {
			wasmtest.Go(t, to, filepath.Join("..", "..", "connectors-wasm"), "./example/go")
		},
	} {
		t.Run(filepath.Dir(path), func(t *testing.T) {
			t.Parallel()
			to := filepath.Join(exampleFolder(t), filepath.Base(path))
			if build != nil {
				build(to)
			} else if b, err := os.ReadFile(filepath.Join(examples, path)); err != nil {
				t.Fatal(err)
			} else if err := os.WriteFile(to, b, 0o600); err != nil {
				t.Fatal(err)
			}
			wellChecked(t, to)
		})
	}
}

// exampleFolder returns a folder with the manifest and the vectors of the example, and with a clone of the repository.
func exampleFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root, err := wasmtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(root, filepath.Join(dir, "crmgate")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"acme.json", "acme.vectors.json"} {
		b, err := os.ReadFile(filepath.Join(examples, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wellChecked checks a connector: every case must be in order, and every vector must have run.
func wellChecked(t *testing.T, file string) {
	t.Helper()
	recorded := 0
	all := checkFile(t, file)
	for _, r := range all {
		if strings.HasPrefix(r.Case, "recorded: ") {
			recorded++
		}
	}
	if wrong := lines(all, connectortest.Failed, connectortest.Warning, connectortest.Skipped); wrong != "" || recorded != 6 {
		t.Errorf("%d vectors ran, want 6\n%s", recorded, wrong)
	}
}
