// Package limit keeps one client from using up what all clients share.
//
//	Shares    places that are held for a time, such as the instances of a connector
//	Rates     how often a client does something, such as storing a state
//	Refusals  requests that another server refuses, such as those with made-up codes
//
// Shares and Rates count by client: the account if a request proves it and the caller says so, otherwise the address. Shares
// also count by the host of the CRM. A request with an unknown address has no share, because it may come from a proxy that the
// operator has not named. Only the total limits it.
//
// Nothing here knows what the requests are, and nothing is stored: a restart forgets all counts.
package limit
