package token_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/token"
)

// TestConnectorRefreshRefused: a refusal that the connector reports counts like one that the CRM sent to the server.
func TestConnectorRefreshRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status int
		code   string
		want   error // nil: the connector's own
		asked  int   // in three later calls
	}{
		{"the grant is refused", 400, "invalid_grant", crmgate.ErrUserDead, 0},
		{"the application is refused", 401, "invalid_client", crmgate.ErrAppDead, 0},
		{"refused for now", 400, "slow_down", nil, 3},
		{"refused without a code", 400, "", nil, 3},
		{"refused by a CRM in trouble", 503, "invalid_grant", nil, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.signIn()
			w.clock.Add(2 * time.Hour)
			n := 0
			w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
				n++
				return connector.RefreshAnswer{}, &crmgate.ConnectorError{Platform: "practice", Operation: "checkAndRefreshAccessToken", Message: "no", Status: c.status, Code: c.code}
			}
			for range 1 + 3 {
				_, err := w.live()
				if c.want != nil && !errors.Is(err, c.want) || c.want == nil && !errors.As(err, new(*crmgate.ConnectorError)) {
					t.Errorf("got %v", err)
				}
				w.clock.Add(10 * time.Minute)
			}
			if n != 1+c.asked {
				t.Errorf("asked %d times, want %d", n, 1+c.asked)
			}
			if dead := w.stored().Dead != ""; dead != errors.Is(c.want, crmgate.ErrUserDead) {
				t.Errorf("dead: %v", dead)
			}
		})
	}
}

// TestConnectorRefreshIsJournaled: the connector's answer is stored before it is parsed. Neither a kill nor an answer that violates the ABI loses a
// rotated token.
func TestConnectorRefreshIsJournaled(t *testing.T) {
	t.Parallel()
	const answer = `{"accessToken":"access-token-one","refreshToken":"refresh-token-one","expiresIn":"3600","user":{"platformAdditionalInfo":{"server":"eu1"}}}`
	wrong := &crmgate.ConnectorError{Platform: "practice", Operation: "checkAndRefreshAccessToken", Message: "gave an answer that is wrong"}
	for _, c := range []struct {
		name, document, killed string
		err                    error
		asked                  int // until there is a token
	}{
		{"killed after the answer", answer, "journaled", nil, 1},
		{"killed before it is stored", answer, "storing", nil, 1},
		{"an answer that violates the ABI", answer, "", wrong, 1},
		{"killed after an answer that violates the ABI", answer, "journaled", wrong, 1},
		{"without a token", `{}`, "", wrong, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", func(c *token.Config) { c.Alone = true })
			w.due()
			n := 0
			w.conn.own = func(_ context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
				a := connector.RefreshAnswer{
					AccessToken: crmgate.NewSecret("access-token-one"), RefreshToken: crmgate.NewSecret("refresh-token-one"), ExpiresIn: 3600, AdditionalInfo: []byte(`{"server":"eu1"}`),
				}
				if n++; n == 1 {
					r.Answered(crmgate.NewSecret(c.document))
					return a, c.err
				}
				return a, nil
			}
			w.engine.SetPoint(func(at string) {
				if at == c.killed {
					panic(kill{at})
				}
			})
			if _, err := w.live(); err == nil {
				t.Fatal("there is a token")
			}
			w.restart()
			w.clock.Add(time.Minute)
			p, err := w.live()
			if err != nil || n != c.asked || p.Grant.RefreshToken.Reveal() != "refresh-token-one" || string(p.User.AdditionalInfo) != `{"server":"eu1"}` || !w.clock.Now().Before(p.Grant.Expiry) {
				t.Errorf("asked %d times; %v; got %q, %s, until %v", n, err, p.Grant.RefreshToken.Reveal(), p.User.AdditionalInfo, p.Grant.Expiry)
			}
			if kept, err := w.db.JournalOf(t.Context(), ada); err != nil || len(kept) != 0 {
				t.Errorf("still kept: %d, %v", len(kept), err)
			}
		})
	}
}

