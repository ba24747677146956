// Package token is everything that speaks to token endpoints: the exchange of a code, the refresh of a grant, its
// revocation (RFC 7009), and the reading of what endpoints really answer.
//
// One request is made for one intention, with one client-authentication style, which the manifest or the connector
// names. golang.org/x/oauth2 would by default try a second style after any failure, a timeout included, and so send a
// single-use code or refresh token twice. A RoundTripper under it (call) does what it cannot: it adds a connector's
// overrides, follows no redirect, and turns the answers of real endpoints into the one that x/oauth2 accepts.
//
//	Live ── due? ──no──► the person as stored
//	          │yes
//	        flight, one a person ──► getOauthInfo ──► token request ──► read the answer ──► store
//	          │                                                            │
//	   every caller waits for it;                                     user-dead, app-dead or transient
//	   none ends it by leaving
//
// It never deletes what it did not get an answer about: a grant is marked dead only by the CRM's own invalid_grant for
// the very tokens that are still stored. And what a CRM has answered is stored before anybody hears of it, however late
// it came and whoever has left: the CRM may have rotated the refresh token, and the old one would be worth nothing.
package token
