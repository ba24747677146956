package wasmhost

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// Problem is one thing that is wrong with a module, in the words of the ABI.
type Problem struct {
	// Part is where it is wrong: "module", "exports", "imports", "start", "getAuthType" or "manifest".
	Part string
	What string
	// Advice says what an author can do about it, in the terms of their language where that is known; may be empty.
	Advice string
}

// Problems is why a module is refused. As an error it is one line.
type Problems []Problem

func (p *Problems) add(one Problem) { *p = append(*p, one) }

func (p Problems) Error() string {
	texts := make([]string, len(p))
	for i, one := range p {
		texts[i] = one.What
	}
	return strings.Join(texts, "; ")
}

// saying is a connector's failure in one sentence, with its cause.
func failureText(err error) string {
	var ce *crmgate.ConnectorError
	if !errors.As(err, &ce) {
		return err.Error()
	}
	text := strings.TrimSuffix(ce.Message, ".")
	if ce.Err != nil {
		cause, _, _ := strings.Cut(ce.Err.Error(), "\n")
		text += " (" + cause + ")"
	}
	return text
}

const authTypeAdvice = `getAuthType takes {} and answers {"type": "oauth"} or {"type": "apiKey"}, as auth.type in the manifest says; it needs no fetch and no configuration`

// exportAdvice says how to export an operation, in the languages that most connectors are written in.
func exportAdvice(name string, exports []string) string {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	for _, e := range exports {
		if plain(e) == plain(name) {
			return fmt.Sprintf("there is an export %s: call it %s, for names are compared letter by letter", e, name)
		}
	}
	if isCommand(exports) {
		return reactorAdvice + " that exports " + name
	}
	return fmt.Sprintf(`export it (Go: //go:wasmexport %[1]s; C: __attribute__((export_name("%[1]s"))); Rust: #[unsafe(export_name = "%[1]s")]; AssemblyScript: export function %[1]s(): i32)`, name)
}

const reactorAdvice = `it is a command, whose _start would run and end: build a reactor (Go: -buildmode=c-shared; C: -mexec-model=reactor; Rust: crate-type = ["cdylib"])`

// isCommand reports whether a module was built to run once: its runtime was never set up when an operation is called.
func isCommand(exports []string) bool {
	return slices.Contains(exports, "_start") && !slices.Contains(exports, "_initialize")
}

// startAdvice is the advice for a module that fails at once.
func adviceUnlessCommand(otherwise string, exports []string) string {
	if isCommand(exports) {
		return reactorAdvice
	}
	return otherwise
}

// importAdvice says where an import comes from that no connector has.
func importAdvice(from, name string) string {
	switch {
	case strings.HasPrefix(from, "crmgate_v"):
		return "this server speaks version 1 of the ABI: import from " + abiModule
	case from == "env" && slices.Contains([]string{"abort", "seed", "trace", "console.log"}, name):
		return "AssemblyScript imports it by itself: build with --use abort=, and do without Math.random, trace and console"
	case from == "gojs" || from == "go":
		return "it was built for browsers: build with GOOS=wasip1 GOARCH=wasm -buildmode=c-shared"
	case strings.HasPrefix(from, "__wbindgen") || from == "wbg":
		return "wasm-bindgen is for browsers: build without it, and declare the imports of ABI.md by hand"
	case from == "wasi_unstable" || strings.HasPrefix(from, "wasi:"):
		return "recompile with a toolchain that makes WASI preview 1 (wasm32-wasip1)"
	case from == wasiModule:
		return "a connector has no files and no sockets: leave out what calls " + name + "; ABI.md lists the functions of WASI preview 1 that there are"
	case strings.HasPrefix(from, "extism:"):
		return "it is a plugin made with an Extism PDK: declare the imports of ABI.md in its place"
	case from == "env":
		return fmt.Sprintf(`%s is declared and nowhere defined; if it is one of ABI.md's, name it (C: __attribute__((import_module("%s"), import_name("%s"))))`, name, abiModule, name)
	}
	return "a connector reaches the world through " + abiModule + ": see ABI.md, Imports"
}

// moduleAdvice says what a file is that is no module, as far as that can be seen.
func moduleAdvice(b []byte) string {
	switch {
	case len(b) == 0:
		return "the file is empty: the build did not finish"
	case bytes.HasPrefix(b, []byte("(module")) || bytes.HasPrefix(b, []byte("(component")):
		return "it is WebAssembly text: assemble it first (wat2wasm)"
	case bytes.HasPrefix(b, []byte("\x7fELF")), bytes.HasPrefix(b, []byte("MZ")), bytes.HasPrefix(b, []byte("\xcf\xfa\xed\xfe")):
		return "it is a program for this machine: build for wasm (Go: GOOS=wasip1 GOARCH=wasm)"
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		return "it is compressed: unpack it"
	case !bytes.HasPrefix(b, []byte("\x00asm")):
		return "name the .wasm file that your compiler writes"
	case len(b) < 8 || b[4] != 1:
		return "components need WASI preview 2; make a core module (Rust: target wasm32-wasip1; Go: GOOS=wasip1 GOARCH=wasm)"
	}
	return "build for WebAssembly 2.0, optimised for size, without threads, tail calls, exceptions or garbage collection"
}
