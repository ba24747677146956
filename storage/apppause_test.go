package storage_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/storetest"
)

func TestPause(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		app := crmgate.ApplicationKey{ClientID: "c", TokenURL: "https://crm.example/token", Account: "acme"}
		secret, law := crmgate.NewSecret("wrong"), storage.Usage{Platform: "law", App: app}
		storetest.Must(t, s.SetPause(t.Context(), law, secret, storage.Pause{Code: "invalid_client", Message: "no", Since: s.Clock.Now(), Tried: s.Clock.Now()}))
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
			why, ok, err := s.Paused(t.Context(), storage.Usage{Platform: c.p, App: c.app})
			if err != nil || ok != c.want || ok && (why.Code != "invalid_client" || !why.Since.Equal(s.Clock.Now())) {
				t.Errorf("%s: %+v, %v, %v", c.name, why, ok, err)
			}
			if _, ok, err := s.PausedWith(t.Context(), storage.Usage{Platform: c.p, App: c.app}, c.secret); err != nil || ok != c.with {
				t.Errorf("%s, with these credentials: %v, %v", c.name, ok, err)
			}
		}
		// Of several callers that find a pause, one tries the application.
		found, _, err := s.Paused(t.Context(), law)
		storetest.Must(t, err)
		s.Clock.Add(time.Hour)
		storetest.Must(t, s.TryPaused(t.Context(), law, found))
		if err := s.TryPaused(t.Context(), law, found); !errors.Is(err, crmgate.ErrConflict) {
			t.Errorf("a second one: %v", err)
		}
		if why, ok, err := s.PausedWith(t.Context(), law, secret); err != nil || !ok || why.Since.Equal(why.Tried) || !why.Tried.Equal(s.Clock.Now()) {
			t.Errorf("tried: %+v, %v, %v", why, ok, err)
		}
		storetest.Must(t, s.EndPause(t.Context(), law))
		if _, ok, err := s.Paused(t.Context(), law); ok || err != nil {
			t.Errorf("ended: %v, %v", ok, err)
		}
		if err := s.TryPaused(t.Context(), law, found); !errors.Is(err, crmgate.ErrConflict) {
			t.Errorf("one that has ended: %v", err)
		}
	})
}

// TestRetryPaused: the paused applications of a platform, or of one organisation, may be tried at once.
func TestRetryPaused(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		secret := crmgate.NewSecret("canary")
		put := func(p crmgate.Platform, app crmgate.ApplicationKey) {
			storetest.Must(t, s.SetPause(t.Context(), storage.Usage{Platform: p, App: app}, secret, storage.Pause{Message: "no", Since: s.Clock.Now(), Tried: s.Clock.Now()}))
		}
		own, acme := crmgate.ApplicationKey{ClientID: "own"}, crmgate.ApplicationKey{ClientID: "c", TokenURL: "https://crm.example/token", Account: "acme"}
		put("law", own)
		put("law", acme)
		put("lax", acme)
		waiting := func() (all []string) {
			found, err := s.Pauses(t.Context())
			storetest.Must(t, err)
			for _, p := range found {
				if !p.Tried.IsZero() {
					all = append(all, string(p.Platform)+" "+string(p.Account)+" "+p.ClientID)
				}
			}
			slices.Sort(all)
			return all
		}
		none, connectors := crmgate.AccountID("nobody"), crmgate.AccountID("")
		for _, c := range []struct {
			p       crmgate.Platform
			account *crmgate.AccountID
			n       int
			left    []string
		}{
			{"la", nil, 0, []string{"law  own", "law acme c", "lax acme c"}},
			{"law", &none, 0, []string{"law  own", "law acme c", "lax acme c"}},
			{"law", &acme.Account, 1, []string{"law  own", "lax acme c"}},
			{"law", &connectors, 1, []string{"lax acme c"}},
			{"lax", nil, 1, nil},
		} {
			n, err := s.RetryPaused(t.Context(), c.p, c.account)
			if left := waiting(); n != c.n || err != nil || !slices.Equal(left, c.left) {
				t.Errorf("%s: %d, %v; still waiting: %q", c.p, n, err, left)
			}
		}
		if why, ok, err := s.PausedWith(t.Context(), storage.Usage{Platform: "law", App: acme}, secret); !ok || err != nil || !why.Since.Equal(s.Clock.Now()) {
			t.Errorf("a retry ended the pause, or forgot its begin: %+v, %v, %v", why, ok, err)
		}
		s.Clock.Add(31 * 24 * time.Hour)
		if all, err := s.Pauses(t.Context()); len(all) != 0 || err != nil {
			t.Errorf("after a month: %+v, %v", all, err)
		}
	})
}
