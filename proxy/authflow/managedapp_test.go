package authflow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/proxy/session"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/storage/storetest"
)

// TestManagedAppsModel changes organisations' applications at random. It has three admins of two organisations, three people
// and two platforms. Sign-ins wait and end together; processes end before a write, or after it. Each application has its own
// client id, so every later event can be traced to it.
func TestManagedAppsModel(t *testing.T) {
	tally := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		m := newModel(t, rt, tally)
		defer m.close()
		rt.Repeat(map[string]func(*rapid.T){
			"try": m.try, "replace": m.try, "enter": m.enter, "begin": m.begin, "plain": m.plain,
			"finish": m.finish, "finish more": m.finish, "finish together": m.finishTogether,
			"prove": m.prove, "unproven": m.unproven, "remove": m.remove, "drop": m.drop, "kill": m.kill, "pass": m.pass, "": m.check,
		})
	})
	t.Logf("%v", tally)
	for _, what := range []string{"signed in", "confirmed", "replaced", "refused", "killed", "ended", "unproven", "proven"} {
		if tally[what] == 0 && !testing.Short() {
			t.Errorf("no event of the kind %q: the test proves little", what)
		}
	}
}

// owner is the organisation and platform of an application.
type owner struct {
	account  crmgate.AccountID
	platform crmgate.Platform
}

type started struct {
	callback authflow.CallbackRequest
	client   string
}

type model struct {
	*proxytest.Services
	tally  map[string]int
	clock  *storetest.Clock
	crm    *practicecrm.CRM
	url    string
	client *http.Client
	engine *mortal
	db     *storage.DB
	close  func()

	entered int
	owners  map[string]owner // of each client
	waiting []started
	tokens  map[crmgate.UserKey][]crmgate.Secret
	latest  map[owner]string // the confirmed client at the last check
	proven  map[string]bool  // clients with a sign-in whose account is proven, or was about to be

	mu        sync.Mutex
	exchanged map[string]bool // clients with a code that the CRM accepted; guarded by mu
	crossed   []string        // clients that were used for another platform; guarded by mu
}

// mortal is an engine. A test can end its process at the next write.
type mortal struct {
	storage.Engine
	mu   sync.Mutex
	dies string // guarded by mu; "before" the write, or "after" it
}

var errKilled = errors.New("the process has ended")

func (m *mortal) Update(ctx context.Context, fn func(storage.Tx) error) error {
	m.mu.Lock()
	dies := m.dies
	m.dies = ""
	m.mu.Unlock()
	if dies == "before" {
		return errKilled
	}
	err := m.Engine.Update(ctx, fn)
	if err == nil && dies == "after" {
		err = errKilled
	}
	return err
}

// adminsOf and peopleOf map RingCentral tokens to accounts.
var (
	adminsOf  = map[string]crmgate.AccountID{practicecrm.RCAdminToken: "1", practicecrm.RCSecondToken: "1", practicecrm.RCOtherAdminToken: "2"}
	peopleOf  = map[string]crmgate.AccountID{practicecrm.RCAdminToken: "1", practicecrm.RCUserToken: "1", practicecrm.RCOtherToken: "2", practicecrm.RCOtherAdminToken: "2"}
	platforms = []crmgate.Platform{"one", "two"}
)

// bring is a connector for organisations that register their own application.
type bring struct {
	connector.Connector
	manifest *manifest.Manifest
	model    *model
}

func (b bring) Manifest() *manifest.Manifest { return b.manifest }
func (b bring) Implements(string) bool       { return false }

func (b bring) OAuthInfo(context.Context, connector.OAuthInfoRequest) (connector.OAuthInfo, error) {
	return connector.OAuthInfo{Application: crmgate.Application{AccessTokenURI: b.model.url + "/oauth/token"}}, nil
}

func (b bring) UserInfo(ctx context.Context, r connector.UserInfoRequest) (connector.UserInfo, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.model.url+"/api/me", nil)
	if err != nil {
		return connector.UserInfo{}, err
	}
	req.Header.Set("Authorization", r.AuthHeader.Reveal())
	resp, err := b.model.client.Do(req)
	if err != nil {
		return connector.UserInfo{}, err
	}
	defer resp.Body.Close()
	var who struct{ ID int }
	err = json.NewDecoder(resp.Body).Decode(&who)
	return connector.UserInfo{Successful: who.ID != 0, ID: crmgate.UserID(fmt.Sprint(who.ID, "-", b.manifest.Platform))}, err
}

