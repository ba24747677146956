package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/web"
)

const (
	typeJSON = "application/json; charset=utf-8"
	typeHTML = "text/html; charset=utf-8"
)

// Replies of handlers. A reply of any other type is encoded as JSON; nil is an empty answer, which is upstream's null.
type (
	text  string // text/html, as upstream sends bare strings
	plain string // text/plain
	yaml  string // application/yaml
	// rawJSON is sent unchanged, without a _debug member.
	rawJSON []byte
	// seeOther redirects the browser to one of our pages.
	seeOther string
	// failed is a JSON reply with status 400.
	failed struct{ body any }
	// page is an HTML page.
	page struct {
		html     string
		status   int    // default 200
		referrer string // the Referrer-Policy; default no-referrer
	}
	// asset is a file that pages load. Its URL changes with its content, so browsers may cache it for ever.
	asset struct{ contentType, body string }
)

// responder writes the answers of handlers.
type responder struct {
	debug  bool // Config.Debug
	logger *slog.Logger
}

// reply writes a handler's reply.
func (w responder) reply(r *request, status int, body any) {
	fc := r.fc
	fc.SetStatusCode(status)
	switch b := body.(type) {
	case nil:
	case text:
		write(fc, typeHTML, string(b))
	case plain:
		write(fc, "text/plain; charset=utf-8", string(b))
	case yaml:
		write(fc, "application/yaml", string(b))
	case rawJSON:
		write(fc, typeJSON, string(b))
	case page:
		writePage(fc, b)
	case seeOther:
		fc.SetStatusCode(303)
		fc.Response.Header.Set("Location", string(b)) // fasthttp's Redirect rewrites paths
		fc.Response.Header.Set("Cache-Control", "no-store")
	case asset:
		fc.Response.Header.Set("Cache-Control", "public, max-age=31536000, immutable")
		write(fc, b.contentType, b.body)
	case failed:
		w.reply(r, 400, b.body)
	default:
		w.replyJSON(r, b)
	}
}

func writePage(fc *fasthttp.RequestCtx, p page) {
	if p.status != 0 {
		fc.SetStatusCode(p.status)
	}
	h := &fc.Response.Header
	if p.status == 503 {
		h.Set("Retry-After", "5")
	}
	h.Set("Content-Security-Policy", web.Policy)
	h.Set("Referrer-Policy", cmp.Or(p.referrer, "no-referrer"))
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Cache-Control", "no-store")
	write(fc, typeHTML, p.html)
}

func (w responder) replyJSON(r *request, body any) {
	out, err := encode(body)
	if err != nil {
		writeError(r.fc, 500, internalError(r.id))
		w.logger.Error("encode the answer", "request_id", r.id, "err", err)
		return
	}
	r.fc.Response.Header.Set("Cache-Control", "no-store")
	write(r.fc, typeJSON, string(w.withTrace(r, out)))
}

// withTrace adds the trace to a JSON object if the operator allows it and the client asked for it. Upstream also adds stack
// traces, and turns strings into objects of characters; this server does neither.
func (w responder) withTrace(r *request, object []byte) []byte {
	if !w.debug || r.header("is-debug") != "true" || len(object) < 2 || object[0] != '{' {
		return object
	}
	steps := r.trace.Steps()
	d, _ := json.Marshal(map[string]any{
		"requestId": r.id, "totalDuration": time.Since(r.trace.Start).Milliseconds(), "traceCount": len(steps), "traces": steps,
	})
	out := append([]byte{}, object[:len(object)-1]...)
	if len(object) > 2 {
		out = append(out, ',')
	}
	return append(append(append(out, `"_debug":`...), d...), '}')
}

// encode writes JSON as JavaScript does: "&" in a URL stays as it is.
func encode(v any) ([]byte, error) {
	return crmgate.EncodeJSON(v)
}

func write(fc *fasthttp.RequestCtx, contentType, body string) {
	fc.SetContentType(contentType)
	fc.SetBodyString(body)
}

