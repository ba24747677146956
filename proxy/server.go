package proxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/session"
	"github.com/crmgate/crmgate/proxy/settings"
	"github.com/crmgate/crmgate/proxy/web"
)

const (
	// maxBody is the largest body that is taken (upstream: 50 MB); routes without a form take smallBody, and do not read it.
	maxBody   = 1 << 20
	smallBody = 64 << 10
	// requestTime bounds a whole request: a sign-in makes three calls to a CRM, of ten seconds each at the most.
	requestTime = 45 * time.Second
)

// Config is what New needs.
type Config struct {
	Flows    *authflow.Flows
	Sessions *session.Sessions
	Orgs     *org.Orgs
	Settings *settings.Settings
	// Manifests is what /crmManifest and /serverVersionInfo answer from.
	Manifests *manifest.Set
	// MaxConns bounds the connections; who comes when there are as many gets a 503. Default 16384.
	MaxConns int
	// Debug answers requests with the header "is-debug: true" with their trace as well.
	Debug bool
	// Metrics counts requests; required.
	Metrics *Metrics
	// Logger gets what the client is not told; default slog.Default().
	Logger *slog.Logger
}

// Server answers clients. Make one with New, run it with Serve, end it with Shutdown.
type Server struct {
	Config
	http     fasthttp.Server
	pages    *web.Pages
	routes   map[string]methods
	boot     string        // begins every request id, so that ids of two runs differ
	requests atomic.Uint64 // numbers them
	origin   string        // of the public URL
	path     string        // of the public URL, empty if it has none
	base     context.Context
	stop     context.CancelFunc
	polling  context.Context // ends what waits, before the requests under way are waited for
	hurry    context.CancelFunc
}

// New returns a server that listens nowhere yet.
func New(c Config) (*Server, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.MaxConns == 0 {
		c.MaxConns = 16 << 10
	}
	public, err := url.Parse(c.Flows.PublicURL)
	if err != nil {
		return nil, err
	}
	pages, err := web.New(public.EscapedPath())
	if err != nil {
		return nil, err
	}
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	s := &Server{
		Config: c, pages: pages, boot: hex.EncodeToString(b),
		origin: public.Scheme + "://" + public.Host, path: public.EscapedPath(),
	}
	s.base, s.stop = context.WithCancel(context.Background())
	s.polling, s.hurry = context.WithCancel(s.base)
	s.routes = s.table()
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.handleError,
		HeaderReceived:               s.announced,
		ReadBufferSize:               16 << 10, // the longest header taken
		StreamRequestBody:            true,     // else fasthttp allocates what Content-Length announces, before a byte of it has come
		ReadTimeout:                  5 * time.Second,
		WriteTimeout:                 10 * time.Second,
		IdleTimeout:                  60 * time.Second,
		Concurrency:                  c.MaxConns,
		MaxConnsPerIP:                8 << 10, // a proxy in front is one address
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{},
	}
	return s, nil
}

// quiet drops fasthttp's own log: strangers' broken connections are no news, and handleError tells what matters.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve answers on l until Shutdown, and closes it.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(patient{l}) }

// patient is a listener that outlasts shortages. fasthttp takes their errors for the end, so that a stranger who uses up
// the open files could end the server.
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

// Shutdown takes no more connections and waits for the requests under way, until ctx ends; then it cancels them.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.stop()
	s.hurry()
	return s.http.ShutdownWithContext(ctx)
}

// handle is every request's way through the front.
func (s *Server) handle(fc *fasthttp.RequestCtx) {
	start := time.Now()
	id := s.newID()
	name := "none"
	defer func() {
		if p := recover(); p != nil {
			s.Logger.Error("panic", "request_id", id, "panic", p, "stack", string(debug.Stack()))
			fc.Response.Reset()
			writeError(fc, 500, "internal error, request "+id)
		}
		fc.Response.Header.Set("X-Request-Id", id)
		cors(fc)
		s.Metrics.request(name, fc.Response.StatusCode(), time.Since(start))
	}()
	ok, chunked, length := wellFramed(&fc.Request.Header)
	if !ok || chunked {
		fc.SetConnectionClose() // where chunks and their trailers end is not for two readers to agree on: fasthttp takes LF there
	}
	if !ok {
		writeError(fc, 400, notHTTP)
		return
	}
	if length > smallBody && length > s.limit(&fc.Request.Header) {
		unread(fc, fasthttp.ErrBodyTooLarge)
		return
	}
	if fc.IsOptions() {
		preflight(fc)
		return
	}
	target := fc.Request.Header.RequestURI()
	path, query, ok := splitTarget(target)
	here, named := s.find(path)
	if !ok || here == nil {
		writeError(fc, 404, "There is nothing at this address.")
		return
	}
	name = here[0].path
	rt := here.of(string(fc.Method()))
	if rt == nil {
		fc.Response.Header.Set("Allow", here.allowed())
		writeError(fc, 405, name+" takes "+here.join(" and ")+" only.")
		return
	}
	r := request{fc: fc, id: id, trace: crmgate.Trace{ID: id, Start: start}}
	r.query.ParseBytes(query)
	if named > 0 { // of the target as it was sent: its letters' case may matter
		sent := strings.TrimSuffix(string(target[:len(target)-len(query)]), "?")
		sent = strings.TrimSuffix(sent, "/")
		r.last = sent[len(sent)-named:]
	}
	s.answer(rt, &r)
}

