package practicecrm_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// FuzzAuthorization submits the consent page of any authorization request. The CRM must redirect to the given redirect URI,
// with the unchanged state and a code or an error, or not redirect at all.
func FuzzAuthorization(f *testing.F) {
	crm := practicecrm.New(practicecrm.Config{})
	good := "client_id=" + practicecrm.ClientID + "&response_type=code&redirect_uri=" + url.QueryEscape("https://app.example/redirect.html") + "&state="
	for _, s := range []string{
		good + "cg.x,platform%3Dpractice", good + "%0d%0aX:y", good + "a&state=b", good + "a&code_challenge=x&code_challenge_method=S256",
		strings.Replace(good, "code", "token", 1), strings.Replace(good, "app.example", "u@app.example", 1), strings.Replace(good, "https", "javascript", 1),
		good + "a&redirect_uri=https://evil.example/redirect.html", strings.Replace(good, "redirect.html", "redirect.html%3Fcode%3Dx", 1), "%zz", "",
	} {
		for _, person := range []string{"ada", "deny", "<b>"} {
			f.Add(s, person)
		}
	}
	f.Fuzz(func(t *testing.T, query, person string) {
		req := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/oauth/authorize", RawQuery: query}, Header: http.Header{}, Body: http.NoBody}
		req.PostForm = url.Values{"person": {person}}
		req.Form = req.PostForm
		w := httptest.NewRecorder()
		crm.ServeHTTP(w, req)
		q := req.URL.Query()
		to := w.Header().Get("Location")
		if to == "" {
			if w.Code != 400 {
				t.Errorf("%q, %q: %d", query, person, w.Code)
			}
			return
		}
		want, err := url.Parse(q.Get("redirect_uri"))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(to)
		if err != nil || w.Code != 302 || u.Host != want.Host || u.Scheme != want.Scheme || u.Path != want.Path || u.User != nil || strings.ContainsAny(to, "\r\n") {
			t.Fatalf("%q, %q: sent to %q, %v", query, person, to, err)
		}
		a := u.Query()
		if state := q.Get("state"); state != "" && a.Get("state") != state || len(a["state"]) > 1 && state != "" {
			t.Errorf("%q: the state is %q", query, a["state"])
		}
		if len(a["code"]) > 1 || len(a["error"]) > 1 || a.Get("code") == "" && a.Get("error") == "" {
			t.Errorf("%q, %q: sent to %q", query, person, to)
		}
		if person == "deny" && strings.HasPrefix(a.Get("code"), "code-") && want.Query().Get("code") == "" {
			t.Errorf("%q: a code although the person denied", query)
		}
	})
}
