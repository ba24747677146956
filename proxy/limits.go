package proxy

import (
	"github.com/valyala/fasthttp"
)

const (
	// maxBody is the largest body of a route that takes a form. Upstream allows 50 MB.
	maxBody = 1 << 20
	// smallBody is the largest body of any other route.
	smallBody = 64 << 10
	// How many larger bodies are in memory at once, and how many of one client.
	largeBodies       = 256
	largeClientBodies = 16
)

// admit reports whether a request is well-formed and not too large. If not, it writes the answer.
func (s *Server) admit(fc *fasthttp.RequestCtx) bool {
	ok, chunked, length := wellFramed(&fc.Request.Header)
	if !ok || chunked {
		// fasthttp accepts a bare LF around chunks and trailers, so a proxy in front may see another end of the request.
		fc.SetConnectionClose()
	}
	noteSending(fc, !ok || chunked || length > smallBody)
	if !ok {
		writeError(fc, 400, malformedHTTP)
		return false
	}
	if length > smallBody && length > s.limit(&fc.Request.Header) {
		writeUnread(fc, fasthttp.ErrBodyTooLarge)
		return false
	}
	return true
}

// headerReceived has fasthttp read nothing of a body that is too large. admit refuses the request.
func (s *Server) headerReceived(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if n := h.ContentLength(); n > smallBody && n > s.limit(h) {
		h.SetContentLength(0)
	}
	return fasthttp.RequestConfig{}
}

// limit is the largest body that a request may have.
func (s *Server) limit(h *fasthttp.RequestHeader) int {
	path, _, _ := splitTarget(h.RequestURI())
	here, _ := s.routes.find(path)
	if rt := here.of(string(h.Method())); rt != nil && rt.form {
		return maxBody
	}
	return smallBody
}

// handleError answers a request that fasthttp could not read.
func (s *Server) handleError(fc *fasthttp.RequestCtx, err error) {
	writeUnread(fc, err)
	noteSending(fc, true)
	fc.Response.Header.Set("X-Request-Id", s.newID())
	cors(fc)
	s.metrics.request("none", fc.Response.StatusCode(), 0)
}
