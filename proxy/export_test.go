package proxy

import (
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
)

var (
	FormToJSON  = formToJSON
	SplitTarget = splitTarget
	Clean       = clean
)

// ServeConn answers the requests of one connection, and returns when it ends.
func (s *Server) ServeConn(c net.Conn) error { return s.http.ServeConn(c) }

// requestWith makes the request that a handler gets.
func requestWith(query, header, contentType string, body []byte) *request {
	r := &request{fc: &fasthttp.RequestCtx{}, sent: []byte(query)}
	r.query.Parse(query)
	r.fc.Request.Header.Set("X-RC-Access-Token", header)
	r.fc.Request.Header.SetContentType(contentType)
	r.fc.Request.SetBody(body)
	return r
}

// RCToken reads a RingCentral token from a header, a member of a body, or a query.
func RCToken(query, header, body string) (crmgate.Secret, error) {
	return requestWith(query, header, "", nil).rcToken(crmgate.Text(body))
}

// ReadBody reads a body into *v.
func ReadBody(contentType string, body []byte, v any) error {
	return requestWith("", "", contentType, body).body(v)
}

// SetIdleTimeout sets how long a connection may be idle, and returns the old time.
func (s *Server) SetIdleTimeout(idle time.Duration) time.Duration {
	was := s.http.IdleTimeout
	s.http.IdleTimeout = idle
	return was
}

// SetLinger sets how long a client that is still sending is read from, and returns the old time.
func (s *Server) SetLinger(d time.Duration) time.Duration {
	was := s.linger
	s.linger = d
	return was
}

// OpenConns returns how many connections are open.
func (s *Server) OpenConns() int { return s.conns.Used() }

// LargeBodies returns how many large bodies are in memory.
func (s *Server) LargeBodies() int { return s.large.Used() }

// Routes are the methods and paths of the route table.
func (s *Server) Routes() (all []string) {
	for _, here := range s.routes {
		for _, rt := range here {
			all = append(all, rt.method+" "+rt.path)
		}
	}
	return all
}

// The types of texts in bodies.
type (
	Texts             = texts
	TextList          = textList
	ApplicationValues = applicationValues
)
