package proxy_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAnswerWhileTheClientSends: a client that sends its whole request before it reads gets the answer, and no reset.
func TestAnswerWhileTheClientSends(t *testing.T) {
	t.Parallel()
	addr := serve(t, newServer(t, slog.DiscardHandler), itself)
	const mb = 1 << 20
	for _, tt := range []struct {
		name, header string
		more, status int
	}{
		{"a body that is too large", post + "Content-Length: 3145728\r\n\r\n", 3 * mb, 413},
		{"a chunked body that is too large", post + "Transfer-Encoding: chunked\r\n\r\n200000\r\n" + strings.Repeat("x", mb+1), mb - 1, 413},
		{"a body for a route without one", get + "Content-Length: 3145728\r\n\r\n", 3 * mb, 413},
		{"a header that is too long", get + "X: " + strings.Repeat("x", 16<<10), 3 * mb, 431},
		{"a malformed header", get + "Content-Length: x\r\n\r\n", 3 * mb, 400},
		{"an ambiguous length", post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 3 * mb, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := visit(t, addr)
			if _, err := io.WriteString(v, tt.header); err != nil {
				t.Fatal(err)
			}
			if _, err := v.b.Peek(1); err != nil { // the server has answered
				t.Fatal(err)
			}
			if _, err := v.Write(make([]byte, tt.more)); err != nil {
				t.Errorf("the rest of the request: %v", err)
			}
			resp, err := http.ReadResponse(v.b, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(v.b); err != nil || resp.StatusCode != tt.status || !resp.Close {
				t.Errorf("got %d, closed: %v, %v; want %d", resp.StatusCode, resp.Close, err, tt.status)
			}
		})
	}
}

// TestClientThatSendsForever is cut off.
func TestClientThatSendsForever(t *testing.T) {
	t.Parallel()
	v := visit(t, serve(t, newServer(t, slog.DiscardHandler), itself))
	if _, err := io.WriteString(v, post+"Content-Length: 2000000000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(v, strings.NewReader(strings.Repeat("x", 64<<20)), 64<<20); err == nil {
		t.Errorf("the server read %d bytes", n)
	}
}

// TestClientThatWaits does not keep its connection.
func TestClientThatWaits(t *testing.T) {
	t.Parallel()
	s := newServer(t, slog.DiscardHandler)
	if was := s.SetLinger(time.Millisecond); was != 5*time.Second {
		t.Errorf("in earnest, the server lingers for %v", was)
	}
	v := visit(t, serve(t, s, itself))
	if _, err := io.WriteString(v, post+"Content-Length: 2000000000\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := v.b.Peek(1); err != nil { // the server has answered
		t.Fatal(err)
	}
	for end := time.Now().Add(4 * time.Second); s.OpenConns() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the connection is still open")
		}
	}
}
