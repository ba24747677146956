// Package meter validates WebAssembly modules and adds metering to them, so that a host can stop a guest at any point: Decode
// reads a module strictly, and Brake writes it anew with a brake in it.
//
//	bytes ── Decode ── Module ── Brake ── bytes, all of them our own ── the engine compiles them
//	            │                  │
//	            │                  └ fuel in a global, and a call of the host when it is spent
//	            └ a list of what may be there, type check, limits of size and shape
//
// A WebAssembly engine reads a module several times: to validate it, to compile it. Where two readers disagree about an
// encoding, code runs that nothing has validated, or that the brake has not seen. So there is one reader. It accepts
// WebAssembly 2.0 without vectors, and what it has read is written in the one canonical form.
//
// Decoding needs no engine, and the package knows none; but its limits and the bounds of frames are measured on the compiler of
// wazero, whose version is pinned.
//
// The files: reader, opcode, body, module, decode and validate read; limits says how much; writer and encode write; flow finds
// how control moves through a function, frame what a call takes on the stack, brake and helper put the brake in.
package meter
