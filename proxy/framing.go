package proxy

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// wellFramed reports whether a header has one reading, whether the body is chunked, and the announced length of the body
// (-1 for none).
//
// A proxy in front may read an ambiguous header as another request. fasthttp refuses most of them; wellFramed refuses the
// rest (RFC 9112):
//   - versions other than 1.0 and 1.1: fasthttp reads the preface of HTTP/2 as two requests
//   - lines that end in a bare LF, folded lines, names with spaces (2.2, 5.1, 5.2)
//   - Content-Length beside Transfer-Encoding, and encodings other than chunked (6.1, 6.3)
//   - a Host that is not a host
func wellFramed(h *fasthttp.RequestHeader) (ok, chunked bool, length int) {
	if v := h.Protocol(); string(v) != "HTTP/1.1" && string(v) != "HTTP/1.0" {
		return false, false, 0
	}
	if bytes.ContainsAny(h.Host(), "@/\\?# \t,") {
		return false, false, 0
	}
	length = -1
	for rest := h.RawHeaders(); len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 1 || rest[end-1] != '\r' || rest[0] == ' ' || rest[0] == '\t' {
			return false, false, 0
		}
		line := rest[:end-1]
		rest = rest[end+1:]
		colon := bytes.IndexByte(line, ':')
		if colon < 0 { // the empty line
			continue
		}
		name := line[:colon]
		if bytes.IndexByte(name, ' ') >= 0 {
			return false, false, 0
		}
		switch len(name) {
		case len(fasthttp.HeaderContentLength):
			if bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength)) {
				var err error
				if length, err = fasthttp.ParseUint(bytes.Trim(line[colon+1:], " \t")); err != nil {
					return false, false, 0
				}
			}
		case len(fasthttp.HeaderTransferEncoding):
			if bytes.EqualFold(name, []byte(fasthttp.HeaderTransferEncoding)) {
				if chunked = bytes.EqualFold(bytes.Trim(line[colon+1:], " \t"), []byte("chunked")); !chunked {
					return false, false, 0
				}
			}
		}
	}
	return length < 0 || !chunked, chunked, length
}
