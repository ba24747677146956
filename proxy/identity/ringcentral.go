package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/crmgate/crmgate"
)

const (
	// identityLife is how long an answer of RingCentral is cached: long enough for one sign-in, short enough that a revoked token
	// is soon refused.
	identityLife = time.Minute
	// maxIdentities bounds the cache.
	maxIdentities = 4096
	extensionPath = "/restapi/v1.0/account/~/extension/~"
)

// RingCentral verifies RingCentral access tokens. Safe for concurrent use.
type RingCentral struct {
	url   string
	fetch crmgate.Fetch
	now   func() time.Time

	mu    sync.Mutex
	known map[[32]byte]knownIdentity // by the token's hash, so that no token stays in memory; guarded by mu
}

type knownIdentity struct {
	Identity
	until time.Time
}

// NewRingCentral returns a RingCentral for the API at base. fetch makes the requests. now tells the time; nil means time.Now.
func NewRingCentral(base string, fetch crmgate.Fetch, now func() time.Time) (*RingCentral, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the RingCentral URL must be an absolute URL: %q", base)
	}
	if now == nil {
		now = time.Now
	}
	return &RingCentral{url: strings.TrimSuffix(base, "/") + extensionPath, fetch: fetch, now: now, known: map[[32]byte]knownIdentity{}}, nil
}

// Verify returns the identity behind a token, from RingCentral or from the cache. If RingCentral refuses the token, the error is
// a Refusal with upstream's text. Errors are not cached.
func (rc *RingCentral) Verify(ctx context.Context, token crmgate.Secret) (Identity, error) {
	key := sha256.Sum256([]byte(token.Reveal()))
	rc.mu.Lock()
	k, ok := rc.known[key]
	rc.mu.Unlock()
	if ok && rc.now().Before(k.until) {
		return k.Identity, nil
	}
	who, err := rc.ask(ctx, token)
	if err != nil {
		return who, err
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if len(rc.known) >= maxIdentities {
		clear(rc.known) // simpler than an eviction order; costs one request for each token
	}
	rc.known[key] = knownIdentity{who, rc.now().Add(identityLife)}
	return who, nil
}

func (rc *RingCentral) ask(ctx context.Context, token crmgate.Secret) (Identity, error) {
	var who Identity
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rc.url, nil)
	if err != nil {
		return who, err
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Accept", "application/json")
	resp, err := rc.fetch(req, crmgate.Egress{Name: "ringcentral", Operator: true})
	if err != nil {
		return who, unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return who, rejected(resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return who, unreachable(err)
	}
	var answer struct {
		ID      ID `json:"id"`
		Account struct {
			ID ID `json:"id"`
		} `json:"account"`
		Permissions struct {
			Admin struct {
				Enabled bool `json:"enabled"`
			} `json:"admin"`
		} `json:"permissions"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.ID == "" || answer.Account.ID == "" {
		return who, unreachable(fmt.Errorf("status %d without account and extension", resp.StatusCode))
	}
	return Identity{crmgate.AccountID(answer.Account.ID), crmgate.ExtensionID(answer.ID), answer.Permissions.Admin.Enabled}, nil
}

func unreachable(err error) error {
	return &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "RingCentral could not verify who you are. Please try again.", Err: err}
}

// ID is an id that JSON has as a string or a number.
type ID string

// UnmarshalJSON reads a string or a number. It reads null as an empty id.
func (id *ID) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(id))
	}
	var n json.Number
	err := json.Unmarshal(b, &n)
	*id = ID(n)
	return err
}
