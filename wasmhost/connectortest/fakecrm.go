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
)

// practiceHost is where connectors of the practice CRM look for it.
const practiceHost = "127.0.0.1:8081"

// patience is how long a request to a silent CRM takes: short, for it is met often.
const patience = 700 * time.Millisecond

// pace is how long a slow CRM takes.
const pace = 150 * time.Millisecond

// crm plays the connector's CRM, over real HTTP: whatever host is asked for, one server on loopback answers. Safe for
// concurrent use.
type crm struct {
	practice *practicecrm.CRM
	server   *http.Server
	address  string
	client   *egress.Client

	mu      sync.Mutex
	mood    mood                // guarded by mu
	replay  *replay             // guarded by mu; nil: answer by the URL
	known   map[string]exchange // guarded by mu; by method, URL and body, and by method and URL alone
	unmask  map[string]string   // guarded by mu; credentials of ours, and those that were recorded in their place
	fetched int                 // guarded by mu
	missing []string            // guarded by mu; requests that nothing was recorded for
	strange []string            // guarded by mu; hosts that are not declared
}

func newCRM() (*crm, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	client, err := egress.New(egress.Config{Timeout: 5 * time.Second})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	c := &crm{
		practice: practicecrm.New(practicecrm.Config{}), address: l.Addr().String(), client: client,
		known: map[string]exchange{}, unmask: map[string]string{},
	}
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = c.server.Serve(l) }() // ends with close
	return c, nil
}

func (c *crm) close() {
	c.client.Close()
	_ = c.server.Close()
}

// knowAs has the CRM take a credential of ours for a recorded one.
func (c *crm) knowAs(ours, recorded string) {
	if ours == "" || recorded == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unmask[ours] = recorded
}

// url is where the server answers, whatever host it plays.
func (c *crm) url() string { return "http://" + c.address }

// learn has the CRM answer as it was recorded.
func (c *crm) learn(exchanges []exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range exchanges {
		key := requestKey(x.Request.Method, x.Request.URL)
		for _, k := range []string{key + " " + x.Request.Body + string(x.Request.BodyBase64), key} {
			if _, ok := c.known[k]; !ok { // of several people who ask the same, the first is the one who signs in
				c.known[k] = x
			}
		}
	}
}

// requestKey is what two equal requests have in common.
func requestKey(method, raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return method + " " + raw
	}
	return strings.ToUpper(method) + " " + strings.ToLower(u.Host) + u.RequestURI()
}

// as sets the mood, and forgets what was counted.
func (c *crm) as(m mood) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mood, c.fetched, c.missing = m, 0, nil
}

// since returns how many requests there were in this mood, and those that nothing was recorded for.
func (c *crm) since() (fetched int, missing []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetched, c.missing
}

// Fetch performs a guest's request under the egress policy, and has the CRM's part of it played.
func (c *crm) Fetch(r *http.Request, e crmgate.Egress) (*http.Response, error) {
	if err := e.Hosts.Allow(r.URL, e.Hostname); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.strange = append(c.strange, r.URL.Scheme+"://"+r.URL.Host)
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: err.Error()}
	}
	c.mu.Lock()
	c.fetched++
	replay, silent := c.replay, c.mood == silent
	c.mu.Unlock()
	if replay != nil {
		return replay.next(r)
	}
	if silent { // nobody waits for that as long as the server would
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		r = r.WithContext(ctx)
	}
	to := r.Clone(r.Context())
	to.Host = r.URL.Host
	to.URL = &url.URL{Scheme: "http", Host: c.address, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	resp, err := c.client.Fetch(to, crmgate.Egress{Name: e.Name, MaxBody: e.MaxBody, Operator: true})
	if err != nil {
		return nil, c.renamed(err, r.URL.Host)
	}
	resp.Body = renamedBody{resp.Body, c, r.URL.Host}
	return resp, nil
}

// renamed has an error speak of the host that was asked, and not of ours.
func (c *crm) renamed(err error, host string) error {
	var fe *crmgate.FetchError
	if errors.As(err, &fe) {
		fe.Message = strings.ReplaceAll(fe.Message, c.address, host)
	}
	return err
}

type renamedBody struct {
	io.ReadCloser
	crm  *crm
	host string
}

func (b renamedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	return n, b.crm.renamed(err, b.host)
}

// recorded returns what the CRM was seen to answer to this request; to one of the same body if there is one, for some
// APIs have one URL. It needs c.mu.
func (c *crm) recorded(method, url, body string) (exchange, bool) {
	key := requestKey(method, c.unmasked(url))
	if x, ok := c.known[key+" "+c.unmasked(body)]; ok {
		return x, true
	}
	x, ok := c.known[key]
	return x, ok
}

