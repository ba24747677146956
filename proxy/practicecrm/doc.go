// Package practicecrm is a practice CRM for demos and tests: an OAuth server (RFC 6749, with PKCE and revocation), an API,
// and RingCentral's endpoint that says who holds a token. All of it is one http.Handler, [CRM].
//
// It is as strict as real servers. A code works once. Refresh tokens rotate, and using one a second time ends every token
// of that consent. It misbehaves on demand: a [Mood] delays, refuses or cuts responses, or gives them another form, one of
// [TokenAnswers]. [Quirks] make it accept only token requests of another form. [Counts] says how often each endpoint was
// called, so a test can require "exactly one".
//
//	GET, POST /oauth/authorize   the consent page, and its form
//	POST      /oauth/token       authorization_code and refresh_token
//	POST      /oauth/refresh     refreshes, if Quirks.Path says so
//	POST      /oauth/revoke      RFC 7009; also by a Bearer token of the same consent
//	GET       /api/me            by Bearer token, or by Basic with the API key as user name
//	GET       /restapi/v1.0/account/~/extension/~
//	POST      /practice/mood     sets a Mood (JSON)
//	GET       /practice/counts   returns the Counts
//
// It keeps everything in memory. Run it on loopback only: its secrets are in this source, and any client can set its mood.
package practicecrm
