package handles

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// Request is a request of a guest.
type Request struct {
	Method  string
	URL     string
	Headers map[string]string
	Body    string // any bytes
}

// Substitute replaces the handles in a request by the secrets, and reports whether there were any. A value is percent-encoded in
// a query, in a form, and where its handle was; it is escaped in JSON; elsewhere it stays as it is. The caller checks the
// request afterwards: a header can have a line break now.
//
// The error is a *Refused if a handle is where the manifest does not allow it.
func (s *Secrets) Substitute(r *Request) (used bool, err error) {
	if !s.opaque() || !s.inside(*r) {
		return false, nil
	}
	base, query, fragment := cut(r.URL)
	to, err := url.Parse(base)
	if err != nil {
		return false, errors.New("url is not an absolute URL")
	}
	if err := s.misplaced(*r, base, fragment); err != nil {
		return false, err
	}
	size := 0
	put := func(text *string, at manifest.Position, encode func(string) string) {
		if err != nil {
			return
		}
		*text, err = s.replaced(*text, &size, func(f found) (string, error) {
			used = true
			if f.percent {
				return percent(f.secret.value), s.allow(f.secret, at, to)
			}
			return encode(f.secret.value), s.allow(f.secret, at, to)
		})
	}
	put(&query, manifest.InQuery, percent)
	put(&r.Body, manifest.InBody, encoderOf(*r))
	headers := make(map[string]string, len(r.Headers))
	for name, v := range r.Headers {
		put(&v, manifest.InHeader, plain)
		headers[name] = v
	}
	r.Headers = headers
	if query != "" {
		r.URL = base + "?" + query
	}
	return used, err
}

// inside reports whether the nonce is anywhere in a request.
func (s *Secrets) inside(r Request) bool {
	if strings.Contains(r.Method, s.Nonce) || strings.Contains(r.URL, s.Nonce) || strings.Contains(r.Body, s.Nonce) {
		return true
	}
	for name, v := range r.Headers {
		if strings.Contains(v, s.Nonce) || strings.Contains(name, s.Nonce) {
			return true
		}
	}
	return false
}

// cut cuts a URL before its query, and before its fragment.
func cut(raw string) (base, query, fragment string) {
	base, fragment, _ = strings.Cut(raw, "#")
	base, query, _ = strings.Cut(base, "?")
	return base, query, fragment
}

// misplaced refuses a handle where no secret may be.
func (s *Secrets) misplaced(r Request, base, fragment string) error {
	_, rest, _ := strings.Cut(base, "://")
	authority, path, _ := strings.Cut(rest, "/")
	user, host := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, host = authority[:i], authority[i+1:]
	}
	places := []struct{ where, text string }{
		{"method", r.Method}, {"user name of the URL", user}, {"host", host}, {"path", path}, {"fragment", fragment}, {"URL", base},
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		places = append(places, struct{ where, text string }{"name of a header", name})
	}
	for _, p := range places {
		if f, ok := s.find(p.text, 0); ok {
			if strings.Contains(host, s.Nonce) {
				host = ""
			}
			return &Refused{Name: f.secret.name, Where: p.where, Host: crmgate.Clip(host), Do: "a secret can only be in the value of a header, the query or the body"}
		}
	}
	return nil
}

func plain(v string) string { return v }

// percent encodes a value for a query or a form. A blank becomes %20, which both can have.
func percent(v string) string { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") }

// jsonText escapes a value for the inside of a JSON string.
func jsonText(v string) string {
	b, _ := crmgate.EncodeJSON(v) // strings always encode
	return string(b[1 : len(b)-1])
}

// encoderOf returns the encoding of a secret in the body of a request. A body without a type is JSON if it looks like it: a
// person must not be able to add members by their API key.
func encoderOf(r Request) func(string) string {
	kind := ""
	for name, v := range r.Headers {
		if strings.EqualFold(name, "Content-Type") {
			kind = strings.ToLower(v)
		}
	}
	body := strings.TrimLeft(r.Body, " \t\r\n")
	switch {
	case strings.Contains(kind, "json"), kind == "" && (strings.HasPrefix(body, "{\"") || strings.HasPrefix(body, "[")):
		return jsonText
	case strings.HasPrefix(kind, "application/x-www-form-urlencoded"):
		return percent
	}
	return plain
}
