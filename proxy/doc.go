// Package proxy is the fasthttp front: it decodes a request, calls one flow, and encodes the answer. One table holds the
// routes (routes.go), one turns errors into statuses (respond.go).
//
// It keeps fasthttp in: bytes are copied to strings where they are read, no RequestCtx leaves the package or is used as
// a context, and routes match the request target as it was sent, never fasthttp's cleaned path, which turns
// /a/%2e%2e/admin into /admin. Host is never believed: there is one configured public URL.
//
// It decides nothing about sign-ins; that is proxy/authflow's.
package proxy
