// Package connector is the contract between the server and the code for one CRM.
//
// A [Connector] has one method for each operation of the connector ABI (connectors-wasm/ABI.md), with a typed request and a
// typed answer. Package wasmhost implements it with WebAssembly modules. A [Registry] finds the connector of a platform,
// so that the packages below proxy need not know package wasmhost.
//
// The package runs no connector, and does not check what a connector answers about the CRM.
package connector
