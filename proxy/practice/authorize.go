package practice

import (
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const codeLife = time.Minute

// request is an authorization request (RFC 6749, 4.1.1; RFC 7636, 4.3).
type request struct {
	redirectURI *url.URL
	state       string
	challenge   string
}

// readRequest refuses what must not be sent back to the redirect URI: a client or a redirect URI that is not known.
func readRequest(q url.Values) (request, string) {
	u, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case q.Get("client_id") != ClientID:
		return request{}, "The client_id is not known here."
	case err != nil || !u.IsAbs() || u.Host == "" || u.Fragment != "" ||
		!strings.HasSuffix(u.Path, "/redirect.html") && !strings.HasSuffix(u.Path, "/oauth-callback"):
		return request{}, "The redirect_uri is not registered: its path ends in /redirect.html or /oauth-callback."
	case q.Get("response_type") != "code":
		return request{}, "The response_type must be code."
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		return request{}, "The code_challenge_method must be S256."
	}
	return request{u, q.Get("state"), q.Get("code_challenge")}, ""
}

var consentPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Practice CRM</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:24rem;margin:3rem auto;padding:0 1rem}button{display:block;width:100%;margin:.5rem 0;padding:.6rem;font:inherit}</style>
<h1>Practice CRM</h1>
<p>An application wants to sign you in. Who are you?</p>
<form method="post">
{{range .}}<button name="person" value="{{.Login}}">{{.Name}}</button>
{{end}}<button name="person" value="deny">Do not sign in</button>
</form></html>`))

func (c *CRM) consent(w http.ResponseWriter, r *http.Request) {
	c.count(&c.counts.Authorize)
	if _, wrong := readRequest(r.URL.Query()); wrong != "" {
		http.Error(w, wrong, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = consentPage.Execute(w, People())
}

// decide takes what the person pressed.
func (c *CRM) decide(w http.ResponseWriter, r *http.Request) {
	req, wrong := readRequest(r.URL.Query())
	if wrong != "" {
		http.Error(w, wrong, http.StatusBadRequest)
		return
	}
	q := req.redirectURI.Query()
	q.Set("error", "access_denied")
	for _, p := range People() {
		if p.Login == r.FormValue("person") {
			q.Del("error")
			q.Set("code", c.issueCode(p, r.URL.Query().Get("redirect_uri"), req.challenge))
		}
	}
	if req.state != "" {
		q.Set("state", req.state)
	}
	to := *req.redirectURI
	to.RawQuery = q.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusFound)
}

func (c *CRM) issueCode(p Person, redirectURI, challenge string) string {
	s := random()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.codes) >= most {
		clear(c.codes)
	}
	c.codes[s] = code{p, redirectURI, challenge, c.Now().Add(codeLife)}
	return s
}
