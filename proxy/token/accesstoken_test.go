package token_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
)

func TestRefreshOnlyWhenDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	first := w.stored()
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {53 * time.Minute, 0}, {90 * time.Second, 1}, {0, 0}, {-time.Hour, 0}} { // an hour's token is due six minutes early; a clock may go back
		w.clock.Add(step.after)
		if n := w.requests(func() { _, err := w.live(); must(t, err) }); n != step.want {
			t.Errorf("after %v: %d requests, want %d", step.after, n, step.want)
		}
	}
	if g := w.stored(); g.AccessToken.Equal(first.AccessToken) || g.RefreshToken.Equal(first.RefreshToken) || g.App.ClientID != practicecrm.ClientID {
		t.Errorf("the new grant was not stored: %+v", g)
	}
}

// TestLateCallersDoNotRefreshAgain: a caller that has read the old grant asks for a refresh after another refresh ended.
func TestLateCallersDoNotRefreshAgain(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	stopped, goOn := make(chan struct{}), make(chan struct{})
	w := newWorld(t, "", func(c *token.Config) {
		now := c.Now
		c.Now = func() time.Time { // the time is asked for between the reading and the refresh
			if slow.CompareAndSwap(true, false) {
				close(stopped)
				<-goOn
			}
			return now()
		}
	})
	w.signIn()
	w.clock.Add(2 * time.Hour)
	slow.Store(true)
	n := w.requests(func() {
		late := make(chan crmgate.Person)
		go func() {
			p, err := w.live()
			if err != nil {
				t.Errorf("the late caller got %v", err)
			}
			late <- p
		}()
		<-stopped
		_, err := w.live()
		if err != nil {
			t.Errorf("the first caller got %v", err)
		}
		close(goOn)
		if p := <-late; !p.Grant.AccessToken.Equal(w.stored().AccessToken) {
			t.Error("the late caller got another token than the stored one")
		}
	})
	if n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// held makes Ada's refresh due and stops it in the connector: entered says that it is there, release lets it end.
func (w *world) held() (entered <-chan struct{}, release func()) {
	in, out := make(chan struct{}, 1), make(chan struct{})
	w.clock.Add(55 * time.Minute) // alive for five minutes more
	w.conn.own = func(ctx context.Context, _ connector.RefreshRequest) (connector.RefreshAnswer, error) {
		in <- struct{}{}
		<-out
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("fresh"), ExpiresIn: 3600}, ctx.Err()
	}
	return in, sync.OnceFunc(func() { close(out) })
}

func TestCancelledCallersDoNotCancelTheFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	entered, release := w.held()
	defer release()
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := w.engine.Live(ctx, ada); left <- err }()
	<-entered
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled caller got %v", err)
	}
	stayed := make(chan error)
	go func() { _, err := w.live(); stayed <- err }() // joins, or comes when all is done
	release()
	must(t, <-stayed)
	w.engine.Close()
	if got := w.stored().AccessToken.Reveal(); got != "fresh" || len(entered) != 0 {
		t.Errorf("stored %q after %d more refreshes", got, len(entered))
	}
}

// TestCloseWaitsForFlights: the tokens of a refresh are stored even if no caller waits for it any more.
func TestCloseWaitsForFlights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	entered, release := w.held()
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := w.engine.Live(ctx, ada); left <- err }()
	<-entered
	leave()
	<-left
	release()
	w.engine.Close()
	if w.stored().AccessToken.Reveal() != "fresh" {
		t.Error("Close did not wait")
	}
}

func TestCallersStopWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", func(c *token.Config) { c.Wait = time.Millisecond })
	w.signIn()
	before := w.stored()
	_, release := w.held()
	defer release()
	p, err := w.live()
	if err != nil || !p.Grant.AccessToken.Equal(before.AccessToken) {
		t.Errorf("with a token that still lives: %v", err)
	}
	w.clock.Add(time.Hour)
	_, err = w.live()
	var te *token.Error
	if !errors.As(err, &te) || te.Kind != crmgate.ErrTransient || te.RetryAfter <= 0 || te.Message == "" {
		t.Errorf("without: %v", err)
	}
}