// unmasked puts recorded credentials where ours stand, for some CRMs take them in URLs and bodies. It needs c.mu.
func (c *crm) unmasked(s string) string {
	for ours, recorded := range c.unmask {
		s = strings.ReplaceAll(strings.ReplaceAll(s, ours, recorded), url.QueryEscape(ours), url.QueryEscape(recorded))
	}
	return s
}

// ServeHTTP answers as the CRM does on a day like this.
func (c *crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	mood := c.mood
	if mood == slow && c.fetched > 3 {
		mood = "" // it was slow enough
	}
	answer, ok := c.recorded(r.Method, "https://"+r.Host+r.RequestURI, string(body))
	if mood == "" && !ok && r.Host != practiceHost && r.Host != c.address {
		c.missing = append(c.missing, r.Method+" "+r.Host+r.URL.Path)
	}
	c.mu.Unlock()
	if !mood.spoil(w, r) {
		return
	}
	switch {
	case r.Host == practiceHost || r.Host == c.address:
		c.practice.ServeHTTP(w, r)
	case ok && answer.Answer.Error != nil:
		panic(http.ErrAbortHandler)
	case ok:
		for name, v := range answer.Answer.Headers {
			switch http.CanonicalHeaderKey(name) {
			case "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection": // of the bytes, which are not recorded
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

// mood is how the CRM is; the empty one is a good day.
type mood string

const (
	slow   mood = "slow"
	page   mood = "page"
	empty  mood = "empty"
	half   mood = "half"
	silent mood = "silent"
	// Any other is a status.
)

// spoil does what the mood wants; true if the CRM answers all the same.
func (m mood) spoil(w http.ResponseWriter, r *http.Request) bool {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch m {
	case "":
		return true
	case slow:
		select {
		case <-time.After(pace):
		case <-r.Context().Done():
		}
		return true
	case page:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Maintenance</title><p>We will be back soon.")
	case empty:
		w.WriteHeader(http.StatusOK)
	case half:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"data":{"id":1,"na`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case silent:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	default:
		status, _ := strconv.Atoi(string(m))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		// CRMs do repeat what they were sent; a connector that repeats the CRM's words says it to everybody.
		_, _ = fmt.Fprintf(w, `{"error":"status %d","message":"no luck with %s"}`, status, credential)
	}
	return false
}

// replay plays one recorded case: the requests in their order, and nothing else.
type replay struct {
	name string
	want []exchange
	// wrong are the ways in which the requests were others than recorded. Owned by the goroutine of the guest's call.
	wrong []string
	n     int
}

func (p *replay) next(r *http.Request) (*http.Response, error) {
	if p.n == len(p.want) {
		p.wrong = append(p.wrong, fmt.Sprintf("it makes a request that is not recorded: %s %s", r.Method, r.URL))
		return nil, &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: "not recorded"}
	}
	x := p.want[p.n]
	p.n++
	p.compare(r, x)
	if x.Answer.Error != nil {
		return nil, &crmgate.FetchError{Kind: x.Answer.Error.Kind, Message: x.Answer.Error.Message}
	}
	header := http.Header{}
	for name, v := range x.Answer.Headers {
		header.Set(name, v)
	}
	return &http.Response{StatusCode: x.Answer.Status, Header: header, Body: io.NopCloser(strings.NewReader(x.body()))}, nil
}

func (p *replay) compare(r *http.Request, x exchange) {
	body, _ := io.ReadAll(r.Body) // it is in memory
	got, want := map[string]string{}, map[string]string{}
	for name := range r.Header {
		got[name] = r.Header.Get(name)
	}
	for name, v := range x.Request.Headers {
		want[http.CanonicalHeaderKey(name)] = v
	}
	say := func(format string, args ...any) {
		p.wrong = append(p.wrong, fmt.Sprintf("request %d: ", p.n)+fmt.Sprintf(format, args...))
	}
	switch {
	case requestKey(r.Method, r.URL.String()) != requestKey(x.Request.Method, x.Request.URL):
		say("it asks %s %s, recorded is %s %s", r.Method, r.URL, x.Request.Method, x.Request.URL)
	case !maps.Equal(got, want):
		say("its headers are %v, recorded are %v", got, want)
	case string(body) != x.Request.Body+string(x.Request.BodyBase64):
		say("its body is %q, recorded is %q", body, x.Request.Body+string(x.Request.BodyBase64))
	}
}
