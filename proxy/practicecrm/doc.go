// Package practicecrm is the practice CRM: a real OAuth server (RFC 6749, with PKCE and revocation) in one http.Handler,
// with people, an API, and the endpoint of RingCentral's that tells whose token it is. It exists so that sign-ins can be
// shown and tested without anybody's CRM.
//
// It is strict where real servers are: a code works once, refresh tokens rotate, and one that comes a second time ends
// the whole family. And it misbehaves on demand: a [Mood] makes it answer in any of the forms of [TokenAnswers], which
// real token endpoints were seen to use, or late, or never, or with the connection cut before or after the rotation
// took place. Its [Quirks] make it insist on requests of another form than the ordinary one. It counts every call ([Counts]), so that a test can say "exactly one".
//
//	GET, POST /oauth/authorize   the consent page, and the press of a button on it
//	POST      /oauth/token       authorization_code and refresh_token
//	POST      /oauth/refresh     where a refresh goes, if the mood wants it there
//	POST      /oauth/revoke      RFC 7009; also by a Bearer token of the same family
//	GET       /api/me            by Bearer, or by Basic with the API key as user name
//	GET       /restapi/v1.0/account/~/extension/~
//	POST      /practice/mood     sets a Mood (JSON)
//	GET       /practice/counts   what was called how often
//
// It keeps everything in memory. It is for loopback: its secrets are in its source, and whoever reaches it sets its mood.
package practicecrm
