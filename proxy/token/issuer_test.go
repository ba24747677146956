package token_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// TestKeptRefreshToken: a sign-in without a refresh token keeps the earlier one of the same application only. An organisation can
// enter the client ID of another one.
func TestKeptRefreshToken(t *testing.T) {
	t.Parallel()
	app := crmgate.ApplicationKey{ClientID: "c", Account: "1", TokenURL: "https://a.example/token"}
	for name, c := range map[string]struct {
		app  crmgate.ApplicationKey
		kept bool
	}{
		"the same application":   {app, true},
		"with another secret":    {crmgate.ApplicationKey{ClientID: "c", Account: "1", TokenURL: app.TokenURL, Generation: 1}, true},
		"another client":         {crmgate.ApplicationKey{ClientID: "d", Account: "1", TokenURL: app.TokenURL}, false},
		"another organisation":   {crmgate.ApplicationKey{ClientID: "c", Account: "2", TokenURL: app.TokenURL}, false},
		"another token endpoint": {crmgate.ApplicationKey{ClientID: "c", Account: "1", TokenURL: "https://b.example/token"}, false},
	} {
		old := crmgate.Grant{RefreshToken: crmgate.NewSecret("old"), App: app}
		g := token.Tokens{Access: crmgate.NewSecret("new")}.Grant(token.Client{ID: c.app.ClientID, App: c.app}, old)
		if kept := g.RefreshToken.Reveal() == "old"; kept != c.kept {
			t.Errorf("%s: kept is %v, want %v", name, kept, c.kept)
		}
	}
}

// TestRefreshOfAnotherApplication: while a refresh waits for its lease, the person signs in with another application. The new
// refresh token is not sent with the credentials of the old one.
func TestRefreshOfAnotherApplication(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var sent []string // client and refresh token
	w := newWorld(t, "", func(c *token.Config) {
		fetch := c.Fetch
		c.Fetch = func(r *http.Request, e crmgate.Egress) (*http.Response, error) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			r.Body = io.NopCloser(strings.NewReader(string(b)))
			if form, err := url.ParseQuery(string(b)); err == nil && form.Get("grant_type") == "refresh_token" {
				id, _, _ := r.BasicAuth()
				mu.Lock()
				sent = append(sent, id+" "+form.Get("refresh_token"))
				mu.Unlock()
			}
			return fetch(r, e)
		}
	})
	w.signIn()
	w.clock.Add(2 * time.Hour)
	tokenURL := w.url + "/oauth/token"
	a, err := w.db.PutPendingApp(t.Context(), crmgate.OrgApplication{Account: "1", Platform: "practice", Application: crmgate.Application{
		ClientID: "own", ClientSecret: crmgate.NewSecret("secret"), AccessTokenURI: tokenURL,
	}})
	must(t, err)
	lease, err := w.db.TakeLease(t.Context(), ada, "another process", time.Minute, false)
	must(t, err)
	signIn := sync.OnceFunc(func() {
		_, err := w.db.SignIn(t.Context(), ada, func(p *crmgate.Person) error {
			p.User.Account, p.User.Unproven = "1", true
			p.Grant = crmgate.Grant{
				AccessToken: crmgate.NewSecret("own access"), RefreshToken: crmgate.NewSecret("own"), Issued: w.clock.Now(), Expiry: w.clock.Now().Add(time.Minute),
				App: crmgate.ApplicationKey{ClientID: "own", Account: "1", Entry: a.Entry, TokenURL: tokenURL},
			}
			return nil
		}, storage.UseApp("1", "practice", a.Entry))
		must(t, err)
		w.clock.Add(40 * time.Second) // a refresh is due
		must(t, w.db.ReleaseLease(t.Context(), ada, lease))
	})
	w.engine.SetPoint(func(at string) {
		if at == "waiting" {
			signIn()
		}
	})
	_, _ = w.live() // the practice CRM does not know the client
	mu.Lock()
	defer mu.Unlock()
	if len(sent) != 1 || sent[0] != "own own" {
		t.Errorf("the CRM was sent %q", sent)
	}
}
