package token_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
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
	since, _, err := w.db.Paused(t.Context(), storage.Usage{Platform: "practice", App: w.client().App})
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
	if why, _, err := w.db.Paused(t.Context(), storage.Usage{Platform: "practice", App: w.client().App}); err != nil || !why.Since.Equal(since.Since) {
		t.Errorf("paused since %v, and not since %v; %v", why.Since, since.Since, err)
	}
	w.crm.SetMood(practicecrm.Mood{})
	w.clock.Add(time.Hour)
	_, err = w.live()
	must(t, err)
	if _, ok, err := w.db.Paused(t.Context(), storage.Usage{Platform: "practice", App: w.client().App}); ok || err != nil {
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
	if _, ok, err := w.db.Paused(t.Context(), storage.Usage{Platform: "practice", App: w.client().App}); ok || err != nil {
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

// TestRejectedAtSignIn: a CRM that rejects the application at sign-ins is reported once an hour, and pauses no refresh.
func TestRejectedAtSignIn(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := newWorld(t, "", func(c *token.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	w.signIn()
	noted := func() int {
		return strings.Count(log.String(), "level=ERROR msg=\"the CRM rejects the application at a sign-in")
	}
	at := storage.Usage{Platform: "practice", App: crmgate.ApplicationKey{ClientID: practicecrm.ClientID}, Use: storage.SignIn}
	signIn := func() {
		t.Helper()
		_, err := w.exchange()
		var te *token.Error
		if !errors.As(err, &te) || te.Message != "The CRM rejects the application. Please tell your administrator." || !errors.Is(err, crmgate.ErrAppDead) {
			t.Fatalf("the person is told %v", err)
		}
	}
	w.crm.SetMood(practicecrm.Mood{Error: "invalid_client"})
	signIn()
	since := w.clock.Now()
	w.clock.Add(59 * time.Minute)
	signIn()
	if n := noted(); n != 1 {
		t.Errorf("%d lines of level ERROR within the hour", n)
	}
	w.clock.Add(time.Minute)
	signIn()
	why, _, err := w.db.Paused(t.Context(), at)
	if n := noted(); n != 2 || err != nil || why.Code != "invalid_client" || !why.Since.Equal(since) || !why.Tried.Equal(w.clock.Now()) {
		t.Errorf("%d lines after an hour; %+v, %v", n, why, err)
	}
	if line := log.String(); !strings.Contains(line, "client_id="+practicecrm.ClientID) || !strings.Contains(line, "platform=practice") || strings.Contains(line, practicecrm.ClientSecret) {
		t.Errorf("the log: %s", line)
	}

	w.clock.Add(2 * time.Hour)
	w.crm.SetMood(practicecrm.Mood{})
	if n := w.requests(func() { _, err = w.live() }); n != 1 || err != nil {
		t.Errorf("a refresh was held up: %d requests, %v", n, err)
	}
	if _, ok, err := w.db.Paused(t.Context(), at); !ok || err != nil {
		t.Errorf("a refresh ended the report on sign-ins: %v", err)
	}
	_, err = w.exchange()
	must(t, err)
	if _, ok, err := w.db.Paused(t.Context(), at); ok || err != nil {
		t.Errorf("a sign-in works, and the report stays: %v", err)
	}

	w.crm.SetMood(practicecrm.Mood{Error: "invalid_client"})
	if err := w.engine.Try(t.Context(), w.conn, w.client()); !errors.Is(err, crmgate.ErrAppDead) || noted() != 2 {
		t.Errorf("a trial counted as a sign-in: %v, %d lines", err, noted())
	}
}
