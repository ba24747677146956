// Package practice is the practice CRM: a real OAuth server in one http.Handler, with people, tokens that rotate, an API
// and the endpoint of RingCentral's that tells whose token it is. It exists so that sign-ins can be shown and tested
// without anybody's CRM, and it can misbehave in every way that real ones do (Mood).
//
//	GET, POST /oauth/authorize   consent
//	POST      /oauth/token       authorization_code and refresh_token, PKCE, rotation with reuse detection
//	POST      /oauth/revoke      RFC 7009
//	GET       /api/me            by Bearer, or by Basic with an API key as the user name
//	GET       /restapi/v1.0/account/~/extension/~
//	POST      /practice/mood     sets a Mood (JSON)
//	GET       /practice/counts   what was called how often
//
// It keeps everything in memory. It is for loopback: its secrets are in its source.
package practice
