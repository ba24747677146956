package proxy_test

import (
	"bytes"
	"strconv"
	"strings"
)

// strictRequests reads bytes strictly by RFC 9112 and returns the methods of the requests, up to the first that is
// incomplete or has two readings. It accepts two things that a recipient may accept: empty lines before a request (2.2),
// and a request line that ends in a bare LF.
func strictRequests(b []byte) (methods []string) {
	for {
		b = bytes.TrimLeft(b, "\r\n")
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		fields := strings.Split(strings.TrimSuffix(string(line), "\r"), " ")
		if !ok || len(fields) != 3 || !isToken(fields[0]) || fields[1] == "" || fields[2] != "HTTP/1.1" && fields[2] != "HTTP/1.0" {
			return methods
		}
		length, chunked, rest, ok := strictHeader(rest, fields[2] == "HTTP/1.1")
		if !ok {
			return methods
		}
		if chunked {
			if rest, ok = strictChunks(rest); !ok {
				return methods
			}
		} else if length > len(rest) {
			return methods
		} else {
			rest = rest[length:]
		}
		methods = append(methods, fields[0])
		b = rest
	}
}

// strictHeader reads the header lines, and from them how the body is framed.
func strictHeader(b []byte, http11 bool) (length int, chunked bool, rest []byte, ok bool) {
	seen := map[string]int{}
	for {
		raw, rest, found := bytes.Cut(b, []byte("\r\n"))
		if !found || bytes.ContainsAny(raw, "\r\n\x00") {
			return 0, false, nil, false
		}
		if len(raw) == 0 {
			host := seen["host"]
			return length, chunked, rest, (host == 1 || host == 0 && !http11) && seen["content-length"]+seen["transfer-encoding"] <= 1 && (http11 || !chunked)
		}
		name, value, found := strings.Cut(string(raw), ":")
		if !found || !isToken(name) {
			return 0, false, nil, false
		}
		value = strings.Trim(value, " \t")
		name = strings.ToLower(name)
		seen[name]++
		switch name {
		case "content-length":
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil || value[0] == '+' {
				return 0, false, nil, false
			}
			length = int(n)
		case "transfer-encoding":
			if chunked = strings.EqualFold(value, "chunked"); !chunked {
				return 0, false, nil, false
			}
		case "host":
			if value == "" || strings.ContainsAny(value, "@/\\?# \t,") {
				return 0, false, nil, false
			}
		}
		b = rest
	}
}

// strictChunks skips a chunked body and its trailers.
func strictChunks(b []byte) (rest []byte, ok bool) {
	for {
		line, rest, found := bytes.Cut(b, []byte("\r\n"))
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseUint(strings.TrimRight(size, " \t"), 16, 31)
		if !found || err != nil || bytes.ContainsAny(line, "\r\n") || size[0] == '+' {
			return nil, false
		}
		b = rest
		if n == 0 {
			break
		}
		if uint64(len(b)) < n+2 || string(b[n:n+2]) != "\r\n" {
			return nil, false
		}
		b = b[n+2:]
	}
	for {
		line, rest, found := bytes.Cut(b, []byte("\r\n"))
		name, _, colon := strings.Cut(string(line), ":")
		switch {
		case !found:
			return nil, false
		case len(line) == 0:
			return rest, true
		case !colon || !isToken(name):
			return nil, false
		}
		b = rest
	}
}

func isToken(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") == ""
}

// methodOf is the method of the nth request, "" if there is none.
func methodOf(methods []string, n int) string {
	if n < len(methods) {
		return methods[n]
	}
	return ""
}

// isRefusal reports whether a status refuses malformed HTTP.
func isRefusal(status int, body []byte) bool {
	return status == 408 || status == 413 || status == 431 || status == 400 && bytes.Contains(body, []byte("not well-formed HTTP"))
}