// writeError writes {"error": sentence}, the body of every error that is not plain text.
func writeError(fc *fasthttp.RequestCtx, status int, sentence string) {
	fc.SetStatusCode(status)
	b, _ := encode(map[string]string{"error": sentence}) // never fails
	write(fc, typeJSON, string(b))
	if status == 503 {
		fc.Response.Header.Set("Retry-After", "5")
	}
}

// writeUnread answers a request that could not be read to its end, and closes the connection: the next request cannot be
// found on it.
func writeUnread(fc *fasthttp.RequestCtx, err error) {
	t := tell(errUnread{err})
	writeError(fc, t.status, t.sentence)
	fc.SetConnectionClose()
}

// internalError is the sentence for an error whose cause only the log has.
func internalError(requestID string) string { return "internal error, request " + requestID }

// told is what the client is told of an error.
type told struct {
	status   int
	sentence string // empty for an internal error
	said     string // the CRM's own words, for a page; may be empty
	plain    bool   // the body is the bare sentence
	after    time.Duration
	body     any // in place of the sentence; nil for none
}

var statuses = map[crmgate.Kind]int{
	crmgate.Invalid: 400, crmgate.Forbidden: 403, crmgate.Missing: 404, crmgate.Unavailable: 503, crmgate.Declined: 400,
}

// tell is the error table: it turns an error into a status and a sentence.
func tell(err error) told {
	var fetch *crmgate.FetchError
	var body errUnread
	o := authflow.Failure(err)
	switch {
	case errors.As(err, &body):
		return tellUnread(body.error)
	case o.Actionable && errors.As(err, new(errCallback)):
		return told{status: 200, sentence: o.Sentence, body: calledBack{signedIn: signedIn{Message: o.Message()}}}
	case o.Sentence != "":
		return told{status: statuses[o.Kind], sentence: o.Sentence, said: o.Said, plain: o.Plain, after: o.RetryAfter}
	case errors.Is(err, errBody{}):
		return told{status: 415, sentence: "The body must be application/json or application/x-www-form-urlencoded, and not compressed."}
	case errors.As(err, &fetch):
		return told{status: 400, sentence: fetch.Message}
	case errors.Is(err, errors.ErrUnsupported):
		return told{status: 400, sentence: "The CRM's connector does not do this."}
	case errors.Is(err, crmgate.ErrTransient), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return told{status: 503, sentence: "The server cannot do this at the moment. Please try again."}
	}
	return told{status: 500}
}

// malformedHTTP is the sentence for a request that is not HTTP, or that another reader could read as another request.
const malformedHTTP = "The request is not well-formed HTTP."

// tellUnread is the error table for a request that could not be read.
func tellUnread(err error) told {
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &small):
		return told{status: 431, sentence: "The request's address or headers are too long."}
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return told{status: 413, sentence: "The body is too large."}
	case errors.As(err, &timeout) && timeout.Timeout():
		return told{status: 408, sentence: "The request did not come in time."}
	}
	return told{status: 400, sentence: malformedHTTP}
}

// refuse answers an error. The cause of an internal error is in the log only.
func (w responder) refuse(ctx context.Context, r *request, err error) {
	var early earlyReply
	var body errUnread
	t := tell(err)
	switch {
	case errors.As(err, &early):
		w.reply(r, 200, early.body)
		return
	case errors.As(err, &body):
		writeUnread(r.fc, body.error)
	case t.sentence == "":
		writeError(r.fc, 500, internalError(r.id))
		w.logger.ErrorContext(ctx, "internal error", "err", err)
		return
	case t.body != nil:
		w.reply(r, t.status, t.body)
	case t.plain:
		w.reply(r, t.status, text(t.sentence))
	default:
		writeError(r.fc, t.status, t.sentence)
	}
	if t.after > 0 {
		r.fc.Response.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(t.after.Seconds()))))
	}
	w.logger.InfoContext(ctx, "refused", "status", r.fc.Response.StatusCode(), "err", err)
}

// cors lets every origin read every answer. Clients expect it, and no cookie holds a session.
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
