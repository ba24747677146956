// Package wasmhost runs connectors: WebAssembly modules that each know one CRM. They run in a sandbox (package guest).
//
// A [Host] compiles modules and holds the limits. [Host.Load] returns a [Folder] of connectors; each of them implements
// connector.Connector.
//
//	Load       read the folder ── instrument (package meter) and compile each module, several at once (package process) ──
//	           check imports and exports ── call getAuthType ── compare with the manifest. The results are cached by the
//	           module's content.
//	operation  encode the input ── wait for a place ── load the module if necessary ── run it under limits (package guest) ──
//	           decode the answer.
//
// A guest can import only input, output, fetch, config and a few helpers (connectors-wasm/ABI.md), and functions of WASI that
// its language's runtime needs. The host performs its fetches under the egress policy of its manifest. A guest sees only the
// configuration values that its manifest declares. It has no files, no sockets and nothing of the server's environment. What it logs
// and answers is redacted.
//
// Every call has a deadline, and limits for memory, stack, output, fetches and log lines. No lock is held while a guest runs.
package wasmhost
