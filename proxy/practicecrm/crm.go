package practicecrm

import (
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"
)

// The credentials of every practice CRM. None of them is a secret.
const (
	// Addr is the address of the practice CRM in the manifests of its connectors.
	Addr = "127.0.0.1:8081"
	// ClientID and ClientSecret are the OAuth client that is always registered. The secret has characters that Basic
	// authentication must encode (RFC 6749, 2.3.1). Some clients do not encode them, so both forms are accepted.
	ClientID     = "practice-client"
	ClientSecret = "practice-secret+/%~="
	// APIKey is the API key of Grace Hopper.
	APIKey = "practice-api-key-of-grace"
	// RCAdminToken and RCSecondToken are RingCentral access tokens of two administrators of account "1". RCUserToken
	// belongs to another user of that account, RCOtherToken to a user of account "2", and RCOtherAdminToken to an
	// administrator of account "2".
	RCAdminToken      = "practice-ringcentral-admin"
	RCSecondToken     = "practice-ringcentral-second-admin"
	RCUserToken       = "practice-ringcentral-user"
	RCOtherToken      = "practice-ringcentral-other"
	RCOtherAdminToken = "practice-ringcentral-other-admin"
)

const (
	defaultAccessLife = time.Hour
	codeLife          = 10 * time.Minute // the most that RFC 6749, 4.1.2 recommends
)

