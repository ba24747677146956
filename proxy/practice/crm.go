package practice

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// What the practice CRM is registered with. None of it is a secret.
const (
	ClientID     = "practice-client"
	ClientSecret = "practice-secret-nobody-should-use"
	APIKey       = "practice-api-key-of-grace" // Grace Hopper's

	RCAdminToken = "practice-ringcentral-admin"
	RCUserToken  = "practice-ringcentral-user"
)

// Person is somebody who can sign in.
type Person struct {
	ID       int    `json:"id"`
	Login    string `json:"-"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Timezone Zone   `json:"timezone"`
}

// Zone is a time zone; Offset is in minutes east of Greenwich.
type Zone struct {
	Name   string `json:"name"`
	Offset int    `json:"offset"`
}

// People lists everybody, by id.
func People() []Person {
	return []Person{
		{1, "ada", "Ada Lovelace", "ada@practice.example", Zone{"Europe/London", 0}},
		{2, "grace", "Grace Hopper", "grace@practice.example", Zone{"America/New_York", -300}},
		{3, "alan", "Alan Turing", "alan@practice.example", Zone{"Europe/London", 0}},
		{4, "emmy", "Emmy Noether", "emmy@practice.example", Zone{"Europe/Berlin", 60}},
	}
}

// Config is what New needs; every field has a default.
type Config struct {
	Now func() time.Time // default time.Now
	// AccessLife is how long access tokens live; default one hour.
	AccessLife time.Duration
	// Grace is for how long a refresh token that was used may be used again; default not at all.
	Grace time.Duration
}

// CRM is the practice CRM. Safe for concurrent use.
type CRM struct {
	Config
	mux *http.ServeMux

	mu      sync.Mutex
	mood    Mood               // guarded by mu
	counts  Counts             // guarded by mu
	codes   map[string]code    // guarded by mu
	access  map[string]access  // guarded by mu
	refresh map[string]refresh // guarded by mu
}

// Counts is how often each endpoint was called.
type Counts struct {
	Authorize, Token, Exchanges, Refreshes, Revoke, Me, RingCentral int
}

// family is what grew from one sign-in: its tokens end together.
type family struct {
	person Person
	ended  bool // guarded by CRM.mu
}

type code struct {
	person      Person
	redirectURI string
	challenge   string
	expires     time.Time
}

type access struct {
	*family
	expires time.Time
}

type refresh struct {
	*family
	used     time.Time // zero while it was not
	previous string    // what it was exchanged for within its grace
}

// most bounds each of the maps: a load test must not eat the machine.
const most = 200_000

// New returns a practice CRM.
func New(c Config) *CRM {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.AccessLife == 0 {
		c.AccessLife = time.Hour
	}
	crm := &CRM{Config: c, mux: http.NewServeMux(), codes: map[string]code{}, access: map[string]access{}, refresh: map[string]refresh{}}
	crm.mux.HandleFunc("GET /oauth/authorize", crm.consent)
	crm.mux.HandleFunc("POST /oauth/authorize", crm.decide)
	crm.mux.HandleFunc("POST /oauth/token", crm.token)
	crm.mux.HandleFunc("POST /oauth/revoke", crm.revoke)
	crm.mux.HandleFunc("GET /api/me", crm.me)
	crm.mux.HandleFunc("GET /restapi/v1.0/account/~/extension/~", crm.ringCentral)
	crm.mux.HandleFunc("POST /practice/mood", crm.setMood)
	crm.mux.HandleFunc("GET /practice/counts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, crm.Counts()) })
	return crm
}

func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	c.mux.ServeHTTP(w, r)
}

// Counts returns what was called so far.
func (c *CRM) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// count adds one to a counter and returns the mood in force.
func (c *CRM) count(n *int) Mood {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
	return c.mood
}

// ExpireAccess ends every access token; refresh tokens live.
func (c *CRM) ExpireAccess() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.access)
}

// EndGrants ends all that a person has granted.
func (c *CRM) EndGrants(login string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.refresh {
		if r.person.Login == login {
			r.ended = true
		}
	}
}

// Live reports whether an access token is good.
func (c *CRM) Live(token string) bool {
	_, ok := c.byAccess(token)
	return ok
}

func (c *CRM) byAccess(token string) (Person, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.access[token]
	if !ok || a.ended || !c.Now().Before(a.expires) {
		return Person{}, false
	}
	return a.person, true
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the other side is gone, or it is not
}
