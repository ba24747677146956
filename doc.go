// Package crmgate is the vocabulary of the crmgate server: the names, errors and contracts that its other packages
// share. It imports the standard library only and does no I/O.
//
// crmgate signs people in to the CRM they work in, and keeps them signed in, on behalf of a browser extension.
// What differs from CRM to CRM lives in a [Connector]: a WebAssembly module with a [Manifest] beside it. What a CRM
// grants is a [Grant]; the person it was granted to is a [User]; what the extension holds is a session token that
// names them.
//
//	extension ── proxy ── proxy/authflow ── proxy/token ── storage ── storage/badger
//	                            │                │
//	                            └── Connector ───┘          (wasmhost, handed in by cmd/crmgate)
//
// Arrows between packages point one way; arch_test.go holds the list. docs/architecture.md has the flows.
package crmgate
