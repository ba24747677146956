package token_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// TestOneRefresh is the promise: a due token, rotation with reuse detection, a slow CRM, a thousand callers, in one process
// and in three: one request.
func TestOneRefresh(t *testing.T) {
	rounds := size(3, 200)
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d engines", nodes), func(t *testing.T) {
			w := newWorld(t, "")
			w.signIn()
			engines := []*token.Engine{w.engine}
			for len(engines) < nodes {
				w.restart()
				engines = append(engines, w.engine)
			}
			w.crm.SetMood(practicecrm.Mood{Latency: 50 * time.Millisecond})
			before := w.crm.Counts()
			for range rounds {
				w.clock.Add(2 * time.Hour)
				errs := make(chan error, 1000)
				for i := range 1000 {
					go func() {
						p, err := engines[i%nodes].Live(context.Background(), ada)
						if err == nil && !w.crm.Live(p.Grant.AccessToken.Reveal()) {
							err = errors.New("a token that is not live")
						}
						errs <- err
					}()
				}
				for range 1000 {
					if err := <-errs; err != nil {
						t.Fatal(err)
					}
				}
			}
			after := w.crm.Counts()
			t.Logf("%d engines, %d rounds of 1,000 callers: %d refreshes, %d reuses", nodes, rounds, after.Refreshes-before.Refreshes, after.Reuses)
			if n := after.Refreshes - before.Refreshes; n != rounds || after.Reuses != 0 {
				t.Errorf("%d refreshes, %d reuses", n, after.Reuses)
			}
		})
	}
}

// TestFencing: a process that stood still for longer than its lease does not overwrite a newer grant.
func TestFencing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	newer := w.stored()
	newer.AccessToken, newer.Issued, newer.Expiry = crmgate.NewSecret("newer"), w.clock.Now(), w.clock.Now().Add(3*time.Hour)
	w.conn.own = func(ctx context.Context, _ connector.RefreshRequest) (connector.RefreshAnswer, error) {
		w.clock.Add(time.Hour)
		held, err := w.db.TakeLease(ctx, ada, "another", time.Minute, false)
		if err == nil {
			_, err = w.db.UpdatePerson(ctx, ada, func(p *crmgate.Person) error { p.Grant = newer; return nil }, storage.ReleaseLease(ada, held))
		}
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("older"), ExpiresIn: 36000}, err
	}
	p, err := w.live()
	if err != nil || p.Grant.AccessToken.Reveal() != "newer" || w.stored().AccessToken.Reveal() != "newer" {
		t.Errorf("got %q, stored %q, %v", p.Grant.AccessToken.Reveal(), w.stored().AccessToken.Reveal(), err)
	}
}

// TestMachineThatSlept: a machine slept between the lease and the request. Its deadlines lie in the future, because their clock slept too, but another
// node has refreshed meanwhile.
func TestMachineThatSlept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	sleeper := w.engine
	w.restart()
	w.clock.Add(2 * time.Hour)
	n := w.requests(func() {
		sleeper.SetPoint(func(at string) {
			if at == "asking" {
				w.clock.Add(lapse)
				_, err := w.live()
				must(t, err)
			}
		})
		_, err := sleeper.Live(t.Context(), ada)
		if !errors.Is(err, crmgate.ErrTransient) {
			t.Errorf("got %v", err)
		}
	})
	if n != 1 || w.crm.Counts().Reuses != 0 {
		t.Errorf("%d requests, %d reuses", n, w.crm.Counts().Reuses)
	}
	sleeper.SetPoint(nil)
	if p, err := sleeper.Live(t.Context(), ada); err != nil || !w.crm.Live(p.Grant.AccessToken.Reveal()) {
		t.Errorf("after it woke: %v", err)
	}
}

// TestAnswerBesideARefusal: one process stood still with the good answer, and another was refused with the rotated token. The answer counts,
// whichever comes first.
func TestAnswerBesideARefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ slept, goOn string }{
		{"answered", ""}, {"journaled", ""}, {"storing", ""}, // it wakes after the other has given up
		{"answered", "marking dead"}, // and while the other gives up
	} {
		t.Run(c.slept+" "+c.goOn, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.endpoint(func(rw http.ResponseWriter, _ string, n int) {
				if n > 1 { // rotated, and no detection of reuse
					rw.WriteHeader(400)
					fmt.Fprint(rw, `{"error":"invalid_grant"}`)
					return
				}
				fmt.Fprint(rw, tokensOne)
			})
			w.due()
			sleeper := w.engine
			w.restart()
			goOn, ended := make(chan struct{}), make(chan struct{})
			w.engine.SetPoint(func(at string) {
				if at == c.goOn {
					close(goOn)
					<-ended
				}
			})
			sleeper.SetPoint(func(at string) {
				if at != c.slept {
					return
				}
				w.clock.Add(lapse)
				other := make(chan error)
				go func() { _, err := w.engine.Live(context.Background(), ada); other <- err }()
				if c.goOn == "" {
					<-other
				} else {
					<-goOn
					go func() { <-other }()
				}
			})
			_, err := sleeper.Live(t.Context(), ada)
			if c.goOn != "" {
				close(ended)
				w.engine.Close()
			}
			t.Logf("the sleeper: %v", err)
			if g := w.stored(); g.Dead != "" || g.RefreshToken.Reveal() != "refresh-token-one" {
				t.Errorf("stored %q, dead %q", g.RefreshToken.Reveal(), g.Dead)
			}
		})
	}
}

// TestWaitingProcessStops: a process that waited for another's lease sends no request to a CRM that has just asked for a pause, or has rejected the
// application.
func TestWaitingProcessStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   error
	}{
		{"the CRM asks for a pause", 429, `{"error":"slow_down"}`, crmgate.ErrTransient},
		{"the application is rejected", 401, `{"error":"invalid_client"}`, crmgate.ErrAppDead},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			asked, answer := make(chan struct{}, 2), make(chan struct{})
			e := w.endpoint(func(rw http.ResponseWriter, _ string, n int) {
				asked <- struct{}{}
				<-answer
				rw.Header().Set("Retry-After", "300")
				rw.WriteHeader(c.status)
				fmt.Fprint(rw, c.body)
			})
			w.due()
			a := w.engine
			w.restart()
			errs := make(chan error)
			go func() { _, err := a.Live(context.Background(), ada); errs <- err }()
			<-asked
			waiting := make(chan struct{})
			w.engine.SetPoint(func(at string) {
				if at == "waiting" {
					waiting <- struct{}{}
				}
			})
			go func() { _, err := w.engine.Live(context.Background(), ada); errs <- err }()
			<-waiting
			close(answer)
			go func() {
				for range waiting { // as often as it looks
				}
			}()
			for range 2 {
				if err := <-errs; !errors.Is(err, c.want) {
					t.Errorf("got %v", err)
				}
			}
			close(waiting)
			e.wantSent(refreshZero)
		})
	}
}
