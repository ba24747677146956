package wasmhost

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost/guest"
)

// Problem is one thing that is wrong with a module, in the terms of the ABI.
type Problem struct {
	// Part is the part with the problem: "module", "exports", "imports", "start", "getAuthType" or "manifest".
	Part string
	What string
	// Advice says how the author can fix it, in the terms of their language if that is known. It may be empty.
	Advice string
}

// Problems is the error of a rejected module. Its text is one line.
type Problems []Problem

func (p *Problems) add(one Problem) { *p = append(*p, one) }

func (p Problems) Error() string {
	texts := make([]string, len(p))
	for i, one := range p {
		texts[i] = one.What
	}
	return strings.Join(texts, "; ")
}

// failureText returns a connector's error in one sentence, with its cause.
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

const authTypeAdvice = `getAuthType takes {} and answers {"type": "oauth"} or {"type": "apiKey"}, as auth.type in the manifest says; it must not need fetch or configuration`

// exportAdvice says how to export an operation in common languages.
func exportAdvice(name string, exports []string) string {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	for _, e := range exports {
		if plain(e) == plain(name) {
			return fmt.Sprintf("rename the export %s to %s: names are case-sensitive", e, name)
		}
	}
	if isCommand(exports) {
		return reactorAdvice + " that exports " + name
	}
	return fmt.Sprintf(`export it (Go: //go:wasmexport %[1]s; C: __attribute__((export_name("%[1]s"))); Rust: #[unsafe(export_name = "%[1]s")]; AssemblyScript: export function %[1]s(): i32)`, name)
}

// scriptExportAdvice says how a script exports an operation.
func scriptExportAdvice(name string) string {
	return fmt.Sprintf("export a function of this name: exports.%[1]s = async (input) => { … }, or export async function %[1]s(input) { … }", name)
}

const reactorAdvice = `the module is a command, which runs once: build a reactor (Go: -buildmode=c-shared; C: -mexec-model=reactor; Rust: crate-type = ["cdylib"])`

// isCommand reports whether a module was built to run once. Its runtime is not initialised when an operation is called.
func isCommand(exports []string) bool {
	return slices.Contains(exports, "_start") && !slices.Contains(exports, "_initialize")
}

// adviceUnlessCommand returns reactorAdvice for a command, and otherwise another advice.
func adviceUnlessCommand(otherwise string, exports []string) string {
	if isCommand(exports) {
		return reactorAdvice
	}
	return otherwise
}

// importAdvice says where an unsupported import comes from, and how to avoid it.
func importAdvice(from, name string) string {
	switch {
	case strings.HasPrefix(from, "crmgate_v"):
		return "this server speaks version 1 of the ABI: import from " + guest.ABIModule
	case from == "env" && slices.Contains([]string{"abort", "seed", "trace", "console.log"}, name):
		return "AssemblyScript adds this import: build with --use abort=, and do not use Math.random, trace or console"
	case from == "gojs" || from == "go":
		return "the module was built for browsers: build with GOOS=wasip1 GOARCH=wasm -buildmode=c-shared"
	case strings.HasPrefix(from, "__wbindgen") || from == "wbg":
		return "wasm-bindgen is for browsers: build without it, and declare the imports of ABI.md yourself"
	case from == "wasi_unstable" || strings.HasPrefix(from, "wasi:"):
		return "recompile with a toolchain for WASI preview 1 (wasm32-wasip1)"
	case from == guest.WASIModule:
		return "a connector has no files and no sockets: remove the code that calls " + name + "; ABI.md lists the supported functions of WASI preview 1"
	case strings.HasPrefix(from, "extism:"):
		return "the module was built with an Extism PDK: declare the imports of ABI.md instead"
	case from == "env":
		return fmt.Sprintf(`%s is declared but not defined; if it is an import of ABI.md, give its module and name (C: __attribute__((import_module("%s"), import_name("%s"))))`, name, guest.ABIModule, name)
	}
	return "a connector can only import " + guest.ABIModule + " and WASI preview 1: see ABI.md, Imports"
}

// moduleAdvice says what a file is, if it is not a module that can be loaded.
func moduleAdvice(b []byte) string {
	switch {
	case len(b) == 0:
		return "the file is empty: the build did not finish"
	case bytes.HasPrefix(b, []byte("(module")) || bytes.HasPrefix(b, []byte("(component")):
		return "the file is WebAssembly text: assemble it first (wat2wasm)"
	case bytes.HasPrefix(b, []byte("\x7fELF")), bytes.HasPrefix(b, []byte("MZ")), bytes.HasPrefix(b, []byte("\xcf\xfa\xed\xfe")):
		return "the file is a native program: build for wasm (Go: GOOS=wasip1 GOARCH=wasm)"
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		return "the file is compressed: unpack it"
	case !bytes.HasPrefix(b, []byte("\x00asm")):
		return "name the .wasm file that your compiler writes"
	case len(b) < 8 || b[4] != 1:
		return "components are not supported: build a core module (Rust: target wasm32-wasip1; Go: GOOS=wasip1 GOARCH=wasm)"
	}
	return "build for WebAssembly 2.0, optimised for size, without threads, tail calls, exceptions or garbage collection"
}
