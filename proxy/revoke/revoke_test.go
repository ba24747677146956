package revoke_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	must   = proxytest.Must
	person = proxytest.Person
)

const plainAnswer = proxytest.PlainAnswer

type world struct{ *proxytest.World }

// virtual runs a test in virtual time, in a world without a network.
func virtual(t *testing.T, in func(http.Handler) http.Handler, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &world{proxytest.NewVirtualWorld(t, in)}) })
}

// givenUp returns the audit entries of revocations that were given up.
func (w *world) givenUp() (all []string) {
	w.Helper()
	must(w, w.DB.Audit().Read(w.Context(), audit.Query{}, func(e audit.Entry) error {
		if e.Kind == audit.EventRevocation {
			who := "no user"
			if e.UserHash != "" {
				who = "hashed"
			}
			all = append(all, fmt.Sprintf("%s %s %s %s", e.Outcome, e.Reason, e.Platform, who))
		}
		return nil
	}))
	return all
}

func (w *world) wantWaiting(n int) {
	w.Helper()
	b, err := w.DB.Revocations(w.Context(), "practice", 1, nil)
	must(w, err)
	if b.Count != n {
		w.Errorf("%d revocations wait, want %d", b.Count, n)
	}
}

// requests counts the revocation requests that the CRM receives during f.
func (w *world) requests(f func()) int {
	before := w.CRM.Counts().Revoke
	f()
	return w.CRM.Counts().Revoke - before
}

// both runs a test twice: the server revokes the grants, or the connector does. each is the number of requests for a grant.
func both(t *testing.T, test func(t *testing.T, w *world, each int)) {
	t.Parallel()
	t.Run("RFC 7009", func(t *testing.T) {
		t.Parallel()
		virtual(t, nil, func(t *testing.T, w *world) { test(t, w, 2) })
	})
	t.Run("unAuthorize", func(t *testing.T) {
		t.Parallel()
		virtual(t, nil, func(t *testing.T, w *world) {
			w.Conn.Own = w.unAuthorize
			test(t, w, 1)
		})
	})
}

// unAuthorize revokes as the practice connector does.
func (w *world) unAuthorize(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	fail := func(status int, err error) (connector.Outcome, error) {
		return connector.Outcome{}, &crmgate.ConnectorError{Platform: "practice", Operation: "unAuthorize", Message: "no", Status: status, Err: err}
	}
	bearer := r.AuthHeader.Reveal()
	req, err := http.NewRequestWithContext(ctx, "POST", w.URL+"/oauth/revoke", strings.NewReader(url.Values{"token": {strings.TrimPrefix(bearer, "Bearer ")}}.Encode()))
	if err != nil {
		return fail(0, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", bearer)
	resp, err := w.Fetch(req, crmgate.Egress{Name: "practice", Hosts: w.Conn.Manifest().Hosts})
	if err != nil {
		return fail(0, err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		return fail(resp.StatusCode, err)
	}
	return connector.Outcome{Successful: true, Told: true}, nil
}

func TestLogoutRevokesAtOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world, each int) {
		g := w.SignIn("ada", person(1))
		if n := w.requests(func() { w.Logout(person(1)) }); n != each || w.Alive(g) {
			t.Errorf("%d requests, alive is %v", n, w.Alive(g))
		}
		w.wantWaiting(0)
		w.SignIn("ada", person(1))
		told, err := w.Sessions.Forget(t.Context(), person(1))
		if told != revoke.Now || err != nil {
			t.Errorf("erasure: got %q, %v", told, err)
		}
		w.wantWaiting(0)
	})
}

