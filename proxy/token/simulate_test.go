package token_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
)

var (
	seeds = flag.Int("seeds", 2000, "how many seeds TestSimulation runs")
	seed  = flag.Uint64("seed", 0, "the one seed that TestSimulation runs, and tells all about; 0: seeds of them")
)

// TestSimulation drives several engines on one store through virtual time: callers, processes that end at every point, and
// a CRM that rotates, detects reuse, fails, hangs and loses its answers. One seed decides everything.
func TestSimulation(t *testing.T) {
	first, n := uint64(1), *seeds
	if testing.Short() {
		n = 200
	}
	if *seed != 0 {
		first, n = *seed, 1
	}
	var sum tally
	s := first
	defer func() { // a bubble that fails ends this test
		if t.Failed() {
			t.Logf("go test ./proxy/token -run TestSimulation -seed %d", s)
		}
	}()
	for ; s < first+uint64(n); s++ {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulation(t, s)
			sim.run()
			sum.add(sim.tally)
		})
	}
	t.Logf("%d seeds: %+v", n, sum)
	if n >= 200 && (sum.Refreshes == 0 || sum.Kills == 0 || sum.Lost == 0 || sum.Repaired == 0 || sum.Ended == 0) {
		t.Error("the simulation misses something that it is for")
	}
}

// tally is what happened.
type tally struct{ Calls, Refreshes, Kills, Stalls, Lost, Repaired, Ended, Unread int }

func (t *tally) add(o tally) {
	t.Calls += o.Calls
	t.Refreshes += o.Refreshes
	t.Kills += o.Kills
	t.Stalls += o.Stalls
	t.Lost += o.Lost
	t.Repaired += o.Repaired
	t.Ended += o.Ended
	t.Unread += o.Unread
}

type simulation struct {
	tally
	t    *testing.T
	rand *rand.Rand // of the goroutine that runs the simulation
	crm  *practicecrm.CRM
	db   *storage.DB
	conn *testConnector

	mu      sync.Mutex
	chance  *rand.Rand           // guarded by mu; of all others
	nodes   []*node              // guarded by mu
	asking  map[string]int       // guarded by mu; token requests under way, by login
	unheard map[string]bool      // guarded by mu; logins whose latest answer got lost: the CRM may have ended what we hold
	issued  map[string]time.Time // guarded by mu; when the latest grant that was seen stored was issued, by login
	callers sync.WaitGroup
}

// node is a process.
type node struct {
	engine *token.Engine
	dead   bool   // guarded by simulation.mu
	last   string // guarded by simulation.mu; whose refresh was answered last
}

var people = []string{"ada", "grace", "alan"}

func keyOf(login string) crmgate.UserKey {
	return crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(login + "-practice")}
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{t: t, rand: rand.New(rand.NewPCG(seed, 1)), chance: rand.New(rand.NewPCG(seed, 2)), asking: map[string]int{}, unheard: map[string]bool{}, issued: map[string]time.Time{}}
	s.crm = practicecrm.New(practicecrm.Config{})
	s.conn = &testConnector{info: crmgate.OAuthInfo{ClientSecret: crmgate.NewSecret(practicecrm.ClientSecret), AccessTokenURI: "https://crm.example/oauth/token"}}
	s.declare("")
	ring, err := sealed.NewKeyRing()
	must(t, err)
	s.db, err = storage.Open(t.Context(), &memory{records: map[string][]byte{}}, ring, storage.Config{})
	must(t, err)
	return s
}