// Person is a user of the CRM, as /api/me returns it.
type Person struct {
	ID       int    `json:"id"`
	Login    string `json:"-"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Timezone Zone   `json:"timezone"`
}

// Zone is a time zone. Offset is its standard time, in minutes east of UTC.
type Zone struct {
	Name   string `json:"name"`
	Offset int    `json:"offset"`
}

// People lists all users by id. The last two have names that break pages and logs which do not escape.
func People() []Person {
	return []Person{
		{1, "ada", "Ada Lovelace", "ada@practice.example", Zone{"Europe/London", 0}},
		{2, "grace", "Grace Hopper", "grace@practice.example", Zone{"America/New_York", -300}},
		{3, "alan", "Alan Turing", "alan@practice.example", Zone{"Europe/London", 0}},
		{4, "emmy", "Emmy Noether", "emmy@practice.example", Zone{"Europe/Berlin", 60}},
		{5, "aryabhata", "आर्यभट", "aryabhata@practice.example", Zone{"Asia/Kolkata", 330}},
		{6, "robert", `Robert "Bobby" <b>Tables</b>`, "o'robert+tag@practice.example", Zone{"America/St_Johns", -210}},
	}
}

// Config configures a CRM. Every field has a default.
type Config struct {
	// Now returns the time, which is also the Date header of every response; default time.Now.
	Now func() time.Time
	// AccessLife is how long access tokens live; default one hour.
	AccessLife time.Duration
	// Grace is how long after its rotation a refresh token still works, as with servers that allow for a lost response.
	// Default 0: the second use ends the family.
	Grace time.Duration
}

// CRM is the practice CRM. Safe for concurrent use.
type CRM struct {
	config  Config
	people  []Person
	answers map[string]TokenAnswer
	clients *clients
	mux     *http.ServeMux

	mu      sync.Mutex // guards what follows; never held while waiting or writing
	mood    Mood
	changed chan struct{} // closed, and replaced, when the mood changes
	counts  Counts
	codes   book[code]
	access  book[access]
	refresh book[refresh]
}

// New returns a practice CRM that behaves well and has issued no tokens.
func New(c Config) *CRM {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.AccessLife == 0 {
		c.AccessLife = defaultAccessLife
	}
	crm := &CRM{config: c, people: People(), answers: map[string]TokenAnswer{}, clients: &clients{secrets: map[string]string{ClientID: ClientSecret}}, mux: http.NewServeMux(), changed: make(chan struct{})}
	for _, a := range append(TokenAnswers(), PeculiarAnswers()...) {
		crm.answers[a.Name] = a
	}
	crm.mux.HandleFunc("GET /oauth/authorize", crm.showConsent)
	crm.mux.HandleFunc("POST /oauth/authorize", crm.consent)
	crm.mux.HandleFunc("POST /oauth/token", crm.token)
	crm.mux.HandleFunc("POST /oauth/refresh", crm.token)
	crm.mux.HandleFunc("POST /oauth/revoke", crm.revoke)
	crm.mux.HandleFunc("GET /api/me", crm.me)
	crm.mux.HandleFunc("GET /restapi/v1.0/account/~/extension/~", crm.ringCentral)
	crm.mux.HandleFunc("POST /practice/mood", crm.takeMood)
	crm.mux.HandleFunc("GET /practice/counts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, crm.Counts()) })
	return crm
}

// ServeHTTP implements http.Handler.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", c.config.Now().UTC().Format(http.TimeFormat))
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	c.mux.ServeHTTP(w, r)
}

// maxRequest bounds a request body, in bytes.
const maxRequest = 64 << 10

// Counts is how often each endpoint was called, whatever its response.
type Counts struct {
	Authorize   int // consent pages
	Consents    int // consent forms submitted
	Token       int // token requests, including Exchanges and Refreshes
	Exchanges   int // token requests with a code
	Refreshes   int // token requests with a refresh token
	Reuses      int // refresh tokens that were reused, which ended their family
	Revoke      int
	Me          int
	RingCentral int
}

// Counts returns the calls since New.
func (c *CRM) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// count counts a call. It returns the current mood, and a channel that is closed when the mood changes.
func (c *CRM) count(n *int) (Mood, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
	return c.mood, c.changed
}

// ExpireAccess expires every access token. Refresh tokens stay valid.
func (c *CRM) ExpireAccess() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.access.entries {
		t.expires = c.config.Now()
	}
}

// EndGrants ends every code and token of a person, as if they had removed the application from their account.
func (c *CRM) EndGrants(login string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.codes.entries {
		k.used = k.used || k.person.Login == login
	}
	for _, t := range c.access.entries {
		t.family.ended = t.family.ended || t.family.person.Login == login
	}
	for _, t := range c.refresh.entries {
		t.family.ended = t.family.ended || t.family.person.Login == login
	}
}

// Live reports whether an access token is valid.
func (c *CRM) Live(accessToken string) bool {
	_, ok := c.holder(accessToken)
	return ok
}

// LiveRefresh reports whether a refresh token is valid. A rotated token is not, even during its grace.
func (c *CRM) LiveRefresh(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.refresh.entries[token]
	return t != nil && t.rotated.IsZero() && !t.family.ended
}

// Granted returns the login of the person who got an access or refresh token, and whether its family has ended.
// For an unknown token the login is empty.
func (c *CRM) Granted(token string) (login string, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.familyOf(token)
	if f == nil {
		return "", true
	}
	return f.person.Login, f.ended
}

// LiveRefreshOf counts the valid refresh tokens of a person.
func (c *CRM) LiveRefreshOf(login string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, t := range c.refresh.entries {
		if t.family.person.Login == login && t.rotated.IsZero() && !t.family.ended {
			n++
		}
	}
	return n
}

// holder returns the person with a valid access token.
func (c *CRM) holder(token string) (Person, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.access.entries[token]
	if t == nil || t.family.ended || !c.config.Now().Before(t.expires) {
		return Person{}, false
	}
	return t.family.person, true
}

func (c *CRM) person(login string) (Person, bool) {
	i := slices.IndexFunc(c.people, func(p Person) bool { return p.Login == login })
	if i < 0 {
		return Person{}, false
	}
	return c.people[i], true
}

// maxEntries bounds the memory of a load test.
const maxEntries = 100_000

// book holds the last maxEntries codes or tokens by their text. The zero value is empty.
type book[V any] struct {
	entries map[string]*V
	order   []string // oldest first
}

// add stores v under a new random text, and returns the text.
func (b *book[V]) add(prefix string, v V) string {
	if b.entries == nil {
		b.entries = map[string]*V{}
	}
	if len(b.order) >= maxEntries {
		delete(b.entries, b.order[0])
		b.order = b.order[1:]
	}
	name := prefix + rand.Text()
	b.entries[name] = &v
	b.order = append(b.order, name)
	return name
}
