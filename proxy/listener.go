package proxy

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate/limit"
)

// patient is a listener that tries again when the process is out of files or memory.
//
// fasthttp ends the server on these errors, so a client that opens many connections could end it.
type patient struct{ net.Listener }

func (l patient) Accept() (net.Conn, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		c, err := l.Listener.Accept()
		if !slices.ContainsFunc(shortages, func(s error) bool { return errors.Is(err, s) }) {
			return c, err
		}
		time.Sleep(wait)
	}
}

var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED}

// sharing is a listener that answers 429 to a client's connections beyond its share. fasthttp's own limit counts only IPv4
// addresses, and those of trusted proxies too.
type sharing struct {
	net.Listener
	trusted trustedProxies
	conns   *limit.Shares
	linger  time.Duration
}

// tooManyConns is the answer to a connection beyond the share. It fits into the buffer of a new socket, so the write does not wait.
const tooManyConns = "HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: 30\r\nRetry-After: 5\r\nConnection: close\r\n\r\nToo many connections are open."

func (l sharing) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client, _ := l.trusted.peer(c.RemoteAddr())
		place, ok := l.conns.TryAcquire(limit.Claim{Client: limit.Client{Source: client}})
		if ok {
			return &sharedConn{Conn: c, release: sync.OnceFunc(place.Release), linger: l.linger}, nil
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(c, tooManyConns)
		c.Close()
	}
}

// sharedConn gives its place back when it is closed.
type sharedConn struct {
	net.Conn
	release func()
	linger  time.Duration
	// sending is set if the last request may not have been read to its end. The connection's goroutine owns it.
	sending bool
}

// A client that is still sending is read from before its connection is closed, within these bounds.
const (
	lingerBytes = 8 << 20
	lingerTime  = 5 * time.Second
)

// Close closes the connection. If the client may still be sending, it first discards what comes: a connection that is closed
// with unread bytes is reset, and then the client cannot read the answer.
func (c *sharedConn) Close() error {
	defer c.release()
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.sending && tcp.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(c.linger))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}

// noteSending notes whether the client of a request may be sending still when the answer is written.
func noteSending(fc *fasthttp.RequestCtx, sending bool) {
	if c, ok := fc.Conn().(*sharedConn); ok {
		c.sending = sending
	}
}