// TestFencingOfConnectorRefresh: after the lease is lost, the connector's tokens are stored only over the old ones.
func TestFencingOfConnectorRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.due()
	w.conn.own = func(ctx context.Context, _ connector.RefreshRequest) (connector.RefreshAnswer, error) {
		w.clock.Add(lapse)
		held, err := w.db.TakeLease(ctx, ada, "another", time.Minute, false)
		must(t, err)
		must(t, w.db.ReleaseLease(ctx, ada, held))
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("access-token-one"), RefreshToken: crmgate.NewSecret("refresh-token-one"), ExpiresIn: 3600}, nil
	}
	_, err := w.live()
	if g := w.stored(); err != nil || g.RefreshToken.Reveal() != "refresh-token-one" {
		t.Errorf("stored %q, %v", g.RefreshToken.Reveal(), err)
	}
}

// TestConnectorRefreshInterrupted: what the CRM has answered to a connector that was interrupted is given to it again, and the CRM is
// not asked a second time. Answers without tokens are not kept.
func TestConnectorRefreshInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	const request, page = "POST https://crm.example/token", "GET https://crm.example/me"
	answer := crmgate.NewSecret(`{"status":200,"body":"{\"access_token\":\"rotated-access-token\"}"}`)
	runs := 0
	w.conn.own = func(ctx context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
		runs++
		earlier, ok := r.Fetches.Earlier(0, request)
		if _, other := r.Fetches.Earlier(0, page); other {
			t.Error("another request got the answer")
		}
		if _, kept := r.Fetches.Earlier(1, page); kept {
			t.Error("an answer without tokens was kept")
		}
		switch runs {
		case 1:
			if ok {
				t.Error("something was kept before the first run")
			}
			r.Fetches.Keep(ctx, 0, request, answer)
			r.Fetches.Keep(ctx, 1, page, crmgate.NewSecret(`{"status":200,"body":"{\"error\":\"temporarily_unavailable\"}"}`))
			return connector.RefreshAnswer{}, &crmgate.ConnectorError{Platform: "practice", Operation: "checkAndRefreshAccessToken", Message: "gone", Err: connector.ErrInterrupted}
		case 2:
			if !ok || !earlier.Equal(answer) {
				t.Errorf("the second run got %q", earlier.Reveal())
			}
		case 3:
			if ok {
				t.Error("the answer is kept after the grant was stored")
			}
		}
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("new"), ExpiresIn: 3600}, nil // the refresh token stays
	}
	if _, err := w.live(); !errors.Is(err, connector.ErrInterrupted) {
		t.Errorf("the first refresh: %v", err)
	}
	for range 2 {
		w.clock.Add(2 * time.Hour)
		got, err := w.live()
		if err != nil || got.Grant.AccessToken.Reveal() != "new" {
			t.Errorf("got %v, %v", got.Grant.AccessToken, err)
		}
		if age := w.clock.Now().Sub(got.Grant.Issued); (runs == 2) != (age > time.Hour) {
			t.Errorf("run %d: the tokens are %v old", runs, age)
		}
	}
	if runs != 3 {
		t.Errorf("%d runs", runs)
	}
}

// TestConnectorRefreshOfNoUse: a kept answer survives failures, but is not given to a connector for ever, nor after a final refusal.
func TestConnectorRefreshOfNoUse(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]int{"": 10, "invalid_client": 1} { // how often it is given
		w := newWorld(t, "")
		w.signIn()
		w.clock.Add(2 * time.Hour)
		runs, given := 0, 0
		w.conn.own = func(ctx context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
			runs++
			_, ok := r.Fetches.Earlier(0, "POST https://crm.example/token")
			switch {
			case ok:
				given++
			case runs == 1:
				r.Fetches.Keep(ctx, 0, "POST https://crm.example/token", crmgate.NewSecret(`{"status":200,"body":"{\"access_token\":\"new-access-token\"}"}`))
				return connector.RefreshAnswer{}, &crmgate.ConnectorError{Platform: "practice", Operation: "checkAndRefreshAccessToken", Message: "gone", Err: connector.ErrInterrupted}
			}
			return connector.RefreshAnswer{}, &crmgate.ConnectorError{Platform: "practice", Operation: "checkAndRefreshAccessToken", Message: "no", Status: 400, Code: code}
		}
		for range 13 {
			if _, err := w.live(); err == nil {
				t.Error("it succeeded")
			}
			w.clock.Add(2 * time.Hour)
		}
		if given != want {
			t.Errorf("%q: the answer was given %d times in %d runs, want %d", code, given, runs, want)
		}
	}
}
