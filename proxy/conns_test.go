package proxy_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy"
)

// serve runs a front on loopback until the test ends.
func serve(t *testing.T, s *proxy.Server, wrap func(net.Listener) net.Listener) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(wrap(l)) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(t.Context()), <-served); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func itself(l net.Listener) net.Listener { return l }

// visitor is a connection that sends one request at a time.
type visitor struct {
	net.Conn
	b *bufio.Reader
}

func visit(t *testing.T, addr string) visitor {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return visitor{c, bufio.NewReader(c)}
}

// ask returns the status of an answer, and whether the connection is to be closed.
func (v visitor) ask(t *testing.T) (status int, closed bool) {
	t.Helper()
	_, _ = io.WriteString(v, get+"\r\n") // a refused connection may be closed by now
	resp, err := http.ReadResponse(v.b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Close
}

// TestIdleConnectionsEnd: a kept-alive connection is closed after the idle time, without an unasked answer.
func TestIdleConnectionsEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t, slog.DiscardHandler)
	if idle := s.SetIdleTimeout(100 * time.Millisecond); idle != time.Minute {
		t.Errorf("in earnest, connections idle for %v", idle)
	}
	v := visit(t, serve(t, s, itself))
	if status, closed := v.ask(t); status != 200 || closed {
		t.Fatalf("%d, closed: %v", status, closed)
	}
	began := time.Now()
	if b, err := io.ReadAll(v.b); err != nil || len(b) > 0 {
		t.Errorf("got %q, %v; want the end", b, err)
	}
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("ended after %v", took)
	}
}

// refused checks that a new connection is answered and closed.
func (v visitor) refused(t *testing.T, status int) {
	t.Helper()
	resp, err := http.ReadResponse(v.b, nil) // without a request: a reset could discard the answer
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != status || !resp.Close {
		t.Errorf("got %d, closed: %v; want %d", resp.StatusCode, resp.Close, status)
	}
}

// TestTooManyConnections: a connection beyond the limit gets a 503, and the others stay open.
func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	addr := serve(t, newServer(t, slog.DiscardHandler, func(config *proxy.Config) { config.MaxConns = 2 }), itself)
	first, second := visit(t, addr), visit(t, addr)
	for _, v := range []visitor{first, second, first} {
		if status, _ := v.ask(t); status != 200 {
			t.Fatalf("got %d", status)
		}
	}
	visit(t, addr).refused(t, 503)
	if status, _ := second.ask(t); status != 200 {
		t.Errorf("an open connection gets %d", status)
	}
}

// from is a listener whose connections come from other addresses.
type from struct {
	net.Listener
	next chan string
}

type fromConn struct {
	net.Conn
	address string
}

func (c fromConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(c.address), Port: 4711} }

func (l from) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return fromConn{c, <-l.next}, nil
}

// TestConnectionsOfOneClient: a client has its share of the connections, and no more. Others notice nothing.
func TestConnectionsOfOneClient(t *testing.T) {
	t.Parallel()
	s := newServer(t, slog.DiscardHandler, func(config *proxy.Config) {
		config.MaxConns, config.TrustedProxies = 32, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	next := make(chan string, 1)
	addr := serve(t, s, func(l net.Listener) net.Listener { return from{l, next} })
	open := func(address string) visitor {
		t.Helper()
		next <- address
		return visit(t, addr)
	}
	served := func(address string) visitor {
		t.Helper()
		v := open(address)
		if status, _ := v.ask(t); status != 200 {
			t.Errorf("%s got %d", address, status)
		}
		return v
	}
	attacker := served("203.0.113.7")
	served("203.0.113.7")
	open("203.0.113.7").refused(t, 429)
	served("2001:db8:1:2::1")
	served("2001:db8:1:2::2")
	open("2001:db8:1:2:3::4").refused(t, 429) // the same /64
	served("203.0.113.8")
	for range 5 {
		served("10.1.2.3")    // a trusted proxy
		served("192.168.0.7") // there may be a proxy that the operator has not named
	}
	before := s.OpenConns()
	attacker.Close()
	for end := time.Now().Add(20 * time.Second); s.OpenConns() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a closed connection still counts")
		}
	}
	served("203.0.113.7")
}

// TestLargeBodiesOfOneClient: a client cannot fill the memory with large bodies that it sends slowly. Others can send theirs.
func TestLargeBodiesOfOneClient(t *testing.T) {
	t.Parallel()
	s := newServer(t, slog.DiscardHandler, func(config *proxy.Config) {
		config.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	addr := serve(t, s, itself)
	post := func(from string, sent int) visitor {
		t.Helper()
		v := visit(t, addr)
		body := `{"platform":"` + strings.Repeat("x", 100_000) + `"}`
		_, err := fmt.Fprintf(v, "POST /apiKeyLogin HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			from, len(body), body[:min(sent, len(body))])
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	answered := func(v visitor, want int) {
		t.Helper()
		resp, err := http.ReadResponse(v.b, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("got %d, want %d", resp.StatusCode, want)
		}
	}
	for range 16 {
		post("203.0.113.7", 90_000)
	}
	for end := time.Now().Add(20 * time.Second); s.LargeBodies() < 16; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d large bodies are read", s.LargeBodies())
		}
	}
	answered(post("203.0.113.7", 1<<20), 503)
	answered(post("198.51.100.1", 1<<20), 400)
	for end := time.Now().Add(20 * time.Second); s.LargeBodies() > 0; time.Sleep(time.Millisecond) { // the others time out
		if time.Now().After(end) {
			t.Fatalf("%d large bodies are still held", s.LargeBodies())
		}
	}
}

// short is a listener. Its first three Accepts fail for lack of open files.
type short struct {
	net.Listener
	failed *atomic.Int64
}

func (s short) Accept() (net.Conn, error) {
	if s.failed.Add(1) <= 3 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return s.Listener.Accept()
}

// TestNoOpenFilesLeft: the server goes on after Accept has failed for lack of open files.
func TestNoOpenFilesLeft(t *testing.T) {
	t.Parallel()
	var failed atomic.Int64
	s := newServer(t, slog.DiscardHandler)
	addr := serve(t, s, func(l net.Listener) net.Listener { return short{l, &failed} })
	if status, _ := visit(t, addr).ask(t); status != 200 || failed.Load() < 4 {
		t.Errorf("%d after %d failures", status, failed.Load())
	}
}
