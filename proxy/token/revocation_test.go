package token_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// revokesAt has the manifest name a revocation endpoint; auth is crmgate.token.auth.
func (w *world) revokesAt(endpoint, auth string) {
	w.t.Helper()
	host, _, _ := strings.Cut(hostOf(endpoint), "/")
	manifests, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"auth":{"type":"oauth","oauth":{
		"authUrl":"` + w.url + `/oauth/authorize","clientId":"practice-client","redirectUri":"` + redirect + `"}},
		"crmgate":{"hosts":["` + hostOf(w.url) + `","` + host + `"],"token":{"auth":"` + auth + `"},"revoke":{"url":"` + endpoint + `"}}}}}`)}, "")
	must(w.t, err)
	w.conn.manifest, _ = manifests.Platform("practice")
}

func (w *world) person() crmgate.Person {
	w.t.Helper()
	p, err := w.db.Person(w.t.Context(), ada)
	must(w.t, err)
	return p
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"basic", "basicRaw", "body"} {
		w := newWorld(t, "")
		w.revokesAt(w.url+"/oauth/revoke", auth)
		w.signIn()
		p := w.person()
		must(t, w.engine.Revoke(t.Context(), w.conn, p))
		if n := w.crm.Counts().Revoke; n != 2 || w.crm.Live(p.Grant.AccessToken.Reveal()) || w.crm.LiveRefresh(p.Grant.RefreshToken.Reveal()) {
			t.Errorf("%s: %d requests, and a token is still live", auth, n)
		}
		must(t, w.engine.Revoke(t.Context(), w.conn, p)) // a second time does no harm
	}
}

func TestNothingToRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	p := w.person()
	wantUnsupported := func(p crmgate.Person) {
		t.Helper()
		if err := w.engine.Revoke(t.Context(), w.conn, p); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	}
	wantUnsupported(p) // no endpoint
	changed := p
	changed.Grant.App.ClientID = "another"
	wantUnsupported(changed) // nothing says that there is an endpoint
	w.conn.failing = &crmgate.ConnectorError{Message: "not now", Err: errors.New("it was stopped")}
	if err := w.engine.Revoke(t.Context(), w.conn, p); !errors.Is(err, w.conn.failing) {
		t.Errorf("the connector may name an endpoint the next time: got %v", err)
	}
	w.conn.failing = nil
	w.revokesAt(w.url+"/oauth/revoke", "basic")
	p.Grant = crmgate.Grant{APIKey: crmgate.NewSecret("key")}
	wantUnsupported(p)
	if n := w.crm.Counts().Revoke; n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestRevocationAnswers has an endpoint give one answer after the other.
func TestRevocationAnswers(t *testing.T) {
	t.Parallel()
	const refresh, access, bare = "refresh-1 refresh_token", "access-1 access_token", "refresh-1 "
	for _, c := range []struct {
		name    string
		answers []string // status and body for each request; the last repeats
		want    error
		asked   []string // token and hint
	}{
		{"done", []string{"200"}, nil, []string{refresh, access}},
		{"no content", []string{"204"}, nil, []string{refresh, access}},
		{"the hint is not known", []string{`400 {"error":"unsupported_token_type"}`, "200"}, nil, []string{refresh, bare, access}},
		{"no refresh tokens", []string{`400 {"error":"unsupported_token_type"}`, `400 {"error":"unsupported_token_type"}`, "200"}, nil, []string{refresh, bare, access}},
		{"dead already", []string{`400 {"error":"invalid_token"}`, "200"}, nil, []string{refresh, access}},
		{"the client is not known", []string{`401 {"error":"invalid_client"}`}, crmgate.ErrAppDead, []string{refresh}},
		{"the client is not known, with 503", []string{`503 {"error":"invalid_client"}`}, crmgate.ErrTransient, []string{refresh}},
		{"down", []string{"503"}, crmgate.ErrTransient, []string{refresh}},
		{"down at the second request", []string{"200", "500 <html>"}, crmgate.ErrTransient, []string{refresh, access}},
		{"busy", []string{"429"}, crmgate.ErrTransient, []string{refresh}},
		{"a redirect", []string{"302"}, crmgate.ErrTransient, []string{refresh}},
		{"the request is invalid", []string{`400 {"error":"invalid_request"}`}, crmgate.ErrTransient, []string{refresh}},
		{"the answer repeats the token", []string{`400 {"error":"refresh-1 practice-secret"}`}, crmgate.ErrTransient, []string{refresh}},
	} {
		var mu sync.Mutex
		var asked []string
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, r.PostFormValue("token")+" "+r.PostFormValue("token_type_hint"))
			answer := c.answers[min(len(asked), len(c.answers))-1]
			rw.Header().Set("Retry-After", "77")
			if answer == "302" {
				rw.Header().Set("Location", "/elsewhere")
			}
			var status int
			_, _ = fmt.Sscan(answer, &status)
			rw.WriteHeader(status)
			_, _ = rw.Write([]byte(strings.TrimSpace(answer[3:])))
		}))
		w := newWorld(t, "")
		w.revokesAt(s.URL+"/revoke", "basic")
		w.store(crmgate.Grant{AccessToken: crmgate.NewSecret("access-1"), RefreshToken: crmgate.NewSecret("refresh-1")})
		err := w.engine.Revoke(t.Context(), w.conn, w.person())
		s.Close()
		var te *token.Error
		after := 77 * time.Second
		if errors.Is(err, crmgate.ErrAppDead) { // then the application is tried once an hour
			after = time.Hour
		}
		if !errors.Is(err, c.want) || c.want != nil && (!errors.As(err, &te) || te.RetryAfter != after) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "refresh-1") {
			t.Errorf("%s: the error shows a token: %v", c.name, err)
		}
		if !slices.Equal(asked, c.asked) {
			t.Errorf("%s: asked %q, want %q", c.name, asked, c.asked)
		}
	}
}

func TestRevokeWithoutAnswer(t *testing.T) {
	t.Parallel()
	for _, mood := range []string{"cut", "hang"} {
		synctest.Test(t, func(t *testing.T) {
			w := newVirtualWorld(t, "")
			w.revokesAt(w.url+"/oauth/revoke", "basic")
			w.signIn()
			w.crm.SetMood(practicecrm.Mood{Revoke: mood})
			if err := w.engine.Revoke(t.Context(), w.conn, w.person()); !errors.Is(err, crmgate.ErrTransient) {
				t.Errorf("%s: %v", mood, err)
			}
		})
	}
	w := newWorld(t, "")
	gone := httptest.NewServer(http.NotFoundHandler())
	w.revokesAt(gone.URL+"/revoke", "basic")
	gone.Close()
	w.signIn()
	if err := w.engine.Revoke(t.Context(), w.conn, w.person()); !errors.Is(err, crmgate.ErrTransient) {
		t.Errorf("no connection: %v", err)
	}
}

// Only the client of a grant revokes it.
func TestRevokeAsTheIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.revokesAt(w.url+"/oauth/revoke", "basic")
	w.signIn()
	p := w.person()
	p.Grant.App.ClientID = "another"
	if err := w.engine.Revoke(t.Context(), w.conn, p); !errors.Is(err, crmgate.ErrAppDead) || w.crm.Counts().Revoke != 0 {
		t.Errorf("got %v", err)
	}
}

// TestUnusedTokensAreRevoked: the tokens of a refresh are revoked if the person has logged out or signed in again meanwhile.
func TestUnusedTokensAreRevoked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		meanwhile func(*world) error
		want      bool
	}{
		{"logout", func(w *world) error { _, err := w.db.EndSession(context.Background(), ada); return err }, true},
		{"erasure", func(w *world) error { _, err := w.db.DeletePerson(context.Background(), ada); return err }, true},
		{"another sign-in", func(w *world) error {
			_, err := w.db.SignIn(context.Background(), ada, func(p *crmgate.Person) error {
				p.User.SignedIn = w.clock.Now()
				p.Grant.AccessToken, p.Grant.RefreshToken = crmgate.NewSecret("second"), crmgate.NewSecret("second-refresh")
				return nil
			})
			return err
		}, true},
		{"another refresh", func(w *world) error {
			_, err := w.db.UpdatePerson(context.Background(), ada, func(p *crmgate.Person) error {
				p.Grant.AccessToken, p.Grant.RefreshToken = crmgate.NewSecret("second"), crmgate.NewSecret("second-refresh")
				return nil
			})
			return err
		}, false},
	} {
		w := newWorld(t, "")
		w.signIn()
		w.clock.Add(2 * time.Hour)
		w.conn.own = func(context.Context, connector.RefreshRequest) (connector.RefreshAnswer, error) {
			return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("late"), RefreshToken: crmgate.NewSecret("late-refresh"), ExpiresIn: 60}, c.meanwhile(w)
		}
		_, _ = w.live()
		due, err := w.db.Revocations(t.Context(), "practice", 10, nil)
		must(t, err)
		queued := slices.ContainsFunc(due.Due, func(v storage.Revocation) bool {
			return v.Grant.AccessToken.Reveal() == "late" && v.Grant.RefreshToken.Reveal() == "late-refresh" && v.Grant.App.ClientID == practicecrm.ClientID
		})
		if queued != c.want || len(due.Due) > 1 {
			t.Errorf("%s: queued is %v, want %v", c.name, queued, c.want)
		}
	}
}
