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
	"time"

	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/proxy/revoke"
	"go.uber.org/goleak"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
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

func newWorld(t testing.TB, dir string, in func(http.Handler) http.Handler) *world {
	t.Helper()
	return &world{proxytest.NewWorld(t, dir, in)}
}

// never is what the audit log says of grants that the CRM was never told of.
func (w *world) never() (all []string) {
	w.Helper()
	must(w, w.DB.Audit().Read(w.Context(), audit.Query{}, func(e audit.Entry) error {
		if e.Kind == audit.EventRevocation {
			who := "nobody"
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
	b, err := w.DB.Revocations(w.Context(), "practice", 1)
	must(w, err)
	if b.Count != n {
		w.Errorf("%d revocations wait, want %d", b.Count, n)
	}
}

// asked counts what the CRM was asked to revoke during f.
func (w *world) asked(f func()) int {
	before := w.CRM.Counts().Revoke
	f()
	return w.CRM.Counts().Revoke - before
}

// both runs a test where the server revokes, and where the connector does.
func both(t *testing.T, in func(http.Handler) http.Handler, test func(t *testing.T, w *world, requests int)) {
	t.Parallel()
	t.Run("RFC 7009", func(t *testing.T) { t.Parallel(); test(t, newWorld(t, "", in), 2) })
	t.Run("unAuthorize", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "", in)
		w.Conn.Own = w.unAuthorize
		test(t, w, 1)
	})
}

// unAuthorize is what the practice connector does.
func (w *world) unAuthorize(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
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
	return connector.Outcome{Successful: true}, nil
}

func TestLogoutTellsTheCRMAtOnce(t *testing.T) {
	both(t, nil, func(t *testing.T, w *world, requests int) {
		g := w.SignIn("ada", person(1))
		if n := w.asked(func() { w.Logout(person(1)) }); n != requests || w.Alive(g) {
			t.Errorf("%d requests, alive is %v", n, w.Alive(g))
		}
		w.wantWaiting(0)
		w.SignIn("ada", person(1))
		told, err := w.Sessions.Forget(t.Context(), person(1))
		if told != revoke.Now || err != nil {
			t.Errorf("erasure: told %q, %v", told, err)
		}
		w.wantWaiting(0)
	})
}

func TestNothingToTell(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	for _, g := range []crmgate.Grant{{}, {APIKey: crmgate.NewSecret("key")}} {
		_, err := w.DB.SignIn(t.Context(), person(1), func(p *crmgate.Person) error { p.Grant = g; return nil })
		must(t, err)
		told, err := w.Sessions.Forget(t.Context(), person(1))
		if told != revoke.Nothing || err != nil || w.CRM.Counts().Revoke != 0 {
			t.Errorf("told %q, %v", told, err)
		}
		w.wantWaiting(0)
	}
	if _, err := w.Sessions.Logout(t.Context(), person(2)); !errors.Is(err, crmgate.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

// TestACRMThatComesBackIsToldOnce: whatever kept it from hearing of a logout, it hears of it later, and once.
func TestACRMThatComesBackIsToldOnce(t *testing.T) {
	for _, mood := range []string{"500", "429", "401", "hang", "cut"} {
		t.Run(mood, func(t *testing.T) {
			both(t, nil, func(t *testing.T, w *world, requests int) {
				g := w.SignIn("ada", person(1))
				w.CRM.SetMood(practicecrm.Mood{Revoke: mood})
				w.Logout(person(1))
				if s, err := w.DB.Session(t.Context(), person(1)); err != nil || !s.Ended {
					t.Errorf("the session goes on: %+v, %v", s, err)
				}
				w.wantWaiting(1)
				if n := w.asked(w.Revocations.RunDue); n != 0 {
					t.Errorf("%d requests before its time", n)
				}
				for range 3 {
					w.Clock.Add(soon)
					if n := w.asked(w.Revocations.RunDue); n != 1 {
						t.Errorf("%d requests to a CRM that is away, want 1", n)
					}
				}
				w.wantWaiting(1)
				if w.Waiting() != 1 {
					t.Errorf("the gauge shows %d", w.Waiting())
				}
				w.CRM.SetMood(practicecrm.Mood{})
				w.Clock.Add(soon)
				if n := w.asked(w.Revocations.RunDue); n != requests || w.Alive(g) {
					t.Errorf("%d requests, alive is %v", n, w.Alive(g))
				}
				w.wantWaiting(0)
				w.Clock.Add(revoke.Age)
				if n := w.asked(w.Revocations.RunDue); n != 0 {
					t.Errorf("told again: %d requests", n)
				}
				if w.Revoked("error") != 4 || w.Revoked("ok") != 1 || len(w.never()) != 0 {
					t.Errorf("counted %d, never told %v", w.Revoked("ok"), w.never())
				}
			})
		})
	}
}

// soon is longer than any wait of the first few attempts.
const soon = time.Minute

// TestWhatNobodyHasStoredIsRevoked: of a refresh whose answer was not stored, the CRM must hear of the tokens in the answer,
// and not only of those that they replaced.
func TestWhatNobodyHasStoredIsRevoked(t *testing.T) {
	both(t, nil, func(t *testing.T, w *world, _ int) {
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
				t.Errorf("%s: the grant that was stored lives: %v, the one that replaced it: %v", name, w.Alive(g), w.Alive(lives))
			}
			w.wantWaiting(0)
			if kept, err := w.DB.JournalOf(t.Context(), person(1)); len(kept) != 0 || err != nil {
				t.Errorf("%s: still in the journal: %d, %v", name, len(kept), err)
			}
		}
	})
}

// TestAnUnreadAnswerWaitsForItsManifest: nobody else waits with it.
func TestAnUnreadAnswerWaitsForItsManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
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
		t.Errorf("somebody else's lives: %v, what nobody could read: %v", w.Alive(other), w.Alive(lives))
	}
	w.Conn.Manifest().Token.Path, w.Conn.Manifest().Refresh.Path = "result.oauth", "result.oauth"
	w.Clock.Add(soon)
	w.Revocations.RunDue()
	if w.Alive(lives) {
		t.Error("the manifest is right, and it still lives")
	}
	w.wantWaiting(0)
}

