package token_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
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
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
)

// TestUnreadableAfterRotation: the CRM rotated, and its answer cannot be parsed. No second request is sent. Once the manifest is right, the kept answer
// is used.
func TestUnreadableAfterRotation(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"by the next request", "by a replay", "by a replay that comes too late"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.signIn()
			before := w.stored()
			w.clock.Add(2 * time.Hour)
			w.crm.SetMood(practicecrm.Mood{Token: "custom path"})
			var te *token.Error
			for range 3 {
				_, err := w.live()
				if !errors.As(err, &te) || !errors.Is(err, crmgate.ErrTransient) || te.RetryAfter == 0 && te.Unread == "" {
					t.Fatalf("got %v", err)
				}
				w.clock.Add(10 * time.Minute)
			}
			if n := w.crm.Counts().Refreshes; n != 1 {
				t.Errorf("the CRM was asked %d times with a token that it has rotated", n)
			}
			kept, err := w.db.JournalOf(t.Context(), ada)
			if err != nil || len(kept) != 1 || !kept[0].From.Equal(before.RefreshToken) {
				t.Fatalf("kept: %+v, %v", kept, err)
			}
			if _, err := w.engine.Replay(t.Context(), w.conn, kept[0]); !errors.As(err, new(*crmgate.Refusal)) {
				t.Errorf("with the manifest as it was: %v", err)
			}
			url := w.conn.info.AccessTokenURI
			w.declare(w.url, `"path": "result.oauth"`)
			w.conn.info.AccessTokenURI = url
			w.crm.SetMood(practicecrm.Mood{Token: "custom path"})
			switch way {
			case "by a replay":
				p, err := w.engine.Replay(t.Context(), w.conn, kept[0])
				if err != nil || p.Grant.RefreshToken.Equal(before.RefreshToken) {
					t.Fatalf("replayed: %v", err)
				}
			case "by a replay that comes too late":
				w.signIn()
				if _, err := w.engine.Replay(t.Context(), w.conn, kept[0]); !errors.As(err, new(*crmgate.Refusal)) {
					t.Errorf("over a newer grant: %v", err)
				}
			}
			p, err := w.live()
			must(t, err)
			if !w.crm.Live(p.Grant.AccessToken.Reveal()) || !w.crm.LiveRefresh(w.stored().RefreshToken.Reveal()) {
				t.Error("the stored tokens are not live")
			}
			if n := w.crm.Counts().Reuses; n != 0 {
				t.Errorf("%d refresh tokens came twice", n)
			}
			if kept, err := w.db.JournalOf(t.Context(), ada); err != nil || len(kept) != 0 && way != "by a replay that comes too late" {
				t.Errorf("still kept: %d, %v", len(kept), err)
			}
		})
	}
}

// TestPagesAreNotKept: an answer that cannot hold a token is not kept, and the next refresh sends a request.
func TestPagesAreNotKept(t *testing.T) {
	t.Parallel()
	for _, a := range practicecrm.TokenAnswers() {
		if a.Valid {
			continue
		}
		t.Run(a.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "")
			w.signIn()
			w.clock.Add(2 * time.Hour)
			w.crm.SetMood(practicecrm.Mood{Token: a.Name})
			_, err := w.live()
			if err == nil {
				t.Fatal("it was taken for a token")
			}
			kept, err := w.db.JournalOf(t.Context(), ada)
			must(t, err)
			if len(kept) > 0 {
				t.Logf("kept: %q", kept[0].Body.Reveal())
			}
			if dead := w.stored().Dead != ""; dead || len(kept) > 0 {
				return // the CRM said so, or something that could be a token
			}
			w.crm.SetMood(practicecrm.Mood{})
			w.clock.Add(10 * time.Minute)
			_, err = w.live()
			must(t, err)
		})
	}
}

// kill is the panic that ends a process at a point.
type kill struct{ point string }

// points are where a test may end the process.
var points = []string{"leased", "asking", "answered", "journaled", "storing", "stored"}