func TestNothingToRevoke(t *testing.T) {
	t.Parallel()
	virtual(t, nil, func(t *testing.T, w *world) {
		for _, g := range []crmgate.Grant{{}, {APIKey: crmgate.NewSecret("key")}} {
			_, err := w.DB.SignIn(t.Context(), person(1), func(p *crmgate.Person) error { p.Grant = g; return nil })
			must(t, err)
			told, err := w.Sessions.Forget(t.Context(), person(1))
			if told != revoke.Nothing || err != nil || w.CRM.Counts().Revoke != 0 {
				t.Errorf("got %q, %v", told, err)
			}
			w.wantWaiting(0)
		}
		if _, err := w.Sessions.Logout(t.Context(), person(2)); !errors.Is(err, crmgate.ErrNotFound) {
			t.Errorf("unknown person: %v", err)
		}
	})
}

// TestGrantIsRevokedOnceTheCRMWorks: after any failure, a later attempt revokes the grant, and no attempt follows.
func TestGrantIsRevokedOnceTheCRMWorks(t *testing.T) {
	for _, mood := range []string{"500", "429", "401", "hang", "cut"} {
		t.Run(mood, func(t *testing.T) {
			both(t, func(t *testing.T, w *world, each int) {
				g := w.SignIn("ada", person(1))
				w.CRM.SetMood(practicecrm.Mood{Revoke: mood})
				w.Logout(person(1))
				if s, err := w.DB.Session(t.Context(), person(1)); err != nil || !s.Ended {
					t.Errorf("the session has not ended: %+v, %v", s, err)
				}
				w.wantWaiting(1)
				if n := w.requests(w.Revocations.RunDue); n != 0 {
					t.Errorf("%d requests before its time", n)
				}
				for range 3 {
					w.Clock.Add(soon)
					if n := w.requests(w.Revocations.RunDue); n != 1 {
						t.Errorf("%d requests to a CRM that fails, want 1", n)
					}
				}
				w.wantWaiting(1)
				if w.Waiting() != 1 {
					t.Errorf("the gauge shows %d", w.Waiting())
				}
				w.CRM.SetMood(practicecrm.Mood{})
				w.Clock.Add(soon)
				if n := w.requests(w.Revocations.RunDue); n != each || w.Alive(g) {
					t.Errorf("%d requests, alive is %v", n, w.Alive(g))
				}
				w.wantWaiting(0)
				w.Clock.Add(revoke.Age)
				if n := w.requests(w.Revocations.RunDue); n != 0 {
					t.Errorf("revoked again: %d requests", n)
				}
				if w.Revoked("error") != 4 || w.Revoked("ok") != 1 || len(w.givenUp()) != 0 {
					t.Errorf("counted %d, given up %v", w.Revoked("ok"), w.givenUp())
				}
			})
		})
	}
}

// soon is longer than any wait of the first few attempts.
const soon = time.Minute

// TestUnstoredAnswerIsRevoked: if the answer to a refresh was not stored, the tokens in it are revoked too.
func TestUnstoredAnswerIsRevoked(t *testing.T) {
	both(t, func(t *testing.T, w *world, _ int) {
		for name, leave := range map[string]func(key crmgate.UserKey, g crmgate.Grant) crmgate.Grant{
			"logout": func(key crmgate.UserKey, g crmgate.Grant) crmgate.Grant {
				lives := w.Answered(key, g, plainAnswer)
				w.Logout(key)
				return lives
			},
			"erasure": func(key crmgate.UserKey, g crmgate.Grant) crmgate.Grant {
				lives := w.Answered(key, g, plainAnswer)
				_, err := w.Sessions.Forget(t.Context(), key)
				must(t, err)
				return lives
			},
			"logout before the answer came": func(key crmgate.UserKey, g crmgate.Grant) crmgate.Grant {
				w.Logout(key)
				lives := w.Answered(key, g, plainAnswer)
				w.Clock.Add(storage.RevocationLease)
				return lives
			},
		} {
			g := w.SignIn("ada", person(1))
			lives := leave(person(1), g)
			w.Revocations.RunDue()
			if w.Alive(g) || w.Alive(lives) {
				t.Errorf("%s: the stored grant is alive: %v, the one that replaced it: %v", name, w.Alive(g), w.Alive(lives))
			}
			w.wantWaiting(0)
			if kept, err := w.DB.JournalOf(t.Context(), person(1)); len(kept) != 0 || err != nil {
				t.Errorf("%s: still in the journal: %d, %v", name, len(kept), err)
			}
		}
	})
}