// TestTwoServersTellOnce: on one store, of each revocation.
func TestTwoServersTellOnce(t *testing.T) {
	both(t, nil, func(t *testing.T, w *world, requests int) {
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
		n := w.asked(func() {
			var group sync.WaitGroup
			group.Go(w.Revocations.RunDue)
			group.Go(other.Revocations.RunDue)
			group.Wait()
		})
		if n != people*requests {
			t.Errorf("%d requests for %d people", n, people)
		}
		for _, g := range grants {
			if w.Alive(g) {
				t.Error("a grant lives on")
			}
		}
		w.wantWaiting(0)
	})
}

// TestADeadCRMIsLeftAlone: whatever waits for it, one request at a time finds out whether it is back.
func TestADeadCRMIsLeftAlone(t *testing.T) {
	both(t, nil, func(t *testing.T, w *world, requests int) {
		const people = 20
		for i := range people {
			w.SignIn("ada", person(i))
		}
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		for i := range people {
			w.Logout(person(i))
		}
		w.Clock.Add(time.Hour)
		n := w.asked(func() {
			for range 60 { // an hour
				w.Revocations.RunDue()
				w.Clock.Add(time.Minute)
			}
		})
		if n < 4 || n > 12 {
			t.Errorf("%d requests in an hour", n)
		}
		w.CRM.SetMood(practicecrm.Mood{})
		w.Clock.Add(revoke.LongestPause)
		if n := w.asked(w.Revocations.RunDue); n < (people-12)*requests {
			t.Errorf("back again, and told %d times", n)
		}
		w.Clock.Add(time.Hour)
		w.Revocations.RunDue()
		w.wantWaiting(0)

		// What was is forgotten: the next time that it is away it is asked again soon.
		w.SignIn("ada", person(1))
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		w.Logout(person(1))
		w.CRM.SetMood(practicecrm.Mood{})
		w.Clock.Add(revoke.FirstWait)
		if n := w.asked(w.Revocations.RunDue); n != requests {
			t.Errorf("%d requests after a short failure, want %d", n, requests)
		}
	})
}

