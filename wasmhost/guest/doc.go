// Package guest runs WebAssembly modules in a sandbox (wazero). It knows nothing of connectors, CRMs, persons or the network: what
// lies outside of the guest is served by a [Host].
//
// A [Module] runs calls, any number at a time, each in an instance of its own: two goroutines in one
// instance would corrupt the process. Every call starts with the memory and globals that the module had after its initialization
// (type template), so that no call finds what another call left. On Linux, instances share the pages of their template until they
// write to them. Elsewhere, and for modules that change more than memory and globals, each call gets a new instance.
//
// The engine compiles only modules that package meter has validated and instrumented, so that a guest can be stopped at any
// point. Host functions, including those of WASI, first check whether the call has ended, and limit the size of their arguments.
package guest