// declare sets the manifest's crmgate.token.
func (s *simulation) declare(extra string) {
	m, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"auth":{"type":"oauth","oauth":{
		"authUrl":"https://crm.example/oauth/authorize","clientId":"practice-client","redirectUri":"` + redirect + `"}},
		"crmgate":{"hosts":["crm.example"],"token":{` + extra + `}}}}}`)}, "")
	must(s.t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn.manifest, _ = m.Platform("practice")
}

// start starts a process.
func (s *simulation) start() *node {
	n := &node{}
	e, err := token.New(token.Config{
		DB: s.db, Fetch: s.fetch(n), Logger: slog.New(slog.DiscardHandler), Timeout: 2 * time.Second, Wait: 4 * time.Second,
		Connector: func(crmgate.Platform) (connector.Connector, error) { return s.conn, nil },
	})
	must(s.t, err)
	e.SetPoint(func(point string) { s.pass(n, point) })
	n.engine = e
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = append(s.nodes, n)
	return n
}

// pass ends the process at a point, now and then, or lets it stand still for longer than its lease; one that has ended
// goes no further.
func (s *simulation) pass(n *node, point string) {
	s.mu.Lock()
	if !n.dead && s.chance.IntN(25) == 0 {
		n.dead = true
		s.Kills++
	}
	stall := !n.dead && s.chance.IntN(40) == 0
	if stall {
		s.Stalls++
	}
	if point == "answered" && (stall || n.dead) { // nobody but this process has heard it
		s.unheard[n.last] = true
		s.Lost++
	}
	s.mu.Unlock()
	if stall {
		time.Sleep(time.Minute)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.dead {
		panic(kill{point})
	}
}

// fetch is the way to the CRM. It sees to it that nobody's token is sent twice at once, and notes what gets lost.
func (s *simulation) fetch(n *node) crmgate.Fetch {
	return func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		// A context that has ended is not looked at, though net/http would: a machine that slept has none that ended.
		form, _ := url.ParseQuery(string(b))
		login, _ := s.crm.Granted(form.Get("refresh_token"))
		s.mu.Lock()
		s.Refreshes++
		s.asking[login]++
		twice := s.asking[login] > 1
		s.mu.Unlock()
		if twice {
			s.t.Errorf("two requests of %s at once", login)
		}
		sent := form.Get("refresh_token")
		_, ended := s.crm.Granted(sent)
		s.mu.Lock()
		unheard := s.unheard[login]
		s.mu.Unlock()
		if !ended && !unheard && !s.crm.LiveRefresh(sent) {
			s.t.Errorf("a refresh token of %s that the CRM has rotated is sent again", login)
		}
		p, err := s.db.Person(r.Context(), keyOf(login))
		if err == nil && time.Until(p.Grant.Expiry) > 10*time.Minute {
			s.t.Errorf("%s has a token for %v more, and it is refreshed", login, time.Until(p.Grant.Expiry))
		}
		resp, err := s.serve(r, b)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asking[login]--
		n.last = login
		if err != nil || n.dead { // rotated perhaps, and never heard
			if s.crm.LiveRefresh(form.Get("refresh_token")) {
				return resp, err // it had no effect
			}
			s.unheard[login] = true
			s.Lost++
		}
		return resp, err
	}
}

// serve has the practice CRM answer, without a network: a cut connection is a handler that panics.
func (s *simulation) serve(r *http.Request, body []byte) (resp *http.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "the connection was cut"}
		}
	}()
	in := httptest.NewRequest(r.Method, r.URL.Path, bytes.NewReader(body)).WithContext(r.Context())
	in.Header = r.Header.Clone()
	w := httptest.NewRecorder()
	s.crm.ServeHTTP(w, in)
	return w.Result(), nil
}

// signIn stores a person with a fresh grant, as the flows do.
func (s *simulation) signIn(login string) {
	v, err := http.NewRequest(http.MethodPost, "https://crm.example/oauth/authorize?response_type=code&client_id=practice-client&redirect_uri="+url.QueryEscape(redirect), strings.NewReader("person="+login))
	must(s.t, err)
	v.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.crm.ServeHTTP(w, v)
	landed, err := url.Parse(w.Header().Get("Location"))
	must(s.t, err)
	ask, err := http.NewRequest(http.MethodPost, "https://crm.example/oauth/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {landed.Query().Get("code")}, "redirect_uri": {redirect},
		"client_id": {practicecrm.ClientID}, "client_secret": {practicecrm.ClientSecret},
	}.Encode()))
	must(s.t, err)
	ask.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.crm.SetMood(practicecrm.Mood{})
	w = httptest.NewRecorder()
	s.crm.ServeHTTP(w, ask)
	var got struct{ Access, Refresh string }
	_, err = fmt.Sscanf(strings.NewReplacer(`"`, " ", ",", " ", "{", " ", "}", " ", ":", " ").Replace(w.Body.String()),
		"   access_token   %s   token_type   Bearer   expires_in  3600  refresh_token   %s", &got.Access, &got.Refresh)
	must(s.t, err)
	_, err = s.db.SignIn(context.Background(), keyOf(login), func(p *crmgate.Person) error {
		p.User.Name = login
		p.Grant = crmgate.Grant{
			AccessToken: crmgate.NewSecret(got.Access), RefreshToken: crmgate.NewSecret(got.Refresh), Issued: time.Now(), Expiry: time.Now().Add(time.Hour),
			App: crmgate.App{ClientID: practicecrm.ClientID, TokenURL: "https://crm.example/oauth/token"},
		}
		return nil
	})
	must(s.t, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unheard[login] = false
}

