package e2e_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/edge/edgetest"
)

// counterpart is a shipped connector with the counterpart of its CRM.
type counterpart struct {
	name     crmgate.Platform
	settings map[string]string // the operator's
	crm      func(*grants) http.Handler
	query    string // of /authUrl, after the platform
	callback string // of /oauth-callback, after the URL
	form     string // of /apiKeyLogin, if people have an API key

	me       string // the path at which the CRM says who the person is
	id       crmgate.UserID
	host     string
	info     string // what the connector keeps
	timezone string
	says     string // at the end of a sign-in
	farewell string // at the end of a logout
	keeps    bool   // the CRM cannot revoke tokens
	rotates  bool   // a refresh replaces the refresh token
	secrets  []string
}

// TestPlatforms: with each shipped connector, a person signs in through the whole program, stays signed in by a refresh, and logs out. The
// counterpart of the CRM refuses what the CRM's documentation does not allow.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	for _, p := range slices.Concat(dataPlatforms, []counterpart{
		bullhornPlatform, freshdeskPlatform, googleSheetsPlatform, highLevelPlatform, netsuitePlatform, pipedrivePlatform, redtailPlatform, serviceTitanPlatform,
	}) {
		t.Run(string(p.name), func(t *testing.T) {
			t.Parallel()
			crm := newGrants()
			s := newStandIn(t, p.crm(crm))
			g := newGate(t, s.reached, func(o *edgetest.Options) {
				edgetest.Ship(t, o.Connectors, string(p.name))
				maps.Copy(o.Settings, p.settings)
			})
			p.fails(t, g, s)
			token := p.lives(t, g, s)
			if p.form == "" {
				p.refreshes(t, g, crm, token)
				p.isRevoked(t, g, crm, token)
			}
			p.leaves(t, g, s, crm)
			for _, secret := range p.secrets {
				if strings.Contains(g.Log.String(), secret) {
					t.Errorf("%q is in the log", secret)
				}
			}
		})
	}
}

// signIn has the person sign in.
func (p counterpart) signIn(g *gate, s *standIn) answer {
	g.t.Helper()
	if p.form != "" {
		return g.postJSON("/apiKeyLogin", p.form)
	}
	var c edgetest.Composed
	a := g.get("/authUrl?mode=bound&platform=" + string(p.name) + p.query)
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || c.AuthURL == "" {
		g.t.Fatalf("authUrl: %d %s", a.status, a.body)
	}
	return g.get("/oauth-callback?callbackUri="+url.QueryEscape(s.browse(g.t, c.AuthURL))+p.callback, "X-Crmgate-Login", c.LoginSecret)
}