// TestAnUnreadAnswerWaitsForItsManifest: a token answer that the manifest cannot read holds up no other revocation.
func TestAnUnreadAnswerWaitsForItsManifest(t *testing.T) {
	t.Parallel()
	virtual(t, nil, func(t *testing.T, w *world) {
		lives := w.Answered(person(1), w.SignIn("ada", person(1)), `{"result":{"oauth":{"access_token":%q,"refresh_token":%q}}}`)
		w.Logout(person(1))
		w.Revocations.RunDue()
		w.wantWaiting(1)
		other := w.SignIn("ada", person(2))
		w.CRM.SetMood(practicecrm.Mood{Revoke: "401"})
		w.Logout(person(2))
		w.CRM.SetMood(practicecrm.Mood{})
		w.Clock.Add(soon)
		w.Revocations.RunDue()
		if w.Alive(other) || !w.Alive(lives) {
			t.Errorf("the other person's grant is alive: %v, the unread one: %v", w.Alive(other), w.Alive(lives))
		}
		w.Conn.Manifest().Token.Path, w.Conn.Manifest().Refresh.Path = "result.oauth", "result.oauth"
		w.Clock.Add(soon)
		w.Revocations.RunDue()
		if w.Alive(lives) {
			t.Error("the manifest can read the answer, and the grant is still alive")
		}
		w.wantWaiting(0)
	})
}

// TestTwoServersRevokeOnce: two processes on one store revoke each grant once.
func TestTwoServersRevokeOnce(t *testing.T) {
	both(t, func(t *testing.T, w *world, each int) {
		const people = 30
		var grants []crmgate.Grant
		for i := range people {
			grants = append(grants, w.SignIn("ada", person(i)))
		}
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		for i := range people {
			w.Logout(person(i))
		}
		w.CRM.SetMood(practicecrm.Mood{})
		w.Clock.Add(soon)
		other := w.Process(w.OpenDB())
		n := w.requests(func() {
			for range 30 { // a recovering breaker lets few requests through at once
				var group sync.WaitGroup
				group.Go(w.Revocations.RunDue)
				group.Go(other.Revocations.RunDue)
				group.Wait()
				w.Clock.Add(time.Second)
			}
		})
		if n != people*each {
			t.Errorf("%d requests for %d people", n, people)
		}
		for _, g := range grants {
			if w.Alive(g) {
				t.Error("a grant is still alive")
			}
		}
		w.wantWaiting(0)
	})
}

// TestFailingCRMGetsFewRequests: a CRM that fails gets one request at a time, at growing intervals up to a minute, for any number of
// revocations.
func TestFailingCRMGetsFewRequests(t *testing.T) {
	for _, status := range []string{"500", "408", "425", "429"} {
		t.Run(status, func(t *testing.T) {
			both(t, func(t *testing.T, w *world, each int) {
				const people = 20
				for i := range people {
					w.SignIn("ada", person(i))
				}
				w.CRM.SetMood(practicecrm.Mood{Revoke: status})
				n := w.requests(func() {
					for i := range people {
						w.Logout(person(i))
					}
				})
				if n > 5 {
					t.Errorf("%d requests for %d logouts", n, people)
				}
				w.Clock.Add(time.Hour)
				n = w.requests(func() {
					for range 60 { // an hour
						w.Revocations.RunDue()
						w.Clock.Add(time.Minute)
					}
				})
				if n < 30 || n > 65 {
					t.Errorf("%d requests in an hour", n)
				}
				w.CRM.SetMood(practicecrm.Mood{})
				n = w.requests(func() {
					for range 10 * 60 { // ten minutes
						w.Clock.Add(time.Second)
						w.Revocations.RunDue()
					}
				})
				if n != people*each {
					t.Errorf("%d requests to a CRM that works again", n)
				}
				w.wantWaiting(0)

				// The next failure starts with a short interval again.
				w.SignIn("ada", person(1))
				w.CRM.SetMood(practicecrm.Mood{Revoke: status})
				w.Logout(person(1))
				w.CRM.SetMood(practicecrm.Mood{})
				w.Clock.Add(revoke.FirstWait * 6 / 5)
				if n := w.requests(w.Revocations.RunDue); n != each {
					t.Errorf("%d requests after a short failure, want %d", n, each)
				}
			})
		})
	}
}

