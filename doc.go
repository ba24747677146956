// Package crmgate is the vocabulary of the crmgate server: the types and errors that its other packages share.
//
// crmgate signs people in to their CRM and keeps them signed in, for a browser extension. A connector contains what is
// specific to one CRM: it is a WebAssembly module with a manifest. The CRM issues a [Grant] for a [User], and both
// together are a [Person]. The extension holds a session token that names the user.
//
// The other types are
//   - [Hosts] and [HostPattern], the hosts that a manifest allows, and [Fetch], which requests a URL under such a policy
//   - [Secret], a string that is never printed
//   - [Refusal], an error with a message for the client, and the sentinel errors that callers act on
//   - [Trace], the steps of one request
//
// The package imports the standard library only. It does no I/O, reads no configuration and decides nothing about a
// sign-in. docs/architecture.md describes the other packages, and arch_test.go lists their imports.
package crmgate
