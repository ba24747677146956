package wasmtest

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Go builds a package of the module in folder dir as a WASI reactor, and writes it to a file. The go command caches all but
// linking.
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
	tools := []string{output(t, "clang", "--version"), output(t, "wasm-ld", "--version")}
	if target == "wasm32-wasi" {
		tools = append(tools, fileState(needFile(t, "wasi-libc", "clang", "--target="+target, "-print-file-name=libc.a")))
		tools = append(tools, fileState(needFile(t, "libclang-rt-dev-wasm32", "clang", "--target="+target, "-print-libgcc-file-name")))
	}
	args := append([]string{"--target=" + target, "-Wall", "-Werror", source}, flags...)
	cached(t, to, source, includes(flags), append(tools, args...), func() { run(t, "", nil, "clang", append(args, "-o", to)...) })
}

// Connector builds a connector on the SDK of its language: a source file in C (.c), AssemblyScript (.ts) or Rust (.rs). Extra flags follow
// those that the README of the SDK names.
func Connector(t testing.TB, to, source string, flags ...string) {
	t.Helper()
	switch filepath.Ext(source) {
	case ".c":
		sdk := sdkFolder(t, "c")
		C(t, to, "wasm32", source, append([]string{"-O2", "-nostdlib", "-ffreestanding", "-mbulk-memory", "-Wl,--no-entry", "-I" + sdk, filepath.Join(sdk, "crmgate.c")}, flags...)...)
	case ".ts":
		config := filepath.Join("node_modules", "@crmgate", "assemblyscript", "asconfig.json")
		AssemblyScript(t, to, source, append([]string{"--config", config}, flags...)...)
	case ".rs":
		Rust(t, to, RustPlain, source, append([]string{"-O", "-C", "lto", "-C", "strip=debuginfo"}, flags...)...)
	default:
		t.Fatalf("%s: there is no SDK for this language", source)
	}
}