// TestKilledAnywhere: the process ends at any point, after any answer of the CRM. The person then has a live grant, or must sign in because
// the CRM has ended it.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, point := range points {
		for _, c := range []struct {
			name string
			mood practicecrm.Mood
		}{
			{"answered", practicecrm.Mood{}}, {"answered, without a new refresh token", practicecrm.Mood{Token: "no refresh_token"}},
			{"rotated, and the answer is lost", practicecrm.Mood{CutAfter: true}}, {"the request is lost", practicecrm.Mood{CutBefore: true}},
			{"refused", practicecrm.Mood{Error: "invalid_grant"}}, {"hung", practicecrm.Mood{Hang: true}}, {"500", practicecrm.Mood{Status: 500}},
		} {
			t.Run(point+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newVirtualWorld(t, "", func(c *token.Config) { c.Alone = true })
					w.signIn()
					w.clock.Add(2 * time.Hour)
					w.crm.SetMood(c.mood)
					reached := false
					w.engine.SetPoint(func(at string) {
						if at == point {
							reached = true
							panic(kill{point})
						}
					})
					_, _ = w.live()
					w.restart()
					w.crm.SetMood(practicecrm.Mood{})
					w.clock.Add(10 * time.Minute)
					_, err := w.live()
					cell := "live"
					switch {
					case err == nil:
						if g := w.stored(); !w.crm.Live(g.AccessToken.Reveal()) || !w.crm.LiveRefresh(g.RefreshToken.Reveal()) {
							cell = "LOST"
						}
					case !errors.Is(err, crmgate.ErrUserDead):
						cell = fmt.Sprintf("LOST (%v)", err)
					case c.mood.Error == "invalid_grant":
						cell = "sign in: the CRM refused"
					case w.crm.LiveRefreshOf("ada") > 0:
						cell = "LOST"
					default:
						cell = "sign in: the CRM has ended it"
					}
					t.Logf("CELL | %s | %s | %v | %s", point, c.name, reached, cell)
					if len(cell) >= 4 && cell[:4] == "LOST" {
						t.Error(cell)
					}
				})
			})
		}
	}
}

// restart starts a new process on the same store.
func (w *world) restart() {
	w.t.Helper()
	c := w.engine.Config
	var err error
	w.engine, err = token.New(c)
	must(w.t, err)
	w.t.Cleanup(w.engine.Close)
}

// TestDownAndBack: a CRM that is down for ten minutes gets few requests meanwhile, and no storm afterwards.
func TestDownAndBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		crowd := size(1000, 10_000)
		ring, err := sealed.NewKeyRing()
		must(t, err)
		db, err := storage.Open(t.Context(), proxytest.NewMemory(), ring, storage.Config{})
		must(t, err)
		conn := &testConnector{info: connector.OAuthInfo{Application: crmgate.Application{ClientSecret: crmgate.NewSecret("s"), AccessTokenURI: "https://crm.example/oauth/token"}}}
		m, err := manifest.Parse(map[string][]byte{"practice": []byte(`{"platforms":{"practice":{"auth":{"type":"oauth","oauth":{"authUrl":"https://crm.example/a","clientId":"practice-client"}},"crmgate":{"hosts":["crm.example"]}}}}`)}, "")
		must(t, err)
		conn.manifest, _ = m.Platform("practice")
		back := time.Now().Add(10 * time.Minute)
		var mu sync.Mutex
		var down, running, peak int
		perSecond := map[int]int{}
		e, err := token.New(token.Config{
			DB: db, Logger: slog.New(slog.DiscardHandler), Connector: func(context.Context, crmgate.Platform) (connector.Connector, error) { return conn, nil },
			Fetch: func(r *http.Request, _ crmgate.Egress) (*http.Response, error) {
				mu.Lock()
				running++
				peak = max(peak, running)
				late := time.Since(back)
				if late < 0 {
					down++
				} else {
					perSecond[int(late/time.Second)]++
				}
				mu.Unlock()
				time.Sleep(50 * time.Millisecond)
				mu.Lock()
				running--
				mu.Unlock()
				if late < 0 {
					return nil, &crmgate.FetchError{Kind: crmgate.FetchConnect, Message: "refused"}
				}
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"access_token":"a","refresh_token":"r","expires_in":36000}`))}, nil
			},
		})
		must(t, err)
		for i := range crowd {
			_, err := db.SignIn(t.Context(), crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(fmt.Sprint(i))}, func(p *crmgate.Person) error {
				p.Grant = crmgate.Grant{AccessToken: crmgate.NewSecret("old"), RefreshToken: crmgate.NewSecret("r"), Issued: time.Now().Add(-2 * time.Hour), Expiry: time.Now().Add(-time.Hour),
					App: crmgate.ApplicationKey{ClientID: "practice-client", TokenURL: "https://crm.example/oauth/token"}}
				return nil
			})
			must(t, err)
		}
		var group sync.WaitGroup
		for i := range crowd { // each comes every two minutes, until a few minutes after the CRM is back
			group.Go(func() {
				time.Sleep(time.Duration(i) * 12 * time.Millisecond)
				for time.Since(back) < 6*time.Minute {
					if _, err := e.Live(t.Context(), crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(fmt.Sprint(i))}); err == nil {
						return
					}
					time.Sleep(2 * time.Minute)
				}
				t.Errorf("%d has no token six minutes after the CRM is back", i)
			})
		}
		group.Wait()
		first := slices.Sorted(maps.Keys(perSecond))[0]
		t.Logf("%d people, ten minutes down: %d requests meanwhile; the first second after it was noticed (%d s later): %d requests; most at once %d; busiest second %d",
			crowd, down, first, perSecond[first], peak, slices.Max(slices.Collect(maps.Values(perSecond))))
		if down > 100 || perSecond[first] > 100 || peak > 500 {
			t.Error("that is a storm")
		}
	})
}
