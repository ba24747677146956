package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

func TestPause(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		app := crmgate.ApplicationKey{ClientID: "c", TokenURL: "https://crm.example/token", Account: "acme"}
		secret := crmgate.NewSecret("wrong")
		must(t, s.SetPause(t.Context(), "law", app, secret, storage.Pause{Code: "invalid_client", Message: "no", Since: s.clock.now(), Tried: s.clock.now()}))
		for _, c := range []struct {
			name   string
			p      crmgate.Platform
			app    crmgate.ApplicationKey
			secret crmgate.Secret
			want   bool // with any credentials
			with   bool // with these credentials
		}{
			{"the same", "law", app, secret, true, true},
			{"another secret", "law", app, crmgate.NewSecret("right"), true, false},
			{"no secret any more", "law", app, crmgate.Secret{}, true, false},
			{"another platform", "lax", app, secret, false, false},
			{"another account's", "law", crmgate.ApplicationKey{ClientID: "c", TokenURL: app.TokenURL}, secret, false, false},
		} {
			why, ok, err := s.Paused(t.Context(), c.p, c.app)
			if err != nil || ok != c.want || ok && (why.Code != "invalid_client" || !why.Since.Equal(s.clock.now())) {
				t.Errorf("%s: %+v, %v, %v", c.name, why, ok, err)
			}
			if _, ok, err := s.PausedWith(t.Context(), c.p, c.app, c.secret); err != nil || ok != c.with {
				t.Errorf("%s, with these credentials: %v, %v", c.name, ok, err)
			}
		}
		// Of several callers that find a pause, one tries the application.
		found, _, err := s.Paused(t.Context(), "law", app)
		must(t, err)
		s.clock.add(time.Hour)
		must(t, s.TryPaused(t.Context(), "law", app, found))
		if err := s.TryPaused(t.Context(), "law", app, found); !errors.Is(err, crmgate.ErrConflict) {
			t.Errorf("a second one: %v", err)
		}
		if why, ok, err := s.PausedWith(t.Context(), "law", app, secret); err != nil || !ok || why.Since.Equal(why.Tried) || !why.Tried.Equal(s.clock.now()) {
			t.Errorf("tried: %+v, %v, %v", why, ok, err)
		}
		must(t, s.EndPause(t.Context(), "law", app))
		if _, ok, err := s.Paused(t.Context(), "law", app); ok || err != nil {
			t.Errorf("ended: %v, %v", ok, err)
		}
		if err := s.TryPaused(t.Context(), "law", app, found); !errors.Is(err, crmgate.ErrConflict) {
			t.Errorf("one that has ended: %v", err)
		}
	})
}
