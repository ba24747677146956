package edgetest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost/process"
	"github.com/crmgate/crmgate/wasmhost/wasmtest"
)

// Shipped are the files of the project's connectors.
func Shipped() []string {
	return []string{
		"attio.json", "bullhorn.js", "capsule.json", "clio.wasm", "close.json", "copper.json", "freshdesk.ts", "gohighlevel.js", "googleSheets.js", "helpscout.json",
		"insightly.wasm", "intercom.json", "monday.json", "netsuite.ts", "pipedrive.js", "practice.wasm", "practicekey.wasm", "redtail.js", "salesforce.json",
		"servicetitan.js", "zendesk.json", "zoho.json",
	}
}

// PracticeAddr is the address in the manifests of the practice connectors.
const PracticeAddr = practicecrm.Addr

// built has the results of Run. The tests only read it.
var built struct{ program, connectors, cache string }

// Program is the path of the program, built without the race detector.
func Program() string { return built.program }

// Connectors is the folder of the project's connectors.
func Connectors() string { return built.connectors }

// Cache is the folder of compiled connectors.
func Cache() string { return built.cache }

// Run builds the program and the connectors, runs the tests of a package, and removes the build. TestMain calls it. In a guest process
// of the tests, it does not return.
func Run(m interface{ Run() int }) int {
	process.Main()
	dir, err := os.MkdirTemp("", "crmgate-test")
	if err == nil {
		defer os.RemoveAll(dir)
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := wasmtest.KeepCache(built.cache); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func build(dir string) error {
	root, err := wasmtest.Root()
	if err != nil {
		return err
	}
	built.program, built.connectors, built.cache = filepath.Join(dir, "crmgate"), filepath.Join(dir, "connectors"), filepath.Join(dir, "cache")
	if err := wasmtest.FillCache(built.cache); err != nil {
		return err
	}
	if err := goBuild(root, built.program, "./cmd/crmgate", nil, "-ldflags=-s -w -X github.com/tetratelabs/wazero/internal/version.version="+wazeroVersion()); err != nil {
		return err
	}
	if err := os.Mkdir(built.connectors, 0o700); err != nil {
		return err
	}
	source := filepath.Join(root, "connectors-wasm")
	for _, shipped := range Shipped() {
		name, ending, _ := strings.Cut(shipped, ".")
		files := []string{name + ".json", name + ".vectors.json"}
		if ending == "wasm" {
			err := goBuild(source, filepath.Join(built.connectors, shipped), "./"+name, []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS="}, "-buildmode=c-shared")
			if err != nil {
				return err
			}
		} else if ending != "json" {
			files = append(files, shipped)
		}
		for _, file := range files {
			b, err := os.ReadFile(filepath.Join(source, name, file))
			if err == nil {
				err = os.WriteFile(filepath.Join(built.connectors, file), b, 0o600)
			}
			if err != nil {
				return err
			}
		}
	}
	return compile(dir)
}

// wazeroVersion returns the version that wazero uses to find compiled connectors in this test binary. Only the test binary
// of a main package knows its modules; in others the version is "dev".
func wazeroVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/tetratelabs/wazero" {
				return m.Version
			}
		}
	}
	return "dev"
}

func goBuild(dir, to, pkg string, env []string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", to}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// compile fills the cache by the program: under the race detector, compiling a connector takes twelve times as long. Connectors in
// processes of their own and others share nothing of it.
func compile(dir string) error {
	for _, isolation := range []string{"process", "none"} {
		if err := compileFor(isolation, dir); err != nil {
			return fmt.Errorf("compile the connectors: %w", err)
		}
	}
	return nil
}

func compileFor(isolation, dir string) error {
	serve := exec.Command(built.program, "serve", "--listen=127.0.0.1:0", "--admin-listen=", "--data", filepath.Join(dir, "compile-"+isolation),
		"--connectors", built.connectors, "--cache", built.cache, "--isolation", isolation)
	log, err := serve.StderrPipe()
	if err == nil {
		err = serve.Start()
	}
	if err != nil {
		return err
	}
	said := ""
	for lines := bufio.NewScanner(log); !strings.Contains(said, `"ready"`) && lines.Scan(); {
		said = lines.Text()
	}
	_ = serve.Process.Signal(os.Interrupt)
	go func() { _, _ = io.Copy(io.Discard, log) }() // ends with the process
	if err := serve.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// Ship puts one of the project's connectors into a folder. It replaces texts in the manifest: old and new in turn. The module or script
// is the same file in all folders: remove it before you write another.
func Ship(t testing.TB, dir, name string, replace ...string) {
	t.Helper()
	for _, shipped := range Shipped() {
		if strings.HasPrefix(shipped, name+".") && shipped != name+".json" {
			Must(t, os.Link(filepath.Join(built.connectors, shipped), filepath.Join(dir, shipped)))
		}
	}
	b, err := os.ReadFile(filepath.Join(built.connectors, name+".json"))
	Must(t, err)
	Must(t, os.WriteFile(filepath.Join(dir, name+".json"), []byte(strings.NewReplacer(replace...).Replace(string(b))), 0o600))
}

// Folder makes a connectors folder with the practice connectors for a practice CRM at an address, and with extra files.
func Folder(t testing.TB, crm string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"practice", "practicekey"} {
		Ship(t, dir, name, PracticeAddr, crm)
	}
	for name, content := range files {
		Must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}