// TestOneBreakerForACRM: a CRM that fails refreshes gets no revocations meanwhile. A CRM that fails revocations still gets
// refreshes.
func TestOneBreakerForACRM(t *testing.T) {
	both(t, func(t *testing.T, w *world, _ int) {
		refresh := func(i int) error {
			_, err := w.Tokens.Live(t.Context(), person(i))
			return err
		}
		for i := range 20 {
			w.SignIn("ada", person(i))
		}
		w.Clock.Add(2 * time.Hour) // the access tokens have expired
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		for i := range 10 {
			w.Logout(person(i))
		}
		if err := refresh(10); err != nil {
			t.Errorf("a refresh while revocations fail: %v", err)
		}
		w.Clock.Add(time.Hour)
		w.CRM.SetMood(practicecrm.Mood{Status: 500})
		for i := range 8 {
			if err := refresh(11 + i); err == nil {
				t.Error("a refresh at a CRM that fails")
			}
		}
		if n := w.requests(func() { w.Logout(person(10)); w.Revocations.RunDue() }); n != 0 {
			t.Errorf("%d revocation requests while refreshes fail", n)
		}
	})
}

// TestADeadHostHoldsUpNoOther: revocations at a host that does not answer wait, and those behind them go on.
func TestADeadHostHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	virtual(t, nil, func(t *testing.T, w *world) {
		asked := map[string]int{}
		var mu sync.Mutex
		w.Conn.Own = func(_ context.Context, r connector.UserRequest) (connector.Outcome, error) {
			mu.Lock()
			defer mu.Unlock()
			asked[r.User.Key.Hostname]++
			if r.User.Key.Hostname == "dead.example" {
				return connector.Outcome{}, &crmgate.ConnectorError{Message: "could not connect"}
			}
			return connector.Outcome{Successful: true}, nil
		}
		queue := func(host string, n int) {
			for i := range n {
				key := person(i)
				key.Hostname = host
				g := crmgate.Grant{AccessToken: crmgate.NewSecret(fmt.Sprint(host, i))}
				must(t, w.DB.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: key}, Grant: g}))
				w.Clock.Add(time.Millisecond)
			}
		}
		queue("dead.example", 150)
		queue("live.example", 10)
		w.Revocations.RunDue()
		if asked["dead.example"] > 2*revoke.AtOnce || asked["live.example"] != 10 {
			t.Errorf("asked %v", asked)
		}
		w.wantWaiting(150)
	})
}

// TestUntriedRevocationsAreGivenUp: revocations that were never tried, because the CRM failed, are given up too.
func TestUntriedRevocationsAreGivenUp(t *testing.T) {
	both(t, func(t *testing.T, w *world, _ int) {
		g := w.SignIn("ada", person(1))
		const people = 50
		for i := range people {
			must(t, w.DB.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: person(100 + i)}, Grant: g}))
		}
		_, err := w.DB.DeletePerson(t.Context(), person(1))
		must(t, err)
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		w.Clock.Add(revoke.Age)
		if n := w.requests(w.Revocations.RunDue); n > 2*revoke.AtOnce || len(w.givenUp()) != people+1 {
			t.Errorf("%d requests, %d given up, want %d", n, len(w.givenUp()), people+1)
		}
		w.wantWaiting(0)
	})
}