func newModel(t *testing.T, rt *rapid.T, tally map[string]int) *model {
	m := &model{
		tally: tally, clock: storetest.NewClock(),
		owners: map[string]owner{}, tokens: map[crmgate.UserKey][]crmgate.Secret{}, latest: map[owner]string{},
		proven: map[string]bool{}, exchanged: map[string]bool{},
	}
	must := func(err error) {
		if err != nil {
			rt.Fatal(err)
		}
	}
	m.crm = practicecrm.New(practicecrm.Config{Now: m.clock.Now})
	inProcess := proxytest.InProcess{Handler: m.crm}
	m.url, m.client = "https://crm.example", &http.Client{Transport: inProcess}
	conns := map[crmgate.Platform]connector.Connector{}
	for _, p := range platforms {
		all, err := manifest.Parse(map[string][]byte{string(p): []byte(`{"platforms":{"` + string(p) + `":{"auth":{"type":"oauth","oauth":{
			"authUrl":"` + m.url + `/oauth/authorize","redirectUri":"` + redirect + `","adminManaged":{"enabled":true}}},"crmgate":{"hosts":["crm.example"]}}}}`)}, "")
		must(err)
		manifest, _ := all.Platform(p)
		conns[p] = bring{manifest: manifest, model: m}
	}
	find := func(_ context.Context, p crmgate.Platform) (connector.Connector, error) {
		if c := conns[p]; c != nil {
			return c, nil
		}
		return nil, crmgate.Refuse("no such platform")
	}
	m.engine = &mortal{Engine: proxytest.NewMemory()}
	ring, err := sealed.NewKeyRing()
	must(err)
	m.db, err = storage.Open(t.Context(), m.engine, ring, storage.Config{Now: m.clock.Now})
	must(err)
	m.Services, m.close = proxytest.Open(rt, proxytest.Config{
		DB: m.db, Fetch: m.watched(inProcess.Fetch), RingCentral: m.url, Now: m.clock.Now, Timeout: time.Minute,
		Connectors: connector.Registry{Find: find, Platforms: func(context.Context) []crmgate.Platform { return platforms }},
	})
	return m
}

// watched records the client of each token request, and whether the CRM accepted its code.
func (m *model) watched(fetch crmgate.Fetch) crmgate.Fetch {
	return func(r *http.Request, e crmgate.Egress) (*http.Response, error) {
		if r.URL.Path != "/oauth/token" {
			return fetch(r, e)
		}
		id, _, _ := r.BasicAuth()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		resp, err := fetch(r, e)
		m.mu.Lock()
		defer m.mu.Unlock()
		if string(m.owners[id].platform) != e.Name {
			m.crossed = append(m.crossed, fmt.Sprintf("%s, of %v, for %s", id, m.owners[id], e.Name))
		}
		if form, _ := url.ParseQuery(string(body)); err == nil && resp.StatusCode == 200 && form.Get("grant_type") == "authorization_code" {
			m.exchanged[id] = true
		}
		return resp, err
	}
}

func (m *model) enter(t *rapid.T) {
	m.enterAs(t, one(t, "admin", adminsOf), rapid.SampledFrom(platforms).Draw(t, "platform"), rapid.Bool().Draw(t, "staged"))
}

func (m *model) enterAs(t *rapid.T, admin string, p crmgate.Platform, staged bool) {
	m.entered++
	id := fmt.Sprint("client-", m.entered)
	m.crm.Register(id, "secret of "+id)
	m.mu.Lock()
	m.owners[id] = owner{adminsOf[admin], p}
	m.mu.Unlock()
	state := crmgate.Pending
	if staged {
		state = crmgate.Staged
	}
	_, _ = m.admin(t, admin).Enter(t.Context(), p, map[string]string{"clientId": id, "clientSecret": "secret of " + id}, state)
}

// try has an admin enter an application and begin a sign-in with it.
func (m *model) try(t *rapid.T) {
	admin, p := one(t, "admin", adminsOf), rapid.SampledFrom(platforms).Draw(t, "platform")
	m.enterAs(t, admin, p, true)
	m.beginAs(t, admin, p, true)
}

func (m *model) begin(t *rapid.T) {
	m.beginAs(t, one(t, "who", peopleOf), rapid.SampledFrom(platforms).Draw(t, "platform"), rapid.Bool().Draw(t, "staged"))
}

