// Package wasmhost runs connectors: WebAssembly modules that each know one CRM. They run in a sandbox (wazero).
//
// A [Host] compiles modules and holds the limits. [Host.Load] returns a [Folder] of connectors; each of them implements
// connector.Connector.
//
//	Load       read the folder ── decode and instrument (package meter) ── compile to the disk cache ── check imports and
//	           exports ── call getAuthType ── compare with the manifest. The results are cached by the module's content.
//	operation  encode the input ── acquire an instance (load the module if necessary) ── run under limits ── decode the
//	           answer ── restore the instance to its template, or close it after a trap or a stop. Other instances are not
//	           affected.
//
// A guest can import only input, output, fetch, config and a few helpers (connectors-wasm/ABI.md), and functions of WASI that
// its language's runtime needs. The host performs its fetches under the egress policy of its manifest. A guest sees only the
// configuration values that its manifest declares. It has no files, no environment and no sockets.
//
// Every call starts with the memory and globals that the module had after its initialization (type template), so that no call
// finds what another call left. On Linux, instances share the pages of their template until they write to them. Elsewhere, and
// for modules that change more than memory and globals, each call gets a new instance.
//
// An instance runs one call at a time: two goroutines in one instance would corrupt the process. No lock is held while a
// guest runs. Every call has a deadline, and limits for memory, stack, output, fetches and log lines. The engine compiles only
// modules that package meter has validated and instrumented, so that a guest can be stopped at any point. Host functions,
// including those of WASI, first check the deadline, and limit the size of their arguments.
package wasmhost