// TestConcurrencyIsLimited: a CRM that works gets at most AtOnce requests at the same time.
func TestConcurrencyIsLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var held atomic.Pointer[chan struct{}] // while set, revocations wait for it to be closed
		var running atomic.Int32
		w := &world{proxytest.NewVirtualWorld(t, func(crm http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if c := held.Load(); c != nil && r.URL.Path == "/oauth/revoke" {
					running.Add(1)
					<-*c
				}
				crm.ServeHTTP(rw, r)
			})
		})}
		w.Conn.Own = w.unAuthorize
		for i := range 12 {
			must(t, w.DB.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: person(i)}, Grant: w.SignIn("ada", person(100+i))}))
		}
		c := make(chan struct{})
		held.Store(&c)
		done := make(chan struct{})
		go func() { defer close(done); w.Revocations.RunDue() }()
		synctest.Wait()
		if n := running.Load(); n != revoke.AtOnce {
			t.Errorf("%d requests run, want %d", n, revoke.AtOnce)
		}
		close(c)
		<-done
		w.wantWaiting(0)
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	retryAfter := func(crm http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/oauth/revoke" {
				rw.Header().Set("Retry-After", "1800")
			}
			crm.ServeHTTP(rw, r)
		})
	}
	virtual(t, retryAfter, func(t *testing.T, w *world) {
		w.SignIn("ada", person(1))
		w.CRM.SetMood(practicecrm.Mood{Revoke: "429"})
		w.Logout(person(1))
		w.CRM.SetMood(practicecrm.Mood{})
		w.Clock.Add(30*time.Minute - time.Second)
		if n := w.requests(w.Revocations.RunDue); n != 0 {
			t.Errorf("%d requests too early", n)
		}
		w.Clock.Add(time.Second)
		if n := w.requests(w.Revocations.RunDue); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
}

// TestFailingRevocationIsGivenUp: a revocation that fails for a week is given up. The log and the audit log say so.
func TestFailingRevocationIsGivenUp(t *testing.T) {
	both(t, func(t *testing.T, w *world, _ int) {
		const people = 5
		for i := range people {
			w.SignIn("ada", person(i))
		}
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		for i := range people {
			w.Logout(person(i))
		}
		began := w.Clock.Now()
		n := w.requests(func() {
			for w.Clock.Now().Sub(began) < revoke.Age+24*time.Hour && len(w.givenUp()) < people {
				if len(w.givenUp()) > 0 && w.Clock.Now().Sub(began) < revoke.Age {
					t.Fatalf("given up after %v", w.Clock.Now().Sub(began))
				}
				w.Revocations.RunDue()
				w.Clock.Add(15 * time.Minute)
			}
		})
		if len(w.givenUp()) != people || w.Revoked("never") != people || w.givenUp()[0] != "error unavailable practice hashed" {
			t.Errorf("given up: %q, counted %d", w.givenUp(), w.Revoked("never"))
		}
		w.wantWaiting(0)
		if !strings.Contains(w.Log(), "level=WARN msg=\"the CRM was never told") {
			t.Error("the log does not mention it")
		}
		t.Logf("%d requests in the week for %d people", n, people)
		if n < 10 || n > 400 {
			t.Errorf("%d requests in a week", n)
		}
		w.CRM.SetMood(practicecrm.Mood{})
		w.Clock.Add(time.Hour)
		if n := w.requests(w.Revocations.RunDue); n != 0 {
			t.Errorf("%d requests after the end", n)
		}
	})
}

// TestRevocationsWaitForTheirApplication: while the CRM rejects the application, one revocation an hour tries it. All are
// revoked once the CRM accepts it, and given up after a week.
func TestRevocationsWaitForTheirApplication(t *testing.T) {
	t.Parallel()
	const people = 20
	begin := func(w *world) (grants []crmgate.Grant) {
		for i := range people {
			grants = append(grants, w.SignIn("ada", person(i)))
		}
		w.Conn.Info.ClientSecret = crmgate.NewSecret("wrong")
		n := w.requests(func() {
			for i := range people {
				if told, err := w.Sessions.Forget(w.Context(), person(i)); told != revoke.Later || err != nil {
					t.Errorf("got %q, %v", told, err)
				}
			}
		})
		if n != 1 {
			t.Errorf("%d requests with a wrong secret, want 1", n)
		}
		w.wantWaiting(people)
		return grants
	}
	// pass lets time pass in steps, and returns the number of requests.
	pass := func(w *world, d, step time.Duration) int {
		return w.requests(func() {
			for end := w.Clock.Now().Add(d); w.Clock.Now().Before(end); w.Clock.Add(step) {
				w.Revocations.RunDue()
			}
		})
	}
	wantRevoked := func(w *world, grants []crmgate.Grant) {
		t.Helper()
		for _, g := range grants {
			if w.Alive(g) {
				t.Error("a grant is still alive")
				break
			}
		}
		w.wantWaiting(0)
		if all, err := w.DB.Pauses(w.Context()); len(all) != 0 || err != nil {
			t.Errorf("still paused: %+v, %v", all, err)
		}
	}
	right := crmgate.NewSecret(practicecrm.ClientSecret)
	t.Run("another secret here", func(t *testing.T) {
		virtual(t, nil, func(t *testing.T, w *world) {
			grants := begin(w)
			if n := pass(w, 10*time.Hour, time.Minute); n < 9 || n > 10 {
				t.Errorf("%d requests in ten hours", n)
			}
			w.Conn.Info.ClientSecret = right
			pass(w, time.Hour+time.Minute, time.Minute)
			wantRevoked(w, grants)
		})
	})
	t.Run("corrected at the CRM, and retried", func(t *testing.T) {
		virtual(t, nil, func(t *testing.T, w *world) {
			grants := begin(w)
			pass(w, 10*time.Minute, time.Minute)
			w.CRM.Register("practice-client", "wrong")
			if n := pass(w, 10*time.Minute, time.Minute); n != 0 {
				t.Errorf("%d requests before the hour is over", n)
			}
			if n, err := w.DB.RetryPaused(w.Context(), "practice", nil); n != 1 || err != nil {
				t.Errorf("retried %d, %v", n, err)
			}
			pass(w, 3*time.Minute, time.Minute)
			wantRevoked(w, grants)
		})
	})
	t.Run("corrected at the CRM, and found out", func(t *testing.T) {
		virtual(t, nil, func(t *testing.T, w *world) {
			grants := begin(w)
			pass(w, 10*time.Minute, time.Minute)
			w.CRM.Register("practice-client", "wrong")
			pass(w, time.Hour, time.Minute)
			wantRevoked(w, grants)
		})
	})
	t.Run("never", func(t *testing.T) {
		virtual(t, nil, func(t *testing.T, w *world) {
			begin(w)
			const week = 7 * 24
			if n := pass(w, revoke.Age-time.Hour, 20*time.Minute); n < week-3 || n > week || len(w.givenUp()) != 0 {
				t.Errorf("%d requests in a week, given up %q", n, w.givenUp())
			}
			pass(w, 3*time.Hour, 20*time.Minute)
			w.wantWaiting(0)
			if given := w.givenUp(); len(given) != people || given[0] != "refused app dead practice hashed" {
				t.Errorf("given up: %q", given)
			}
		})
	})
}

// TestRestart: a logout that was confirmed is in the store, and the next process revokes the grant.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := &world{proxytest.NewWorld(t, dir, nil)}
	g := w.SignIn("ada", person(1))
	w.CRM.SetMood(practicecrm.Mood{Revoke: "cut"})
	w.Logout(person(1))
	w.CRM.SetMood(practicecrm.Mood{})
	w.Restart(dir)
	w.Clock.Add(soon)
	if n := w.requests(w.Revocations.RunDue); n != 2 || w.Alive(g) {
		t.Errorf("%d requests, alive is %v", n, w.Alive(g))
	}
	w.wantWaiting(0)
}

