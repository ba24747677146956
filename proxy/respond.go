package proxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

// Kinds of replies that are not JSON. Upstream sends bare strings as HTML.
type (
	text  string // text/html
	plain string // text/plain
	yaml  string // application/yaml
	// rawJSON is sent as it is, and never gets a _debug member.
	rawJSON []byte
	// seeOther has the browser go on to a page of ours.
	seeOther string
	// failed is a JSON reply of status 400.
	failed struct{ body any }
)

// reply writes what a handler answered.
func (s *Server) reply(r *request, status int, body any) {
	fc := r.fc
	fc.SetStatusCode(status)
	switch b := body.(type) {
	case nil:
		// upstream's null: empty, without a type
	case text:
		write(fc, typeHTML, string(b))
	case plain:
		write(fc, "text/plain; charset=utf-8", string(b))
	case yaml:
		write(fc, "application/yaml", string(b))
	case rawJSON:
		write(fc, typeJSON, string(b))
	case page:
		if b.status != 0 {
			fc.SetStatusCode(b.status)
		}
		h := &fc.Response.Header
		if b.status == 503 {
			h.Set("Retry-After", "5")
		}
		h.Set("Content-Security-Policy", web.Policy)
		h.Set("Referrer-Policy", cmp.Or(b.referrer, "no-referrer"))
		h.Set("X-Frame-Options", "DENY") // for who does not know frame-ancestors
		h.Set("Cache-Control", "no-store")
		write(fc, typeHTML, b.html)
	case seeOther:
		fc.SetStatusCode(303)
		fc.Response.Header.Set("Location", string(b)) // fasthttp's Redirect rewrites paths
		fc.Response.Header.Set("Cache-Control", "no-store")
	case asset:
		fc.Response.Header.Set("Cache-Control", "public, max-age=31536000, immutable")
		write(fc, b.contentType, b.body)
	case failed:
		s.reply(r, 400, b.body)
	default:
		out, err := encode(b)
		if err != nil {
			writeError(fc, 500, "internal error, request "+r.id)
			s.Logger.Error("encode the answer", "request_id", r.id, "err", err)
			return
		}
		fc.Response.Header.Set("Cache-Control", "no-store")
		write(fc, typeJSON, string(s.debugged(r, out)))
	}
}

// debugged adds the trace to a JSON object for whom the operator lets ask for it. Upstream adds stack traces, and turns
// strings into objects of characters; both help nobody.
func (s *Server) debugged(r *request, object []byte) []byte {
	if !s.Debug || r.header("is-debug") != "true" || len(object) < 2 || object[0] != '{' {
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
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func write(fc *fasthttp.RequestCtx, contentType, body string) {
	fc.SetContentType(contentType)
	fc.SetBodyString(body)
}

// writeError writes {"error": sentence}, the shape of every failure that has no other.
func writeError(fc *fasthttp.RequestCtx, status int, sentence string) {
	fc.SetStatusCode(status)
	b, _ := encode(map[string]string{"error": sentence}) // never fails
	write(fc, typeJSON, string(b))
	if status == 503 {
		fc.Response.Header.Set("Retry-After", "5")
	}
}

// told is what is told of an error.
type told struct {
	status   int
	sentence string // empty: it is nothing that a client or a person is told
	plain    bool   // the bare sentence is the body
	after    time.Duration
}

// tell is the error table: it turns what a flow returned into a status and a sentence.
func tell(err error) told {
	var refusal *crmgate.Refusal
	var connector *crmgate.ConnectorError
	var fetch *crmgate.FetchError
	sentence, busy, after, fromToken := authflow.TokenFailure(err)
	switch {
	case errors.As(err, &refusal):
		return told{status: statuses[refusal.Kind], sentence: refusal.Message, plain: refusal.Plain}
	case errors.Is(err, errBody{}):
		return told{status: 415, sentence: "The body must be application/json or application/x-www-form-urlencoded, and not compressed."}
	case fromToken && busy:
		return told{status: 503, sentence: sentence, after: after}
	case fromToken:
		return told{status: 400, sentence: sentence}
	case errors.As(err, &connector):
		return told{status: 400, sentence: connector.Message}
	case errors.As(err, &fetch):
		return told{status: 400, sentence: fetch.Message}
	case errors.Is(err, errors.ErrUnsupported):
		return told{status: 400, sentence: "The CRM's connector does not do this."}
	case errors.Is(err, crmgate.ErrTransient), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return told{status: 503, sentence: "The server cannot do this at the moment. Please try again."}
	}
	return told{status: 500}
}

// refuse answers an error. Whoever is not meant to read it gets "internal error" and the request's id; the log has the rest.
func (s *Server) refuse(ctx context.Context, r *request, err error) {
	var early earlyReply
	var body errUnread
	t := tell(err)
	switch {
	case errors.As(err, &early):
		s.reply(r, 200, early.body)
		return
	case errors.As(err, &body):
		unread(r.fc, body.error)
	case t.sentence == "":
		writeError(r.fc, 500, "internal error, request "+r.id)
		s.Logger.ErrorContext(ctx, "internal error", "err", err)
		return
	case t.plain:
		s.reply(r, t.status, text(t.sentence))
	default:
		writeError(r.fc, t.status, t.sentence)
	}
	if t.after > 0 {
		r.fc.Response.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(t.after.Seconds()))))
	}
	s.Logger.InfoContext(ctx, "refused", "status", r.fc.Response.StatusCode(), "err", err)
}

var statuses = map[crmgate.Kind]int{
	crmgate.Invalid: 400, crmgate.Forbidden: 403, crmgate.Missing: 404, crmgate.Unavailable: 503,
}