// TestNothingWaitsBeyondTheEnd: what was never tried, because the CRM was away, ends like the rest.
func TestNothingWaitsBeyondTheEnd(t *testing.T) {
	both(t, nil, func(t *testing.T, w *world, _ int) {
		g := w.SignIn("ada", person(1))
		const people = 50
		for i := range people {
			must(t, w.DB.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: person(100 + i)}, Grant: g}))
		}
		_, err := w.DB.DeletePerson(t.Context(), person(1))
		must(t, err)
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		w.Clock.Add(revoke.Age)
		if n := w.asked(w.Revocations.RunDue); n > revoke.AtOnce || len(w.never()) != people+1 {
			t.Errorf("%d requests, %d given up, want %d", n, len(w.never()), people+1)
		}
		w.wantWaiting(0)
	})
}

// TestAFewAtOnce: a CRM that is well gets no more at once than it can be expected to take.
func TestAFewAtOnce(t *testing.T) {
	t.Parallel()
	full := make(chan struct{}, 100)
	var gate atomic.Pointer[chan struct{}]
	w := newWorld(t, "", func(crm http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if c := gate.Load(); c != nil && r.URL.Path == "/oauth/revoke" {
				full <- struct{}{}
				<-*c
			}
			crm.ServeHTTP(rw, r)
		})
	})
	w.Conn.Own = func(ctx context.Context, r connector.UserRequest) (connector.Outcome, error) {
		return w.unAuthorize(context.WithoutCancel(ctx), r)
	}
	for i := range 12 {
		must(t, w.DB.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: person(i)}, Grant: w.SignIn("ada", person(100+i))}))
	}
	c := make(chan struct{})
	gate.Store(&c)
	done := make(chan struct{})
	go func() { defer close(done); w.Revocations.RunDue() }()
	for range revoke.AtOnce {
		<-full
	}
	select {
	case <-full:
		t.Errorf("more than %d are under way", revoke.AtOnce)
	case <-time.After(100 * time.Millisecond):
	}
	close(c)
	<-done
	w.wantWaiting(0)
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", func(crm http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/oauth/revoke" {
				rw.Header().Set("Retry-After", "1800")
			}
			crm.ServeHTTP(rw, r)
		})
	})
	w.SignIn("ada", person(1))
	w.CRM.SetMood(practicecrm.Mood{Revoke: "429"})
	w.Logout(person(1))
	w.CRM.SetMood(practicecrm.Mood{})
	w.Clock.Add(30*time.Minute - time.Second)
	if n := w.asked(w.Revocations.RunDue); n != 0 {
		t.Errorf("%d requests too early", n)
	}
	w.Clock.Add(time.Second)
	if n := w.asked(w.Revocations.RunDue); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// TestTheEnd: a CRM that is away for a week is never told, and that is said.
func TestTheEnd(t *testing.T) {
	both(t, nil, func(t *testing.T, w *world, _ int) {
		const people = 5
		for i := range people {
			w.SignIn("ada", person(i))
		}
		w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
		for i := range people {
			w.Logout(person(i))
		}
		began := w.Clock.Now()
		n := w.asked(func() {
			for w.Clock.Now().Sub(began) < revoke.Age+24*time.Hour && len(w.never()) < people {
				if len(w.never()) > 0 && w.Clock.Now().Sub(began) < revoke.Age {
					t.Fatalf("given up after %v", w.Clock.Now().Sub(began))
				}
				w.Revocations.RunDue()
				w.Clock.Add(15 * time.Minute)
			}
		})
		if len(w.never()) != people || w.Revoked("never") != people || w.never()[0] != "error unavailable practice hashed" {
			t.Errorf("never told: %q, counted %d", w.never(), w.Revoked("never"))
		}
		w.wantWaiting(0)
		if !strings.Contains(w.Log(), "level=WARN msg=\"the CRM was never told") {
			t.Error("the log does not say so")
		}
		t.Logf("%d requests in the week for %d people", n, people)
		if n < 10 || n > 400 {
			t.Errorf("%d requests in a week", n)
		}
		w.CRM.SetMood(practicecrm.Mood{})
		w.Clock.Add(time.Hour)
		if n := w.asked(w.Revocations.RunDue); n != 0 {
			t.Errorf("%d requests after the end", n)
		}
	})
}