// TestRevocationOutlivesItsProcess: after the lease, another process claims the revocation of a process that ended.
func TestRevocationOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	virtual(t, nil, func(t *testing.T, w *world) {
		g := w.SignIn("ada", person(1))
		_, err := w.DB.EndSession(t.Context(), person(1)) // the process ends before the request
		must(t, err)
		if n := w.requests(w.Revocations.RunDue); n != 0 {
			t.Errorf("%d requests during the lease", n)
		}
		w.Clock.Add(storage.RevocationLease)
		due, err := w.DB.Revocations(t.Context(), "practice", 1, nil)
		must(t, err)
		_, err = w.DB.ClaimRevocation(t.Context(), due.Due[0]) // the process ends before the response
		must(t, err)
		w.Clock.Add(storage.RevocationLease)
		if n := w.requests(w.Revocations.RunDue); n != 2 || w.Alive(g) {
			t.Errorf("%d requests, alive is %v", n, w.Alive(g))
		}
		w.wantWaiting(0)
	})
}

// TestNewSignInStaysSignedIn: a revocation that waits does not end a newer sign-in.
func TestNewSignInStaysSignedIn(t *testing.T) {
	t.Parallel()
	virtual(t, nil, func(t *testing.T, w *world) {
		old := w.SignIn("ada", person(1))
		kept := w.SignIn("alan", person(3))
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		w.Logout(person(1))
		w.Logout(person(3))
		w.CRM.SetMood(practicecrm.Mood{})
		fresh := w.SignIn("ada", person(1))
		_, err := w.DB.SignIn(t.Context(), person(3), func(p *crmgate.Person) error { // a CRM that issues the same tokens again
			p.Grant = kept
			return nil
		})
		must(t, err)
		w.Clock.Add(soon)
		w.Revocations.RunDue()
		if w.Alive(old) || !w.Alive(fresh) || !w.Alive(kept) {
			t.Errorf("old alive %v, new alive %v, the same tokens alive %v", w.Alive(old), w.Alive(fresh), w.Alive(kept))
		}
		for _, n := range []int{1, 3} {
			if s, err := w.DB.Session(t.Context(), person(n)); err != nil || s.Ended {
				t.Errorf("person %d was logged out: %v", n, err)
			}
		}
		w.wantWaiting(0)
		if w.Revoked("in use") != 1 {
			t.Errorf("counted %d", w.Revoked("in use"))
		}
	})
}

