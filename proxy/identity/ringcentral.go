package identity

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

const (
	// identityLife is how long an answer of RingCentral is cached: long enough for one sign-in, short enough that a revoked token
	// is soon refused.
	identityLife = time.Minute
	// maxIdentities bounds the cache of valid tokens, and that of refused ones. The token that was used longest ago goes first.
	maxIdentities = 4096
	extensionPath = "/restapi/v1.0/account/~/extension/~"
)

// junk limits the tokens of a source that RingCentral refuses. An office is one source, and verifies many good ones at once.
var junk = limit.RefusalLimits{Burst: 60, Every: time.Second, AtOnce: 200}

// RingCentral verifies RingCentral access tokens. Safe for concurrent use.
type RingCentral struct {
	url   string
	fetch crmgate.Fetch
	now   func() time.Time

	mu sync.Mutex
	// The caches have the hash of a token as key, so that no token stays in memory; guarded by mu. Refused tokens have a cache of
	// their own: many of them do not push the valid ones out.
	valid, refused *simplelru.LRU[tokenHash, answer]
	asking         map[tokenHash]*question
	limit          *limit.Refusals[crmgate.Source]
}

type tokenHash [sha256.Size]byte

// answer is RingCentral's answer about a token: an identity, or the status of a refusal.
type answer struct {
	Identity
	refused int
	until   time.Time
}

// question is a request to RingCentral about a token, for all callers that ask about it meanwhile.
type question struct {
	done   chan struct{} // closed when the other fields are set
	answer answer
	err    error
	end    func(refused bool) // takes the answer to the limit of the source
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
	valid, _ := simplelru.NewLRU[tokenHash, answer](maxIdentities, nil) // fails only for a size of 0
	refused, _ := simplelru.NewLRU[tokenHash, answer](maxIdentities, nil)
	return &RingCentral{url: strings.TrimSuffix(base, "/") + extensionPath, fetch: fetch, now: now,
		valid: valid, refused: refused, asking: map[tokenHash]*question{}, limit: limit.NewRefusals[crmgate.Source](now, junk)}, nil
}

// Verify returns the identity behind a token, from RingCentral or from the cache. If RingCentral refuses the token, the error is
// a Refusal with upstream's text. Refusals are cached too; other errors are not. Callers that ask about the same token at the
// same time share one request. A source of many refused tokens gets a Refusal of kind Unavailable for tokens that are not cached.
func (rc *RingCentral) Verify(ctx context.Context, token crmgate.Secret) (Identity, error) {
	hash := tokenHash(sha256.Sum256([]byte(token.Reveal())))
	known, q, err := rc.look(ctx, hash, token)
	if err != nil {
		return Identity{}, err
	}
	if q != nil {
		select {
		case <-q.done:
			known = q.answer
		case <-ctx.Done():
			return Identity{}, unreachable(ctx.Err())
		}
		if q.err != nil {
			return Identity{}, q.err
		}
	}
	if known.refused != 0 {
		return Identity{}, rejected(known.refused)
	}
	return known.Identity, nil
}

// look returns the cached answer about a token, or else the question to RingCentral that is under way, which it starts if
// necessary.
func (rc *RingCentral) look(ctx context.Context, hash tokenHash, token crmgate.Secret) (answer, *question, error) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for _, cache := range []*simplelru.LRU[tokenHash, answer]{rc.valid, rc.refused} {
		if a, ok := cache.Get(hash); ok && rc.now().Before(a.until) {
			return a, nil, nil
		}
		cache.Remove(hash)
	}
	if q := rc.asking[hash]; q != nil {
		return answer{}, q, nil
	}
	q := &question{done: make(chan struct{}), end: func(bool) {}}
	if source := crmgate.SourceOf(ctx); source != (crmgate.Source{}) {
		if q.end, _, _ = rc.limit.Admit(source); q.end == nil {
			return answer{}, nil, &crmgate.Refusal{Kind: crmgate.Unavailable, Message: "Too many invalid RingCentral tokens come from your address. Please try again in a moment."}
		}
	}
	rc.asking[hash] = q
	go rc.put(context.WithoutCancel(ctx), q, hash, token) // other callers may wait for it; fetch has a deadline
	return answer{}, q, nil
}

// put asks RingCentral a question.
func (rc *RingCentral) put(ctx context.Context, q *question, hash tokenHash, token crmgate.Secret) {
	q.err = unreachable(errors.New("the request did not end")) // unless ask returns
	defer func() {
		if p := recover(); p != nil { // no other goroutine would recover, and the process would end
			q.err = unreachable(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
		q.end(q.answer.refused != 0)
		rc.keep(q, hash)
	}()
	q.answer, q.err = rc.ask(ctx, token)
}

// keep ends a question, and caches its answer.
func (rc *RingCentral) keep(q *question, hash tokenHash) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	defer close(q.done)
	delete(rc.asking, hash)
	if q.err != nil {
		return
	}
	cache := rc.valid
	if q.answer.refused != 0 {
		cache = rc.refused
	}
	q.answer.until = rc.now().Add(identityLife)
	cache.Add(hash, q.answer)
}

// ask asks RingCentral about a token. An error says that it could not answer.
func (rc *RingCentral) ask(ctx context.Context, token crmgate.Secret) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rc.url, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	req.Header.Set("Accept", "application/json")
	resp, err := rc.fetch(req, crmgate.Egress{Name: "ringcentral", Operator: true})
	if err != nil {
		return answer{}, unreachable(err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return answer{refused: resp.StatusCode}, nil
	case resp.StatusCode >= 400:
		return answer{}, rejected(resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, unreachable(err)
	}
	var told struct {
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
	if err := json.Unmarshal(body, &told); err != nil || told.ID == "" || told.Account.ID == "" {
		return answer{}, unreachable(fmt.Errorf("status %d without account and extension", resp.StatusCode))
	}
	return answer{Identity: Identity{crmgate.AccountID(told.Account.ID), crmgate.ExtensionID(told.ID), told.Permissions.Admin.Enabled}}, nil
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
