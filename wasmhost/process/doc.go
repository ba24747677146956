// Package process runs a WebAssembly module (package guest) in a process of its own, without privileges: it survives a guest that
// escapes from the engine, because nothing is there to be had. Several modules with the same code can share a process ([Module.Another]):
// scripts, which the JavaScript engine runs, if the operator allows it.
//
// Another process compiles the module before ([Compile]): it sends what it makes, and can open no file.
//
// A guest process is this program again, started by [Start]. It has no environment, no network, no key and no files but the
// machine code of its module. On Linux, it gives up what it does not need (see wall_linux.go) before it reads a byte of the
// module, and what only loading needs before it runs an instruction of it.
//
//	server                                        guest process
//	Start ── hello ─────────────────────────────► walls
//	      ◄──────────────────────────── ready ──
//	      ── the module ────────────────────────► load, the last wall
//	      ◄─────────────────────────── loaded ──
//	Run   ── call ──────────────────────────────► run
//	      ◄─────────── fetch, config, log ──────
//	      ── answer, value ─────────────────────►
//	      ◄──────────────────── done, stopped ──
//
//	Compile ── hello ───────────────────────────► walls
//	      ◄──────────────────────────── ready ──
//	      ── the module ────────────────────────► instrument
//	      ◄───────────────────── instrumented ──  the last wall, compile
//	      ◄────────────────── machine, loaded ──
//
// What a guest process sends is hostile. A frame that is too long, out of turn or of an unknown call ends the process. The server
// serves fetch, config and log by the [guest.Host] of the call, as for a guest in the same process.
package process
