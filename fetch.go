package crmgate

import "net/http"

// Egress says what one outbound request may reach.
type Egress struct {
	// Name labels limits and metrics: the platform, or "ringcentral".
	Name string
	// Hosts lists what may be reached; Hostname stands for {hostname} in it.
	Hosts    Hosts
	Hostname string
	// Operator marks a URL that is the operator's own word (--ringcentral-url): hosts, scheme and address are not checked.
	Operator bool
	// Redirects is how many redirects of a GET or HEAD are followed, each checked like the first request; 0 follows none.
	Redirects int
	// MaxBody caps the answer's body after decompression, in bytes; 0 means the client's default.
	MaxBody int64
}

// Fetch performs one HTTP request under a policy. The request's context carries the deadline; the client's own caps it.
// Reading past the size limit fails with a FetchError too. The caller closes the body. Safe for concurrent use.
type Fetch func(*http.Request, Egress) (*http.Response, error)

// Kinds of FetchError, as the connector ABI names them.
const (
	FetchRequest = "request" // the request is malformed
	FetchRefused = "refused" // the policy does not allow it; nothing was sent to the refused place
	FetchTimeout = "timeout"
	FetchConnect = "connect" // no connection, or it broke
	FetchSize    = "size"    // the answer is larger than allowed
)

// FetchError is why a Fetch failed. Message is fit for a connector's author: it names hosts and limits, no address and no secret.
type FetchError struct {
	Kind    string
	Message string
	Err     error
}

func (e *FetchError) Error() string { return e.Kind + ": " + e.Message }
func (e *FetchError) Unwrap() error { return e.Err }