// TestStartAndClose: Start revokes what is due, and Close waits for the running revocation.
func TestStartAndClose(t *testing.T) {
	t.Parallel()
	virtual(t, nil, func(t *testing.T, w *world) {
		revoked := make(chan struct{})
		block := make(chan struct{})
		w.Conn.Own = func(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
			close(revoked)
			<-block
			return w.unAuthorize(ctx, r)
		}
		g := w.SignIn("ada", person(2))
		must(t, w.DB.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: person(1)}, Grant: g}))
		w.Revocations.Start()
		<-revoked
		closed := make(chan struct{})
		go func() { defer close(closed); w.Revocations.Close() }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close returned while a revocation ran")
		default:
		}
		close(block)
		<-closed
		if w.Alive(g) {
			t.Error("the running revocation was not finished")
		}
		w.wantWaiting(0)
		w.Revocations.Close()
	})
}

// TestPanicIsOneFailure: a panic ends one attempt and nothing else.
func TestPanicIsOneFailure(t *testing.T) {
	t.Parallel()
	virtual(t, nil, func(t *testing.T, w *world) {
		g := w.SignIn("ada", person(2))
		must(t, w.DB.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: person(1)}, Grant: g}))
		w.Conn.Own = func(context.Context, connector.UserRequest) (connector.Outcome, error) { panic("a bug") }
		w.Revocations.RunDue()
		w.wantWaiting(1)
		w.Conn.Own = nil
		w.Clock.Add(storage.RevocationLease)
		w.Revocations.RunDue()
		w.wantWaiting(0)
		if w.Alive(g) {
			t.Error("the grant is still alive")
		}
	})
}
