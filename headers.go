package crmgate

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Limits of the headers that a connector adds to one request.
const (
	maxHeaders     = 100
	maxHeaderBytes = 64 << 10 // of names and values
)

// CheckHeaders checks the headers that a connector adds to a request. The error is for the connector's author, and contains
// no header value, because a value may be a secret.
func CheckHeaders(headers map[string]string) error {
	if n := len(headers); n > maxHeaders {
		return fmt.Errorf("the request has %d headers: expected at most %d", n, maxHeaders)
	}
	size := 0
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		value := headers[name]
		size += len(name) + len(value)
		canonical := http.CanonicalHeaderKey(name)
		if seen[canonical] { // which one is sent would be chance
			return fmt.Errorf("the request has the header %s twice, in different case: leave one out", Clip(canonical))
		}
		seen[canonical] = true
		if !validName(name) || strings.ContainsFunc(value, control) {
			return fmt.Errorf("a header contains a line break, or another character that RFC 9110, section 5, does not allow: remove it")
		}
		if hostHeader(name) {
			return fmt.Errorf("a connector must not set the header %s: leave it out", Clip(http.CanonicalHeaderKey(name)))
		}
	}
	if size > maxHeaderBytes {
		// Their size is not said: a connector that sees handles could learn something of its secrets.
		return fmt.Errorf("the headers have more than %d bytes", maxHeaderBytes)
	}
	return nil
}

// hostHeader reports whether only the host may set a header: those of the connection (RFC 9110, section 7.6.1), of a proxy,
// and of the message's framing.
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
