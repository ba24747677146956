package wasmhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/wasmhost/handles"
)

// fetchRequest is the document that a guest passes to fetch. fetchAnswer and fetchFailure are the documents that it gets.
type fetchRequest struct {
	Method     string            `json:"method"`
	URL        string            `json:"url"`
	Headers    map[string]string `json:"headers"`
	Body       *string           `json:"body"`
	BodyBase64 []byte            `json:"bodyBase64"`
	TimeoutMs  float64           `json:"timeoutMs"`
	Redirect   string            `json:"redirect"`
}

type fetchAnswer struct {
	Status     int               `json:"status"`
	Headers    map[string]string `json:"headers"`
	Body       *string           `json:"body,omitempty"`
	BodyBase64 []byte            `json:"bodyBase64,omitempty"`
}

type fetchFailure struct {
	Error fetchError `json:"error"`
}

type fetchError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// MalformedPrefix begins the text of the log line about a malformed request of a connector.
const MalformedPrefix = "the connector sends a malformed request: "

// RefusedPrefix begins the text of the log line about a secret that the manifest does not allow in a request.
const RefusedPrefix = "the connector sends a secret where its manifest does not allow it: "

// maxRedirects is how many redirects a GET or HEAD follows.
const maxRedirects = 5

// redirects returns how many redirects the request follows.
func (r fetchRequest) redirects() (int, error) {
	switch r.Redirect {
	case "", "follow":
		return maxRedirects, nil
	case "manual":
		return 0, nil
	}
	return 0, badRequest("redirect is %q: use follow or manual", crmgate.Clip(r.Redirect))
}

// Fetch performs a guest's request and returns the answer's document. It never traps: errors are documents too.
func (c *call) Fetch(ctx context.Context, doc []byte) []byte {
	c.place.leave()
	a, err := c.performOnce(ctx, doc)
	_ = c.place.enter(ctx) // fails only if the call has ended
	c.lastStatus = a.Status
	if err != nil {
		e := fetchError{Kind: crmgate.FetchConnect, Message: "the request failed"}
		var fe *crmgate.FetchError
		if errors.As(err, &fe) {
			e = fetchError{fe.Kind, fe.Message}
			switch fe.Kind { // the connector may not say why
			case crmgate.FetchRequest:
				c.log(ctx, slog.LevelWarn, MalformedPrefix+fe.Message)
			case crmgate.FetchRefused:
				if refused := new(handles.Refused); errors.As(err, &refused) {
					c.log(ctx, slog.LevelWarn, RefusedPrefix+fe.Message)
				} else {
					c.warn(ctx, "a request of a connector was refused", fe.Message)
				}
			case crmgate.FetchConnect:
				c.warn(ctx, "a connector could not reach its CRM", fe.Message)
			}
		}
		e.Message = c.secrets.Strip(e.Message)
		return encode(fetchFailure{e})
	}
	return encode(c.stripped(a))
}

// warn logs why a request of the guest got no answer.
func (c *call) warn(ctx context.Context, message, reason string) {
	c.module.host.Logger.WarnContext(ctx, message, "platform", c.module.manifest.Platform, "operation", c.operation, "reason", c.secrets.Redact(reason, false))
}

// stripped returns an answer without the secrets that the guest must not see.
func (c *call) stripped(a fetchAnswer) fetchAnswer {
	for name, v := range a.Headers {
		a.Headers[name] = c.secrets.Strip(v)
	}
	if a.Body != nil {
		body := c.secrets.Strip(*a.Body)
		a.Body = &body
	} else if a.BodyBase64 != nil {
		a.BodyBase64 = []byte(c.secrets.Strip(string(a.BodyBase64)))
	}
	return a
}

// performOnce is perform, unless the answer to the request was kept by an earlier run of the call. It keeps answers.
func (c *call) performOnce(ctx context.Context, doc []byte) (a fetchAnswer, err error) {
	if c.kept == nil {
		return c.perform(ctx, doc)
	}
	n := c.fetches
	c.fetches++
	r, err := parseFetch(doc)
	if err != nil {
		return a, err
	}
	url, _, _ := strings.Cut(r.URL, "?")
	request := r.Method + " " + url
	if answer, ok := c.kept.Earlier(n, request); ok && json.Unmarshal([]byte(answer.Reveal()), &a) == nil {
		return a, nil
	}
	a, err = c.perform(ctx, doc)
	kept := err == nil && a.Status/100 == 2 && c.kept.Keep(ctx, n, request, crmgate.NewSecret(string(encode(a))))
	if !kept && r.Method != "" && r.Method != http.MethodGet {
		c.spent = true
	}
	return a, err
}

