// Package handles keeps the secrets of a call from the guest that runs it. It has no I/O.
//
// The guest gets a handle instead of a secret: {{accessToken:NONCE}}. The nonce is random and new for each call, so text that a
// person typed or stored is never a handle. [Secrets] holds the secrets of one call:
//
//	[Secrets.Add]         a secret        → its handle, for the guest's input
//	[Secrets.Substitute]  handles         → the secrets, in a request to a host and at a position that the manifest declares
//	[Secrets.Strip]       what came back  → without the secrets, in the encodings that CRMs use
//	[Secrets.Derive]      handles         → the handle of a value that is computed from them
//	[Secrets.Resolve]     handles         → the secrets, in an answer for the server itself
//	[Secrets.Redact]      a log line      → without the secrets
//
// Without a nonce the guest sees the secrets. Then only Redact changes anything.
//
// The package does not find a part of a secret, a secret of less than six bytes, or one in an encoding that it does not know.
package handles
