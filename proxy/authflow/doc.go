// Package authflow is the sign-in state machine: it composes authorization URLs, takes callbacks and API-key forms,
// checks sessions, and ends them. It knows no HTTP server; the front decodes requests and encodes what it answers.
//
//	       Compose                      Callback                          Session
//	         │                             │                                 │
//	manifest + overrides      read the URL the browser ended on     verify the token
//	         │                             │                                 │
//	state: sealed, unspent      open the state, if it is ours       open the session record
//	         │                             │                                 │
//	    auth URL                choose the app, exchange (token)    compare sid and generation
//	                                       │                                 │
//	                            who is it? (connector)              live, ghost, undecodable, none
//	                                       │
//	                            one transaction: person, grant, session
//	                                       │
//	                                 session token
//
// Nothing is stored unless everything worked. A state of ours is spent before the code is sent anywhere, so that a
// callback that is replayed costs no token request. Logging out ends the session and forgets the grant before the
// CRM is told, whatever the CRM answers; a CRM that cannot be told is told later, from a queue in the store that every
// process on it works off:
//
//	Logout, Forget ──► one transaction: session ended, grant forgotten, revocation queued ──► tell the CRM
//	                                                                                            │
//	          Start: what is due, by platform ──► claim ──► tell the CRM ──► told: removed; else put off, or given up
//
// Fields of an API-key form that an admin manages are filled in from the store, for whom RingCentral knows. Nobody is
// shown their values again, not even the admin; and of what an admin types into the form itself, only what the CRM has
// accepted is kept for others.
//
// It refuses to believe the client: host names and URLs are held to the manifest before anything is sent to them, a
// RingCentral token is verified at RingCentral, and an account named without proof is taken only where the operator allows it.
package authflow