// TestARejectedApplicationIsTheEnd: what the CRM says of the application it would say again.
func TestARejectedApplicationIsTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	w.SignIn("ada", person(1))
	w.Conn.Info.ClientSecret = crmgate.NewSecret("wrong")
	told, err := w.Sessions.Forget(t.Context(), person(1))
	if told != revoke.Never || err != nil || len(w.never()) != 1 || w.never()[0] != "refused app dead practice hashed" {
		t.Errorf("told %q, %v, never %q", told, err, w.never())
	}
	w.wantWaiting(0)
}

// TestRestart: what was acknowledged is in the store, and the next process tells the CRM.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil)
	g := w.SignIn("ada", person(1))
	w.CRM.SetMood(practicecrm.Mood{Revoke: "cut"})
	w.Logout(person(1))
	must(t, w.Engine.Close())
	w.CRM.SetMood(practicecrm.Mood{})
	w.Open()
	w.Clock.Add(soon)
	if n := w.asked(w.Revocations.RunDue); n != 2 || w.Alive(g) {
		t.Errorf("%d requests, alive is %v", n, w.Alive(g))
	}
	w.wantWaiting(0)
}

// TestADeadProcessLosesNothing: one that claimed a revocation and was never heard of again leaves it to the next.
func TestADeadProcessLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	g := w.SignIn("ada", person(1))
	_, err := w.DB.EndSession(t.Context(), person(1)) // and died before the call
	must(t, err)
	if n := w.asked(w.Revocations.RunDue); n != 0 {
		t.Errorf("%d requests during the lease", n)
	}
	w.Clock.Add(storage.RevocationLease)
	due, err := w.DB.Revocations(t.Context(), "practice", 1)
	must(t, err)
	_, err = w.DB.ClaimRevocation(t.Context(), due.Due[0]) // and died before the answer
	must(t, err)
	w.Clock.Add(storage.RevocationLease)
	if n := w.asked(w.Revocations.RunDue); n != 2 || w.Alive(g) {
		t.Errorf("%d requests, alive is %v", n, w.Alive(g))
	}
	w.wantWaiting(0)
}

// TestWhoSignsInAgainStaysSignedIn while the logout before is still on its way.
func TestWhoSignsInAgainStaysSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	old := w.SignIn("ada", person(1))
	kept := w.SignIn("alan", person(3))
	w.CRM.SetMood(practicecrm.Mood{Revoke: "500"})
	w.Logout(person(1))
	w.Logout(person(3))
	w.CRM.SetMood(practicecrm.Mood{})
	fresh := w.SignIn("ada", person(1))
	_, err := w.DB.SignIn(t.Context(), person(3), func(p *crmgate.Person) error { // a CRM that gives the same tokens out again
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
}

// TestTheWorker runs as the program does, and stops with nothing left running.
func TestTheWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
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
	select {
	case <-closed:
		t.Error("closed while a revocation was under way")
	case <-time.After(50 * time.Millisecond):
	}
	close(block)
	<-closed
	if w.Alive(g) {
		t.Error("the one under way was not finished")
	}
	w.wantWaiting(0)
	w.Revocations.Close()
}

// A bug in a connector's host ends one attempt, and no more.
func TestAPanicIsOneFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
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
		t.Error("the grant lives on")
	}
}
