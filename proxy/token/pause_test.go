package token_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// crowd stores n people with due tokens. come calls Live for all of them at once and returns the number of token requests.
func (w *world) crowd(n int) (come func() int) {
	w.t.Helper()
	now, app := w.clock.Now(), w.client().App
	key := func(i int) crmgate.UserKey {
		return crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(fmt.Sprint(i, "-crowd"))}
	}
	for i := range n {
		_, err := w.db.SignIn(w.t.Context(), key(i), func(p *crmgate.Person) error {
			p.Grant = crmgate.Grant{AccessToken: crmgate.NewSecret("old"), RefreshToken: crmgate.NewSecret("unknown"), Issued: now.Add(-2 * time.Hour), Expiry: now.Add(-time.Hour), App: app}
			return nil
		})
		must(w.t, err)
	}
	return func() int {
		return w.requests(func() {
			var group sync.WaitGroup
			for i := range n {
				group.Go(func() { _, _ = w.engine.Live(w.t.Context(), key(i)) })
			}
			group.Wait()
		})
	}
}

// TestPausedApplicationIsTriedHourly: one refresh an hour tries a paused application, so that refreshes resume once the CRM accepts it.
func TestPausedApplicationIsTriedHourly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	come := w.crowd(50)
	w.clock.Add(2 * time.Hour)
	w.crm.SetMood(practicecrm.Mood{Error: "invalid_client"})
	if _, err := w.live(); !errors.Is(err, crmgate.ErrAppDead) {
		t.Fatalf("got %v", err)
	}
	since, _, err := w.db.Paused(t.Context(), "practice", w.client().App)
	must(t, err)
	for range 2 {
		w.clock.Add(time.Hour - time.Second)
		if n := come(); n != 0 {
			t.Errorf("%d requests within the hour", n)
		}
		w.clock.Add(time.Second)
		if n := come(); n != 1 {
			t.Errorf("%d requests after an hour", n)
		}
	}
	if why, _, err := w.db.Paused(t.Context(), "practice", w.client().App); err != nil || !why.Since.Equal(since.Since) {
		t.Errorf("paused since %v, and not since %v; %v", why.Since, since.Since, err)
	}
	w.crm.SetMood(practicecrm.Mood{})
	w.clock.Add(time.Hour)
	_, err = w.live()
	must(t, err)
	if _, ok, err := w.db.Paused(t.Context(), "practice", w.client().App); ok || err != nil {
		t.Errorf("still paused: %v, %v", ok, err)
	}
}

// TestRetriedApplication: after a retry, the next refresh tries a paused application, and the others wait for it.
func TestRetriedApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	come := w.crowd(50)
	w.clock.Add(2 * time.Hour)
	w.crm.SetMood(practicecrm.Mood{Error: "invalid_client"})
	if _, err := w.live(); !errors.Is(err, crmgate.ErrAppDead) {
		t.Fatalf("got %v", err)
	}
	retry := func() {
		if n, err := w.db.RetryPaused(t.Context(), "practice", nil); n != 1 || err != nil {
			t.Errorf("retried %d, %v", n, err)
		}
	}
	retry()
	if n := come(); n != 1 {
		t.Errorf("%d requests after a retry", n)
	}
	if n := come(); n != 0 {
		t.Errorf("%d requests after the retry failed", n)
	}
	w.crm.SetMood(practicecrm.Mood{})
	retry()
	_, err := w.live()
	must(t, err)
	if _, ok, err := w.db.Paused(t.Context(), "practice", w.client().App); ok || err != nil {
		t.Errorf("still paused: %v, %v", ok, err)
	}
}

// TestPauseEndsWithNewCredentials: a pause ends when the application authenticates in another way.
func TestPauseEndsWithNewCredentials(t *testing.T) {
	t.Parallel()
	for name, mend := range map[string]func(w *world){
		"another secret": func(w *world) { w.conn.info.ClientSecret = crmgate.NewSecret("another") },
		"no secret":      func(w *world) { w.conn.info.ClientSecret = crmgate.Secret{} },
		"another style": func(w *world) {
			at := w.conn.info.AccessTokenURI
			w.declare(w.url, `"auth":"body"`)
			w.conn.info.AccessTokenURI = at
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.signIn()
			w.clock.Add(2 * time.Hour)
			w.crm.SetMood(practicecrm.Mood{Error: "invalid_client"})
			if _, err := w.live(); !errors.Is(err, crmgate.ErrAppDead) {
				t.Fatalf("got %v", err)
			}
			if n := w.requests(func() { _, _ = w.live() }); n != 0 {
				t.Errorf("paused, it cost %d requests", n)
			}
			mend(w)
			if n := w.requests(func() { _, _ = w.live() }); n != 1 {
				t.Errorf("with new credentials, it cost %d requests", n)
			}
		})
	}
}
