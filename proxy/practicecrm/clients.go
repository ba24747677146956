package practicecrm

import (
	"net/http"
	"net/url"
	"sync"
)

// clients holds the registered OAuth clients. Safe for concurrent use.
type clients struct {
	mu      sync.Mutex
	secrets map[string]string // by id; guarded by mu
}

// Register adds an OAuth client, such as an organisation's own application, or changes its secret. Its tokens stay valid.
func (c *CRM) Register(id, secret string) {
	c.clients.mu.Lock()
	defer c.clients.mu.Unlock()
	c.clients.secrets[id] = secret
}

func (c *clients) known(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secrets[id] != ""
}

func (c *clients) good(id, secret string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return secret != "" && c.secrets[id] == secret
}

// authenticate checks the client credentials and returns the client's id. They come by Basic, encoded (RFC 6749, 2.3.1) or
// raw, or in the body, but not both.
func (c *clients) authenticate(r *http.Request, form url.Values) (string, refusal) {
	id, secret, basic := r.BasicAuth()
	if basic && !c.good(id, secret) {
		id, secret = unescaped(id), unescaped(secret)
	}
	switch {
	case basic && form.Has("client_secret"):
		return "", refusal{"invalid_request", "The client authenticates both by Basic and in the body."}
	case !basic:
		id, secret = form.Get("client_id"), form.Get("client_secret")
	case form.Has("client_id") && form.Get("client_id") != id:
		return "", refusal{"invalid_request", "client_id differs from the client in the Authorization header."}
	}
	if !c.good(id, secret) {
		return "", refusal{"invalid_client", "Unknown client, or wrong secret."}
	}
	return id, refusal{}
}

func unescaped(s string) string {
	u, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return u
}