// fails checks that nothing is stored if the CRM cannot say who the person is.
func (p counterpart) fails(t *testing.T, g *gate, s *standIn) {
	for name, mood := range map[string]http.HandlerFunc{
		"rejected": says(401, "application/json", `{"message":"no"}`), "busy": says(429, "application/json", `{}`),
		"down": says(503, "text/html", "<html></html>"), "a page": says(200, "text/html", "<html></html>"), "cut": cut,
	} {
		s.setMood(p.me, mood)
		var in struct {
			Token   string          `json:"jwtToken"`
			Message json.RawMessage `json:"returnMessage"`
			Error   string          `json:"error"`
		}
		a := p.signIn(g, s)
		if err := json.Unmarshal([]byte(a.body), &in); err != nil || in.Token != "" || len(in.Message) == 0 && in.Error == "" {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
	}
	s.setMood(p.me, nil)
	if keys, err := g.Edge.DB().Namesakes(t.Context(), p.name, p.id); err != nil || len(keys) != 0 {
		t.Errorf("a sign-in that failed was stored: %v, %v", keys, err)
	}
}

// lives signs the person in and checks what is stored.
func (p counterpart) lives(t *testing.T, g *gate, s *standIn) (token string) {
	a := p.signIn(g, s)
	token = g.token(a)
	if !strings.Contains(a.body, `"name":"Ada Lovelace"`) && !strings.Contains(a.body, `"name":"ada"`) || !strings.Contains(a.body, `"message":"`+p.says+`"`) {
		t.Errorf("signed in: %s", a.body)
	}
	stored := g.only(p.name, p.id).User
	info := minted.ReplaceAllString(string(stored.AdditionalInfo), "$1-of-the-crm")
	if stored.Key.Hostname != p.host || info != p.info || stored.TimezoneName != p.timezone {
		t.Errorf("stored %s, %s, %q\nwant   %s, %s, %q", stored.Key.Hostname, info, stored.TimezoneName, p.host, p.info, p.timezone)
	}
	g.get("/hostname", bearer(token)...).want(t, 200, p.host)
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
	if strings.Contains(p.key(g), "lovelace") {
		t.Error("the password was stored")
	}
	return token
}

// key returns the stored API key.
func (p counterpart) key(g *gate) string { return g.only(p.name, p.id).Grant.APIKey.Reveal() }

// refreshes checks that an expired access token is replaced.
func (p counterpart) refreshes(t *testing.T, g *gate, crm *grants, token string) {
	before := p.expired(g)
	g.get("/authValidation", bearer(token)...).want(t, 200, `{"successful":true}`)
	after := g.only(p.name, p.id).Grant
	if after.AccessToken.Reveal() == before.AccessToken.Reveal() || !crm.alive(after.AccessToken.Reveal()) || !after.Expiry.After(time.Now()) {
		t.Errorf("refreshed to %+v", after)
	}
	if rotated := after.RefreshToken.Reveal() != before.RefreshToken.Reveal(); rotated != p.rotates || !crm.alive(after.RefreshToken.Reveal()) {
		t.Errorf("the refresh token was replaced: %t", rotated)
	}
}

// expired makes the stored access token an expired one.
func (p counterpart) expired(g *gate) crmgate.Grant {
	g.t.Helper()
	_, err := g.Edge.DB().UpdatePerson(g.t.Context(), g.only(p.name, p.id).User.Key, func(p *crmgate.Person) error {
		p.Grant.Issued, p.Grant.Expiry = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		return nil
	})
	edgetest.Must(g.t, err)
	return g.only(p.name, p.id).Grant
}

// isRevoked checks that the person is told to sign in again after the grant has ended at the CRM.
func (p counterpart) isRevoked(t *testing.T, g *gate, crm *grants, token string) {
	crm.end()
	p.expired(g)
	g.get("/authValidation", bearer(token)...).want(t, 200,
		`{"successful":false,"returnMessage":{"message":"User session expired. Please connect again.","messageType":"warning","ttl":5000}}`)
}

// leaves signs the person in again and out.
func (p counterpart) leaves(t *testing.T, g *gate, s *standIn, crm *grants) {
	token := g.token(p.signIn(g, s))
	a := g.do("POST", "/unAuthorize", "", bearer(token)...)
	if a.status != 200 || !strings.Contains(a.body, `"message":"`+p.farewell+`"`) {
		t.Errorf("logged out: %d %s", a.status, a.body)
	}
	g.get("/hostname", bearer(token)...).want(t, 400, noSession)
	if left := crm.left(); (len(left) > 0) != p.keeps {
		t.Errorf("after the logout, the CRM still accepts %v", left)
	}
}

// grants are the codes and tokens that a CRM has issued. Safe for concurrent use.
type grants struct {
	mu    sync.Mutex
	next  int
	codes map[string]url.Values // the authorization requests by code; guarded by mu
	live  map[string]bool       // guarded by mu
}

func newGrants() *grants { return &grants{codes: map[string]url.Values{}, live: map[string]bool{}} }

// minted matches a token.
var minted = regexp.MustCompile(`(\w+)-\d+-of-the-crm`)

// mint makes a token of a kind.
func (i *grants) mint(kind string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.next++
	token := fmt.Sprintf("%s-%d-of-the-crm", kind, i.next)
	i.live[token] = true
	return token
}

// alive reports whether a token has not ended. A JWT is known by its signature.
func (i *grants) alive(token string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.live[token[strings.LastIndex(token, ".")+1:]]
}

// end ends tokens: all of them if none is named.
func (i *grants) end(tokens ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, token := range tokens {
		delete(i.live, token)
	}
	if len(tokens) == 0 {
		clear(i.live)
	}
}

// left returns the tokens that have not ended.
func (i *grants) left() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Sorted(maps.Keys(i.live))
}

// authorize answers the person's browser with a code. more is added to the redirect.
func (i *grants) authorize(w http.ResponseWriter, r *http.Request, more url.Values) {
	q := r.URL.Query()
	i.mu.Lock()
	i.next++
	code := fmt.Sprintf("code-%d", i.next)
	i.codes[code] = q
	i.mu.Unlock()
	back := url.Values{"code": {code}}
	if q.Has("state") {
		back.Set("state", q.Get("state"))
	}
	maps.Copy(back, more)
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// redeem reports whether the form has a code that was not used, for the same client and redirect URI, with its verifier (RFC 7636).
func (i *grants) redeem(form url.Values) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	asked, ok := i.codes[form.Get("code")]
	delete(i.codes, form.Get("code"))
	hash := sha256.Sum256([]byte(form.Get("code_verifier")))
	challenge := asked.Get("code_challenge")
	return ok && asked.Get("redirect_uri") == form.Get("redirect_uri") && (challenge == "" || challenge == base64.RawURLEncoding.EncodeToString(hash[:]))
}

// saysJSON answers with a document.
func saysJSON(w http.ResponseWriter, status int, document map[string]any) {
	b, _ := json.Marshal(document)
	says(status, "application/json; charset=utf-8", string(b))(w, nil)
}
