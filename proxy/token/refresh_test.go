package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// TestRefreshReadsEveryAnswer: after an answer of any form, the CRM accepts the stored refresh token.
func TestRefreshReadsEveryAnswer(t *testing.T) {
	t.Parallel()
	for _, a := range practicecrm.TokenAnswers() {
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			extra := `"path":"` + a.Path + `"`
			if a.Milliseconds {
				extra += `,"expiresIn":"milliseconds"`
			}
			w := newWorld(t, extra)
			w.signIn()
			before := w.stored()
			w.crm.SetMood(practicecrm.Mood{Token: a.Name})
			w.clock.Add(time.Hour)
			_, err := w.live()
			now := w.stored()
			switch {
			case (err == nil) != a.Valid:
				t.Fatalf("got %v", err)
			case !a.Valid && errors.Is(err, crmgate.ErrUserDead):
				if now.Dead == "" {
					t.Error("a grant that the CRM refused is not marked dead")
				}
				return
			case !a.Valid && (!errors.Is(err, crmgate.ErrTransient) || !reflect.DeepEqual(before, now)):
				t.Errorf("got %v; stored %+v, before %+v", err, now, before)
			case a.Valid && !w.crm.Live(now.AccessToken.Reveal()):
				t.Error("the access token is not live")
			}
			if !w.crm.LiveRefresh(now.RefreshToken.Reveal()) {
				t.Error("the refresh token is lost")
			}
			w.crm.SetMood(practicecrm.Mood{})
			w.clock.Add(240 * time.Hour)
			if _, err := w.live(); err != nil && !now.Expiry.IsZero() {
				t.Errorf("the next refresh: %v", err)
			}
			if n := w.crm.Counts().Reuses; n != 0 {
				t.Errorf("%d refresh tokens were used twice", n)
			}
		})
	}
}

// TestLostAnswer: the CRM rotated, and its answer was lost. The person must sign in.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	w.crm.SetMood(practicecrm.Mood{CutAfter: true})
	if n := w.requests(func() {
		if _, err := w.live(); !errors.Is(err, crmgate.ErrTransient) {
			t.Errorf("got %v", err)
		}
	}); n != 1 || w.stored().Dead != "" {
		t.Errorf("%d requests, stored %+v", n, w.stored())
	}
	w.crm.SetMood(practicecrm.Mood{})
	w.clock.Add(time.Minute)
	if _, err := w.live(); !errors.Is(err, crmgate.ErrUserDead) {
		t.Errorf("got %v", err)
	}
}

// TestSignInWithoutRefreshTokenDuringRefresh: the sign-in keeps the refresh token that the refresh has just rotated.
func TestSignInWithoutRefreshTokenDuringRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	w.conn.own = func(_ context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
		_, err := w.db.SignIn(context.Background(), ada, func(p *crmgate.Person) error {
			p.Grant = token.Tokens{Access: crmgate.NewSecret("signed in")}.Grant(w.client(), p.Grant)
			return nil
		})
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("refreshed"), RefreshToken: crmgate.NewSecret("rotated")}, err
	}
	_, err := w.live()
	must(t, err)
	if g := w.stored(); g.RefreshToken.Reveal() != "rotated" || g.AccessToken.Reveal() != "refreshed" {
		t.Error("the rotated refresh token was dropped")
	}
}

// TestRefusedBesideNewAccessToken: the refresh token is refused, and a sign-in has just brought an access token.
func TestRefusedBesideNewAccessToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
		_, err := w.db.SignIn(context.Background(), ada, func(p *crmgate.Person) error {
			p.Grant = token.Tokens{Access: crmgate.NewSecret("newer")}.Grant(w.client(), p.Grant)
			return nil
		})
		return connector.RefreshAnswer{}, errors.Join(err, crmgate.ErrUserDead)
	}
	p, err := w.live()
	if err != nil || p.Grant.AccessToken.Reveal() != "newer" || w.stored().Dead != "" {
		t.Errorf("got %v, stored %+v", err, w.stored())
	}
}

func TestConnectorRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `"lifetime":600`)
	w.signIn()
	before := w.stored()
	_, err := w.db.UpdatePerson(t.Context(), ada, func(p *crmgate.Person) error {
		p.User.AdditionalInfo = json.RawMessage(`{"kept":1,"changed":1}`)
		return nil
	})
	must(t, err)
	answer := connector.RefreshAnswer{AccessToken: crmgate.NewSecret("own-1"), ExpiresIn: 7200, AdditionalInfo: json.RawMessage(`{"changed":2}`)}
	var got connector.RefreshRequest
	w.conn.own = func(_ context.Context, r connector.RefreshRequest) (connector.RefreshAnswer, error) {
		got = r
		return answer, nil
	}
	w.clock.Add(time.Hour)
	var p crmgate.Person
	n := w.requests(func() { p, err = w.live() })
	must(t, err)
	if n != 0 {
		t.Errorf("%d standard requests beside the connector's own", n)
	}
	if got.AuthHeader.Reveal() != "Bearer "+before.AccessToken.Reveal() || !got.RefreshToken.Equal(before.RefreshToken) ||
		string(got.TokenExpiry) != `"2026-11-24T13:00:00Z"` || got.OAuth.ClientID != practicecrm.ClientID {
		t.Errorf("the connector was asked %+v", got)
	}
	if g := p.Grant; g.AccessToken.Reveal() != "own-1" || !g.RefreshToken.Equal(before.RefreshToken) || g.Expiry.Sub(w.clock.Now()) != 2*time.Hour || g.App != before.App {
		t.Errorf("got %+v", g)
	}
	if string(p.User.AdditionalInfo) != `{"changed":2,"kept":1}` {
		t.Errorf("additional info %s", p.User.AdditionalInfo)
	}

	// Nonsense about the person does not cost the tokens; without a lifetime the manifest's counts.
	for i, info := range []string{`[1]`, `null`, `{"x":"` + strings.Repeat("y", 70<<10) + `"}`, `{`} {
		answer = connector.RefreshAnswer{AccessToken: crmgate.NewSecret("own-2"), RefreshToken: crmgate.NewSecret("r"), AdditionalInfo: json.RawMessage(info)}
		w.clock.Add(3 * time.Hour)
		p, err = w.live()
		must(t, err)
		if p.Grant.RefreshToken.Reveal() != "r" || p.Grant.Expiry.Sub(w.clock.Now()) != 10*time.Minute || string(p.User.AdditionalInfo) != `{"changed":2,"kept":1}` {
			t.Errorf("%d: got %+v, info %.50s", i, p.Grant, p.User.AdditionalInfo)
		}
	}
}

// TestConnectorRefreshWithoutRefreshToken: a connector may need no refresh token, so an expired access token is not the end.
func TestConnectorRefreshWithoutRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.crm.SetMood(practicecrm.Mood{Token: "no refresh_token"})
	w.signIn()
	w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("own"), ExpiresIn: 60}, nil
	}
	w.clock.Add(2 * time.Hour)
	p, err := w.live()
	if err != nil || p.Grant.AccessToken.Reveal() != "own" || w.stored().AccessToken.Reveal() != "own" {
		t.Errorf("got %v", err)
	}
}

// TestAnswerAfterTheDeadline: the tokens of a connector that answers after its deadline are stored.
func TestAnswerAfterTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, "")
		w.store(crmgate.Grant{AccessToken: crmgate.NewSecret("old"), RefreshToken: crmgate.NewSecret("old"), Expiry: w.clock.Now()})
		w.conn.own = func(ctx context.Context, _ connector.RefreshRequest) (connector.RefreshAnswer, error) {
			<-ctx.Done()
			return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("late"), RefreshToken: crmgate.NewSecret("late")}, nil
		}
		p, err := w.live()
		if err != nil || p.Grant.AccessToken.Reveal() != "late" || w.stored().RefreshToken.Reveal() != "late" {
			t.Errorf("got %v, stored %+v", err, w.stored())
		}
	})
}

// TestRefreshKeepsTheSession: a refresh keeps the organisation's application and the session. Once the application is replaced, the grant is not
// refreshed any more, and is revoked with the old credentials.
func TestRefreshKeepsTheSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.conn.info.ClientSecret = crmgate.NewSecret("another's") // of the connector's own app, which must not be used
	_, err := w.db.PutPendingApp(t.Context(), crmgate.OrgApplication{Account: "acme", Platform: "practice", Application: crmgate.Application{
		ClientID: practicecrm.ClientID, ClientSecret: crmgate.NewSecret(practicecrm.ClientSecret),
	}})
	must(t, err)
	apps, err := w.db.Applications(t.Context(), "acme", "practice")
	must(t, err)
	_, err = w.db.SignIn(t.Context(), ada, func(p *crmgate.Person) error {
		p.Grant.App.Account, p.Grant.App.Generation = "acme", apps.Pending.Generation
		return nil
	}, storage.ConfirmApp("acme", "practice", apps.Pending.Entry))
	must(t, err)
	before, err := w.db.Session(t.Context(), ada)
	must(t, err)
	w.clock.Add(2 * time.Hour)
	_, err = w.live()
	must(t, err)
	after, err := w.db.Session(t.Context(), ada)
	if err != nil || after != before || w.stored().App.Account != "acme" {
		t.Errorf("the session is %+v, was %+v; the app is %+v; %v", after, before, w.stored().App, err)
	}

	must(t, w.db.RemoveApps(t.Context(), "acme", "practice"))
	w.clock.Add(2 * time.Hour)
	n := w.requests(func() {
		if _, err := w.live(); !errors.Is(err, crmgate.ErrUserDead) {
			t.Errorf("a grant of a replaced app: %v", err)
		}
	})
	if n != 0 || w.stored().Dead != "" {
		t.Errorf("%d requests; dead: %q", n, w.stored().Dead)
	}
	if c, err := w.engine.Issuer(t.Context(), w.conn, ada); err != nil || !c.Secret.Equal(crmgate.NewSecret(practicecrm.ClientSecret)) {
		t.Errorf("the client to revoke with: %v", err)
	}
}

func TestPanicInAConnector(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) { panic("a bug") }
	if _, err := w.live(); err == nil || strings.Contains(err.Error(), "a bug") {
		t.Errorf("got %v", err)
	}
	w.conn.own = nil
	_, err := w.live()
	must(t, err)
}
