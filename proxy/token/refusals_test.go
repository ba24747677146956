package token_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/operator"
)

// refusals is a CRM that refuses refreshes with an unknown word, and how often it was asked.
type refusals struct {
	*world
	word  string // empty: it accepts them
	asked int
}

func newRefusals(t *testing.T) *refusals {
	t.Helper()
	r := &refusals{world: newWorld(t, ""), word: "weather"}
	r.endpoint(func(rw http.ResponseWriter, _ string, n int) {
		r.asked = n
		if r.word == "" {
			_, _ = io.WriteString(rw, tokensOne)
			return
		}
		rw.WriteHeader(400)
		_, _ = io.WriteString(rw, `{"error":"`+r.word+`"}`)
	})
	r.due()
	return r
}

// try refreshes n times, each an interval after the one before, and checks the kind of the last error.
func (r *refusals) try(n int, interval time.Duration, want error) {
	r.t.Helper()
	var err error
	for range n {
		r.clock.Add(interval)
		_, err = r.live()
	}
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		r.t.Errorf("after %d attempts: got %v, want %v", n, err, want)
	}
}

// wantCount checks in which state the metrics count the person.
func (r *refusals) wantCount(state string) {
	r.t.Helper()
	counts, err := operator.Directory{DB: r.db}.Count(r.t.Context())
	for s, n := range counts[ada.Platform] {
		if want := map[bool]int{true: 1}[s == state]; err != nil || n != want {
			r.t.Errorf("the metrics count %d people as %s, want %d (%v)", n, s, want, err)
		}
	}
}

func TestRefusedForADay(t *testing.T) {
	t.Parallel()
	r := newRefusals(t)
	r.try(20, 10*time.Minute, crmgate.ErrTransient) // often enough, not long enough
	r.try(1, 18*time.Hour, crmgate.ErrTransient)
	r.try(1, 6*time.Hour, crmgate.ErrUserDead)
	if r.stored().Dead != "" || r.asked != 22 {
		t.Errorf("after a day: %d requests, dead %q", r.asked, r.stored().Dead)
	}
	e, err := operator.Directory{DB: r.db}.Entry(t.Context(), ada)
	if err != nil || e.State != "needs_login" || !strings.Contains(e.Reason, `"weather"`) {
		t.Errorf("the operator sees %q, %q, %v", e.State, e.Reason, err)
	}
	r.wantCount("needs_login")
	r.try(23, time.Hour, crmgate.ErrUserDead)
	if r.asked != 22 {
		t.Errorf("%d requests on the day after", r.asked-22)
	}
	r.try(1, 2*time.Hour, crmgate.ErrUserDead)
	if r.asked != 23 {
		t.Errorf("%d requests after two days", r.asked-22)
	}
	r.word = ""
	r.try(1, 25*time.Hour, nil)
	r.wantCount("active")
	r.word = "weather"
	r.try(1, 25*time.Hour, crmgate.ErrTransient)
}

func TestRefusedSeldom(t *testing.T) {
	t.Parallel()
	r := newRefusals(t)
	r.try(9, 12*time.Hour, crmgate.ErrTransient)
	r.try(1, 12*time.Hour, crmgate.ErrUserDead)
}

func TestRefusedWithOtherWords(t *testing.T) {
	t.Parallel()
	r := newRefusals(t)
	r.try(9, 12*time.Hour, crmgate.ErrTransient)
	r.word = "climate"
	r.try(9, 12*time.Hour, crmgate.ErrTransient)
	r.word = "slow_down" // known: nothing is counted
	r.try(3, 12*time.Hour, crmgate.ErrTransient)
	r.word = "climate"
	r.try(1, 12*time.Hour, crmgate.ErrUserDead)
}

// TestRefusedBeforeASignIn: refusals of the grant before do not count for the new one.
func TestRefusedBeforeASignIn(t *testing.T) {
	t.Parallel()
	r := newRefusals(t)
	r.try(10, 12*time.Hour, crmgate.ErrUserDead)
	r.clock.Add(time.Minute)
	now := r.clock.Now()
	r.store(crmgate.Grant{AccessToken: crmgate.NewSecret("access-token-two"), RefreshToken: crmgate.NewSecret("refresh-token-two"), Issued: now, Expiry: now.Add(time.Hour)})
	r.try(1, 2*time.Hour, crmgate.ErrTransient)
	if r.asked != 11 {
		t.Errorf("%d requests for the new grant", r.asked-10)
	}
	r.try(9, 12*time.Hour, crmgate.ErrUserDead)
}

// TestRefusedWhileTheAccessTokenLives: the person goes on with it.
func TestRefusedWhileTheAccessTokenLives(t *testing.T) {
	t.Parallel()
	r := newRefusals(t)
	now := r.clock.Now()
	r.store(crmgate.Grant{AccessToken: crmgate.NewSecret("access-token-two"), RefreshToken: crmgate.NewSecret("refresh-token-two"), Issued: now.Add(-100 * 24 * time.Hour), Expiry: now.Add(8 * 24 * time.Hour)})
	r.try(14, 12*time.Hour, nil)
	r.try(1, 25*time.Hour, crmgate.ErrUserDead)
	if r.asked > 15 {
		t.Errorf("%d requests", r.asked)
	}
}

// tryAs refreshes n times, each half a day after the one before, and checks the type of the last error.
func (r *refusals) tryAs(n int, want any) {
	r.t.Helper()
	var err error
	for range n {
		r.clock.Add(12 * time.Hour)
		_, err = r.live()
	}
	if !errors.As(err, want) || errors.Is(err, crmgate.ErrUserDead) {
		r.t.Errorf("after %d attempts: got %v", n, err)
	}
}

func TestConnectorRefusedForADay(t *testing.T) {
	t.Parallel()
	r := newRefusals(t)
	status := 400
	r.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
		return connector.RefreshAnswer{}, &crmgate.ConnectorError{Platform: "practice", Operation: "checkAndRefreshAccessToken", Message: "no", Status: status, Code: "weather"}
	}
	transient := &crmgate.ConnectorError{}
	r.tryAs(9, &transient)
	status = 503
	r.tryAs(1, &transient)
	status = 400
	r.try(1, 12*time.Hour, crmgate.ErrUserDead)
}
