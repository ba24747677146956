// Package revoke tells CRMs of grants that were forgotten here.
//
// A logout ends the session, forgets the grant and queues its revocation in one transaction. Then [Worker.Attempt] tells
// the CRM at once. A CRM that cannot be told is told later, from the queue, by any process on the store:
//
//	logout ──► transaction: session ended, grant forgotten, revocation queued ──► Attempt ──► ended, put off or given up
//	                                                                                ▲
//	          Start: revocations that are due, by platform ──► claim ───────────────┘
//
// A CRM in trouble is left alone by the circuit breaker of [token.Engine], for refreshes and revocations alike. Revocations have
// a state of their own in it, so that a revocation endpoint that fails does not stop refreshes. While the CRM rejects an
// application, the revocations of its grants wait, and one an hour tries it. A revocation that the
// CRM was not told of within a week is given up, and recorded in the audit log. The worker also queues the grants that a
// retired application has issued.
package revoke
