//go:build !wasip1

package sdk

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Host plays the server for a connector that runs natively, in a test. The zero value has no configuration and refuses every
// request.
type Host struct {
	// Config holds the configuration values, by name.
	Config map[string]string
	// Fetch answers the connector's requests. An error that is not a *FetchError becomes one of kind "connect".
	Fetch func(Request) (Response, error)
	// Derive, if set, is called with what the connector derives from handles. The connector gets {{derived:1:NONCE}}, and so on.
	Derive func(Derivation)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Log gets the connector's log lines. nil drops them.
	Log func(Level, string)

	in, out []byte
	derived int
}

// Result is the result and the output of an export.
type Result struct {
	Code   int32  // 0 answer, 1 error, 2 unsupported
	Output []byte // the last output; nil if there was none
}

// current is the host of the running export, and Run holds turn meanwhile. It is global because exports take no
// arguments.
var (
	turn    sync.Mutex
	current *Host
)

// Run calls an export with an input, and host answers its imports. A json.RawMessage is passed as it is, any other input is
// encoded. Parallel tests may call Run, which runs one export at a time. An export must not call it.
func Run(host Host, input any, export func() int32) (Result, error) {
	in, err := json.Marshal(input)
	if err != nil {
		return Result{}, fmt.Errorf("encode the input: %w", err)
	}
	turn.Lock()
	defer turn.Unlock()
	host.in = in
	current = &host
	defer func() { current = nil }()
	code := export()
	return Result{Code: code, Output: host.out}, nil
}

func running() *Host {
	if current == nil {
		panic("sdk: called outside an export: in a test, call the export by sdk.Run")
	}
	return current
}

func input() string { return string(running().in) }

func output(b []byte) { running().out = append([]byte{}, b...) }

// fetch encodes and decodes the documents, as between a guest and the server.
func fetch(request []byte) string {
	answer, err := answerTo(request)
	if err != nil {
		fe, ok := errors.AsType[*FetchError](err)
		if !ok {
			fe = &FetchError{Kind: "connect", Message: err.Error()}
		}
		return encoded(map[string]*FetchError{"error": fe})
	}
	return encoded(answer)
}

func answerTo(request []byte) (Response, error) {
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		return Response{}, &FetchError{Kind: "request", Message: err.Error()}
	}
	h := running()
	if h.Fetch == nil {
		return Response{}, &FetchError{Kind: "refused", Message: "this host has no Fetch"}
	}
	return h.Fetch(r)
}

// encoded returns the JSON of a document of the host. It always has one.
func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func config(name string) (string, bool) {
	v, ok := running().Config[name]
	return v, ok
}

// derive returns the next handle with the nonce of vectors, if the request has a handle.
func derive(request []byte) (string, bool) {
	var d Derivation
	h := running()
	if json.Unmarshal(request, &d) != nil || !strings.Contains(string(request), ":"+VectorNonce+"}}") {
		return "", false
	}
	if h.Derive != nil {
		h.Derive(d)
	}
	h.derived++
	return fmt.Sprintf("{{derived:%d:%s}}", h.derived, VectorNonce), true
}

// VectorNonce is the nonce of handles in vectors.
const VectorNonce = "NONCE"

func log(level Level, text string) {
	if h := running(); h.Log != nil {
		h.Log(level, text)
	}
}

func now() int64 {
	if h := running(); h.Now != nil {
		return h.Now().UnixMilli()
	}
	return time.Now().UnixMilli()
}

func random(b []byte) { _, _ = rand.Read(b) } // never fails

// The documents of fetch, for encoding/json: in a Host, and in the comparison with vectors.

// payload is a body in a document: text if it is UTF-8, else base64.
type payload struct {
	Body       *string `json:"body,omitempty"`
	BodyBase64 []byte  `json:"bodyBase64,omitempty"`
}

func payloadOf(body string) payload {
	if !utf8.ValidString(body) {
		return payload{BodyBase64: []byte(body)}
	}
	return payload{Body: &body}
}

func (p payload) text() string {
	if p.Body != nil {
		return *p.Body
	}
	return string(p.BodyBase64)
}

// MarshalJSON writes the request as ABI.md defines it.
func (r Request) MarshalJSON() ([]byte, error) { return encode(r) }

// UnmarshalJSON reads the request as ABI.md defines it.
func (r *Request) UnmarshalJSON(b []byte) error {
	var d struct {
		Method  string
		URL     string
		Headers map[string]string
		payload
		TimeoutMs Milliseconds
		Redirect  string
	}
	err := json.Unmarshal(b, &d)
	*r = Request{Method: d.Method, URL: d.URL, Headers: d.Headers, Body: d.text(), Timeout: d.TimeoutMs, Redirect: d.Redirect}
	return err
}

type responseDoc struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	payload
}

// MarshalJSON writes the answer as ABI.md defines it.
func (r Response) MarshalJSON() ([]byte, error) {
	headers := r.Headers
	if headers == nil {
		headers = map[string]string{}
	}
	return json.Marshal(responseDoc{r.Status, headers, payloadOf(r.Body)})
}

// UnmarshalJSON reads the answer as ABI.md defines it.
func (r *Response) UnmarshalJSON(b []byte) error {
	var d responseDoc
	err := json.Unmarshal(b, &d)
	*r = Response{Status: d.Status, Headers: d.Headers, Body: d.text()}
	return err
}