// TestWhenDue tests the margins: two minutes, a tenth of the lifetime, half the lifetime.
func TestWhenDue(t *testing.T) {
	t.Parallel()
	access, refresh := crmgate.NewSecret("a"), crmgate.NewSecret("r")
	for _, c := range []struct {
		name          string
		issued, left  time.Duration // from now; issued 0: unknown
		access, fresh crmgate.Secret
		due           bool
	}{
		{"two minutes of ten", -8*time.Minute + time.Second, 2*time.Minute + time.Second, access, refresh, false},
		{"less than two minutes of ten", -8*time.Minute - time.Second, 2*time.Minute - time.Second, access, refresh, true},
		{"a tenth of ten hours", -9*time.Hour + time.Second, time.Hour + time.Second, access, refresh, false},
		{"less than a tenth of ten hours", -9*time.Hour - time.Second, time.Hour - time.Second, access, refresh, true},
		{"half of a minute", -29 * time.Second, 31 * time.Second, access, refresh, false},
		{"less than half of a minute", -31 * time.Second, 29 * time.Second, access, refresh, true},
		{"unknown time of issue", 0, 3 * time.Minute, access, refresh, false},
		{"unknown time of issue, nearly expired", 0, time.Minute, access, refresh, true},
		{"issued in the future, as the clock has gone back", time.Hour, 2 * time.Hour, access, refresh, false},
		{"issued after it ended", time.Hour, time.Minute, access, refresh, true},
		{"no access token at all", -time.Minute, time.Hour, crmgate.Secret{}, refresh, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			g := crmgate.Grant{AccessToken: c.access, RefreshToken: c.fresh, Expiry: w.clock.Now().Add(c.left)}
			if c.issued != 0 {
				g.Issued = w.clock.Now().Add(c.issued)
			}
			w.store(g)
			if n := w.requests(func() { _, _ = w.live() }); (n == 1) != c.due {
				t.Errorf("%d requests, due %v", n, c.due)
			}
		})
	}
}

func TestKindsOfFailure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		mood    practicecrm.Mood
		kind    error
		message string
		dead    bool
	}{
		{"invalid_grant", practicecrm.Mood{Error: "invalid_grant"}, crmgate.ErrUserDead, "The provided authorization grant", true},
		{"invalid_client", practicecrm.Mood{Error: "invalid_client"}, crmgate.ErrAppDead, "Client authentication failed", false},
		{"unauthorized_client", practicecrm.Mood{Error: "unauthorized_client"}, crmgate.ErrAppDead, "The client is not authorized", false},
		{"an error of its own", practicecrm.Mood{Error: "weather"}, crmgate.ErrTransient, "in that mood", false},
		{"500", practicecrm.Mood{Status: 500}, crmgate.ErrTransient, "HTTP status 500", false},
		{"429", practicecrm.Mood{Status: 429, RetryAfter: 7 * time.Second}, crmgate.ErrTransient, "HTTP status 429", false},
		{"cut before", practicecrm.Mood{CutBefore: true}, crmgate.ErrTransient, "Unable to connect to", false},
		{"hang", practicecrm.Mood{Hang: true}, crmgate.ErrTransient, "Unable to connect to", false},
		{"a page of HTML", practicecrm.Mood{Token: "html with status 502"}, crmgate.ErrTransient, "HTTP status 502", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, "")
				w.signIn()
				before := w.stored()
				w.crm.SetMood(c.mood)
				w.clock.Add(55 * time.Minute) // due, and alive for five minutes more
				p, err := w.live()
				if c.dead != (err != nil) || err == nil && !p.Grant.AccessToken.Equal(before.AccessToken) {
					t.Fatalf("while the token lives: %v", err)
				}
				w.clock.Add(time.Hour) // over, and rested
				_, err = w.live()
				var te *token.Error
				if !errors.Is(err, c.kind) || !errors.As(err, &te) {
					t.Fatalf("got %v, want %v", err, c.kind)
				}
				if c.mood.RetryAfter > 0 && te.RetryAfter != 7*time.Second {
					t.Errorf("Retry-After %v", te.RetryAfter)
				}
				now := w.stored()
				if now.RefreshToken.IsZero() || !now.RefreshToken.Equal(before.RefreshToken) || (now.Dead != "") != c.dead {
					t.Errorf("stored %+v", now)
				}
				if c.dead {
					if n := w.requests(func() { _, err = w.live() }); n != 0 || !errors.Is(err, crmgate.ErrUserDead) {
						t.Errorf("a dead grant cost %d requests, %v", n, err)
					}
					return
				}
				if !strings.Contains(te.Message, c.message) {
					t.Errorf("message %q, want %q", te.Message, c.message)
				}
				w.crm.SetMood(practicecrm.Mood{})
				if n := w.requests(func() { _, err = w.live() }); n != 0 || !errors.Is(err, c.kind) {
					t.Errorf("at once again: %d requests, %v", n, err)
				}
				w.clock.Add(10 * time.Minute)
				if errors.Is(c.kind, crmgate.ErrAppDead) {
					if n := w.requests(func() { _, err = w.live() }); n != 0 || !errors.Is(err, crmgate.ErrAppDead) {
						t.Errorf("a paused application cost %d requests, %v", n, err)
					}
					_, err = w.exchange() // a sign-in with it ends the pause
					must(t, err)
				}
				_, err = w.live()
				must(t, err)
			})
		})
	}
}

func TestKeptRefreshTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	old := w.stored()
	c := w.client()
	fresh := token.Tokens{Access: crmgate.NewSecret("new")}
	if g := fresh.Grant(c, old); !g.RefreshToken.Equal(old.RefreshToken) {
		t.Error("an answer without a refresh token lost the stored one")
	}
	dead := old
	dead.Dead = "the CRM said so"
	if g := fresh.Grant(c, dead); !g.RefreshToken.IsZero() || g.Dead != "" {
		t.Error("a refresh token that is dead was kept")
	}
	other := old
	other.App.ClientID = "other"
	if g := fresh.Grant(c, other); !g.RefreshToken.IsZero() {
		t.Error("another application's refresh token was kept")
	}
}

// TestRefreshAsTheIssuer: a refresh token is sent only with the credentials of the application that issued it.
func TestRefreshAsTheIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	before := w.stored()
	w.clock.Add(2 * time.Hour)
	good := w.conn.info
	for message, info := range map[string]connector.OAuthInfo{
		"The application that signed you in is no longer the one in use. Please connect again.": {Application: crmgate.Application{ClientID: "other", AccessTokenURI: good.AccessTokenURI}},
		"Ask your administrator.": {FailMessage: "Ask your administrator."},
	} {
		w.conn.info = info
		var err error
		var te *token.Error
		n := w.requests(func() { _, err = w.live() })
		if n != 0 || !errors.As(err, &te) || te.Kind != crmgate.ErrAppDead || te.Message != message {
			t.Errorf("%d requests, %v", n, err)
		}
	}
	if !reflect.DeepEqual(w.stored(), before) {
		t.Error("the grant was touched")
	}
	w.conn.info = good
	_, err := w.live()
	must(t, err)
}

func TestNoRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.crm.SetMood(practicecrm.Mood{Token: "no refresh_token"})
	w.signIn()
	w.clock.Add(59 * time.Minute)
	_, err := w.live()
	must(t, err)
	w.clock.Add(2 * time.Minute)
	if n := w.requests(func() { _, err = w.live() }); n != 0 || !errors.Is(err, crmgate.ErrUserDead) {
		t.Errorf("%d requests, %v", n, err)
	}
}

// TestLogoutDuringRefresh: a refresh does not undo a logout.
func TestLogoutDuringRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
		_, err := w.db.EndSession(context.Background(), ada)
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("late"), ExpiresIn: 60}, err
	}
	if _, err := w.live(); !errors.Is(err, crmgate.ErrUserDead) {
		t.Errorf("got %v", err)
	}
	if g := w.stored(); !g.Empty() {
		t.Errorf("a refresh undid the logout: %+v", g)
	}
}

func TestSignInDuringRefusedRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
		w.signIn()
		return connector.RefreshAnswer{}, fmt.Errorf("refused: %w", crmgate.ErrUserDead)
	}
	p, err := w.live()
	if err != nil || p.Grant.Dead != "" || !w.crm.Live(p.Grant.AccessToken.Reveal()) {
		t.Errorf("a newer grant was not used: %v", err)
	}
	if w.stored().Dead != "" {
		t.Error("a newer grant was marked dead")
	}
}

func TestAPIKeysAreNotRefreshed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	_, err := w.db.SignIn(t.Context(), ada, func(p *crmgate.Person) error {
		p.Grant.APIKey = crmgate.NewSecret("key")
		return nil
	})
	must(t, err)
	if n := w.requests(func() { _, err = w.live() }); n != 0 || err != nil {
		t.Errorf("%d requests, %v", n, err)
	}
	if _, err := w.engine.Live(t.Context(), crmgate.UserKey{Platform: "practice", ID: "unknown"}); !errors.Is(err, crmgate.ErrNotFound) {
		t.Errorf("an unknown person: %v", err)
	}
}

