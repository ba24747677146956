package recording

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/crmgate/crmgate/wasmhost/mask"
)

// A CRM can answer with a credential that the server does not know, such as a session token. looksSecret finds those by their names.

// secretNames are in the names of members and headers whose value is a secret, in lower case without punctuation.
var secretNames = []string{
	"token", "secret", "password", "passwd", "passphrase", "apikey", "accesskey", "privatekey", "authorization", "cookie", "credential",
	"session", "signature", "jwt", "assertion",
}

// plainEnds are the ends of names that are not secret although they contain one of secretNames, such as tokenUrl.
var plainEnds = []string{"url", "uri", "expiry", "expires", "expiresin", "expiresat", "type", "auth", "method", "endpoint", "name", "status", "count"}

// SecretName reports whether a member or a header of this name has a secret.
func SecretName(name string) bool {
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	return slices.ContainsFunc(secretNames, func(s string) bool { return strings.Contains(name, s) }) &&
		!slices.ContainsFunc(plainEnds, func(s string) bool { return strings.HasSuffix(name, s) })
}

// looksSecret returns the values of all members and headers that have the name of a secret.
func (r *Recording) looksSecret() []Secret {
	w := &walker{}
	for _, text := range r.texts() {
		w.text(*text, 0)
	}
	return w.found
}

type walker struct{ found []Secret }

// maxDepth is how deep documents are inside the strings of others.
const maxDepth = 4

// text looks into a text, if it is a JSON document or a form.
func (w *walker) text(s string, depth int) {
	s = strings.TrimSpace(s)
	if depth > maxDepth || s == "" {
		return
	}
	if s[0] == '{' || s[0] == '[' {
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil {
			w.value("", v, depth)
		}
		return
	}
	_, query, isURL := strings.Cut(s, "?")
	if !isURL {
		query = s
	}
	if !strings.Contains(query, "=") || strings.ContainsAny(query, " \n<") {
		return
	}
	values, _ := url.ParseQuery(query) // of a URL or a form; what cannot be parsed is left out
	for name, all := range values {
		for _, v := range all {
			w.value(name, v, depth)
		}
	}
}

// value looks into a value that has a name.
func (w *walker) value(name string, v any, depth int) {
	switch v := v.(type) {
	case map[string]any:
		for name, v := range v {
			w.value(name, v, depth)
		}
	case []any:
		for _, v := range v {
			w.value(name, v, depth)
		}
	case string:
		switch {
		case strings.EqualFold(name, "Cookie") || strings.EqualFold(name, "Set-Cookie"):
			w.cookies(v)
		case SecretName(name):
			w.add(name, v)
		}
		if name == "bodyBase64" { // of an answer that is not valid UTF-8
			b, _ := base64.StdEncoding.DecodeString(v)
			v = string(b)
		}
		w.text(v, depth+1)
	}
}

// cookieAttributes are what a Set-Cookie header has beside the cookie.
var cookieAttributes = []string{"expires", "max-age", "domain", "path", "samesite", "secure", "httponly", "partitioned", "priority"}

// cookies adds the value of each cookie in a header. A guest reads, sends and logs it without the rest of the header.
func (w *walker) cookies(header string) {
	for part := range strings.SplitSeq(header, ";") {
		name, v, named := strings.Cut(strings.TrimSpace(part), "=")
		if slices.Contains(cookieAttributes, strings.ToLower(name)) {
			continue
		}
		if !named {
			name, v = "cookie", name
		}
		w.add(name, strings.Trim(v, `"`))
	}
}

// add adds the value of a member. Of a header with a scheme it is what follows.
func (w *walker) add(name, v string) {
	if scheme, rest, ok := strings.Cut(v, " "); ok && strings.Trim(scheme, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == "" && !strings.Contains(rest, " ") {
		v = rest
	}
	word := len(v) < 12 && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz") == "" // such as "active"
	if len(v) >= mask.Shortest && !word && !strings.Contains(v, "{{") {
		w.found = append(w.found, Secret{"{{" + plain(name) + "}}", v})
	}
}

// plain returns a name without what JSON escapes.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return -1
	}, name[:min(len(name), 64)])
}
