// Package egress is the guarded HTTP client. Every outbound request of this server goes through a [Client]: the fetches
// of connectors, token requests, revocations, and requests to RingCentral.
//
// A caller passes a request and a crmgate.Egress, the policy for it, to [Client.Fetch]. The request then goes this way:
//
//	slot      each Egress.Name may have MaxPerName requests running, a quarter of them for one client or host; others wait
//	URL       https, or http where the manifest names a port; a declared host; no user name
//	address   the dialer resolves and checks the address that it dials, so DNS rebinding gains nothing
//	redirect  for GET and HEAD only, never from https to http; each target passes the two checks above
//	body      limited in size after decompression; one deadline covers everything up to Close
//
// The dialer refuses private, loopback, link-local, metadata, multicast, mapped, NAT64 and 6to4 addresses unless
// Config.Allow contains them. Plain http always needs an address in Config.Allow. The operator's own URL, marked by
// Egress.Operator, skips the checks of URL and address.
//
// A request without a User-Agent gets the one in its policy, or else Config.UserAgent.
//
// With Config.Proxy, every connection is a tunnel through that proxy, to the address that was resolved and checked here. TLS
// still ends at the server. Only Proxy.Names has the proxy resolve names, and gives up the check of addresses for https.
//
// The client keeps no cookies, and ignores HTTPS_PROXY and its like. Its error messages contain no address and no secret.
package egress
