package wasmtest

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Go builds a package of the module in folder dir as a reactor for WASI, and writes it to a file.
func Go(t testing.TB, to, dir, pkg string, flags ...string) {
	t.Helper()
	args := append([]string{"build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"}, flags...)
	run(t, dir, []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "CGO_ENABLED=0"}, "go", append(args, "-o", to, pkg)...)
}

// C builds a source file for a target: wasm32, or wasm32-wasi with the C library.
func C(t testing.TB, to, target, source string, flags ...string) {
	t.Helper()
	need(t, "clang", "clang")
	need(t, "wasm-ld", "lld")
	if target == "wasm32-wasi" {
		needFile(t, "wasi-libc", "clang", "--target="+target, "-print-file-name=libc.a")
		needFile(t, "libclang-rt-dev-wasm32", "clang", "--target="+target, "-print-libgcc-file-name")
	}
	run(t, "", nil, "clang", append([]string{"--target=" + target, "-Wall", "-Werror", "-o", to, source}, flags...)...)
}

// The targets of Rust. That for WASI has two names.
var (
	RustPlain = []string{"wasm32-unknown-unknown"}
	RustWASI  = []string{"wasm32-wasip1", "wasm32-wasi"}
)

// Rust builds a source file as a library, for the first of the targets that a compiler knows. The compiler in the path may
// know none, if it is not Debian's.
func Rust(t testing.TB, to string, targets []string, source string, flags ...string) {
	t.Helper()
	need(t, "wasm-ld", "lld")
	for _, rustc := range []string{"rustc", "/usr/bin/rustc"} {
		for _, target := range targets {
			if file(rustc, "--print", "target-libdir", "--target", target) {
				run(t, "", nil, rustc, append([]string{"--edition", "2021", "--target", target, "--crate-type", "cdylib", "-D", "warnings", "-o", to, source}, flags...)...)
				return
			}
		}
	}
	missing(t, "rustc and libstd-rust-dev-wasm32")
}

// AssemblyScript builds a source file.
func AssemblyScript(t testing.TB, to, source string, flags ...string) {
	t.Helper()
	need(t, "npm", "nodejs and npm")
	dir, err := assemblyScript()
	if err != nil {
		missing(t, err.Error())
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
		return "", fmt.Errorf("the compiler of AssemblyScript: npm ci: %w\n%s", err, out)
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
		missing(t, install)
	}
}

// needFile does the same for the file whose name a command prints.
func needFile(t testing.TB, install, command string, args ...string) {
	t.Helper()
	if !file(command, args...) {
		missing(t, install)
	}
}

// file reports whether the file or folder exists whose name a command prints.
func file(command string, args ...string) bool {
	name, err := exec.Command(command, args...).Output()
	if err == nil {
		_, err = os.Stat(strings.TrimSpace(string(name)))
	}
	return err == nil
}

func missing(t testing.TB, install string) {
	t.Helper()
	const text = "to test connectors in this language, install what is missing: "
	if os.Getenv("CI") != "" {
		t.Fatal(text + install)
	}
	t.Skip(text + install)
}

func run(t testing.TB, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
