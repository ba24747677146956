package proxy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/session"
	"github.com/crmgate/crmgate/proxy/settings"
)

// requestTimeout bounds a whole request. A sign-in makes three calls to a CRM, each of at most ten seconds.
const requestTimeout = 45 * time.Second

// Config is what New needs. Fields without a default are required.
type Config struct {
	Flows    *authflow.Flows
	Sessions *session.Sessions
	Orgs     *org.Orgs
	Settings *settings.Settings
	// Manifests returns the manifests as they are now, for /crmManifest, /serverVersionInfo and /releaseNotes.
	Manifests func() *manifest.Set
	// TrustedProxies are the networks of reverse proxies, whose X-Forwarded-For names the client. Default none.
	TrustedProxies []netip.Prefix
	// MaxConns is the largest number of connections. Connections beyond it get a 503. Default 16384. One client can have a
	// sixteenth of them, and connections beyond that get a 429.
	MaxConns int
	// HideIndex leaves the CRMs out of the page at /. Default false.
	HideIndex bool
	// Debug adds the trace to the answer of a request with the header "is-debug: true".
	Debug bool
	// Metrics counts requests.
	Metrics *Metrics
	// Logger gets the causes of errors, which clients are not told. Default slog.Default().
	Logger *slog.Logger
}

// Server is the HTTP server. Make one with New, run it with Serve, end it with Shutdown.
type Server struct {
	http    fasthttp.Server
	trusted trustedProxies
	conns   *limit.Shares // connections that are open
	large   *limit.Shares // large bodies in memory
	running *limit.Shares // requests that run, but for quick routes: many clients may share the connections of a proxy
	linger  time.Duration
	routes  routes
	site    *site
	respond responder
	metrics *Metrics
	logger  *slog.Logger
	// connectors are held by each request but those of quick routes, which look at one thing only.
	connectors connector.Registry
	boot       string        // the prefix of every request id, so ids of two runs differ
	requests   atomic.Uint64 // the number of request ids
	base       context.Context
	stop       context.CancelFunc
	stopPoll   context.CancelFunc // ends waiting polls, so that Shutdown does not wait for them
}

// New returns a server that does not listen yet.
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
	pages, err := newSite(public, c.Logger)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 4)
	_, _ = rand.Read(b)                                                         // never fails
	share := limit.Limits{Total: 2 * c.MaxConns, Client: max(1, c.MaxConns/16)} // fasthttp refuses what is beyond MaxConns
	large := limit.NewShares(limit.Limits{Total: largeBodies, Client: largeClientBodies})
	s := &Server{
		conns: limit.NewShares(share), large: large, running: limit.NewShares(share), linger: lingerTime, trusted: c.TrustedProxies,
		respond: responder{c.Debug, c.Logger}, metrics: c.Metrics, logger: c.Logger, boot: hex.EncodeToString(b),
	}
	s.base, s.stop = context.WithCancel(context.Background())
	polling, stopPoll := context.WithCancel(s.base)
	s.stopPoll = stopPoll
	s.site, s.connectors = pages, c.Flows.Connectors
	s.routes = newRoutes(c, pages, polling)
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.handleError,
		HeaderReceived:               s.headerReceived,
		ReadBufferSize:               16 << 10, // the longest header
		StreamRequestBody:            true,     // else fasthttp allocates Content-Length bytes before the body has come
		ReadTimeout:                  5 * time.Second,
		WriteTimeout:                 10 * time.Second,
		IdleTimeout:                  60 * time.Second,
		Concurrency:                  c.MaxConns,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{},
	}
	return s, nil
}

// quiet drops fasthttp's own log. It reports clients' broken connections; handleError reports what matters.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve answers the connections of l until Shutdown, and closes l.
func (s *Server) Serve(l net.Listener) error {
	return s.http.Serve(sharing{patient{l}, s.trusted, s.conns, s.linger})
}

// Shutdown accepts no more connections and waits for the running requests until ctx ends. Then it cancels them.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.stop()
	s.stopPoll()
	return s.http.ShutdownWithContext(ctx)
}

// handle answers a request that fasthttp has parsed.
func (s *Server) handle(fc *fasthttp.RequestCtx) {
	start := time.Now()
	id := s.newID()
	name := "none"
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("panic", "request_id", id, "panic", p, "stack", string(debug.Stack()))
			fc.Response.Reset()
			writeError(fc, 500, internalError(id))
		}
		fc.Response.Header.Set("X-Request-Id", id)
		cors(fc)
		s.metrics.request(name, fc.Response.StatusCode(), time.Since(start))
	}()
	if !s.admit(fc) {
		return
	}
	if fc.IsOptions() {
		preflight(fc)
		return
	}
	var rt *route
	var r *request
	if name, rt, r = s.route(fc); rt == nil {
		return
	}
	r.id, r.trace = id, crmgate.Trace{ID: id, Start: start}
	s.answer(rt, r)
}

// errTooManyRequests is the refusal of a client that uses up its share.
var errTooManyRequests = &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many requests from your address are running. Please try again in a moment."}

// newID returns a request id. The answer and every log line of the request carry it.
func (s *Server) newID() string {
	return s.boot + "-" + strconv.FormatUint(s.requests.Add(1), 36)
}

// route finds the route of a request, and the name of its path for the metrics. If there is no route, it writes the answer
// and returns nil.
func (s *Server) route(fc *fasthttp.RequestCtx) (name string, rt *route, r *request) {
	target := fc.Request.Header.RequestURI()
	path, query, ok := splitTarget(target)
	here, named := s.routes.find(path)
	if !ok || here == nil {
		s.writeAstray(fc, 404, nothingHere)
		return "none", nil, nil
	}
	name = here[0].path
	rt = here.of(string(fc.Method()))
	if rt == nil {
		fc.Response.Header.Set("Allow", here.allowed())
		s.writeAstray(fc, 405, name+" takes "+here.join(" and ")+" only.")
		return name, nil, nil
	}
	r = &request{fc: fc, sent: query, large: s.large}
	r.query.ParseBytes(query)
	if named > 0 { // from the target as it was sent: the case of its letters may matter
		sent := strings.TrimSuffix(string(target[:len(target)-len(query)]), "?")
		sent = strings.TrimSuffix(sent, "/")
		r.last = sent[len(sent)-named:]
	}
	return name, rt, r
}

// answer runs a route and writes its answer. Quick routes get no deadline and no source: making a deadline costs more than they
// do, and nothing that they do is limited.
func (s *Server) answer(rt *route, r *request) {
	ctx := crmgate.WithTrace(s.base, &r.trace)
	if !rt.quick {
		ctx = s.connectors.Held(ctx)
		r.client = s.trusted.client(r.fc)
		r.trace.Source = sourceAt(r.client)
		place, ok := s.running.TryAcquire(limit.Claim{Client: limit.Client{Source: r.trace.Source}})
		if !ok {
			s.respond.refuse(ctx, r, errTooManyRequests)
			return
		}
		defer place.Release()
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	defer func() {
		if r.end != nil {
			r.end()
		}
	}()
	reply, err := rt.run(ctx, r)
	if err != nil {
		s.respond.refuse(ctx, r, err)
		return
	}
	s.respond.reply(r, 200, reply)
}
