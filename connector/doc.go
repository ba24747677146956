// Package connector is the contract between the server and what is particular to one CRM.
//
// A [Connector] has one method for each operation of the connector ABI (connectors-wasm/ABI.md), with a typed request
// and a typed answer. Package wasmhost implements it by WebAssembly modules. The flows of package proxy call it.
package connector