func (c *call) perform(ctx context.Context, doc []byte) (fetchAnswer, error) {
	if limit := c.module.host.MaxOutput; len(doc) > limit {
		return fetchAnswer{}, badRequest("the request has more than %d bytes", limit)
	}
	r, err := parseFetch(doc)
	if err != nil {
		return fetchAnswer{}, err
	}
	redirects, err := r.redirects()
	if err != nil {
		return fetchAnswer{}, err
	}
	if r.TimeoutMs > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(time.Duration(min(r.TimeoutMs, 1<<31)*float64(time.Millisecond)), c.module.host.Deadline))
		defer cancel()
	}
	if err := c.checkWhole(r.Headers); err != nil {
		return fetchAnswer{}, err
	}
	used, err := c.substitute(&r)
	if err != nil {
		return fetchAnswer{}, err
	}
	req, err := r.httpRequest(ctx)
	if err != nil {
		return fetchAnswer{}, err
	}
	m := c.module.manifest
	resp, err := c.module.host.Fetch(req, crmgate.Egress{
		Name: string(m.Platform), Hosts: m.Hosts, Hostname: c.hostname, UserAgent: m.UserAgent, Redirects: redirects, SameHost: used, MaxBody: c.module.host.MaxResponse,
	})
	if err != nil {
		return fetchAnswer{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized && c.rejected != nil && c.carriesCredential(req) {
		c.rejected()
	}
	limit := c.module.host.MaxResponse
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return fetchAnswer{}, err
	}
	if int64(len(body)) > limit {
		return fetchAnswer{}, &crmgate.FetchError{Kind: crmgate.FetchSize, Message: fmt.Sprintf("the answer is larger than %d bytes", limit)}
	}
	if err := c.checkSearchable(resp.Header, len(body)); err != nil {
		return fetchAnswer{}, err
	}
	a := fetchAnswer{Status: resp.StatusCode, Headers: map[string]string{}}
	for name, values := range resp.Header {
		a.Headers[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	if utf8.Valid(body) {
		s := string(body)
		a.Body = &s
	} else {
		a.BodyBase64 = body
	}
	return a, nil
}

// carriesCredential reports whether a request contains the user's credential, in a header or in the query.
func (c *call) carriesCredential(req *http.Request) bool {
	credential := c.credential
	if credential == "" {
		return false
	}
	for _, values := range req.Header {
		for _, v := range values {
			if strings.Contains(v, credential) {
				return true
			}
		}
	}
	return strings.Contains(req.URL.RawQuery, url.QueryEscape(credential))
}

// substitute puts the secrets into a request, and reports whether there were any.
func (c *call) substitute(r *fetchRequest) (used bool, err error) {
	text := handles.Request{Method: r.Method, URL: r.URL, Headers: r.Headers, Body: string(r.BodyBase64)}
	if r.Body != nil {
		text.Body = *r.Body
	}
	used, err = c.secrets.Substitute(&text)
	var refused *handles.Refused
	switch {
	case errors.As(err, &refused):
		return used, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: err.Error(), Err: refused}
	case err != nil:
		return used, badRequest("%v", err)
	case !used:
		return false, nil
	}
	r.URL, r.Headers = text.URL, text.Headers
	if r.Body != nil {
		r.Body = &text.Body
	} else if r.BodyBase64 != nil {
		r.BodyBase64 = []byte(text.Body)
	}
	return true, nil
}

func parseFetch(doc []byte) (fetchRequest, error) {
	var r fetchRequest
	if err := json.Unmarshal(doc, &r); err != nil {
		return r, badRequest("the request is not the JSON object that fetch takes")
	}
	return r, nil
}

func badRequest(format string, args ...any) error {
	return &crmgate.FetchError{Kind: crmgate.FetchRequest, Message: fmt.Sprintf(format, args...)}
}

// httpRequest returns the HTTP request, or an error if it is malformed.
func (r fetchRequest) httpRequest(ctx context.Context) (*http.Request, error) {
	u, err := url.Parse(r.URL)
	switch {
	case err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() == "":
		return nil, badRequest("url has no host name: it begins with %s://%s/", u.Scheme, u.Host)
	case err != nil || u.Scheme == "" || u.Host == "":
		return nil, badRequest("url is not an absolute URL")
	}
	u.RawQuery = strings.ReplaceAll(u.RawQuery, " ", "%20") // url.Parse keeps spaces, which would end the target in the request line
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Body != nil && r.BodyBase64 != nil {
		return nil, badRequest("body and bodyBase64 are both given")
	}
	body := r.BodyBase64
	if r.Body != nil {
		body = []byte(*r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(r.Method), u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, badRequest("method or url is malformed")
	}
	if req.Method == http.MethodConnect { // it would turn the connection into a tunnel
		return nil, badRequest("the method CONNECT is for proxies")
	}
	if err := crmgate.CheckHeaders(r.Headers); err != nil {
		return nil, badRequest("%v", err)
	}
	for name, v := range r.Headers {
		req.Header.Set(name, v)
	}
	return req, nil
}

// encode writes one of the host's own documents.
func encode(v any) []byte {
	b, _ := crmgate.EncodeJSON(v) // never fails: the documents contain maps, strings and numbers
	return b
}