// beginAs starts a bound sign-in and signs in on the CRM's page.
func (m *model) beginAs(t *rapid.T, who string, p crmgate.Platform, staged bool) {
	c, err := m.Flows.Compose(t.Context(), authflow.ComposeRequest{Platform: p, Mode: "bound", RCToken: crmgate.NewSecret(who), Staged: staged})
	if err != nil {
		return
	}
	landed, id := m.land(t, c.AuthURL)
	m.waiting = append(m.waiting, started{authflow.CallbackRequest{CallbackURI: landed, LoginSecret: c.LoginSecret}, id})
}

// plain starts a sign-in as App Connect's clients do, with an account id and any client that was ever entered.
func (m *model) plain(t *rapid.T) {
	if m.entered == 0 {
		return
	}
	id := fmt.Sprint("client-", rapid.IntRange(1, m.entered).Draw(t, "client"))
	p, account := rapid.SampledFrom(platforms).Draw(t, "platform"), rapid.SampledFrom([]crmgate.AccountID{"1", "2"}).Draw(t, "account")
	m.waiting = append(m.waiting, m.plainly(t, id, p, account))
}

func (m *model) plainly(t *rapid.T, id string, p crmgate.Platform, account crmgate.AccountID) started {
	landed, _ := m.land(t, m.url+"/oauth/authorize?response_type=code&client_id="+id+"&state=platform%3D"+string(p)+"&redirect_uri="+url.QueryEscape(redirect))
	return started{authflow.CallbackRequest{CallbackURI: landed, Account: account}, id}
}

// unproven has an admin enter an application, and signs a person in with it as App Connect's clients do.
func (m *model) unproven(t *rapid.T) {
	admin, p := one(t, "admin", adminsOf), rapid.SampledFrom(platforms).Draw(t, "platform")
	m.enterAs(t, admin, p, false)
	s := m.plainly(t, fmt.Sprint("client-", m.entered), p, adminsOf[admin])
	in, err := m.Flows.Callback(t.Context(), s.callback)
	m.finished(t, s, in, err)
	m.prove(t)
}