func (s *simulation) run() {
	for _, login := range people {
		s.signIn(login)
	}
	for range 1 + s.rand.IntN(3) {
		s.start()
	}
	for range 12 + s.rand.IntN(12) {
		s.step()
		time.Sleep(time.Duration(1 + s.rand.Int64N(int64(40*time.Minute))))
	}
	s.callers.Wait()
	s.settle()
}

// step changes the CRM's mood, replaces processes that have ended, and has people come, some of them at once.
func (s *simulation) step() {
	moods := []practicecrm.Mood{
		{}, {}, {}, {Latency: time.Duration(s.rand.Int64N(int64(3 * time.Second)))}, {Status: 500}, {Status: 429, RetryAfter: 30 * time.Second}, {CutBefore: true}, {CutAfter: true},
		{Hang: true}, {Token: "custom path"}, {Token: "no refresh_token"}, {Token: "html with status 502"}, {Token: "json as text"},
	}
	s.crm.SetMood(moods[s.rand.IntN(len(moods))])
	if s.rand.IntN(30) == 0 {
		s.crm.EndGrants(people[s.rand.IntN(len(people))])
	}
	s.mu.Lock()
	alive := slices.DeleteFunc(slices.Clone(s.nodes), func(n *node) bool { return n.dead })
	s.mu.Unlock()
	for len(alive) == 0 || s.rand.IntN(12) == 0 {
		alive = append(alive, s.start())
	}
	for range 1 + s.rand.IntN(6) {
		n, login := alive[s.rand.IntN(len(alive))], people[s.rand.IntN(len(people))]
		time.Sleep(time.Duration(s.rand.Int64N(int64(20 * time.Millisecond))))
		s.callers.Go(func() { s.call(n, login) })
	}
}

// call is a request that needs a person's token.
func (s *simulation) call(n *node, login string) {
	p, err := n.engine.Live(context.Background(), keyOf(login))
	stored, _ := s.db.Person(context.Background(), keyOf(login))
	s.mu.Lock()
	s.Calls++
	if stored.Grant.Issued.Before(s.issued[login]) {
		s.t.Errorf("%s has a grant of %v, and had one of %v", login, stored.Grant.Issued, s.issued[login])
	}
	s.issued[login] = stored.Grant.Issued
	s.mu.Unlock()
	if err != nil {
		return
	}
	if whose, _ := s.crm.Granted(p.Grant.AccessToken.Reveal()); whose != login || p.User.Name != login {
		s.t.Errorf("%s got the token of %q", login, whose)
	}
}

