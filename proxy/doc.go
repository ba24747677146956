// Package proxy is the HTTP server. A handler decodes a request, calls one flow of a package below, and encodes the answer.
// The package decides nothing about sign-ins: authflow, session, org and settings do.
//
// [Server] listens. Each group of routes has a type with the services that it needs: publicAPI, signInAPI, sessionAPI,
// appAPI, fieldAPI and settingsAPI for JSON, adminPages, adminAppPages and connectPages for HTML. [Metrics] counts, and [Control] answers
// the commands of crmgate over a unix socket.
//
// A request passes through these steps:
//
//	fasthttp parses it                 too long, too slow: handleError
//	Server.admit      framing.go       not well-formed, body too large
//	Server.route      routes.go        no such route or method
//	Server.answer     server.go        a deadline and the source of the request, unless the route is quick
//	  sessionCheck.live, adminPages.forAdmin or site.onPage, where the route needs one
//	  the handler     api_*.go, admin_*.go, page_*.go
//	responder         respond.go       a reply, or an error and the error table
//
// fasthttp reuses its buffers, so bytes are copied to strings where they are read. No RequestCtx leaves the package or is
// used as a context. Routes match the target as it was sent: fasthttp's cleaned path turns /a/%2e%2e/admin into /admin. The
// Host header is ignored, because there is one configured public URL.
package proxy