// land signs one of three people in at the CRM.
func (m *model) land(t *rapid.T, authURL string) (landed, client string) {
	u, err := url.Parse(authURL)
	if err == nil {
		landed, err = practicecrm.Browse(t.Context(), m.client, authURL, rapid.SampledFrom([]string{"ada", "grace", "alan"}).Draw(t, "person"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return landed, u.Query().Get("client_id")
}

// take removes a sign-in that waits.
func (m *model) take(t *rapid.T) (started, bool) {
	if len(m.waiting) == 0 {
		return started{}, false
	}
	i := rapid.IntRange(0, len(m.waiting)-1).Draw(t, "which")
	s := m.waiting[i]
	m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
	return s, true
}

func (m *model) finish(t *rapid.T) {
	if s, ok := m.take(t); ok {
		m.begun(s)
		in, err := m.Flows.Callback(t.Context(), s.callback)
		m.finished(t, s, in, err)
	}
}

// finishTogether completes two sign-ins, or one twice, at the same time.
func (m *model) finishTogether(t *rapid.T) {
	a, ok := m.take(t)
	if !ok {
		return
	}
	b, ok := m.take(t)
	if !ok {
		b = a
	}
	var group sync.WaitGroup
	both := []started{a, b}
	m.begun(a)
	m.begun(b)
	signedIn, errs := make([]authflow.SignedIn, 2), make([]error, 2)
	for i, s := range both {
		group.Go(func() { signedIn[i], errs[i] = m.Flows.Callback(t.Context(), s.callback) })
	}
	group.Wait()
	for i, s := range both {
		m.finished(t, s, signedIn[i], errs[i])
	}
}

// begun notes that a callback is about to be finished: it may be stored even if its process ends before the answer.
func (m *model) begun(s started) {
	if s.callback.Account == "" { // a bound state
		m.proven[s.client] = true
	}
}

// prove sends a RingCentral token with a session.
func (m *model) prove(t *rapid.T) {
	var people []crmgate.UserKey
	for key := range m.tokens {
		people = append(people, key)
	}
	if len(people) == 0 {
		return
	}
	slices.SortFunc(people, func(a, b crmgate.UserKey) int { return strings.Compare(a.String(), b.String()) })
	key, rc := rapid.SampledFrom(people).Draw(t, "person"), one(t, "proof", peopleOf)
	s, err := m.Sessions.Check(t.Context(), "Bearer "+m.tokens[key][len(m.tokens[key])-1].Reveal(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.State != session.Live || !s.Unproven {
		return
	}
	p, err := m.db.Person(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if p.User.Account == peopleOf[rc] {
		m.proven[p.Grant.App.ClientID] = true
		m.tally["proven"]++
	}
	if err := m.Sessions.Prove(t.Context(), s, crmgate.NewSecret(rc)); err != nil {
		t.Fatal(err)
	}
}

func (m *model) finished(t *rapid.T, s started, in authflow.SignedIn, err error) {
	if err != nil || in.Token.IsZero() {
		m.tally["refused"]++
		return
	}
	m.tally["signed in"]++
	own := m.owners[s.client]
	if s.callback.Account != "" && own.account != s.callback.Account {
		t.Fatalf("%s signed in for account %s", s.client, s.callback.Account)
	}
	key := crmgate.UserKey{Platform: own.platform, ID: in.ID}
	m.tokens[key] = append(m.tokens[key], in.Token)
}

// admin verifies an admin's token.
func (m *model) admin(t *rapid.T, token string) *org.Admin {
	a, err := m.Orgs.VerifyAdmin(t.Context(), crmgate.NewSecret(token))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (m *model) remove(t *rapid.T) {
	_ = m.admin(t, one(t, "admin", adminsOf)).RemoveApp(t.Context(), rapid.SampledFrom(platforms).Draw(t, "platform"))
}

func (m *model) drop(t *rapid.T) {
	_ = m.admin(t, one(t, "admin", adminsOf)).DropPending(t.Context(), rapid.SampledFrom(append([]crmgate.Platform{""}, platforms...)).Draw(t, "platform"))
}

func (m *model) kill(t *rapid.T) {
	m.tally["killed"]++
	m.engine.mu.Lock()
	defer m.engine.mu.Unlock()
	m.engine.dies = rapid.SampledFrom([]string{"before", "after"}).Draw(t, "when")
}

func (m *model) pass(t *rapid.T) {
	m.clock.Add(time.Duration(rapid.Int64Range(1, int64(5*time.Minute)).Draw(t, "time")))
}

// check checks what must always be true.
func (m *model) check(t *rapid.T) {
	m.mu.Lock()
	crossed := m.crossed
	m.mu.Unlock()
	if len(crossed) > 0 {
		t.Fatalf("a client was used for another platform: %v", crossed)
	}
	confirmed, pending := map[owner]string{}, map[owner]string{}
	for _, account := range []crmgate.AccountID{"1", "2"} {
		for _, p := range platforms {
			apps, err := m.db.Applications(t.Context(), account, p)
			if err != nil {
				t.Fatal(err)
			}
			of := owner{account, p}
			if apps.Pending != nil {
				pending[of] = apps.Pending.ClientID
			}
			if apps.Confirmed == nil {
				continue
			}
			id := apps.Confirmed.ClientID
			confirmed[of] = id
			m.mu.Lock()
			if !m.exchanged[id] {
				t.Errorf("%s is confirmed without a sign-in", id)
			}
			if !m.proven[id] {
				t.Errorf("%s is confirmed without a proven sign-in", id)
			}
			if m.owners[id] != of {
				t.Errorf("%s of %v is confirmed for %v", id, m.owners[id], of)
			}
			m.mu.Unlock()
			switch before := m.latest[of]; {
			case before == "":
				m.tally["confirmed"]++
			case before != id:
				m.tally["replaced"]++
			}
		}
	}
	m.latest = confirmed
	for key, tokens := range m.tokens {
		p, err := m.db.Person(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		app := p.Grant.App
		own := m.owners[app.ClientID]
		if !p.Grant.Empty() && (own.account != app.Account || own.platform != key.Platform || p.User.Account != app.Account) {
			t.Errorf("%v of account %s has a grant of %s, which belongs to %v", key, p.User.Account, app.ClientID, own)
		}
		for _, raw := range tokens {
			header := "Bearer " + raw.Reveal()
			s, err := m.Sessions.Check(t.Context(), header, nil)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case s.State != session.Live:
				m.tally["ended"]++
			case s.Unproven && pending[own] == app.ClientID:
				m.tally["unproven"]++
			case confirmed[own] != app.ClientID:
				t.Errorf("a session of %s is good, and %q is confirmed", app.ClientID, confirmed[own])
			}
		}
	}
}

// one returns one of the tokens.
func one(t *rapid.T, label string, of map[string]crmgate.AccountID) string {
	var all []string
	for _, token := range []string{practicecrm.RCAdminToken, practicecrm.RCSecondToken, practicecrm.RCUserToken, practicecrm.RCOtherToken, practicecrm.RCOtherAdminToken} {
		if _, ok := of[token]; ok {
			all = append(all, token)
		}
	}
	return rapid.SampledFrom(all).Draw(t, label)
}
