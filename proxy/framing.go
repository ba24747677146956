package proxy

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// wellFramed reports whether every reader takes a header in the same way, whether a body comes in chunks, and how long it
// is said to be. fasthttp has refused most of what is
// ambiguous by now. What it takes, and a proxy in front may take otherwise, is refused here: other versions than 1.0 and
// 1.1 (the preface of HTTP/2 is two requests to it), lines that end in LF alone, folded lines, names with spaces
// (RFC 9112, 2.2, 5.1 and 5.2), a length beside Transfer-Encoding, an encoding other than chunked (6.1 and 6.3), and a
// Host that is none.
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
