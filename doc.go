// Package crmgate is the vocabulary of the crmgate server: users, applications, hosts, outbound requests, secrets and
// errors. Its other packages share these names. It imports the standard library only and does no I/O.
//
// crmgate signs people in to the CRM they work in, and keeps them signed in, on behalf of a browser extension.
// What differs from CRM to CRM lives in a connector: a WebAssembly module with a manifest beside it. A CRM gives a
// [Grant] to a [User]. The extension holds a session token that names the user.
//
// arch_test.go lists which package imports which, and docs/architecture.md has the flows.
package crmgate
