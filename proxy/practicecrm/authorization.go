package practicecrm

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// code is an authorization code. Guarded by CRM.mu.
type code struct {
	client      string
	person      Person
	redirectURI string
	challenge   string // PKCE, S256; empty without
	expires     time.Time
	used        bool
	family      *family // what it was exchanged for
}

// authorization is a request for a code (RFC 6749, 4.1.1; RFC 7636, 4.3).
type authorization struct {
	client    string
	redirect  *url.URL
	given     string // redirect as text: the token request must repeat it
	state     string
	challenge string
	form      bool   // response_mode is form_post: the answer is a form
	err       string // an OAuth error to send to the redirect URI
	why       string // its description; may be empty
}

// readAuthorization parses a request. It returns a text for the person if the client or redirect URI is wrong: such an error
// must not be sent to the redirect URI (RFC 6749, 4.1.2.1).
func (c *CRM) readAuthorization(q url.Values) (a authorization, wrong string) {
	for name, v := range q {
		if len(v) > 1 {
			return a, name + " appears more than once."
		}
	}
	a = authorization{client: q.Get("client_id"), given: q.Get("redirect_uri"), state: q.Get("state"), challenge: q.Get("code_challenge"), form: q.Get("response_mode") == "form_post"}
	u, err := url.Parse(a.given)
	switch {
	case !c.clients.known(a.client):
		return a, "Unknown client_id."
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "":
		return a, "The redirect_uri is not an absolute URL."
	case !strings.HasSuffix(u.Path, "/redirect.html") && !strings.HasSuffix(u.Path, "/oauth-callback"):
		return a, "The redirect_uri is not registered: its path must end in /redirect.html or /oauth-callback."
	}
	a.redirect = u
	sum, err := base64.RawURLEncoding.DecodeString(a.challenge)
	s256 := q.Get("code_challenge_method") == "S256" && err == nil && len(sum) == 32
	switch {
	case q.Get("response_type") != "code":
		a.err = "unsupported_response_type"
	case (q.Has("code_challenge") || q.Has("code_challenge_method")) && !s256:
		a.err = "invalid_request"
	}
	return a, ""
}

// insist sets an error if the mood rejects the request.
func (a *authorization) insist(m Mood, rawQuery string) {
	switch {
	case a.err != "":
	case m.NoPKCE && a.challenge != "":
		a.err = "invalid_request"
	case m.NeedPKCE && a.challenge == "":
		a.err, a.why = "invalid_request", "policy requires PKCE"
	case m.AuthorizeScope != "" && raw(rawQuery, "scope") != m.AuthorizeScope:
		a.err = "invalid_scope"
	}
}

// formPage submits itself (OAuth 2.0 Form Post Response Mode, section 2).
const formPage = `<!doctype html><html lang="en"><title>Practice CRM</title><body onload="document.forms[0].submit()">
<form method="post" action="{{.To}}">{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}</form></html>
`

// answer sends the browser to the application with the code or error, and the state.
func (a authorization) answer(w http.ResponseWriter, name, value string) {
	q := a.redirect.Query()
	if a.form {
		q = url.Values{}
	}
	q.Set(name, value)
	if a.why != "" {
		q.Set("error_description", a.why)
	}
	if a.state != "" {
		q.Set("state", a.state)
	}
	if a.form {
		w.Header().Set("Content-Type", typeHTML)
		w.Header().Set("Cache-Control", "no-store")
		_ = template.Must(template.New("form").Parse(formPage)).Execute(w, map[string]any{"To": a.redirect.String(), "Fields": q})
		return
	}
	to := *a.redirect
	to.RawQuery = q.Encode()
	w.Header().Set("Location", to.String())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusFound)
}

// consentPage has a form without an action, so the form goes to the page's own address with the same query.
const consentPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Practice CRM</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:24rem;margin:3rem auto;padding:0 1rem}button{display:block;width:100%;margin:.5rem 0;padding:.6rem;font:inherit}</style>
<h1>Practice CRM</h1>
<p>An application wants to sign you in. Who are you?</p>
<form method="post">
{{range .}}<button name="person" value="{{.Login}}">{{.Name}}</button>
{{end}}<button name="person" value="deny">Deny</button>
</form></html>
`

func (c *CRM) showConsent(w http.ResponseWriter, r *http.Request) {
	mood, _ := c.count(&c.counts.Authorize)
	a, wrong := c.readAuthorization(r.URL.Query())
	a.insist(mood, r.URL.RawQuery)
	switch {
	case wrong != "":
		http.Error(w, wrong, 400)
		return
	case a.err != "":
		a.answer(w, "error", a.err)
		return
	}
	var page strings.Builder
	if err := template.Must(template.New("consent").Parse(consentPage)).Execute(&page, c.people); err != nil {
		http.Error(w, "internal server error", 500)
		return
	}
	h := w.Header()
	h.Set("Content-Type", typeHTML)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	// No form-action: it would also block the redirect to the application after the form.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_, _ = w.Write([]byte(page.String()))
}

// consent handles the submitted form.
func (c *CRM) consent(w http.ResponseWriter, r *http.Request) {
	mood, _ := c.count(&c.counts.Consents)
	a, wrong := c.readAuthorization(r.URL.Query())
	a.insist(mood, r.URL.RawQuery)
	login := r.PostFormValue("person")
	p, known := c.person(login)
	switch {
	case wrong != "":
		http.Error(w, wrong, 400)
	case a.err != "":
		a.answer(w, "error", a.err)
	case login == "deny" || login == "nobody":
		a.answer(w, "error", "access_denied")
	case !known:
		http.Error(w, "Unknown person.", 400)
	default:
		c.mu.Lock()
		name := c.codes.add("code-", code{
			client: a.client, person: p, redirectURI: a.given, challenge: a.challenge, expires: c.config.Now().Add(codeLife),
		})
		c.mu.Unlock()
		a.answer(w, "code", name)
	}
}
