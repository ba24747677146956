package practicecrm_test

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// TestTokenAnswers checks every form against its own description, for an exchange and for a refresh.
func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, form := range practicecrm.TokenAnswers() {
		if seen[form.Name] {
			t.Errorf("two forms have the name %q", form.Name)
		}
		seen[form.Name] = true
		t.Run(form.Name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, practicecrm.Config{})
			code := a.code("ada")
			a.crm.SetMood(practicecrm.Mood{Token: form.Name})
			exchanged := found(t, a.token(exchangeForm(code)).body)
			if a.crm.Live(exchanged.access) != form.Valid || a.crm.LiveRefresh(exchanged.refresh) != (form.Valid && form.Refresh) {
				t.Errorf("exchange: %+v", exchanged)
			}
			a.crm.SetMood(practicecrm.Mood{})
			if !form.Valid {
				a.granted(a.token(exchangeForm(code))) // the code was not used up
			}

			old := a.signIn("ada").Refresh
			a.crm.SetMood(practicecrm.Mood{Token: form.Name})
			r := a.token(refreshForm(old))
			refreshed := found(t, r.body)
			if a.crm.Live(refreshed.access) != form.Valid {
				t.Errorf("refresh: %+v", refreshed)
			}
			rotates := form.Valid && form.Refresh && refreshed.refresh != old
			if a.crm.LiveRefresh(old) == rotates || rotates && !a.crm.LiveRefresh(refreshed.refresh) {
				t.Errorf("the old refresh token is live: %v, the answer has %+v", a.crm.LiveRefresh(old), refreshed)
			}
			if form.Valid && (r.err != nil || r.status < 200 || r.status > 299) {
				t.Errorf("a token with status %d, %v", r.status, r.err)
			}
			if form.Valid && refreshed.life(a.Now()) != form.Lifetime && !form.Milliseconds && !strings.Contains(form.Name, "absurd") {
				t.Errorf("it lives %v, want %v", refreshed.life(a.Now()), form.Lifetime)
			}
		})
	}
}

// answer holds the values found in a token response.
type answer struct{ access, refresh, expiry string }

// found searches a response for known member names. It does not parse, so it shares no bug with a parser.
func found(t *testing.T, body string) answer {
	t.Helper()
	if strings.HasPrefix(body, "access_token=") {
		q, err := url.ParseQuery(body)
		must(t, err)
		return answer{q.Get("access_token"), q.Get("refresh_token"), q.Get("expires_in")}
	}
	after := func(names ...string) string {
		for _, n := range names {
			if _, v, ok := strings.Cut(body, `"`+n+`":`); ok {
				if v, ok := strings.CutPrefix(v, `"`); ok {
					v, _, _ = strings.Cut(v, `"`)
					return v
				}
				return v[:strings.IndexAny(v, ",}")]
			}
		}
		return ""
	}
	return answer{after("access_token", "accessToken"), after("refresh_token", "refreshToken"), after("expires_in_sec", "expires_in", "expiresIn", "expires_at", "expires")}
}

func (a answer) life(now time.Time) time.Duration {
	for _, layout := range []string{time.RFC3339, time.RFC1123} {
		if at, err := time.Parse(layout, a.expiry); err == nil {
			return at.Sub(now)
		}
	}
	f, err := strconv.ParseFloat(a.expiry, 64)
	switch {
	case err != nil || f <= 0:
		return 0
	case f > 1e12:
		return time.UnixMilli(int64(f)).Sub(now)
	case f > 1e9:
		return time.Unix(int64(f), 0).Sub(now)
	}
	return time.Duration(f) * time.Second
}

