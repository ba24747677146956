// Package recording keeps calls of connectors that failed, so that they can be run again.
//
// A [Recording] has all that a guest got in one call: the input, the answers to its fetches, configuration values, the clock and the
// seed of its random bytes. It also has what the guest did: its requests, its log, and how the call ended. A [Folder] keeps recordings in
// sealed files, bounded in number, size and age.
//
//	call fails ── Folder.Keep ── queue ── conceal secrets ── encode ── seal ── a file that only its owner may read
//
// A secret is replaced by a handle such as {{accessToken}} before a recording is sealed, in each encoding that package recording knows. If
// a secret remains, the recording is not kept. Names of people and their data at the CRM are kept: a connector may fail because of them.
//
// The package runs no guest: wasmhost.Replay does.
package recording
