// Package prelude is the JavaScript that runs in front of a connector that is a script.
//
// It supplies what such connectors expect to find (fetch, URL, Buffer, axios, process.env, timers, crypto, console), adapts the
// interfaces of App Connect to the operations of the ABI, and talks to the driver of the engine. Its files share one scope, in the
// order of their list. connectors-wasm/javascript/README.md says what a connector finds.
//
// The engine must have its helpers (js_std_add_helpers) before the prelude is evaluated: the console prints with them. A connector that
// is an ES module needs the modules of [Imports] before it is evaluated itself.
package prelude

import (
	"embed"
	"strings"
)

//go:embed *.js
var files embed.FS

// order lists the files. A file uses names of those before it when it is evaluated, and of all in its functions.
var order = []string{
	"builtins.js", "console.js", "process.js", "timers.js", "abort.js", "module.js",
	"encoding.js", "url.js", "headers.js", "fetch.js", "random.js", "buffer.js", "digest.js", "crypto.js", "util.js", "handles.js", "axios.js",
	"oauth.js", "user.js", "adapt.js", "driver.js",
}

// Bytecode is what Source returns as the engine compiles it (JS_WriteObject), without the text. The engine reads it (JS_ReadObject) and evaluates it
// (JS_EvalFunction) in a tenth of the time that it takes to compile the text. A test compares the two:
//
//	go test ./wasmhost/quickjs/prelude -run TestBytecode -update
//
//go:embed prelude.bin
var Bytecode []byte

// Source returns the text of the script. Its value is an object with the functions configure, load, isConfigured, operations, begin, turn
// and settle. Only tests need it: a program that does not call it does not contain the text.
func Source() string {
	var b strings.Builder
	b.WriteString("(function (global) {\n'use strict';\n")
	for _, name := range order {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		b.Write(text)
	}
	b.WriteString("return driver;\n})(globalThis)\n")
	return b.String()
}
