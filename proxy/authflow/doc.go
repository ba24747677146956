// Package authflow signs people in: by OAuth or with an API key, for a client or on a page of this server. It contains no HTTP
// server. The front decodes requests, calls one method of [Flows], and encodes the result.
//
// [Flows.Compose] makes an authorization URL; its bound state is sealed into the URL. [Flows.Callback] finishes the sign-in,
// and [Flows.APIKey] signs in with a form. [Flows.OpenPending] and [Flows.PollPending] serve a client that waits while a
// browser signs in on the connect page ([Flows.Connect]). [Outcome] classifies how a sign-in ended, for every reader.
//
// A callback:
//
//	read the shapes that clients send ──► open the state, if it is bound ──► check host name, URLs and issuer
//	                                                                               │
//	session token ◄── one transaction: ◄── user info    ◄── exchange      ◄── spend the state ◄── choose the
//	                  person, grant,       (connector)      (proxy/token)     once per code       application
//	                  session, promotion,                                                         (proxy/org)
//	                  answer
//
// Nothing is stored unless every step succeeds. A code is exchanged once: a repeated callback gets the answer of the first. An interrupted sign-in leaves its token answer in the journal, and [Flows.Replay] completes it.
//
// The package refuses to trust the client. Host names and URLs must match the manifest before anything is sent to them. A
// RingCentral token is verified at RingCentral. An account without proof is accepted only if the operator allows it.
package authflow
