// Package egress is the one way out: every request that this server makes to somebody else goes through its Client, be
// it a connector's fetch, a token request or a question to RingCentral.
//
// A request passes these checks, and each redirect passes them again:
//
//	URL       https, or http where the manifest names a port; a host that the manifest declares; no user name in it
//	address   resolved, checked and dialled in one step, so that a name which changes its answer between check and
//	          dial gains nothing; private, loopback, link-local, metadata, multicast, mapped, NAT64 and 6to4 forms are
//	          refused unless the operator allowed them by name; plain http needs an address that the operator allowed
//	answer    a deadline for all of it, and a size limit that counts what comes out of decompression
//
// It keeps no cookies, knows no proxy variables, and tells of failures without addresses and without secrets.
package egress
