package practicecrm_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// mood sets a mood over HTTP and returns the status.
func (a *app) mood(text string) int {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), http.MethodPost, a.url+"/practice/mood", strings.NewReader(text))
	must(a.T, err)
	return a.do(req, "").status
}

// TestQuirks sets each quirk over HTTP, and sends the standard request, then the required one.
func TestQuirks(t *testing.T) {
	t.Parallel()
	encoded, raw := client(), basic(practicecrm.ClientID, practicecrm.ClientSecret)
	const secrets = "&client_id=practice-client&client_secret=practice-secret%2B%2F%25~%3D"
	for _, c := range []struct {
		name, mood    string
		authorization string // of the standard request
		status        int
		code          string
		path, kind    string
		body, query   string // $C stands for the parameters of the exchange
		auth          string
	}{
		{"basic", `{"auth":"basic"}`, raw, 401, "invalid_client", "", "", "$C", "", encoded},
		{"basicRaw", `{"auth":"basicRaw"}`, encoded, 401, "invalid_client", "", "", "$C", "", raw},
		{"body", `{"auth":"body"}`, encoded, 401, "invalid_client", "", "", "$C" + secrets, "", ""},
		{"no secret", `{"auth":"none"}`, encoded, 401, "invalid_client", "", "", "$C&client_id=practice-client", "", ""},
		{"query", `{"body":"query"}`, encoded, 400, "invalid_request", "", "", "", "$C", encoded},
		{"renamed", `{"rename":{"code":"key"}}`, encoded, 400, "invalid_grant", "", "", "key=$C", "", encoded},
		{"a parameter", `{"parameters":{"audience":"crm"}}`, encoded, 400, "invalid_request", "", "", "$C&audience=crm", "", encoded},
		{"omitted", `{"omit":["grant_type"]}`, encoded, 400, "invalid_request", "", "", "$C-grant", "", encoded},
		{"a scope", `{"scope":"a+b"}`, encoded, 400, "invalid_scope", "", "", "$C&scope=a+b", "", encoded},
		{"a header", `{"headers":{"Accept":"text/odd"}}`, encoded, 400, "invalid_request", "", "", "$C", "", encoded},
		{"another path", `{"path":"/oauth/refresh"}`, encoded, 400, "unsupported_grant_type", "/oauth/refresh", "", "$C", "", encoded},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, practicecrm.Config{})
			if got := a.mood(`{"quirks":` + c.mood + `}`); got != 204 {
				t.Fatalf("setting the mood: status %d", got)
			}
			form := exchangeForm(a.code("ada"))
			a.refused(a.send(a.Context(), "/oauth/token", c.authorization, form), c.status, c.code)

			fill := func(s string) string {
				wanted := form.Encode()
				if strings.HasPrefix(s, "key=") {
					s, wanted = strings.TrimPrefix(s, "key="), strings.Replace(wanted, "code=", "key=", 1)
				}
				if strings.HasSuffix(s, "-grant") {
					without, _ := url.ParseQuery(wanted)
					without.Del("grant_type")
					s, wanted = strings.TrimSuffix(s, "-grant"), without.Encode()
				}
				return strings.Replace(s, "$C", wanted, 1)
			}
			path := c.path
			if path == "" {
				path = "/oauth/token"
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+path+"?"+fill(c.query), strings.NewReader(fill(c.body)))
			must(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Accept", "text/odd")
			a.granted(a.do(req, c.auth))
		})
	}
}

func TestQuirksOfRefresh(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	a.mood(`{"quirks":{"auth":"basic"},"refreshQuirks":{"body":"json","rename":{"refresh_token":"renewal","grant_type":"type"},"headers":{"X-A":"b"}}}`)
	t0 := a.signIn("ada")
	a.refused(a.token(refreshForm(t0.Refresh)), 400, "invalid_request")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/oauth/token", strings.NewReader(`{"type":"refresh_token","renewal":"`+t0.Refresh+`"}`))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-A", "b")
	a.granted(a.do(req, client()))
	if n := a.crm.Counts(); n.Exchanges != 1 || n.Refreshes != 1 || n.Token != 3 {
		t.Errorf("got %+v", n)
	}
}

func TestQuirksOfAuthorization(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	a.mood(`{"noPKCE":true,"authorizeScope":"a+b"}`)
	without := strings.Replace(a.authURL(), "code_challenge", "x", 2)
	for want, address := range map[string]string{
		"error=invalid_request": a.authURL(), "error=invalid_scope": without + "&scope=a%20b", "code=code-": without + "&scope=a+b",
	} {
		landed, err := practicecrm.Browse(t.Context(), a.client, address, "ada")
		if err != nil || !strings.Contains(landed, want) {
			t.Errorf("landed on %s, %v, want %s", landed, err, want)
		}
	}
}

func TestUnknownQuirks(t *testing.T) {
	t.Parallel()
	a := newApp(t, practicecrm.Config{})
	for _, mood := range []string{
		`{"quirks":{"auth":"digest"}}`, `{"quirks":{"body":"xml"}}`, `{"refreshQuirks":{"path":"/elsewhere"}}`, `{"quirks":{"bodies":"json"}}`, `{"quirks":[]}`,
	} {
		if got := a.mood(mood); got != 400 {
			t.Errorf("%s: %d", mood, got)
		}
	}
}
