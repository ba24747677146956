package connectortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/egress"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost"
)

// silentTimeout is how long a request to a silent CRM takes. It is short because there are many such requests.
const silentTimeout = 250 * time.Millisecond

// slowDelay is how long a slow CRM takes to answer.
const slowDelay = 150 * time.Millisecond

// fakeCRM is a fake of the connector's CRM, over real HTTP: one server on loopback answers for all hosts. It is safe for
// concurrent use.
type fakeCRM struct {
	practice *practicecrm.CRM
	server   *http.Server
	address  string
	client   *egress.Client

	mu         sync.Mutex
	behaviour  behaviour           // guarded by mu
	replay     *replay             // guarded by mu; nil to answer by URL
	known      map[string]exchange // guarded by mu; recorded exchanges, by method, URL and body, and by method and URL
	unmask     map[string]string   // guarded by mu; the recorded credential for each of the check's credentials
	fetched    int                 // guarded by mu
	missing    []string            // guarded by mu; requests without a recorded answer
	trying     bool                // guarded by mu; a call with an unusual input: what it requests is not recorded
	operation  string              // guarded by mu; the running operation
	input      doc                 // guarded by mu; its input
	undeclared []finding           // guarded by mu; requests to hosts that the manifest does not declare
	insecure   []finding           // guarded by mu; requests over http to hosts that the manifest does not list with a port
}

func newFakeCRM() (*fakeCRM, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	client, err := egress.New(egress.Config{Timeout: 5 * time.Second})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	c := &fakeCRM{
		practice: practicecrm.New(practicecrm.Config{}), address: l.Addr().String(), client: client,
		known: map[string]exchange{}, unmask: map[string]string{},
	}
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = c.server.Serve(l) }() // ends with close
	return c, nil
}

func (c *fakeCRM) close() {
	c.client.Close()
	_ = c.server.Close()
}

// mapCredential makes the CRM treat a credential of the check as a recorded one.
func (c *fakeCRM) mapCredential(ours, recorded string) {
	if len(ours) < minSecret || recorded == "" { // a short text would be replaced within others
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unmask[ours] = recorded
}

// url returns the address of the server.
func (c *fakeCRM) url() string { return "http://" + c.address }

// record adds recorded exchanges.
func (c *fakeCRM) record(exchanges []exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range exchanges {
		key := requestKey(x.Request.Method, x.Request.URL)
		for _, k := range []string{key + " " + x.Request.Body + string(x.Request.BodyBase64), key} {
			if _, ok := c.known[k]; !ok { // the first of several equal requests belongs to the sign-in
				c.known[k] = x
			}
		}
	}
}

// requestKey returns a key that is the same for equal requests.
func requestKey(method, raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return method + " " + raw
	}
	return strings.ToUpper(method) + " " + strings.ToLower(u.Host) + u.RequestURI()
}

// setBehaviour sets the behaviour, and resets the counts.
func (c *fakeCRM) setBehaviour(b behaviour) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behaviour, c.fetched, c.missing = b, 0, nil
}

// setCall sets the operation that is about to run, and its input.
func (c *fakeCRM) setCall(operation string, input doc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.operation, c.input = operation, input
}

// setTrying sets whether calls have unusual inputs.
func (c *fakeCRM) setTrying(trying bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trying = trying
}

// memberWith returns the path of the first text in a document that contains part, or "".
func memberWith(v any, part, path string) string {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, part) {
			return path
		}
	case doc:
		return memberWith(map[string]any(v), part, path)
	case map[string]any:
		for _, name := range sortedKeys(v) {
			if found := memberWith(v[name], part, strings.TrimPrefix(path+"."+name, ".")); found != "" {
				return found
			}
		}
	}
	return ""
}

// counts returns the number of requests since setBehaviour, and those without a recorded answer.
func (c *fakeCRM) counts() (fetched int, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetched, c.missing
}

