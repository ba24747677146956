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

// Quirks is the form of token request that an endpoint requires. The zero value accepts the standard request of RFC 6749,
// with client credentials by Basic or in the body. If a field is set, the standard form is refused, with the error that real
// servers use.
type Quirks struct {
	// Auth is how the client must authenticate: "basic", encoded; "basicRaw", not encoded; "body"; or "none", for a public
	// client, which must not send a secret.
	Auth string
	// Body says where the parameters are: "form", "json" (an object), or "query" with an empty body; default "form".
	Body string
	// Rename maps standard parameters to the names used here.
	Rename map[string]string
	// Parameters and Headers are required, with these values. A grant_type in Parameters replaces the standard values.
	Parameters, Headers map[string]string
	// Omit lists standard parameters that must be absent.
	Omit []string
	// Scope is the required scope, as encoded in the form or query: "read+write", "read%2Cwrite". In JSON it is not encoded.
	Scope string
	// Path is the required path: "/oauth/token" or "/oauth/refresh"; default "/oauth/token".
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
			return fmt.Errorf("unknown quirk %q: use one of %q", s, all[1:])
		}
	}
	return nil
}

// read parses and checks a token request. It returns the parameters by their standard names, client_id included, and the
// quirks that applied.
func (m Mood) read(r *http.Request, known *clients) (url.Values, Quirks, refusal) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, m.Quirks, refusal{"invalid_request", "Could not read the body."}
	}
	q := m.Quirks
	if m.RefreshQuirks != nil && m.RefreshQuirks.isRefresh(r, body) {
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

// isRefresh reports whether a request is a refresh: by its parameters, in any of the places, or by its path.
func (q Quirks) isRefresh(r *http.Request, body []byte) bool {
	for _, where := range []string{"form", "json", "query"} {
		for _, q := range []Quirks{{Body: where}, {Body: where, Rename: q.Rename}} {
			if form, _ := q.parameters(r, body); form.Get("grant_type") == "refresh_token" || form.Has("refresh_token") {
				return true
			}
		}
	}
	return r.URL.Path == "/oauth/refresh"
}

// parameters reads the parameters from the required place, and renames them to the standard names.
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
		return nil, refusal{"invalid_request", "Malformed parameters."}
	}
	standards := map[string]string{}
	for standard, name := range q.Rename {
		standards[name] = standard
	}
	form := url.Values{}
	for name, v := range sent {
		if len(v) > 1 {
			return nil, refusal{"invalid_request", name + " appears more than once."}
		}
		if standard, ok := standards[name]; ok {
			name = standard
		} else if _, renamed := q.Rename[name]; renamed {
			continue // this endpoint ignores the standard name
		}
		form[name] = v
	}
	return form, refusal{}
}

// insist refuses requests that lack something required or have something forbidden. If this endpoint has its own grant_type
// or none, it sets the standard one.
func (q Quirks) insist(r *http.Request, form url.Values, body []byte) refusal {
	path := q.Path
	if path == "" {
		path = "/oauth/token"
	}
	if r.URL.Path != path {
		return refusal{"unsupported_grant_type", "This endpoint does not take such requests."}
	}
	for name, v := range q.Parameters {
		if form.Get(name) != v {
			return refusal{"invalid_request", name + " is missing or wrong."}
		}
	}
	for name, v := range q.Headers {
		if r.Header.Get(name) != v {
			return refusal{"invalid_request", "The header " + name + " is missing or wrong."}
		}
	}
	for _, name := range q.Omit {
		if form.Has(name) {
			return refusal{"invalid_request", "Unknown parameter " + name + "."}
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
		return refusal{"invalid_scope", "The scope is missing or wrong."}
	}
	if q.Parameters["grant_type"] != "" || slices.Contains(q.Omit, "grant_type") {
		form.Set("grant_type", "authorization_code")
		if form.Has("refresh_token") {
			form.Set("grant_type", "refresh_token")
		}
	}
	return refusal{}
}

// authenticate checks the client credentials in the required way, or in any way if the quirks require none.
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
		return "", refusal{"invalid_client", "The client must authenticate in another way."}
	}
	return known.authenticate(r, form)
}

// raw returns a parameter of a query or form without decoding it; empty if absent.
func raw(query, name string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			return v
		}
	}
	return ""
}
