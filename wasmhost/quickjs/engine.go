package quickjs

import (
	"crypto/sha256"
	"fmt"
	"sync"

	quickjswasi "github.com/aperturerobotics/go-quickjs-wasi-reactor"

	"github.com/crmgate/crmgate/wasmhost/quickjs/prelude"
)

// Engine returns the engine, as a WebAssembly module for WASI. The caller does not modify it.
func Engine() []byte { return quickjswasi.QuickJSWASM }

// Version identifies what a script runs in: the engine and the prelude.
var Version = sync.OnceValue(func() string {
	h := sha256.New()
	h.Write(Engine())
	h.Write(prelude.Bytecode)
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
})