// includes returns the folders of the flags -I.
func includes(flags []string) (dirs []string) {
	for _, f := range flags {
		if dir, ok := strings.CutPrefix(f, "-I"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// The targets of Rust. The WASI target has two names.
var (
	RustPlain = []string{"wasm32-unknown-unknown"}
	RustWASI  = []string{"wasm32-wasip1", "wasm32-wasi"}
)

// Rust builds a source file as a library, for the first target that a compiler supports. It may use the SDK.
func Rust(t testing.TB, to string, targets []string, source string, flags ...string) {
	t.Helper()
	rustc, target := Rustc(t, targets)
	sdk := filepath.Join(sdkFolder(t, "rust"), "src")
	common := []string{"--edition", "2021", "--target", target, "-C", "target-feature=+bulk-memory", "-D", "warnings"}
	args := append(append(common, "--crate-type", "cdylib", source), flags...)
	cached(t, to, source, []string{sdk}, append([]string{output(t, rustc, "-vV"), output(t, "wasm-ld", "--version")}, args...), func() {
		library := filepath.Join(t.TempDir(), "libcrmgate.rlib")
		run(t, "", nil, rustc, append(common, "-O", "--crate-name", "crmgate", "--crate-type", "rlib", "-o", library, filepath.Join(sdk, "lib.rs"))...)
		run(t, "", nil, rustc, append(args, "--extern", "crmgate="+library, "-o", to)...)
	})
}

// Rustc returns a compiler, and the first target that it supports. The rustc in the path may support none of them if it is not Debian's.
func Rustc(t testing.TB, targets []string) (rustc, target string) {
	t.Helper()
	need(t, "wasm-ld", "lld")
	for _, rustc := range []string{"rustc", "/usr/bin/rustc"} {
		for _, target := range targets {
			if printedFile(rustc, "--print", "target-libdir", "--target", target) != "" {
				return rustc, target
			}
		}
	}
	missing(t, "rustc and libstd-rust-dev-wasm32")
	return "", ""
}

// AssemblyScript builds a source file, which may import the SDK.
func AssemblyScript(t testing.TB, to, source string, flags ...string) {
	t.Helper()
	need(t, "npm", "nodejs and npm")
	lock, err := compiler.ReadFile("assemblyscript/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	sdk := sdkFolder(t, "assemblyscript")
	name := filepath.Base(source)
	cached(t, to, source, []string{sdk, filepath.Join(sdk, "assembly")}, append([]string{string(lock), name}, flags...), func() {
		dir, err := assemblyScript()
		if err != nil {
			missing(t, err.Error())
		}
		content, err := os.ReadFile(source) // the compiler only takes paths inside its folder
		if err != nil {
			t.Fatal(err)
		}
		dir, err = os.MkdirTemp(dir, "build-")
		if err != nil {
			t.Fatal(err)
		}
		imported := filepath.Join(dir, "node_modules", "@crmgate", "assemblyscript")
		if err := errors.Join(os.CopyFS(imported, os.DirFS(sdk)), os.WriteFile(filepath.Join(dir, name), content, 0o600)); err != nil {
			t.Fatal(err)
		}
		run(t, dir, nil, filepath.Join("..", "node_modules", ".bin", "asc"), append([]string{name, "-o", to}, flags...)...)
	})
}

// sdkFolder returns the folder of an SDK.
func sdkFolder(t testing.TB, language string) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "connectors-wasm", language)
}

//go:embed assemblyscript
var compiler embed.FS

// assemblyScript installs the compiler, once per test binary. The folder stays until Clean.
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

// Clean removes the installed compiler. TestMain calls it at the end.
func Clean() { _ = os.RemoveAll(installed) }

// cached makes the file to: from the cache if the same inputs were built before, and otherwise with build.
//
// The cache lies in the user's cache folder and is shared by all packages and runs. Its key covers the versions of the tools,
// the command line, and every file in the folder of the source.
func cached(t testing.TB, to, source string, folders, key []string, build func()) {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		build()
		return
	}
	dir := filepath.Join(base, "crmgate", "guests")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, inputHash(t, append(folders, filepath.Dir(source)), key)+".wasm")
	building, _ := builds.LoadOrStore(path, new(sync.Mutex))
	building.(*sync.Mutex).Lock()
	defer building.(*sync.Mutex).Unlock()
	if b, err := os.ReadFile(path); err == nil {
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	build()
	b, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp(dir, "new-")
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(b)
	// Renaming is atomic: another package may build the same guest now.
	if err := errors.Join(err, f.Close(), os.Rename(f.Name(), path)); err != nil {
		t.Fatal(err)
	}
}

// builds has a lock for each file of the cache, so that tests which need the same guest build it once.
var builds sync.Map

// inputHash hashes a key and the files in folders.
func inputHash(t testing.TB, folders, key []string) string {
	t.Helper()
	h := sha256.New()
	fmt.Fprintf(h, "%q", key)
	for _, dir := range folders {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(h, "%q %d\n", e.Name(), len(b))
			h.Write(b)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// fileState identifies the version of a file.
func fileState(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(path, info.Size(), info.ModTime())
}

// output returns what a command prints.
func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

// need skips the test if a compiler is missing. Under CI the test fails instead.
func need(t testing.TB, tool, install string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		missing(t, install)
	}
}

// needFile returns the file name that a command prints. It skips or fails the test, like need, if the file is missing.
func needFile(t testing.TB, install, command string, args ...string) string {
	t.Helper()
	name := printedFile(command, args...)
	if name == "" {
		missing(t, install)
	}
	return name
}

// printedFile returns the name of the file or folder that a command prints, or "" if it does not exist.
func printedFile(command string, args ...string) string {
	out, err := exec.Command(command, args...).Output()
	name := strings.TrimSpace(string(out))
	if err == nil {
		_, err = os.Stat(name)
	}
	if err != nil {
		return ""
	}
	return name
}

func missing(t testing.TB, install string) {
	t.Helper()
	const text = "install what is missing to test connectors in this language: "
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
