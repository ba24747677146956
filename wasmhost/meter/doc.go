// Package meter validates WebAssembly modules and instruments them with fuel checks, so that a host can stop a guest at any
// point.
//
//	bytes ── Decode ── Module ── Instrument ── new bytes ── the engine compiles them
//	            │                    │
//	            │                    └ counts fuel in a global, and calls the host when the fuel is spent
//	            └ allows only listed features, checks types, limits size and shape
//
// A WebAssembly engine reads a module several times: to validate it, and to compile it. Where two readers disagree about an
// encoding, code can run that was not validated or has no fuel checks. Therefore this package is the only reader of a
// guest's bytes. It accepts WebAssembly 2.0 without vectors, and writes what it read in one canonical form.
//
// The package does not run modules and imports no engine. It does not check imports and exports against an ABI: wasmhost
// does. Its limits and its stack frame bounds were measured on wazero's compiler, whose version is pinned.
//
// Files: reader, opcode, body, module, decode and validate read a module. limits has the limits. writer and encode write it.
// flow analyses control flow, frame bounds stack frames, and instrument and helper add the fuel checks. version identifies
// the code of the package.
package meter
