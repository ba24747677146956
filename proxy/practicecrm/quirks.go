package practicecrm

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Quirks is what a token endpoint insists on. The zero value takes the ordinary request of RFC 6749, with the client
// authenticating by Basic or in the body. What is set is demanded, and the ordinary form is refused with the error that
// real servers have for it.
type Quirks struct {
	// Auth is the one way in which the client may authenticate: "basic", encoded first; "basicRaw", not encoded; "body";
	// or "none", which is to say that it is a public client and must not show a secret.
	Auth string
	// Body is where the parameters stand: "form"; "json", in an object; or "query", the body being empty. Default "form".
	Body string
	// Rename maps standard parameters to what they are called here.
	Rename map[string]string
	// Parameters and Headers must come, with these values. A grant_type among Parameters is this server's own word.
	Parameters, Headers map[string]string
	// Omit names standard parameters that must not come.
	Omit []string
	// Scope must come so, as it stands in the form or the query: "read+write", "read%2Cwrite"; in JSON, as it is.
	Scope string
	// Path is where such requests go: "/oauth/token", which is the default, or "/oauth/refresh".
	Path string
}

func (q *Quirks) check() error {
	if q == nil {
		return nil
	}
	for s, all := range map[string][]string{
		q.Auth: {"", "basic", "basicRaw", "body", "none"}, q.Body: {"", "form", "json", "query"}, q.Path: {"", "/oauth/token", "/oauth/refresh"},
	} {
		if !slices.Contains(all, s) {
			return fmt.Errorf("there is no quirk %q", s)
		}
	}
	return nil
}

// read understands a token request: it returns the parameters by their standard names, client_id always among them, and
// the quirks that they met.
func (m Mood) read(r *http.Request, known *clients) (url.Values, Quirks, refusal) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, m.Quirks, refusal{"invalid_request", "The body cannot be read."}
	}
	q := m.Quirks
	if m.RefreshQuirks != nil && m.RefreshQuirks.meant(r, body) {
		q = *m.RefreshQuirks
	}
	form, no := q.parameters(r, body)
	if no.code == "" {
		no = q.insist(r, form, body)
	}
	if no.code == "" {
		var client string
		client, no = q.authenticate(r, form, known)
		form.Set("client_id", client)
	}
	return form, q, no
}

// meant reports whether a request is a refresh: by its parameters, wherever they are, or by where it went.
func (q Quirks) meant(r *http.Request, body []byte) bool {
	for _, where := range []string{"form", "json", "query"} {
		for _, q := range []Quirks{{Body: where}, {Body: where, Rename: q.Rename}} {
			if form, _ := q.parameters(r, body); form.Get("grant_type") == "refresh_token" || form.Has("refresh_token") {
				return true
			}
		}
	}
	return r.URL.Path == "/oauth/refresh"
}

// parameters reads the parameters from where they must stand, and calls them by their standard names.
func (q Quirks) parameters(r *http.Request, body []byte) (url.Values, refusal) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	var sent url.Values
	var err error
	switch {
	case q.Body == "json" && kind == typeJSON:
		var all map[string]string
		err = json.Unmarshal(body, &all)
		sent = url.Values{}
		for name, v := range all {
			sent.Set(name, v)
		}
	case q.Body == "query" && len(body) == 0:
		sent, err = url.ParseQuery(r.URL.RawQuery)
	case (q.Body == "" || q.Body == "form") && kind == typeForm:
		sent, err = url.ParseQuery(string(body))
	}
	if err != nil {
		return nil, refusal{"invalid_request", "The body is not what it should be."}
	}
	standards := map[string]string{}
	for standard, name := range q.Rename {
		standards[name] = standard
	}
	form := url.Values{}
	for name, v := range sent {
		if len(v) > 1 {
			return nil, refusal{"invalid_request", name + " stands there more than once."}
		}
		if standard, ok := standards[name]; ok {
			name = standard
		} else if _, renamed := q.Rename[name]; renamed {
			continue // nobody here knows it by that name
		}
		form[name] = v
	}
	return form, refusal{}
}

// insist refuses what is missing, and what must not be there; then it fills in the type of the grant where this server
// has a word of its own for it, or none.
func (q Quirks) insist(r *http.Request, form url.Values, body []byte) refusal {
	path := q.Path
	if path == "" {
		path = "/oauth/token"
	}
	if r.URL.Path != path {
		return refusal{"unsupported_grant_type", "Not here."}
	}
	for name, v := range q.Parameters {
		if form.Get(name) != v {
			return refusal{"invalid_request", name + " is missing, or is not known."}
		}
	}
	for name, v := range q.Headers {
		if r.Header.Get(name) != v {
			return refusal{"invalid_request", "The header " + name + " is missing, or is not known."}
		}
	}
	for _, name := range q.Omit {
		if form.Has(name) {
			return refusal{"invalid_request", name + " is not known."}
		}
	}
	scope := form.Get("scope")
	switch q.Body {
	case "", "form":
		scope = raw(string(body), "scope")
	case "query":
		scope = raw(r.URL.RawQuery, "scope")
	}
	if q.Scope != "" && scope != q.Scope {
		return refusal{"invalid_scope", "That is not what was asked for."}
	}
	if q.Parameters["grant_type"] != "" || slices.Contains(q.Omit, "grant_type") {
		form.Set("grant_type", "authorization_code")
		if form.Has("refresh_token") {
			form.Set("grant_type", "refresh_token")
		}
	}
	return refusal{}
}

// authenticate checks the client in the one way that the quirks allow, or in any.
func (q Quirks) authenticate(r *http.Request, form url.Values, known *clients) (string, refusal) {
	id, secret, basic := r.BasicAuth()
	shown := basic || r.Header.Get("Authorization") != "" || form.Has("client_secret")
	good := true
	switch q.Auth {
	case "basic":
		good = basic && known.good(unescaped(id), unescaped(secret)) && id == url.QueryEscape(unescaped(id)) && secret == url.QueryEscape(unescaped(secret))
	case "basicRaw":
		good = basic && known.good(id, secret)
	case "body":
		good = !basic
	case "none":
		if !shown && known.known(form.Get("client_id")) {
			return form.Get("client_id"), refusal{}
		}
		good = false
	}
	if !good {
		return "", refusal{"invalid_client", "The client does not authenticate as it should."}
	}
	return known.authenticate(r, form)
}

// raw is a parameter as it stands in a query or a form, before it is decoded; empty if it is not there.
func raw(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	return ""
}
