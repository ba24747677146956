package crmgate

import "net/http"

// Egress is the policy of one outbound request.
type Egress struct {
	// Name labels limits and metrics: the platform, or "ringcentral".
	Name string
	// Hosts are the hosts that may be reached. Hostname replaces {hostname} in them.
	Hosts    Hosts
	Hostname string
	// Operator marks a URL from the operator (--ringcentral-url). Its host, scheme and address are not checked.
	Operator bool
	// Redirects is the number of redirects of a GET or HEAD to follow. Each is checked like the first request.
	Redirects int
	// SameHost says that the request has a secret: a redirect to another host is not followed, and is the answer.
	SameHost bool
	// UserAgent is the User-Agent of a request that has none; empty for the client's. It is the manifest's (crmgate.userAgent).
	UserAgent string
	// MaxBody is the maximum size of the response body after decompression, in bytes; 0 means the client's default.
	MaxBody int64
}

// Fetch performs one HTTP request under a policy. It ends at the deadline of the request's context, or at the client's own
// deadline if that is earlier. Reading a body past the size limit returns a FetchError too. The caller closes the body.
// Fetch is safe for concurrent use.
type Fetch func(*http.Request, Egress) (*http.Response, error)

// Kinds of FetchError, as the connector ABI names them.
const (
	FetchRequest = "request" // the request is malformed
	FetchRefused = "refused" // the policy does not allow the request, and it was not sent
	FetchTimeout = "timeout"
	FetchConnect = "connect" // the connection could not be made, or it broke
	FetchSize    = "size"    // the answer is larger than allowed
)

// FetchError is the error of a Fetch. Message is for the connector's author: it may name hosts and limits, but never an
// address or a secret.
type FetchError struct {
	Kind    string
	Message string
	Err     error
}

func (e *FetchError) Error() string { return e.Kind + ": " + e.Message }
func (e *FetchError) Unwrap() error { return e.Err }
