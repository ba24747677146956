// Package wasmhost runs connectors: WebAssembly modules that know one CRM each, in a sandbox (wazero).
//
//	Load ── read the folder ── check each module's shape ── compile to the disk cache ── ask getAuthType
//	                                                                    │ once for each content; remembered
//	call ── take an instance (bring the module in, if it is away) ── run under limits ── give it back
//	                                                                    │
//	                                          trapped or stopped: closed, and only that one
//
// A guest has four doors (connectors-wasm/ABI.md): input, output, fetch and config. What it fetches is performed by the
// host under the manifest's egress policy; of the operator's configuration it sees what its manifest declares. It has no
// files, no environment and no sockets, and reads only its own memory.
//
// An instance runs one call at a time: two goroutines in one instance corrupt the process, so that exclusive checkout is
// a safety property. No lock is held while a guest runs. Every call has a deadline and caps for memory, output, fetches
// and log lines. The engine compiles only what package meter has decoded and written anew, with a brake in it, so that a guest
// can be stopped wherever it is. Host functions, those of WASI included, look at the deadline first and bound what they take.
package wasmhost
