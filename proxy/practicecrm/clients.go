package practicecrm

import (
	"net/http"
	"net/url"
	"sync"
)

// clients are the OAuth clients that are registered. Safe for concurrent use.
type clients struct {
	mu      sync.Mutex
	secrets map[string]string // by id; guarded by mu
}

// Register registers an OAuth client beside ClientID, as an organisation's own; one that is registered gets another secret.
// What it was granted stays.
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

// authenticate checks the client: by Basic, encoded (RFC 6749, 2.3.1) or raw, or in the body; not both ways at once. It
// returns the client's id.
func (c *clients) authenticate(r *http.Request, form url.Values) (string, refusal) {
	id, secret, basic := r.BasicAuth()
	if basic && !c.good(id, secret) {
		id, secret = unescaped(id), unescaped(secret)
	}
	switch {
	case basic && form.Has("client_secret"):
		return "", refusal{"invalid_request", "The client authenticates in two ways."}
	case !basic:
		id, secret = form.Get("client_id"), form.Get("client_secret")
	case form.Has("client_id") && form.Get("client_id") != id:
		return "", refusal{"invalid_request", "client_id is not that of the client that authenticates."}
	}
	if !c.good(id, secret) {
		return "", refusal{"invalid_client", "The client is not known, or its secret is wrong."}
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
