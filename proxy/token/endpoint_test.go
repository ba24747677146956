package token_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
)

// endpoint is a token endpoint that a test defines, and the refresh tokens that were sent there.
type endpoint struct {
	w    *world
	url  string
	mu   sync.Mutex
	sent []string // guarded by mu
}

// endpoint starts one for the world. answer gets the refresh token and the number of the request, from 1.
func (w *world) endpoint(answer func(rw http.ResponseWriter, refresh string, n int)) *endpoint {
	w.t.Helper()
	e := &endpoint{w: w}
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		refresh := r.PostFormValue("refresh_token")
		e.mu.Lock()
		e.sent = append(e.sent, refresh)
		n := len(e.sent)
		e.mu.Unlock()
		answer(rw, refresh, n)
	}))
	w.t.Cleanup(s.Close)
	e.url = s.URL
	e.declare("")
	return e
}

// declare sets crmgate.token.
func (e *endpoint) declare(extra string) {
	e.w.declare(e.url, extra)
	e.w.conn.info.AccessTokenURI = e.url + "/oauth/token"
}

// wantSent checks the refresh tokens that were sent.
func (e *endpoint) wantSent(want ...string) {
	e.w.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if fmt.Sprint(e.sent) != fmt.Sprint(want) {
		e.w.t.Errorf("sent %q, want %q", e.sent, want)
	}
}

const refreshZero = "refresh-token-zero"

// due stores Ada with an expired grant.
func (w *world) due() {
	w.t.Helper()
	now := w.clock.Now()
	w.store(crmgate.Grant{
		AccessToken: crmgate.NewSecret("access-token-zero"), RefreshToken: crmgate.NewSecret(refreshZero), Issued: now.Add(-2 * time.Hour), Expiry: now.Add(-time.Hour),
	})
}

// signInAgain stores a sign-in without a refresh token.
func (w *world) signInAgain(access string) {
	w.t.Helper()
	_, err := w.db.SignIn(context.Background(), ada, func(p *crmgate.Person) error {
		p.Grant = token.Tokens{Access: crmgate.NewSecret(access), Issued: w.clock.Now(), Expiry: w.clock.Now().Add(time.Hour)}.Grant(w.client(), p.Grant)
		return nil
	})
	must(w.t, err)
}

const tokensOne = `{"access_token":"access-token-one","refresh_token":"refresh-token-one","expires_in":3600}`

// TestCutAfterTheAnswer: the connection breaks after the answer. The answer counts if it is known to be complete.
func TestCutAfterTheAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		ok, kept   bool
	}{
		{"a whole document", tokensOne, true, false},
		{"half a document", tokensOne[:70], false, true},
		{"a form, which may go on", "access_token=access-token-one&refresh_token=refresh-tok", false, true},
		{"half a page", "<html><body>We will be back sooooooooooooooooon", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			e := w.endpoint(func(rw http.ResponseWriter, _ string, _ int) {
				rw.Header().Set("Content-Length", fmt.Sprint(len(c.body)+1))
				fmt.Fprint(rw, c.body)
				_ = http.NewResponseController(rw).Flush()
				panic(http.ErrAbortHandler)
			})
			w.due()
			_, err := w.live()
			kept, unread := w.db.JournalOf(t.Context(), ada)
			must(t, unread)
			if (err == nil) != c.ok || (len(kept) == 1) != c.kept || w.stored().Dead != "" {
				t.Errorf("%v; %d kept", err, len(kept))
			}
			if c.ok && w.stored().RefreshToken.Reveal() != "refresh-token-one" {
				t.Error("the tokens are lost")
			}
			if c.kept {
				w.clock.Add(10 * time.Minute)
				_, _ = w.live()
				e.wantSent(refreshZero)
			}
		})
	}
}