// settle looks at everybody once the CRM is well, the manifest is right, and time has passed: a person has a live grant, or
// must sign in because the CRM has ended theirs.
func (s *simulation) settle() {
	s.crm.SetMood(practicecrm.Mood{})
	time.Sleep(2 * time.Hour)
	for _, login := range people {
		if entries, err := s.db.JournalOf(context.Background(), keyOf(login)); err == nil && len(entries) > 0 {
			s.Unread++
		}
	}
	s.declare(`"path": "result.oauth"`)
	n := &node{}
	var err error
	n.engine, err = token.New(token.Config{
		DB: s.db, Fetch: s.fetch(n), Logger: slog.New(slog.DiscardHandler), Alone: true,
		Connector: func(crmgate.Platform) (connector.Connector, error) { return s.conn, nil },
	})
	must(s.t, err)
	for _, login := range people {
		before, err := s.db.Person(context.Background(), keyOf(login))
		must(s.t, err)
		kept, err := s.db.JournalOf(context.Background(), keyOf(login))
		must(s.t, err)
		p, err := n.engine.Live(context.Background(), keyOf(login))
		_, ended := s.crm.Granted(before.Grant.RefreshToken.Reveal())
		s.mu.Lock()
		unheard := s.unheard[login]
		s.mu.Unlock()
		switch {
		case errors.Is(err, crmgate.ErrUserDead):
			s.Ended++
			// An answer that nobody heard leaves us with a token that has been rotated: its next use ends the family.
			if !ended && !unheard {
				s.t.Errorf("%s must sign in, and the CRM has not ended the grant", login)
			}
		case err != nil:
			s.t.Errorf("%s: %v", login, err)
		case !s.crm.Live(p.Grant.AccessToken.Reveal()) || !s.crm.LiveRefresh(p.Grant.RefreshToken.Reveal()):
			s.t.Errorf("%s has a grant that the CRM does not know", login)
		case len(kept) > 0:
			s.Repaired++
		}
	}
}

// memory is the smallest engine that does for this: one transaction at a time, and gone with the test. Badger's own goroutines keep virtual time from standing still.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte
	closed  bool
}

func (m *memory) View(ctx context.Context, fn func(storage.Tx) error) error {
	return m.run(ctx, fn, false)
}

func (m *memory) Update(ctx context.Context, fn func(storage.Tx) error) error {
	return m.run(ctx, fn, true)
}

func (m *memory) run(ctx context.Context, fn func(storage.Tx) error, write bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return storage.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	tx := &memoryTx{from: m.records, write: write, changed: map[string][]byte{}}
	if err := fn(tx); err != nil {
		return err
	}
	for k, v := range tx.changed {
		if v == nil {
			delete(m.records, k)
		} else {
			m.records[k] = v
		}
	}
	return nil
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

type memoryTx struct {
	from, changed map[string][]byte
	write         bool
}

func (tx *memoryTx) Get(key []byte) ([]byte, error) {
	v, ok := tx.changed[string(key)]
	if !ok {
		v = tx.from[string(key)]
	}
	if v == nil {
		return nil, crmgate.ErrNotFound
	}
	return v, nil
}

func (tx *memoryTx) Set(key, value []byte, _ time.Duration) error {
	if !tx.write || len(key) == 0 || len(key) > 1000 || len(value) > 1_000_000 {
		return errors.New("not here, or too large")
	}
	tx.changed[string(key)] = append([]byte{}, value...)
	return nil
}

func (tx *memoryTx) Delete(key []byte) error {
	if !tx.write {
		return errors.New("not here")
	}
	tx.changed[string(key)] = nil
	return nil
}

func (tx *memoryTx) Scan(prefix []byte, fn func(key, value []byte) error) error {
	found := map[string][]byte{}
	for _, records := range []map[string][]byte{tx.from, tx.changed} {
		for k, v := range records {
			if strings.HasPrefix(k, string(prefix)) {
				found[k] = v
			}
		}
	}
	for _, k := range slices.Sorted(maps.Keys(found)) {
		if v := found[k]; v != nil {
			if err := fn([]byte(k), v); err != nil {
				return err
			}
		}
	}
	return nil
}
