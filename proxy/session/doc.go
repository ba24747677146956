// Package session checks session tokens and serves signed-in people: it validates and refreshes a sign-in, reads the license
// and logs out.
//
// [Sessions] does both. Clients hold a session token: a JWT with user id, platform, times and the id of the session record.
//
//	verify signature and times ──► read the session id ──► find the session ──► see whether it has ended
//	        │ bad                         │ none                │ none               │ ended
//	        ▼                             ▼                     ▼                    ▼
//	NoSession or Undecodable            Ghost                 Ended                Ended             else Live
//
// Clients forget the token of an Ended session, and keep that of a Ghost.
//
// The token does not name the person's CRM host; the session does. A check opens the session record and nothing else: no
// grant, no connector. A live token in the second half of its life is
// renewed. A logout ends the session, forgets the grant and queues its revocation in one transaction, then revokes at the CRM.
//
// A session is unproven if the client of the sign-in named its RingCentral account without proof. A later request with the
// session and a RingCentral token of that account proves it. The operator can have unproven sessions refused until then.
//
// The package refuses tokens that it did not sign itself, other algorithms than HS256, and duplicate claims. A token never
// outlives its session, so an old one does not come back to life.
package session