// TestRejected: a 401 of the CRM ends a token without a lifetime.
func TestRejected(t *testing.T) {
	t.Parallel()
	timeless := practicecrm.Mood{Token: "expires_in missing"}
	start := func(t *testing.T) (*world, crmgate.Person) {
		t.Helper()
		w := newWorld(t, "")
		w.crm.SetMood(timeless)
		w.signIn()
		w.clock.Add(48 * time.Hour)
		w.crm.ExpireAccess()
		p, err := w.live()
		must(t, err)
		if n := w.crm.Counts().Refreshes; n != 0 || !p.Grant.Expiry.IsZero() {
			t.Fatalf("%d refreshes of a token without a lifetime", n)
		}
		return w, p
	}
	t.Run("many callers share one refresh", func(t *testing.T) {
		t.Parallel()
		w, was := start(t)
		for range 2 { // at once, and afterwards
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					p, err := w.engine.Rejected(t.Context(), was)
					if err != nil || !w.crm.Live(p.Grant.AccessToken.Reveal()) {
						t.Errorf("got %v", err)
					}
				})
			}
			wg.Wait()
		}
		if n := w.crm.Counts(); n.Refreshes != 1 || n.Reuses != 0 {
			t.Errorf("%d refreshes, %d reuses", n.Refreshes, n.Reuses)
		}
	})
	t.Run("a new token is not refreshed again", func(t *testing.T) {
		t.Parallel()
		w, was := start(t)
		p, err := w.engine.Rejected(t.Context(), was)
		must(t, err)
		if _, err := w.engine.Rejected(t.Context(), p); !errors.Is(err, crmgate.ErrConflict) || w.crm.Counts().Refreshes != 1 {
			t.Errorf("%v after %d refreshes", err, w.crm.Counts().Refreshes)
		}
		if again, err := w.live(); err != nil || !again.Grant.AccessToken.Equal(p.Grant.AccessToken) {
			t.Errorf("the new token is not used: %v", err)
		}
	})
	t.Run("the CRM is away", func(t *testing.T) {
		t.Parallel()
		w, was := start(t)
		w.crm.SetMood(practicecrm.Mood{Status: 503})
		if _, err := w.engine.Rejected(t.Context(), was); !errors.Is(err, crmgate.ErrTransient) {
			t.Errorf("got %v", err)
		}
		w.crm.SetMood(timeless)
		w.clock.Add(10 * time.Second)
		if p, err := w.live(); err != nil || !w.crm.Live(p.Grant.AccessToken.Reveal()) {
			t.Errorf("once it is back: %v", err)
		}
	})
	t.Run("the grant has ended", func(t *testing.T) {
		t.Parallel()
		w, was := start(t)
		w.crm.EndGrants("ada")
		if _, err := w.engine.Rejected(t.Context(), was); !errors.Is(err, crmgate.ErrUserDead) || w.stored().Dead == "" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no refresh token", func(t *testing.T) {
		t.Parallel()
		w, was := start(t)
		for _, g := range []crmgate.Grant{
			{AccessToken: crmgate.NewSecret("a"), Issued: was.Grant.Issued}, {APIKey: crmgate.NewSecret("k"), Issued: was.Grant.Issued},
		} {
			w.store(g)
			p, err := w.live()
			must(t, err)
			if _, err := w.engine.Rejected(t.Context(), p); !errors.Is(err, crmgate.ErrConflict) {
				t.Errorf("%+v: %v", g, err)
			}
			if again, err := w.live(); err != nil || !again.Grant.Expiry.IsZero() {
				t.Errorf("%+v: afterwards %v, %v", g, again.Grant.Expiry, err)
			}
		}
	})
	t.Run("the person has logged out", func(t *testing.T) {
		t.Parallel()
		w, was := start(t)
		_, err := w.db.EndSession(t.Context(), ada)
		must(t, err)
		if _, err := w.engine.Rejected(t.Context(), was); !errors.Is(err, crmgate.ErrUserDead) || w.crm.Counts().Refreshes != 0 {
			t.Errorf("got %v", err)
		}
	})
}
