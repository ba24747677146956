package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"time"
	"unicode/utf8"
)

// Request is an HTTP request. The server sends it if the manifest's hosts allow it.
type Request struct {
	Method  string // GET if empty
	URL     string // absolute
	Headers map[string]string
	Body    []byte
	// Timeout can only shorten the server's timeout. 0 leaves it unchanged.
	Timeout time.Duration
	// Redirect is what happens to a redirect of a GET or HEAD: "follow", also if it is empty, or "manual", which makes it the answer.
	Redirect string
}

// Response is the answer to a Request, whatever its status.
type Response struct {
	Status  int
	Headers map[string]string // names in lower case, repeats joined by ", "
	Body    []byte
}

// JSON decodes the body into v. The error does not quote the body, which may contain a secret.
func (r Response) JSON(v any) error {
	if err := json.Unmarshal(r.Body, v); err != nil {
		return errors.New("the CRM's answer is not the JSON that was expected")
	}
	return nil
}

// OK reports whether the status is 2xx.
func (r Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// FetchError is the error of a request without an answer. Kind is "request" (malformed), "refused" (by the server's policy),
// "timeout", "connect" or "size".
type FetchError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

func (e *FetchError) Error() string { return e.Message }

// Fetch sends an HTTP request. An answer with any status is not an error. The error is a *FetchError. GET and HEAD follow up
// to five redirects, unless Redirect is "manual"; other methods follow none.
func Fetch(r Request) (Response, error) {
	answer := fetch(encode(r))
	var f failure
	var a Response
	if err := errors.Join(json.Unmarshal(answer, &f), json.Unmarshal(answer, &a)); err != nil {
		return Response{}, &FetchError{Kind: "connect", Message: "the server's answer to fetch is not the JSON that was expected"}
	}
	if f.Error != nil {
		return Response{}, f.Error
	}
	return a, nil
}

// Get fetches a URL with GET and the header Authorization.
func Get(url, authHeader string) (Response, error) {
	return Fetch(Request{Method: "GET", URL: url, Headers: map[string]string{"Authorization": authHeader, "Accept": "application/json"}})
}

// PostForm posts a form with additional headers.
func PostForm(url string, headers map[string]string, form url.Values) (Response, error) {
	all := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	maps.Copy(all, headers)
	return Fetch(Request{Method: "POST", URL: url, Headers: all, Body: []byte(form.Encode())})
}

// StatusError returns the error of an operation that failed because of the CRM's status.
func StatusError(r Response) error {
	return Error{Message: fmt.Sprintf("Request failed with status code %d", r.Status), Status: r.Status}
}

// payload is a body in a document: text if it is UTF-8, else base64.
type payload struct {
	Body       *string `json:"body,omitempty"`
	BodyBase64 []byte  `json:"bodyBase64,omitempty"`
}

func payloadOf(b []byte) payload {
	if !utf8.Valid(b) {
		return payload{BodyBase64: b}
	}
	s := string(b)
	return payload{Body: &s}
}

func (p payload) bytes() []byte {
	if p.Body != nil {
		return []byte(*p.Body)
	}
	return p.BodyBase64
}

type requestDoc struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	payload
	TimeoutMs int64  `json:"timeoutMs,omitempty"`
	Redirect  string `json:"redirect,omitempty"`
}

// MarshalJSON writes the request as ABI.md defines it.
func (r Request) MarshalJSON() ([]byte, error) {
	d := requestDoc{Method: r.Method, URL: r.URL, Headers: r.Headers, TimeoutMs: r.Timeout.Milliseconds(), Redirect: r.Redirect}
	if d.Method == "" {
		d.Method = "GET"
	}
	if len(r.Body) > 0 {
		d.payload = payloadOf(r.Body)
	}
	return encode(d), nil
}

// UnmarshalJSON reads the request as ABI.md defines it.
func (r *Request) UnmarshalJSON(b []byte) error {
	var d requestDoc
	err := json.Unmarshal(b, &d)
	*r = Request{Method: d.Method, URL: d.URL, Headers: d.Headers, Body: d.bytes(), Timeout: time.Duration(d.TimeoutMs) * time.Millisecond, Redirect: d.Redirect}
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
	return encode(responseDoc{r.Status, headers, payloadOf(r.Body)}), nil
}

// UnmarshalJSON reads the answer as ABI.md defines it.
func (r *Response) UnmarshalJSON(b []byte) error {
	var d responseDoc
	err := json.Unmarshal(b, &d)
	*r = Response{Status: d.Status, Headers: d.Headers, Body: d.bytes()}
	return err
}

// failure is the document of a fetch without an answer.
type failure struct {
	Error *FetchError `json:"error"`
}
