package crmgate

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// What a connector may add to one request.
const (
	maxHeaders     = 100
	maxHeaderBytes = 64 << 10 // of names and values
)

// CheckHeaders returns what is wrong with the headers that a connector adds to a request, nil if nothing is. The error is
// fit for the connector's author, and repeats no value.
func CheckHeaders(headers map[string]string) error {
	if n := len(headers); n > maxHeaders {
		return fmt.Errorf("the request has %d headers: expected at most %d", n, maxHeaders)
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value := headers[name]
		size += len(name) + len(value)
		if !validName(name) || strings.ContainsFunc(value, control) {
			return fmt.Errorf("a header has a line break in it, or another character that is not allowed there (RFC 9110, section 5)")
		}
		if hostHeader(name) {
			return fmt.Errorf("the header %s is the host's: leave it out", Clip(http.CanonicalHeaderKey(name)))
		}
	}
	if size > maxHeaderBytes {
		return fmt.Errorf("the headers have %d bytes: expected at most %d", size, maxHeaderBytes)
	}
	return nil
}

// hostHeader reports whether a header belongs to the connection (RFC 9110, section 7.6.1), to a proxy, or to how the
// message is sent. The host sends the request, so neither a connector nor a manifest sets these.
func hostHeader(name string) bool {
	lower := strings.ToLower(name)
	switch lower {
	case "connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return strings.HasPrefix(lower, "proxy-")
}

// validName reports whether name is a token (RFC 9110, section 5.6.2).
func validName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
