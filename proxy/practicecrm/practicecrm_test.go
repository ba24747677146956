package practicecrm_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

const (
	redirectURI = "https://gate.example/redirect.html?keep=1"
	verifier    = "a-verifier-of-at-least-forty-three-characters"
)

// clock is a clock that tests advance. Safe for concurrent use.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// app is an application that uses a practice CRM over HTTP.
type app struct {
	*testing.T
	*clock
	crm    *practicecrm.CRM
	url    string
	client *http.Client // of its own: closing a test server closes the idle connections of the default client
}

func newApp(t *testing.T, c practicecrm.Config) *app {
	t.Helper()
	a := &app{T: t, clock: &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}}
	c.Now = a.Now
	a.crm = practicecrm.New(c)
	hs := httptest.NewServer(a.crm)
	t.Cleanup(hs.Close)
	a.url, a.client = hs.URL, hs.Client()
	return a
}

// newDirectApp returns an app that calls the CRM without a network, for tests on a fake clock.
func newDirectApp(t *testing.T) *app {
	crm := practicecrm.New(practicecrm.Config{})
	return &app{T: t, crm: crm, url: "http://practice.test", client: &http.Client{Transport: direct{crm}}}
}

// direct is a transport that calls the CRM. A cut connection is an error.
type direct struct{ crm *practicecrm.CRM }

func (d direct) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handler panic: %v", p)
		}
	}()
	w := httptest.NewRecorder()
	d.crm.ServeHTTP(w, r)
	return w.Result(), nil
}

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// authURL returns an authorization URL. changes are names and values of parameters to set.
func (a *app) authURL(changes ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {practicecrm.ClientID}, "redirect_uri": {redirectURI}, "state": {"platform=practice&x=ü"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
	}
	return a.url + "/oauth/authorize?" + q.Encode()
}

// code signs a person in and returns the code.
func (a *app) code(person string) string {
	a.Helper()
	landed, err := practicecrm.Browse(a.Context(), a.client, a.authURL(), person)
	must(a.T, err)
	u, err := url.Parse(landed)
	must(a.T, err)
	if got := u.Query().Get("state"); got != "platform=practice&x=ü" || u.Query().Get("keep") != "1" || u.Query().Get("code") == "" {
		a.Fatalf("landed on %s", landed)
	}
	return u.Query().Get("code")
}

// reply is a response, or the error of a cut connection.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

// send posts a form, with an Authorization header unless it is empty.
func (a *app) send(ctx context.Context, path, authorization string, form url.Values) reply {
	a.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+path, strings.NewReader(form.Encode()))
	must(a.T, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return a.do(req, authorization)
}

func (a *app) get(path, authorization string) reply {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), http.MethodGet, a.url+path, nil)
	must(a.T, err)
	return a.do(req, authorization)
}

func (a *app) do(req *http.Request, authorization string) reply {
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), err}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// client returns the standard Authorization header of the client.
func client() string {
	return basic(url.QueryEscape(practicecrm.ClientID), url.QueryEscape(practicecrm.ClientSecret))
}

func exchangeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURI}, "code_verifier": {verifier}}
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func (a *app) token(form url.Values) reply {
	a.Helper()
	return a.send(a.Context(), "/oauth/token", client(), form)
}

// tokens is a standard token response.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Life    int    `json:"expires_in"`
}

func (a *app) granted(r reply) tokens {
	a.Helper()
	var got tokens
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != 200 || got.Access == "" {
		a.Fatalf("no token: %+v", r)
	}
	return got
}

func (a *app) signIn(person string) tokens {
	a.Helper()
	return a.granted(a.token(exchangeForm(a.code(person))))
}

// refused requires an OAuth error.
func (a *app) refused(r reply, status int, code string) {
	a.Helper()
	var got struct{ Error string }
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != status || got.Error != code {
		a.Errorf("got  %d %s %v\nwant %d %s", r.status, r.body, r.err, status, code)
	}
}

// wantLive requires tokens to be valid or not.
func (a *app) wantLive(t tokens, access, refresh bool) {
	a.Helper()
	if a.crm.Live(t.Access) != access || a.crm.LiveRefresh(t.Refresh) != refresh {
		a.Errorf("live: access token %v, refresh token %v; want %v, %v", a.crm.Live(t.Access), a.crm.LiveRefresh(t.Refresh), access, refresh)
	}
}