// Fetch performs a guest's request under the egress policy, with the fake CRM's server.
func (c *fakeCRM) Fetch(r *http.Request, e crmgate.Egress) (*http.Response, error) {
	if err := e.Hosts.Allow(r.URL, e.Hostname); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		where := c.operation + " requests " + r.URL.Scheme + "://" + r.URL.Host
		if member := memberWith(c.input, r.URL.Host, ""); member != "" {
			where += " (the host is in the input's " + member + ")"
		}
		switch {
		case c.trying:
		case r.URL.Scheme == "http" && r.URL.Port() == "":
			c.insecure = append(c.insecure, finding{c.operation, r.URL.Host, where})
		default:
			c.undeclared = append(c.undeclared, finding{c.operation, r.URL.Host, where})
		}
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: err.Error()}
	}
	c.mu.Lock()
	c.fetched++
	replay, silent := c.replay, c.behaviour == silent
	c.mu.Unlock()
	if replay != nil {
		return replay.next(r, e.Redirects > 0)
	}
	if silent { // shorter than the server's timeout
		ctx, cancel := context.WithTimeout(r.Context(), silentTimeout)
		defer cancel()
		r = r.WithContext(ctx)
	}
	to := r.Clone(r.Context())
	to.Host = r.URL.Host
	to.URL = &url.URL{Scheme: "http", Host: c.address, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	resp, err := c.client.Fetch(to, crmgate.Egress{Name: e.Name, MaxBody: e.MaxBody, Operator: true})
	if err != nil {
		return nil, c.withHost(err, r.URL.Host)
	}
	resp.Body = hostBody{resp.Body, c, r.URL.Host}
	return resp, nil
}

// withHost replaces the fake CRM's address in an error by the requested host.
func (c *fakeCRM) withHost(err error, host string) error {
	var fe *crmgate.FetchError
	if errors.As(err, &fe) {
		fe.Message = strings.ReplaceAll(fe.Message, c.address, host)
	}
	return err
}

type hostBody struct {
	io.ReadCloser
	crm  *fakeCRM
	host string
}

func (b hostBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, b.crm.withHost(err, b.host)
}

// recorded returns the recorded answer to a request, preferably one with the same body: some APIs have a single URL. The
// caller holds c.mu.
func (c *fakeCRM) recorded(method, url, body string) (exchange, bool) {
	key := requestKey(method, c.unmasked(url))
	if x, ok := c.known[key+" "+c.unmasked(body)]; ok {
		return x, true
	}
	x, ok := c.known[key]
	return x, ok
}

// unmasked replaces the check's credentials by the recorded ones, which can be in URLs and bodies. The caller holds c.mu.
func (c *fakeCRM) unmasked(s string) string {
	for ours, recorded := range c.unmask {
		s = strings.ReplaceAll(strings.ReplaceAll(s, ours, recorded), url.QueryEscape(ours), url.QueryEscape(recorded))
	}
	return s
}

// ServeHTTP answers according to the behaviour.
func (c *fakeCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	b := c.behaviour
	if b == slow && c.fetched > 3 {
		b = "" // it was slow enough
	}
	answer, ok := c.recorded(r.Method, "https://"+r.Host+r.RequestURI, string(body))
	if b == "" && !ok && r.Host != practicecrm.Addr && r.Host != c.address {
		c.missing = append(c.missing, r.Method+" "+r.Host+r.URL.Path)
	}
	c.mu.Unlock()
	if !b.respond(w, r) {
		return
	}
	switch {
	case r.Host == practicecrm.Addr || r.Host == c.address:
		c.practice.ServeHTTP(w, r)
	case ok && answer.Answer.Error != nil:
		panic(http.ErrAbortHandler)
	case ok:
		for name, v := range answer.Answer.Headers {
			switch http.CanonicalHeaderKey(name) {
			case "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection": // describe bytes that were not recorded
			default:
				w.Header().Set(name, v)
			}
		}
		w.WriteHeader(answer.Answer.Status)
		_, _ = io.WriteString(w, answer.body())
	default:
		http.Error(w, "nothing was recorded for this request", http.StatusNotFound)
	}
}

// behaviour is how the CRM behaves. The empty one is normal.
type behaviour string

const (
	slow      behaviour = "slow"
	htmlPage  behaviour = "page"
	empty     behaviour = "empty"
	truncated behaviour = "half"
	silent    behaviour = "silent"
	invented  behaviour = "invented"
	// Any other behaviour is a status code.
)

// inventedAnswer is about a person, with the names that CRMs like to give to members.
const inventedAnswer = `{` + inventedPerson + `,"data":{` + inventedPerson + `},"user":{` + inventedPerson + `},"result":{` + inventedPerson + `}}`

const inventedPerson = `"id":1,"Id":1,"user_id":1,"userId":1,"uuid":"1","name":"Ada Lovelace","first_name":"Ada","last_name":"Lovelace","firstName":"Ada",` +
	`"lastName":"Lovelace","email":"ada@crm.example","time_zone":"Europe/London","timezone":"Europe/London"`

