// Package token keeps people signed in to their CRMs: it redeems authorization codes, refreshes and revokes grants, and
// never loses a refresh token that a CRM has rotated.
//
// Engine does the work, Client is the OAuth client to do it as, Tokens are what a token endpoint issued, and Error is a
// token request that failed. Call and CallLive run a connector's operation with the person's credential.
//
// The path of a refresh:
//
//	Engine.Live ── not due? ──► the stored person
//	  │ due
//	flight: one a person in this process; callers wait for it, and none cancels it
//	  │ no backoff, no paused application, no open circuit breaker
//	lease: one a person among all processes; the person is read again under it
//	  │
//	journal ── already answered? ──────────────────────────────► store the grant, drop the entry,
//	  │ no                                                       give back the lease: one transaction
//	token request ──► journal the answer ──► parse it ────────────────────┘
//
// One intention makes one request, with one client-authentication style. golang.org/x/oauth2 would try a second style after
// any failure, a timeout included, and so send a single-use code or refresh token twice. The RoundTripper under it
// (tokenRequest) also adds a connector's overrides, follows no redirect, and turns real answers into what x/oauth2 parses.
//
// The package deletes nothing without an answer: a grant is marked dead only if the CRM refuses the very tokens that are
// still stored. An answer is stored before anyone sees it, however late it comes.
package token
