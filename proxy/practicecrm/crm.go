package practicecrm

import (
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"
)

// What every practice CRM is registered with. None of it is a secret.
const (
	// ClientID and ClientSecret are the OAuth client that is always there. The secret has characters that Basic authentication must
	// encode (RFC 6749, 2.3.1) and that some clients do not; both are taken.
	ClientID     = "practice-client"
	ClientSecret = "practice-secret+/%~="
	// APIKey is Grace Hopper's.
	APIKey = "practice-api-key-of-grace"
	// RCAdminToken, RCSecondToken and RCUserToken are RingCentral access tokens of two administrators and of somebody else,
	// all of account "1"; RCOtherToken is of somebody of account "2", RCOtherAdminToken of an administrator there.
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

// Person is somebody who can sign in, as /api/me shows them.
type Person struct {
	ID       int    `json:"id"`
	Login    string `json:"-"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Timezone Zone   `json:"timezone"`
}

// Zone is a time zone; Offset is its standard time, in minutes east of Greenwich.
type Zone struct {
	Name   string `json:"name"`
	Offset int    `json:"offset"`
}

// People lists everybody, by id. The later ones have names that careless pages and logs stumble over.
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

// Config is what New needs; every field has a default.
type Config struct {
	// Now tells the time, also in the Date header of every answer; default time.Now.
	Now func() time.Time
	// AccessLife is how long access tokens live; default one hour.
	AccessLife time.Duration
	// Grace is how long after its rotation a refresh token may come again, as with servers that forgive a lost answer;
	// default not at all: the second use ends the family.
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
	changed chan struct{} // closed when the mood changes
	counts  Counts
	codes   book[code]
	access  book[access]
	refresh book[refresh]
}

// New returns a practice CRM in a good mood, which has granted nothing.
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
	crm.mux.HandleFunc("GET /practice/counts", crm.showCounts)
	return crm
}

// ServeHTTP answers a request.
func (c *CRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", c.config.Now().UTC().Format(http.TimeFormat))
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	c.mux.ServeHTTP(w, r)
}

// maxRequest bounds what a client may send.
const maxRequest = 64 << 10

// Counts is how often each endpoint was called, whatever it answered.
type Counts struct {
	Authorize   int // consent pages
	Consents    int // buttons pressed on them
	Token       int // token requests, Exchanges and Refreshes among them
	Exchanges   int // token requests with a code
	Refreshes   int // token requests with a refresh token
	Reuses      int // refresh tokens that came again, and ended their family
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

// count adds a call and returns the mood that it meets, and what is closed when that changes.
func (c *CRM) count(n *int) (Mood, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
	return c.mood, c.changed
}

// ExpireAccess ends every access token, as time would; refresh tokens live on.
func (c *CRM) ExpireAccess() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.access.entries {
		t.expires = c.config.Now()
	}
}

// EndGrants ends all that a person, named by login, has granted, as when they remove the application from their account.
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

// Live reports whether an access token is good.
func (c *CRM) Live(accessToken string) bool {
	_, ok := c.holder(accessToken)
	return ok
}

// LiveRefresh reports whether a refresh token is good; one that was rotated is not, nor in its grace.
func (c *CRM) LiveRefresh(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.refresh.entries[token]
	return t != nil && t.rotated.IsZero() && !t.family.ended
}

// Granted returns whose token it is, access or refresh, by login, and whether what came of that consent has ended; an
// empty login if it is nobody's.
func (c *CRM) Granted(token string) (login string, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.familyOf(token)
	if f == nil {
		return "", true
	}
	return f.person.Login, f.ended
}

// LiveRefreshOf counts the refresh tokens of a person, named by login, that are good.
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

// holder returns whose access token it is.
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

// most is how many codes, and tokens of each kind, are remembered: a load test must not eat the machine.
const most = 100_000

// book maps what the CRM handed out to what it means, the last ones only. The zero value is empty.
type book[V any] struct {
	entries map[string]*V
	order   []string // oldest first
}

// add makes up a name for v and returns it.
func (b *book[V]) add(prefix string, v V) string {
	if b.entries == nil {
		b.entries = map[string]*V{}
	}
	if len(b.order) >= most {
		delete(b.entries, b.order[0])
		b.order = b.order[1:]
	}
	name := prefix + rand.Text()
	b.entries[name] = &v
	b.order = append(b.order, name)
	return name
}