// TestTokenAnswersOnTheWire checks what only the bytes show.
func TestTokenAnswersOnTheWire(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{AccessLife: 90 * time.Second})
	refresh := a.signIn("ada").Refresh
	for _, c := range []struct {
		name        string
		status      int
		kind, holds string
	}{
		{"json as text", 200, "text/plain; charset=utf-8", `{"access_token":"`},
		{"json without type", 200, "", `{"access_token":"`},
		{"form as json", 200, "application/json", "&expires_in=90&"},
		{"byte order mark", 200, "application/json", "\xEF\xBB\xBF{"},
		{"expires_in milliseconds", 200, "application/json", `"expires_in":90000}`},
		{"expires_in epoch", 200, "application/json", `"expires_in":1893553535}`},
		{"expires_at milliseconds", 200, "application/json", `"expires_at":1893553535000}`},
		{"expires_at iso", 200, "application/json", `"expires_at":"2030-01-02T03:05:35Z"}`},
		{"expires rfc1123", 200, "application/json", `"expires":"Wed, 02 Jan 2030 03:05:35 GMT"}`},
		{"token_type null", 200, "application/json", `,"token_type":null,`},
		{"status 201", 201, "application/json", `{"access_token":"`},
		{"html with status 502", 502, "text/html; charset=utf-8", "<html>"},
		{"error object", 400, "application/json", `{"error":{`},
		{"two megabytes", 200, "application/json", strings.Repeat(" ", 2<<20)},
	} {
		a.crm.SetMood(practicecrm.Mood{Token: c.name})
		r := a.token(refreshForm(refresh))
		if r.status != c.status || r.header.Get("Content-Type") != c.kind || !strings.Contains(r.body, c.holds) {
			t.Errorf("%s: %d %v %.200s", c.name, r.status, r.header, r.body)
		}
		a.crm.SetMood(practicecrm.Mood{})
		refresh = a.signIn("ada").Refresh
	}
	a.crm.SetMood(practicecrm.Mood{Token: "cut connection"})
	if r := a.token(refreshForm(refresh)); r.status != 200 || r.body == "" || r.err == nil {
		t.Errorf("a cut connection: %+v", r)
	}
}

func TestCuts(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	refresh, code := a.signIn("ada").Refresh, a.code("ada")
	for _, c := range []struct {
		name string
		mood practicecrm.Mood
		live bool
	}{
		{"before", practicecrm.Mood{CutBefore: true}, true},
		{"after", practicecrm.Mood{CutAfter: true}, false},
	} {
		a.crm.SetMood(c.mood)
		for _, form := range []url.Values{refreshForm(refresh), exchangeForm(code)} {
			if r := a.token(form); r.err == nil || r.status != 0 {
				t.Errorf("%s: %+v", c.name, r)
			}
		}
		if a.crm.LiveRefresh(refresh) != c.live {
			t.Errorf("%s: the refresh token is live: %v", c.name, !c.live)
		}
	}
	a.crm.SetMood(practicecrm.Mood{})
	a.refused(a.token(exchangeForm(code)), 400, "invalid_grant")
	if n := a.crm.Counts(); n.Refreshes != 2 || n.Exchanges != 4 || n.Token != 6 {
		t.Errorf("got %+v, want every request counted once", n)
	}
}

func TestStatusesAndErrors(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	g := a.signIn("ada")
	a.crm.SetMood(practicecrm.Mood{Status: 429, RetryAfter: 30 * time.Second})
	if r := a.token(refreshForm(g.Refresh)); r.status != 429 || r.header.Get("Retry-After") != "30" {
		t.Errorf("%+v", r)
	}
	a.crm.SetMood(practicecrm.Mood{Status: 503})
	if r := a.token(refreshForm(g.Refresh)); r.status != 503 || r.header.Get("Retry-After") != "" || json.Valid([]byte(r.body)) {
		t.Errorf("%+v", r)
	}
	for code, status := range map[string]int{"invalid_grant": 400, "invalid_client": 401, "server_error": 500, "temporarily_unavailable": 503} {
		a.crm.SetMood(practicecrm.Mood{Error: code})
		a.refused(a.token(refreshForm(g.Refresh)), status, code)
	}
	a.wantLive(g, true, true)
}

