package token_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
)

var seed = flag.Uint64("seed", 0, "the one seed that TestSimulation runs; 0: all seeds")

// seeds is how many seeds TestSimulation runs; in the long form, CRMGATE_SEEDS says how many.
func seeds(t *testing.T) uint64 {
	n := uint64(size(200, 100_000))
	if s := os.Getenv("CRMGATE_SEEDS"); s != "" {
		var err error
		n, err = strconv.ParseUint(s, 10, 32)
		must(t, err)
	}
	return n
}

// TestSimulation drives several engines on one store through virtual time: callers, processes that end at every point, and
// a CRM that rotates, detects reuse, fails, hangs and loses its answers. One seed decides everything.
func TestSimulation(t *testing.T) {
	t.Parallel()
	first, n := uint64(1), seeds(t)
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
	for ; s < first+n; s++ {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulation(t, s)
			sim.run()
			sum.add(sim.tally)
		})
	}
	t.Logf("%d seeds: %+v", n, sum)
	if n >= 100 && (sum.Refreshes == 0 || sum.Kills == 0 || sum.Lost == 0 || sum.Repaired == 0 || sum.Ended == 0) {
		t.Error("the simulation reached too few kinds of events")
	}
}

// tally counts events.
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
	desk *token.Engine // where people sign in

	mu      sync.Mutex
	chance  *rand.Rand           // guarded by mu; of all others
	nodes   []*node              // guarded by mu
	asking  map[string]int       // guarded by mu; token requests under way, by login
	unheard map[string]bool      // guarded by mu; logins without their latest answer: the CRM may have ended the stored grant
	issued  map[string]time.Time // guarded by mu; when the latest grant that was seen stored was issued, by login
	callers sync.WaitGroup
}

// node is a process.
type node struct {
	engine *token.Engine
	dead   bool   // guarded by simulation.mu
	last   string // guarded by simulation.mu; the login of the latest answered refresh
}

var people = []string{"ada", "grace", "alan"}

func keyOf(login string) crmgate.UserKey {
	return crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(login + "-practice")}
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{t: t, rand: rand.New(rand.NewPCG(seed, 1)), chance: rand.New(rand.NewPCG(seed, 2)), asking: map[string]int{}, unheard: map[string]bool{}, issued: map[string]time.Time{}}
	s.crm = practicecrm.New(practicecrm.Config{})
	s.conn = &testConnector{info: connector.OAuthInfo{Application: crmgate.Application{ClientSecret: crmgate.NewSecret(practicecrm.ClientSecret), AccessTokenURI: "https://crm.example/oauth/token"}}}
	s.declare("")
	ring, err := sealed.NewKeyRing()
	must(t, err)
	s.db, err = storage.Open(t.Context(), proxytest.NewMemory(), ring, storage.Config{})
	must(t, err)
	s.desk = s.engine(proxytest.InProcess{Handler: s.crm}.Fetch, true)
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
	n.engine = s.engine(s.fetch(n), false)
	n.engine.SetPoint(func(point string) { s.pass(n, point) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes = append(s.nodes, n)
	return n
}

func (s *simulation) engine(fetch crmgate.Fetch, alone bool) *token.Engine {
	e, err := token.New(token.Config{
		DB: s.db, Fetch: fetch, Logger: slog.New(slog.DiscardHandler), Timeout: 2 * time.Second, Wait: 4 * time.Second, Alone: alone,
		Connector: func(context.Context, crmgate.Platform) (connector.Connector, error) { return s.conn, nil },
	})
	must(s.t, err)
	return e
}

// pass ends the process at a point at random, or stops it for longer than its lease. A process that has ended stays ended.
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
	if point == "answered" && (stall || n.dead) { // only this process knows the answer
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

// fetch sends a request to the CRM. It checks that no token is sent twice at once, and records lost answers.
func (s *simulation) fetch(n *node) crmgate.Fetch {
	return func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		// Unlike net/http, this does not check whether the context has ended: the deadlines of a machine that slept lie ahead.
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
		r.Body = io.NopCloser(bytes.NewReader(b))
		resp, err := proxytest.InProcess{Handler: s.crm}.RoundTrip(r)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asking[login]--
		n.last = login
		if err != nil || n.dead { // the CRM may have rotated, and the answer is lost
			if s.crm.LiveRefresh(form.Get("refresh_token")) {
				return resp, err // nothing was rotated
			}
			s.unheard[login] = true
			s.Lost++
		}
		return resp, err
	}
}

// signIn stores a person with a fresh grant, as the flows do.
func (s *simulation) signIn(login string) {
	ctx := s.t.Context()
	s.crm.SetMood(practicecrm.Mood{})
	c, err := s.desk.Client(ctx, s.conn, connector.OAuthInfoRequest{}, nil)
	must(s.t, err)
	code, err := practicecrm.Code(ctx, &http.Client{Transport: proxytest.InProcess{Handler: s.crm}},
		"https://crm.example/oauth/authorize?response_type=code&client_id=practice-client&redirect_uri="+url.QueryEscape(redirect), login)
	must(s.t, err)
	tokens, err := s.desk.Exchange(ctx, s.conn, c, token.Exchange{Code: crmgate.NewSecret(code), RedirectURI: redirect})
	must(s.t, err)
	_, err = s.db.SignIn(ctx, keyOf(login), func(p *crmgate.Person) error {
		p.User.Name = login
		p.Grant = tokens.Grant(c, p.Grant)
		return nil
	}, storage.DropEntry(tokens.Journal))
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
	if owner, _ := s.crm.Granted(p.Grant.AccessToken.Reveal()); owner != login || p.User.Name != login {
		s.t.Errorf("%s got the token of %q", login, owner)
	}
}

// settle checks all people once the CRM is well, the manifest is right and time has passed: each has a live grant, or must sign
// in because the CRM has ended it.
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
	n.engine = s.engine(s.fetch(n), true)
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
			// After a lost answer the CRM has rotated the stored token. Its next use ends the family.
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