// respond writes the faulty response of a behaviour. It returns true if the CRM should answer normally.
func (b behaviour) respond(w http.ResponseWriter, r *http.Request) bool {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch b {
	case "":
		return true
	case slow:
		select {
		case <-time.After(slowDelay):
		case <-r.Context().Done():
		}
		return true
	case htmlPage:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Maintenance</title><p>We will be back soon.")
	case empty:
		w.WriteHeader(http.StatusOK)
	case truncated:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"data":{"id":1,"na`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case invented:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, inventedAnswer)
	case silent:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		status, _ := strconv.Atoi(string(b))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		// Some CRMs quote the request in an error. A connector that passes such an error on leaks the credential.
		_, _ = fmt.Fprintf(w, `{"error":"status %d","message":"no luck with %s"}`, status, credential)
	}
	return false
}

// replay answers the requests of one recorded case, in their order.
type replay struct {
	name string
	want []exchange
	got  []sent // the goroutine of the guest's call owns it
}

// sent is a request as the CRM gets it.
type sent struct {
	method, url, body string
	headers           map[string]string
	follows           bool // redirects
}

func (p *replay) next(r *http.Request, follows bool) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body) // it is in memory
	s := sent{r.Method, r.URL.String(), string(body), map[string]string{}, follows}
	for name := range r.Header {
		s.headers[name] = r.Header.Get(name)
	}
	p.got = append(p.got, s)
	if len(p.got) > len(p.want) {
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: "not recorded"}
	}
	x := p.want[len(p.got)-1]
	if x.Answer.Error != nil {
		return nil, &crmgate.FetchError{Kind: x.Answer.Error.Kind, Message: x.Answer.Error.Message}
	}
	header := http.Header{}
	for name, v := range x.Answer.Headers {
		header.Set(name, v)
	}
	return &http.Response{StatusCode: x.Answer.Status, Header: header, Body: io.NopCloser(strings.NewReader(x.body()))}, nil
}

// differences says what the connector requests otherwise than recorded. hide puts handles in place of secrets, and of the values that
// are derived from them.
func (p *replay) differences(hide func(string) string) (wrong []string) {
	for i, s := range p.got {
		if i == len(p.want) {
			return append(wrong, fmt.Sprintf("it makes a request that is not recorded: %s %s", s.method, hide(s.url)))
		}
		if what := s.differs(p.want[i], hide); what != "" {
			wrong = append(wrong, fmt.Sprintf("request %d: %s", i+1, what))
		}
	}
	return wrong
}

// missing says that the connector has made fewer requests than recorded; empty if it has not.
func (p *replay) missing() string {
	if len(p.got) >= len(p.want) {
		return ""
	}
	return fmt.Sprintf("it makes %d requests, recorded are %d", len(p.got), len(p.want))
}

// differs says how a request differs from the recorded one; empty if it does not.
func (s sent) differs(x exchange, hide func(string) string) string {
	headers, recorded := map[string]string{}, map[string]string{}
	for name, v := range x.Request.Headers {
		recorded[http.CanonicalHeaderKey(name)] = v
	}
	for name, v := range s.headers {
		if headers[name] = hide(v); sameText(v, recorded[name], hide) {
			headers[name] = recorded[name]
		}
	}
	body := x.Request.Body + string(x.Request.BodyBase64)
	switch {
	case !sameText(requestKey(s.method, s.url), requestKey(x.Request.Method, x.Request.URL), hide):
		return fmt.Sprintf("it requests %s %s, recorded is %s %s", s.method, hide(s.url), x.Request.Method, x.Request.URL)
	case s.follows != (x.Request.Redirect != "manual"):
		return fmt.Sprintf("it follows redirects: %v, recorded is the redirect %q", s.follows, x.Request.Redirect)
	case !maps.Equal(headers, recorded):
		return fmt.Sprintf("its headers are %s, recorded are %s", texts(headers), texts(recorded))
	case !sameText(s.body, body, hide):
		return fmt.Sprintf("its body is %q, recorded is %q", hide(s.body), body)
	}
	return ""
}

// sameText reports whether a text is as recorded. The CRM gets values where the recorded text has handles, in a query and a form
// percent-encoded.
func sameText(got, recorded string, hide func(string) string) bool {
	if got == recorded || !strings.Contains(recorded, wasmhost.VectorNonce) {
		return got == recorded
	}
	a, err1 := url.QueryUnescape(got)
	b, err2 := url.QueryUnescape(recorded)
	return hide(got) == recorded || err1 == nil && err2 == nil && hide(a) == b
}

// texts writes an object of texts as the vectors have it.
func texts(object map[string]string) string {
	b, _ := crmgate.EncodeJSON(object) // texts always encode
	return string(b)
}
