package wasmtest

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Go builds a package of the module in folder dir as a reactor for WASI, and writes it to a file.
func Go(t testing.TB, to, dir, pkg string, flags ...string) {
	t.Helper()
	args := append([]string{"build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}, flags...)
	run(t, dir, []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "CGO_ENABLED=0"}, "go", append(args, "-o", to, pkg)...)
}

// C builds a source file for a target, such as wasm32 or wasm32-wasi.
func C(t testing.TB, to, target, source string, flags ...string) {
	t.Helper()
	need(t, "clang", "clang")
	need(t, "wasm-ld", "lld")
	run(t, "", nil, "clang", append([]string{"--target=" + target, "-Wall", "-Werror", "-o", to, source}, flags...)...)
}

// Rust builds a source file as a library for a target, such as wasm32-unknown-unknown, with Debian's compiler.
func Rust(t testing.TB, to, target, source string, flags ...string) {
	t.Helper()
	const rustc = "/usr/bin/rustc" // one that rustup installed may lack the target
	need(t, rustc, "rustc and libstd-rust-dev-wasm32")
	run(t, "", nil, rustc, append([]string{"--target", target, "--crate-type", "cdylib", "-o", to, source}, flags...)...)
}

// AssemblyScript builds a source file.
func AssemblyScript(t testing.TB, to, source string, flags ...string) {
	t.Helper()
	need(t, "npm", "nodejs and npm")
	dir, err := assemblyScript()
	if err != nil {
		missing(t, "the compiler of AssemblyScript could not be installed: %v", err)
	}
	source, err = filepath.Abs(source)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(source)
	content, err := os.ReadFile(source) // the compiler takes paths inside of its folder only
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, filepath.Join("node_modules", ".bin", "asc"), append([]string{name, "-o", to}, flags...)...)
}

//go:embed assemblyscript
var compiler embed.FS

// assemblyScript installs the compiler, once for each test binary. The folder stays until Clean.
var assemblyScript = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "assemblyscript")
	if err != nil {
		return "", err
	}
	installed = dir
	for _, name := range []string{"package.json", "package-lock.json"} {
		b, err := compiler.ReadFile("assemblyscript/" + name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return dir, nil
})

var installed string

// Clean removes what building installed. TestMain calls it at the end.
func Clean() { _ = os.RemoveAll(installed) }

// need skips the test where a tool is missing that only builds connectors in another language; not under CI.
func need(t testing.TB, tool, install string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		missing(t, "%s is missing: install %s to test connectors in this language", tool, install)
	}
}

func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func run(t testing.TB, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