// TestErrorsBesideTokens: an answer with tokens and a status of success grants them, even beside an error.
func TestErrorsBesideTokens(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"error":{"code":0,"message":""},` + tokensOne[1:], `{"error":"0",` + tokensOne[1:], `{"error":"none",` + tokensOne[1:],
		tokensOne[:len(tokensOne)-1] + `,"data":{"ok":false}}`, `{"ok":false,"error":"invalid_scope",` + tokensOne[1:],
	} {
		w := newWorld(t, "")
		w.endpoint(func(rw http.ResponseWriter, _ string, _ int) { fmt.Fprint(rw, body) })
		w.due()
		if p, err := w.live(); err != nil || p.Grant.RefreshToken.Reveal() != "refresh-token-one" {
			t.Errorf("%s: %v", body, err)
		}
	}
	w := newWorld(t, "")
	w.endpoint(func(rw http.ResponseWriter, _ string, _ int) {
		rw.WriteHeader(400)
		fmt.Fprint(rw, `{"error":"invalid_grant","access_token":"access-token-zero"}`)
	})
	w.due()
	if _, err := w.live(); err == nil || w.stored().Dead == "" {
		t.Errorf("a refusal that repeats the token: %v", err)
	}
}

// TestRefreshTokenElsewhere: the refresh token is in another object than the access token.
func TestRefreshTokenElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	e := w.endpoint(func(rw http.ResponseWriter, _ string, n int) {
		fmt.Fprintf(rw, `{"access_token":"access-token-%d","expires_in":3600,"more":[{"auth":{"refresh_token":"refresh-token-%d"}}]}`, n, n)
	})
	w.due()
	for range 2 {
		_, err := w.live()
		must(t, err)
		w.clock.Add(2 * time.Hour)
	}
	e.wantSent(refreshZero, "refresh-token-1")
}

// TestSignInBesideAKeptAnswer: the process ended before it stored a rotated token. The person then signs in and gets no refresh token.
// The refresh token in the journal is the valid one.
func TestSignInBesideAKeptAnswer(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"used", "replayed"} {
		w := newWorld(t, "", func(c *token.Config) { c.Alone = true })
		w.signIn()
		w.clock.Add(2 * time.Hour)
		w.engine.SetPoint(func(at string) {
			if at == "storing" {
				panic(kill{at})
			}
		})
		_, _ = w.live()
		w.restart()
		w.clock.Add(time.Minute)
		w.signInAgain("signed in anew")
		kept, err := w.db.JournalOf(t.Context(), ada)
		must(t, err)
		if way == "replayed" {
			_, err = w.engine.Replay(t.Context(), w.conn, kept[0])
			must(t, err)
			if g := w.stored(); g.AccessToken.Reveal() != "signed in anew" || !w.crm.LiveRefresh(g.RefreshToken.Reveal()) {
				t.Errorf("after the replay: %v", g)
			}
		}
		w.clock.Add(2 * time.Hour)
		p, err := w.live()
		if n := w.crm.Counts().Reuses; n != 0 || err != nil || !w.crm.Live(p.Grant.AccessToken.Reveal()) {
			t.Errorf("%s: %d reuses; %v; dead: %q", way, n, err, w.stored().Dead)
		}
	}
}

// TestOlderAnswerOverNewerSignIn: the CRM rotated nothing, and its answer is older than the sign-in.
func TestOlderAnswerOverNewerSignIn(t *testing.T) {
	t.Parallel()
	t.Run("replayed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "")
		e := w.endpoint(func(rw http.ResponseWriter, _ string, _ int) {
			fmt.Fprint(rw, `{"result":{"access_token":"access-token-older","expires_in":3600}}`)
		})
		w.due()
		_, _ = w.live()
		w.clock.Add(10 * time.Minute)
		w.signInAgain("signed in anew")
		kept, err := w.db.JournalOf(t.Context(), ada)
		must(t, err)
		e.declare(`"path":"result"`)
		if _, err = w.engine.Replay(t.Context(), w.conn, kept[0]); err == nil || w.stored().AccessToken.Reveal() != "signed in anew" {
			t.Errorf("%v; stored %q", err, w.stored().AccessToken.Reveal())
		}
	})
	t.Run("stored late", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "")
		w.endpoint(func(rw http.ResponseWriter, _ string, _ int) {
			fmt.Fprint(rw, `{"access_token":"access-token-older","expires_in":3600}`)
		})
		w.due()
		w.engine.SetPoint(func(at string) {
			if at == "storing" {
				w.clock.Add(5 * time.Second)
				w.signInAgain("signed in anew")
			}
		})
		_, err := w.live()
		if must(t, err); w.stored().AccessToken.Reveal() != "signed in anew" {
			t.Errorf("stored %q", w.stored().AccessToken.Reveal())
		}
	})
}

// TestKeptAnswers: an answer that cannot be parsed is kept if it may hold a token.
func TestKeptAnswers(t *testing.T) {
	t.Parallel()
	for body, kept := range map[string]bool{
		`{"result":{"access_token":"a1b2c3d4","refresh_token":"e5f6g7h8"}}`:                                                         true,
		`{"grant":{"key":"a1b2c3d4e5f6g7h8i9j0"}}`:                                                                                  true,
		`["a1b2c3d4e5f6g7h8i9j0"]`:                                                                                                  true,
		`{"status":"MAINTENANCE","message":"Back soon.","correlationId":"2f0c1c3e-8a6a-4f6b-9f0e-0f4c1f6f7c11"}`:                    false,
		`{"message":"internationalization is not available today","help":"https://crm.example/help/maintenance-window-of-tonight"}`: false,
		`{"token_type":"Bearer","token":null}`:                                                                                      false,
		`OK`:                                                                                                                        false,
	} {
		w := newWorld(t, "")
		e := w.endpoint(func(rw http.ResponseWriter, _ string, n int) {
			if n > 1 {
				body = tokensOne
			}
			fmt.Fprint(rw, body)
		})
		w.due()
		_, _ = w.live()
		entries, err := w.db.JournalOf(t.Context(), ada)
		must(t, err)
		w.clock.Add(time.Hour)
		_, err = w.live()
		if (len(entries) == 1) != kept || (err == nil) == kept {
			t.Errorf("%s: %d are kept, and then %v (%d requests)", body, len(entries), err, len(e.sent))
		}
	}
}

// TestRefusedByACRMInTrouble: a refusal with status 429 or 5xx does not end a grant.
func TestRefusedByACRMInTrouble(t *testing.T) {
	t.Parallel()
	for status, dead := range map[int]bool{400: true, 401: true, 429: false, 500: false, 503: false} {
		w := newWorld(t, "")
		w.endpoint(func(rw http.ResponseWriter, _ string, _ int) {
			rw.WriteHeader(status)
			fmt.Fprint(rw, `{"error":"invalid_grant","error_description":"backend unavailable"}`)
		})
		w.due()
		if _, err := w.live(); err == nil || (w.stored().Dead != "") != dead {
			t.Errorf("%d: dead is %q", status, w.stored().Dead)
		}
	}
}

// TestClockSetBack: the clock was ahead and has been corrected.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	t.Run("the CRM rejects the token", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "")
		w.clock.Add(300 * 24 * time.Hour)
		w.signIn()
		w.clock.Add(-299 * 24 * time.Hour)
		p, err := w.live()
		must(t, err)
		if p, err = w.engine.Rejected(t.Context(), p); err != nil || p.Grant.Issued.After(w.clock.Now()) {
			t.Errorf("%v, issued %v", err, p.Grant.Issued)
		}
	})
	t.Run("a rest", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "")
		w.clock.Add(30 * 24 * time.Hour)
		w.endpoint(func(rw http.ResponseWriter, _ string, n int) {
			if n == 1 {
				rw.WriteHeader(500)
				return
			}
			fmt.Fprint(rw, tokensOne)
		})
		w.due()
		_, _ = w.live()
		w.clock.Add(-27 * 24 * time.Hour)
		w.restart()
		_, err := w.live()
		must(t, err)
	})
	t.Run("an answer that is kept", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "", func(c *token.Config) { c.Alone = true })
		w.clock.Add(6 * time.Hour)
		w.signIn()
		w.clock.Add(-6 * time.Hour)
		_, err := w.db.UpdatePerson(t.Context(), ada, func(p *crmgate.Person) error {
			p.Grant.Expiry = w.clock.Now()
			return nil
		})
		must(t, err)
		w.engine.SetPoint(func(at string) {
			if at == "storing" {
				panic(kill{at})
			}
		})
		_, _ = w.live()
		w.restart()
		_, err = w.live()
		if n := w.crm.Counts().Reuses; n != 0 || err != nil {
			t.Errorf("%d reuses, %v", n, err)
		}
	})
}