// TestWaiting runs on a fake clock, which advances when every goroutine waits.
func TestWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newDirectApp(t)
		g := a.signIn("ada")
		start := func(m practicecrm.Mood, path string) (replies chan reply, leave context.CancelFunc) {
			a.crm.SetMood(m)
			ctx, leave := context.WithCancel(t.Context())
			replies = make(chan reply, 1)
			go func() { replies <- a.send(ctx, path, client(), url.Values{"token": {g.Refresh}}) }()
			synctest.Wait()
			select {
			case r := <-replies:
				t.Fatalf("got %+v, want no response yet", r)
			default:
			}
			return replies, leave
		}
		wantCut := func(replies chan reply) {
			t.Helper()
			if r := <-replies; r.err == nil {
				t.Errorf("got %+v, want a cut connection", r)
			}
		}
		late := practicecrm.Mood{Latency: time.Hour}
		began := time.Now()
		replies, leave := start(late, "/oauth/token")
		if a.refused(<-replies, 400, "invalid_request"); time.Since(began) != time.Hour {
			t.Errorf("the response took %v, want %v", time.Since(began), time.Hour)
		}
		leave()
		replies, leave = start(late, "/oauth/token")
		leave()
		wantCut(replies)
		for path, m := range map[string]practicecrm.Mood{"/oauth/token": {Hang: true}, "/oauth/revoke": {Revoke: "hang"}} {
			replies, leave = start(m, path)
			leave()
			wantCut(replies)
			replies, leave = start(m, path)
			a.crm.SetMood(practicecrm.Mood{})
			wantCut(replies)
			leave()
		}
		a.granted(a.token(refreshForm(g.Refresh)))
	})
}

func TestOtherEndpointsMisbehave(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	g := a.signIn("ada")
	ask := map[string]func() reply{
		"me":     func() reply { return a.get("/api/me", "Bearer "+g.Access) },
		"revoke": func() reply { return a.send(t.Context(), "/oauth/revoke", client(), url.Values{"token": {g.Refresh}}) },
		"rc":     func() reply { return a.get("/restapi/v1.0/account/~/extension/~", "Bearer "+practicecrm.RCUserToken) },
	}
	for mood, status := range map[string]int{"401": 401, "429": 429, "500": 500, "html": 200, "empty": 200, "cut": 200} {
		a.crm.SetMood(practicecrm.Mood{Me: mood, Revoke: mood, RingCentral: mood})
		for name, f := range ask {
			r := f()
			if r.status != status || (r.err != nil) != (mood == "cut") || (mood == "empty") != (r.body == "") {
				t.Errorf("%s of %s: %+v", mood, name, r)
			}
		}
	}
	a.wantLive(g, true, true)
}

func TestMoodOverHTTP(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	post := func(body string) int {
		resp, err := a.client.Post(a.url+"/practice/mood", "application/json", strings.NewReader(body))
		must(t, err)
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		must(t, err)
		return resp.StatusCode
	}
	if s := post(`{"status":429,"retryAfter":"1m30s","latency":"1ms"}`); s != 204 {
		t.Errorf("status %d", s)
	}
	for _, wrong := range []string{
		"", "[]", `{"status":7}`, `{"token":"none such"}`, `{"me":"blue"}`, `{"latency":"soon"}`, `{"retryAfter":5}`, `{"moood":"x"}`,
	} {
		if s := post(wrong); s != 400 {
			t.Errorf("%s: status %d", wrong, s)
		}
	}
	if r := a.token(url.Values{}); r.status != 429 || r.header.Get("Retry-After") != "90" {
		t.Errorf("%+v", r)
	}
	var n practicecrm.Counts
	must(t, json.Unmarshal([]byte(a.get("/practice/counts", "").body), &n))
	if n != a.crm.Counts() || n.Token != 1 {
		t.Errorf("counts: %+v", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("an invalid mood was set")
		}
	}()
	a.crm.SetMood(practicecrm.Mood{Token: "none such"})
}

// TestDocumentedMoods: docs/connectors.md has every member of a mood and of its quirks, and its examples are moods.
func TestDocumentedMoods(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## The practice CRM")
	for _, of := range []reflect.Type{reflect.TypeFor[practicecrm.Mood](), reflect.TypeFor[practicecrm.Quirks]()} {
		for i := range of.NumField() {
			name := of.Field(i).Name
			if member := "`" + strings.ToLower(name[:1]) + name[1:] + "`"; !strings.Contains(section, member) {
				t.Errorf("%s is not documented", member)
			}
		}
	}
	crm := practicecrm.New(practicecrm.Config{})
	examples := regexp.MustCompile(`(?:--mood|-d) '(.*)'`).FindAllStringSubmatch(section, -1)
	for _, example := range examples {
		if _, err := crm.ParseMood([]byte(example[1])); err != nil {
			t.Errorf("%s: %v", example[1], err)
		}
	}
	if len(examples) != 3 {
		t.Errorf("%d examples, want 3", len(examples))
	}
	if _, err := crm.ParseMood([]byte(`{"satus":503}`)); err == nil {
		t.Error("a misspelt mood is taken")
	}
}
