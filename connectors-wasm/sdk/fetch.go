package sdk

import (
	"encoding/base64"
	"maps"
	"strconv"
	"unicode/utf8"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
)

// Request is an HTTP request. The server sends it if the manifest's hosts allow it.
type Request struct {
	Method  string // GET if empty
	URL     string // absolute
	Headers map[string]string
	Body    string // any bytes
	// Timeout can only shorten the server's timeout. 0 leaves it unchanged.
	Timeout Milliseconds
	// Redirect is what happens to a redirect of a GET or HEAD: "follow", also if it is empty, or "manual", which makes it the answer.
	Redirect string
}

func (r Request) write(w *writer) {
	method := r.Method
	if method == "" {
		method = "GET"
	}
	w.text("method", method)
	w.text("url", r.URL)
	w.optionalTexts("headers", r.Headers)
	if utf8.ValidString(r.Body) {
		w.optional("body", r.Body)
	} else {
		w.text("bodyBase64", base64.StdEncoding.EncodeToString([]byte(r.Body)))
	}
	w.optionalInt("timeoutMs", int64(r.Timeout))
	w.optional("redirect", r.Redirect)
}

// Response is the answer to a Request, whatever its status.
type Response struct {
	Status  int
	Headers map[string]string // names in lower case, repeats joined by ", "
	Body    string            // any bytes
}

// JSON returns the body's value. Its Err says whether the body is JSON and has the types that were asked for.
func (r Response) JSON() json.Value { return json.Parse(r.Body).Named("the CRM's answer") }

// OK reports whether the status is 2xx.
func (r Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// FetchError is the error of a request without an answer. Kind is "request" (malformed), "refused" (by the server's policy),
// "timeout", "connect" or "size".
type FetchError struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

func (e *FetchError) Error() string { return e.Message }

// answer is the document of a fetch: a Response, or an error.
type answer struct {
	Response
	failure *FetchError
}

func (a *answer) read(name string, v json.Value) {
	switch name {
	case "status":
		a.Status = int(v.Int())
	case "headers":
		a.Headers = texts(v)
	case "body":
		a.Body = v.String()
	case "bodyBase64":
		b, _ := base64.StdEncoding.DecodeString(v.String()) // the server encodes it
		a.Body = string(b)
	case "error":
		a.failure = &FetchError{Kind: v.String("kind"), Message: v.String("message")}
	}
}

// Fetch sends an HTTP request. An answer with any status is not an error. The error is a *FetchError. GET and HEAD follow up
// to five redirects, unless Redirect is "manual"; other methods follow none.
func Fetch(r Request) (Response, error) {
	request, _ := encode(r) // a Request has nothing that cannot be written
	v := json.Parse(fetch(request)).Named("the server's answer to fetch")
	var a answer
	read(v, &a)
	if err := v.Err(); err != nil {
		return Response{}, &FetchError{Kind: "connect", Message: err.Error()}
	}
	if a.failure != nil {
		return Response{}, a.failure
	}
	return a.Response, nil
}

// Get fetches a URL with GET and the header Authorization.
func Get(url, authHeader string) (Response, error) {
	return Fetch(Request{Method: "GET", URL: url, Headers: map[string]string{"Authorization": authHeader, "Accept": "application/json"}})
}

// PostForm posts a form with additional headers.
func PostForm(url string, headers map[string]string, form Parameters) (Response, error) {
	all := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	maps.Copy(all, headers)
	return Fetch(Request{Method: "POST", URL: url, Headers: all, Body: form.Encode()})
}

// StatusError returns the error of an operation that failed because of the CRM's status.
func StatusError(r Response) error {
	return Error{Message: "Request failed with status code " + strconv.Itoa(r.Status), Status: r.Status}
}
