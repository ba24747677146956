// Package quickjs runs a connector in JavaScript: it drives QuickJS-NG, which is a WebAssembly module, through the C API that the module
// exports. It knows no connectors, no network and no WebAssembly engine: package guest runs the module in its sandbox, and gives what
// this package needs, an export to call and the memory ([Guest]).
//
// [Load] makes a runtime, evaluates the prelude (package prelude), and evaluates the connector. The [Program] that it returns is a few
// addresses in the memory. They are valid in every copy of that memory, so that each call can start with the connector already loaded.
//
// [Program.Run] starts an operation, runs the jobs of its promises, asks the prelude what the operation waits for, has the [Host] do that,
// and settles the promises, until there is an answer:
//
//	begin ─► jobs ─► turn ─┬─ result ───────────────────────────────────────► the answer
//	          ▲            ├─ fetch, derive ─► Host.Fetch, Host.Derive ─► settle ─┐
//	          │            └─ sleep ─────────► Host.Sleep ────────────────────────┤
//	          └───────────────────────────────────────────────────────────────────┘
//
// What the guest's memory has is hostile: every address and length is checked, and a text is copied before it is used.
package quickjs
