// Package identity verifies who a client is: the RingCentral account and extension behind an access token, or the admin
// behind an admin token of the operator's file.
//
// [RingCentral] asks RingCentral and remembers an answer for a minute. It limits the refused tokens of each source. [AdminTokens] reads a file of hashed tokens, for
// servers whose users have no RingCentral account. Each has a method of the type [Verify], which the flows call.
//
// The package trusts no account id that a client names: only a token proves one.
package identity
