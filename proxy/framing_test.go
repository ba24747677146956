package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	// marker follows each framing. Its answer shows where the server ends the request before it.
	marker = "GET /serverVersionInfo HTTP/1.1\r\nHost: x\r\n\r\n"
	// hidden is a request in the place of a body.
	hidden = "GET /isAlive HTTP/1.1\r\nHost: x\r\n\r\n"
	get    = "GET /isAlive HTTP/1.1\r\nHost: x\r\n"
	post   = "POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\n"
	// chunked begins a request with a chunked body.
	chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
	// refused is one 400 and a closed connection.
	refused = "400 close"
)

// line makes a request from its first line.
func line(l string) string { return l + "\r\nHost: x\r\n\r\n" }

// framings are requests with and without framing faults, and the statuses of the request and of the marker behind it.
// "empty" is the 400 of a form without a body, where the others get 415. "close" means that the server closes the
// connection without answering the marker, as it always does after a chunked body.
var framings = []struct{ name, raw, want string }{
	{"a plain request", get + "\r\n", "200 200"},
	{"two pipelined", get + "\r\n" + get + "\r\n", "200 200 200"},
	{"a body of known length", post + "Content-Length: 39\r\n\r\n" + hidden + "12345", "415 200"},
	{"a body in chunks", chunked + "5\r\nhello\r\n0\r\n\r\n", "415 close"},

	// Content-Length
	{"two lengths that differ", post + "Content-Length: 5\r\nContent-Length: 42\r\n\r\nhello", refused},
	{"two equal lengths", post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", refused},
	{"lengths in a list", post + "Content-Length: 5, 5\r\n\r\nhello", refused},
	{"length with a plus", post + "Content-Length: +5\r\n\r\nhello", refused},
	{"length with a minus", post + "Content-Length: -5\r\n\r\nhello", refused},
	{"length in hexadecimal", post + "Content-Length: 0x5\r\n\r\nhello", refused},
	{"length with a space in it", post + "Content-Length: 5 5\r\n\r\nhello", refused},
	{"length with a point", post + "Content-Length: 5.0\r\n\r\nhello", refused},
	{"length with an exponent", post + "Content-Length: 5e0\r\n\r\nhello", refused},
	{"an empty length", post + "Content-Length:\r\n\r\nhello", refused},
	{"length in words", post + "Content-Length: five\r\n\r\nhello", refused},
	{"length with zeros before it", post + "Content-Length: 0005\r\n\r\nhello", "415 200"},
	{"length that overflows 32 bits", post + "Content-Length: 4294967301\r\n\r\nhello", "413 close"},
	{"length that overflows 64 bits", post + "Content-Length: 18446744073709551621\r\n\r\nhello", refused},
	{"length beyond the limit of a GET", get + "Content-Length: 65537\r\n\r\n", "413 close"},
	{"length beyond the limit", post + "Content-Length: 1048577\r\n\r\nhello", "413 close"},
	{"length with a tab before it", post + "Content-Length:\t5\r\n\r\nhello", "415 200"},
	{"length in another case", post + "cONTENT-lENGTH: 39\r\n\r\n" + hidden + "12345", "415 200"},
	{"length under a name with an underscore", post + "Content_Length: 42\r\n\r\n", "empty 200"},

	// Transfer-Encoding
	{"length and chunks", post + "Content-Length: 42\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunks and length", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked, named twice", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked and identity, two lines", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"xchunked", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked, identity", post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"gzip, chunked", post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"identity", post + "Transfer-Encoding: identity\r\nContent-Length: 39\r\n\r\n" + hidden + "12345", refused},
	{"identity without a length", post + "Transfer-Encoding: identity\r\n\r\n", refused},
	{"chunked in quotes", post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked with a parameter", post + "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked with a comma behind it", post + "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"an empty encoding", post + "Transfer-Encoding:\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked with a vertical tab", post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked with a byte beyond ASCII", post + "Transfer-Encoding: chunked\xa0\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked with tabs around it", post + "Transfer-Encoding:\tchunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "415 close"},
	{"chunked in another case", post + "tRANSFER-eNCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "415 close"},
	{"chunked, folded", post + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked with a space before the colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked behind a bare LF", post + "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked behind a bare CR", post + "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked in HTTP/1.0", strings.Replace(post, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, refused},
	{"chunked under a name with an underscore", post + "Transfer_Encoding: chunked\r\n\r\n", "empty 200"},

	// chunks
	{"an empty chunk size", chunked + "\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk size with a sign", chunked + "+5\r\nhello\r\n0\r\n\r\n", refused},
	{"a negative chunk size", chunked + "-1\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk size with 0x", chunked + "0x5\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk size with a space before it", chunked + " 5\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk size with a space in it", chunked + "1 0\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk size that overflows", chunked + "10000000000000005\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk size beyond the limit", chunked + "100001\r\n" + strings.Repeat("x", 1<<20+1) + "\r\n0\r\n\r\n", "413 close"},
	{"chunk sizes that add up beyond the limit", chunked + "80000\r\n" + strings.Repeat("x", 1<<19) + "\r\n80001\r\n" + strings.Repeat("x", 1<<19+1) + "\r\n0\r\n\r\n", "413 close"},
	{"chunk that is longer than its size", chunked + "4\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk that is shorter than its size", chunked + "6\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk size that ends in LF", chunked + "5\nhello\r\n0\r\n\r\n", refused},
	{"chunk that ends in LF", chunked + "5\r\nhello\n0\r\n\r\n", refused},
	{"LF in a chunk extension", chunked + "5;a\nb\r\nhello\r\n0\r\n\r\n", refused},
	{"CR in a chunk extension", chunked + "5;a\rb\r\nhello\r\n0\r\n\r\n", refused},
	{"chunk extensions", chunked + "5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n", "415 close"},
	{"a request in a chunk extension", chunked + "5;GET /isAlive HTTP/1.1\r\nhello\r\n0\r\n\r\n", "415 close"},
	{"a request in a chunk", chunked + "22\r\n" + hidden + "\r\n0\r\n\r\n", "415 close"},
	{"trailers", chunked + "5\r\nhello\r\n0\r\nX: y\r\n\r\n", "415 close"},
	{"a length among the trailers", chunked + "0\r\nContent-Length: 42\r\n\r\n", refused},
	{"a trailer without a colon", chunked + "0\r\nGET /isAlive HTTP/1.1\r\n\r\n", refused},
	{"trailers that end in LF", chunked + "5\r\nhello\r\n0\r\nX: y\n\n", "415 close"},
	{"no trailers, ended by LF", chunked + "5\r\nhello\r\n0\r\n\n", "415 close"},
	{"no last chunk", chunked + "5\r\nhello\r\n", refused},

	// lines
	{"bare LF in the header", "GET /isAlive HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", refused},
	{"bare LF at the header's end", "GET /isAlive HTTP/1.1\r\nHost: x\r\n\n", refused},
	{"bare LF everywhere", "GET /isAlive HTTP/1.1\nHost: x\n\n", refused},
	{"bare CR in a value", get + "X: a\rb\r\n\r\n", refused},
	{"bare CR at the header's end", get + "X: a\r\r\n\r\n", refused},
	{"NUL in a value", get + "X: a\x00b\r\n\r\n", refused},
	{"NUL in a name", get + "X\x00: a\r\n\r\n", refused},
	{"space before the colon", get + "X : a\r\n\r\n", refused},
	{"tab before the colon", get + "X\t: a\r\n\r\n", refused},
	{"space in a name", get + "X Y: a\r\n\r\n", refused},
	{"no colon", get + "X\r\n\r\n", refused},
	{"no name", get + ": a\r\n\r\n", refused},
	{"a folded value", get + "X: a\r\n b\r\n\r\n", refused},
	{"a folded Content-Length", post + "Content-Length:\r\n 5\r\n\r\nhello", refused},
	{"a header that begins with a space", "GET /isAlive HTTP/1.1\r\n Host: x\r\n\r\n", refused},
	{"bytes beyond ASCII in a name", get + "X\xff: a\r\n\r\n", refused},
	{"bytes beyond ASCII in a value", get + "X: \xff\r\n\r\n", "200 200"},
	{"empty lines before the request", "\r\n\r\n" + get + "\r\n", "200 200"},
	{"spaces before the request", "  " + get + "\r\n", refused},

	// Host
	{"no Host", "GET /isAlive HTTP/1.1\r\n\r\n", refused},
	{"an empty Host", "GET /isAlive HTTP/1.1\r\nHost:\r\n\r\n", refused},
	{"two Hosts", get + "Host: y\r\n\r\n", refused},
	{"two equal Hosts", get + "Host: x\r\n\r\n", refused},
	{"Host with a user", "GET /isAlive HTTP/1.1\r\nHost: good@evil\r\n\r\n", refused},
	{"Host with a path", "GET /isAlive HTTP/1.1\r\nHost: x/y\r\n\r\n", refused},
	{"Host with a list", "GET /isAlive HTTP/1.1\r\nHost: x, y\r\n\r\n", refused},
	{"Host with a space", "GET /isAlive HTTP/1.1\r\nHost: x y\r\n\r\n", refused},

	// the request line
	{"HTTP/0.9", "GET /isAlive\r\n\r\n", refused},
	{"HTTP/0.9, with a version", line("GET /isAlive HTTP/0.9"), refused},
	{"HTTP/1.0", "GET /isAlive HTTP/1.0\r\n\r\n", "200 close"},
	{"HTTP/1.0, kept alive", "GET /isAlive HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 200"},
	{"HTTP/1.2", line("GET /isAlive HTTP/1.2"), refused},
	{"HTTP/2.0", line("GET /isAlive HTTP/2.0"), refused},
	{"HTTP/01.1", line("GET /isAlive HTTP/01.1"), refused},
	{"http/1.1", line("GET /isAlive http/1.1"), refused},
	{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused},
	{"a TLS hello", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", refused},
	{"two spaces", line("GET  /isAlive HTTP/1.1"), refused},
	{"a tab for a space", line("GET\t/isAlive HTTP/1.1"), refused},
	{"a space behind the version", line("GET /isAlive HTTP/1.1 "), refused},
	{"a space in the target", line("GET /isAlive x HTTP/1.1"), refused},
	{"a NUL in the target", line("GET /isAlive\x00 HTTP/1.1"), refused},
	{"a CR in the target", line("GET /isAlive\rX HTTP/1.1"), refused},
	{"no method", line(" /isAlive HTTP/1.1"), refused},
	{"a method that is not a token", line("G@T /isAlive HTTP/1.1"), refused},
	{"a method in lower case", line("get /isAlive HTTP/1.1"), "405 200"},
	{"TRACE", line("TRACE /isAlive HTTP/1.1"), "405 200"},
	{"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", "404 200"},
	{"HEAD with a length", "HEAD /isAlive HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n" + hidden, "200 200"},
	{"OPTIONS with an asterisk", line("OPTIONS * HTTP/1.1"), "204 200"},
	{"GET with an asterisk", line("GET * HTTP/1.1"), refused},
	{"absolute form", line("GET http://evil.example/isAlive HTTP/1.1"), "404 200"},
	{"authority form", line("GET evil.example:80 HTTP/1.1"), refused},
	{"two slashes", line("GET //isAlive HTTP/1.1"), "404 200"},
	{"dot segments", line("GET /a/../isAlive HTTP/1.1"), "404 200"},
	{"dot segments, encoded", line("GET /a/%2e%2e/isAlive HTTP/1.1"), "404 200"},
	{"a slash, encoded", line("GET /a%2f..%2fisAlive HTTP/1.1"), "404 200"},
	{"a letter, encoded", line("GET /is%41live HTTP/1.1"), "404 200"},
	{"a backslash", line("GET \\isAlive HTTP/1.1"), refused},
	{"a backslash behind a slash", line("GET /\\isAlive HTTP/1.1"), "404 200"},
	{"a fragment", line("GET /isAlive#x HTTP/1.1"), "404 200"},
	{"a semicolon", line("GET /isAlive;x HTTP/1.1"), "404 200"},
	{"a very long target", line("GET /isAlive?" + strings.Repeat("x", 17<<10) + " HTTP/1.1"), "431 close"},
	{"a very long header", get + "X: " + strings.Repeat("x", 17<<10) + "\r\n\r\n", "431 close"},
	{"a thousand headers", get + strings.Repeat("X: y\r\n", 1000) + "\r\n", "200 200"},
	{"ten thousand headers", get + strings.Repeat("X: y\r\n", 10_000) + "\r\n", "431 close"},

	// bodies that should not be there, and requests for another protocol
	{"GET with a length", get + "Content-Length: 34\r\n\r\n" + hidden, "200 200"},
	{"GET with chunks", get + "Transfer-Encoding: chunked\r\n\r\n22\r\n" + hidden + "\r\n0\r\n\r\n", "200 close"},
	{"GET with a request behind it", get + "\r\n" + hidden, "200 200 200"},
	{"POST without a length", post + "\r\n" + hidden, "empty 200 200"},
	{"OPTIONS with a length", "OPTIONS / HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n" + hidden, "204 200"},
	{"an upgrade to h2c", get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", "200 200"},
	{"an upgrade to websocket", get + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n", "200 200"},
	{"Expect", post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "100 415 200"},
	{"Expect without a body", get + "Expect: 100-continue\r\n\r\n", "100 200 200"},
	{"Expect of something else", post + "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello", "415 200"},
	{"Expect with a body that is too large", post + "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\nhello", "100 413 close"},
	{"Connection: close", get + "Connection: close\r\n\r\n" + hidden, "200 close"},
	{"Connection: close among others", get + "Connection: x, close\r\n\r\n" + hidden, "200 close"},
	{"Connection that names a length", post + "Connection: Content-Length\r\nContent-Length: 34\r\n\r\n" + hidden, "415 200"},
	{"a body that pretends to end", post + "Content-Length: 39\r\n\r\n0\r\n\r\n" + hidden, "415 200"},
}

// TestFraming sends each framing over TCP with the marker behind it. No byte of a body is read as a request, and a refusal
// closes the connection.
func TestFraming(t *testing.T) {
	t.Parallel()
	s := newServer(t, slog.DiscardHandler)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	for _, c := range framings {
		t.Run(c.name, func(t *testing.T) {
			if got := talk(t, l.Addr().String(), c.raw+marker, len(strings.Fields(c.want))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if err := errors.Join(s.Shutdown(t.Context()), <-served); err != nil {
		t.Error(err)
	}
}

// talk sends bytes and returns the statuses of the answers up to most, and "close" if the server then closes the
// connection by itself.
func talk(t *testing.T, addr, raw string, most int) (statuses string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go func() { _, _ = io.WriteString(conn, raw) }() // the server may stop reading after a refusal
	method := methodOf(strictRequests([]byte(raw)), 0)
	var all []string
	b := bufio.NewReader(conn)
	for closed := false; ; {
		if len(all) == most && !closed {
			_ = conn.(*net.TCPConn).CloseWrite() // the server now answers anything else that it has read as a request
			closed = true
		}
		resp, err := http.ReadResponse(b, &http.Request{Method: method})
		if err != nil {
			if !closed {
				all = append(all, "close")
			}
			return strings.Join(all, " ")
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("after %v: an answer is cut: %v", all, err)
		}
		status := strings.Fields(resp.Status)[0]
		if string(body) == "Missing platform name" {
			status = "empty"
		}
		all = append(all, status)
		if resp.StatusCode != 100 {
			method = ""
		}
	}
}
