package proxy

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

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
			return &sharedConn{Conn: c, release: sync.OnceFunc(place.Release)}, nil
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
}

func (c *sharedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