// newID returns the id of a request, which its answer and every log line about it carry.
func (s *Server) newID() string {
	return s.boot + "-" + strconv.FormatUint(s.requests.Add(1), 36)
}

// answer runs a route. Routes that only read the session's record get no deadline of their own: making one costs more than they do.
func (s *Server) answer(rt *route, r *request) {
	ctx := crmgate.WithTrace(s.base, &r.trace)
	if !rt.quick {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTime)
		defer cancel()
	}
	reply, err := rt.run(ctx, r)
	if err != nil {
		s.refuse(ctx, r, err)
		return
	}
	s.reply(r, 200, reply)
}

// splitTarget reads a request target: its path as routes are named (lower case, no slash at the end), and its query.
// A target in absolute form is not ok; nor does any path that is not canonical match a route.
func splitTarget(target []byte) (path string, query []byte, ok bool) {
	for i, c := range target {
		if c == '?' {
			target, query = target[:i], target[i+1:]
			break
		}
	}
	if len(target) == 0 || target[0] != '/' || len(target) > 256 {
		return "", nil, false
	}
	path = strings.ToLower(string(target))
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path, query, true
}

// notHTTP is told to who sends what is no request, or could be taken for another.
const notHTTP = "The request is not well-formed HTTP."

// announced has fasthttp read nothing of a body that is too large, which handle refuses: it would wait for the beginning.
func (s *Server) announced(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if n := h.ContentLength(); n > smallBody && n > s.limit(h) {
		h.SetContentLength(0)
	}
	return fasthttp.RequestConfig{}
}

// limit is the largest body that a request may have.
func (s *Server) limit(h *fasthttp.RequestHeader) int {
	path, _, _ := splitTarget(h.RequestURI())
	here, _ := s.find(path)
	if rt := here.of(string(h.Method())); rt != nil && rt.form {
		return maxBody
	}
	return smallBody
}

// unread answers what could not be read, and ends the connection: where the next request begins is not known.
func unread(fc *fasthttp.RequestCtx, err error) {
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &small):
		writeError(fc, 431, "The request's address or headers are too long.")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		writeError(fc, 413, "The body is too large.")
	case errors.As(err, &timeout) && timeout.Timeout():
		writeError(fc, 408, "The request did not come in time.")
	default:
		writeError(fc, 400, notHTTP)
	}
	fc.SetConnectionClose()
}

// handleError answers what fasthttp could not read.
func (s *Server) handleError(fc *fasthttp.RequestCtx, err error) {
	unread(fc, err)
	fc.Response.Header.Set("X-Request-Id", s.newID())
	cors(fc)
	s.Metrics.request("none", fc.Response.StatusCode(), 0)
}

// cors lets any origin read any answer, as clients expect: no cookie carries a session.
func cors(fc *fasthttp.RequestCtx) {
	h := &fc.Response.Header
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "x-refreshed-jwt-token")
	h.Set("X-Content-Type-Options", "nosniff")
}

func preflight(fc *fasthttp.RequestCtx) {
	fc.SetStatusCode(204)
	h := &fc.Response.Header
	h.Set("Access-Control-Allow-Methods", "GET,POST,PATCH,PUT,DELETE")
	h.Set("Vary", "Access-Control-Request-Headers")
	if want := fc.Request.Header.Peek("Access-Control-Request-Headers"); len(want) > 0 {
		h.SetBytesV("Access-Control-Allow-Headers", want)
	}
}
