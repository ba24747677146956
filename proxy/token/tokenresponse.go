package token

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// tokenResponse is what a token endpoint answered: tokens or an error.
type tokenResponse struct {
	access, refresh string
	expiry          time.Time // zero: unknown
	data            map[string]any
	refused         refusal
}

var errNoToken = errors.New("no access token in the answer")

// parse reads a token response as real endpoints give it: JSON or a form under any content type, with or without a byte
// order mark, tokens nested or in camelCase, expiry in any of its forms, an error with status 200. A response may hold both
// tokens and an error code. One that holds neither is an error, which quotes nothing.
func parse(body []byte, m manifest.TokenRules, now time.Time) (tokenResponse, error) {
	top, err := document(body)
	if err != nil {
		if r := wrappedRefusal(body, m.Errors); r.code != "" {
			return tokenResponse{refused: r}, nil
		}
		return tokenResponse{}, err
	}
	places := places(top, m)
	r := tokenResponse{refused: readRefusal(places, m.Errors)}
	named := at(top, m.Paths.AccessToken)
	for _, o := range places {
		access := cmp.Or(named, accessToken(o))
		if strings.TrimSpace(access) == "" {
			continue
		}
		r.access = access
		r.refresh = cmp.Or(at(top, m.Paths.RefreshToken), text(o, "refresh_token", "refreshToken"), only(top, "refresh_token", "refreshToken"))
		r.expiry = expiry(expiryPaths(m), func(path string) string { return at(top, path) }, m.Unit, now)
		for _, place := range []map[string]any{o, top} {
			if r.expiry.IsZero() {
				r.expiry = expiry(expiryFields, func(name string) string { return text(place, name) }, m.Unit, now)
			}
		}
		if r.expiry.IsZero() && m.Lifetime > 0 {
			r.expiry = now.Add(time.Duration(m.Lifetime) * time.Second)
		}
		r.data, _ = r.withoutTokens(top).(map[string]any)
		return r, nil
	}
	if r.refused.code != "" {
		return r, nil
	}
	return tokenResponse{}, errNoToken
}

// parseEntry parses a journaled answer by the manifest. Times are relative to when it came, by the CRM's own clock. It returns
// tokens or an error, not both: with a status of success the tokens count, with another the error. An answer that was cut off
// counts only if it is a complete JSON document.
func parseEntry(e storage.JournalEntry, m *manifest.Manifest) (tokenResponse, error) {
	rules := m.Token
	switch {
	case e.Own:
		rules = manifest.TokenRules{Lifetime: m.Refresh.Lifetime}
	case !e.From.IsZero():
		rules = m.Refresh
	}
	body := []byte(e.Body.Reveal())
	if e.Cut && !bytes.HasPrefix(trimmed(body), []byte("{")) {
		return tokenResponse{}, errors.New("the answer was cut off")
	}
	r, err := parse(body, rules, e.At.Add(e.Skew))
	switch {
	case r.access == "" || r.refused.code == "":
	case success(e.Status):
		r.refused = refusal{}
	default:
		r = tokenResponse{refused: r.refused}
	}
	if !r.expiry.IsZero() {
		r.expiry = r.expiry.Add(-e.Skew)
	}
	return r, err
}

// tokens is what a response granted. entry is its journal entry.
func (r tokenResponse) tokens(entry storage.JournalEntry) (Tokens, error) {
	t := Tokens{Access: crmgate.NewSecret(r.access), Refresh: crmgate.NewSecret(r.refresh), Issued: entry.At, Expiry: r.expiry, Journal: entry}
	var err error
	t.Data, err = json.Marshal(r.data)
	if entry.Own {
		t.info = additionalInfo(t.Data)
	}
	return t, err
}

// only returns the text of members of these names, at any depth, if they all hold the same one. A refresh token that is
// overlooked is lost once the CRM has rotated it.
func only(v any, names ...string) string {
	found := map[string]bool{}
	var look func(any)
	look = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if s := text(v, names...); s != "" {
				found[s] = true
			}
			for _, member := range v {
				look(member)
			}
		case []any:
			for _, element := range v {
				look(element)
			}
		}
	}
	look(v)
	if len(found) != 1 {
		return ""
	}
	for s := range found {
		return s
	}
	return ""
}

// places lists the objects that may hold tokens, the likeliest first: the one that the manifest names, then the parent of the
// access token that it names, then the common ones.
func places(top map[string]any, m manifest.TokenRules) []map[string]any {
	var all []map[string]any
	if m.Path != "" {
		all = append(all, inside(top, strings.Split(m.Path, ".")))
	}
	if m.Paths.AccessToken != "" {
		names := strings.Split(m.Paths.AccessToken, ".")
		all = append(all, inside(top, names[:len(names)-1]))
	}
	for _, o := range []map[string]any{top, object(top["data"]), object(top["response"])} {
		all = append(all, o, object(o["token"]))
	}
	return all
}

// inside returns the object at a path of member names; nil if there is none.
func inside(o map[string]any, names []string) map[string]any {
	for _, name := range names {
		o = object(o[name])
	}
	return o
}

// at returns the text or number at a dotted path; empty if there is none, or no path.
func at(top map[string]any, path string) string {
	if path == "" {
		return ""
	}
	names := strings.Split(path, ".")
	last := len(names) - 1
	return text(inside(top, names[:last]), names[last])
}

// document reads an object from JSON or a form, whatever the content type is.
func document(body []byte) (map[string]any, error) {
	body = trimmed(body)
	if len(body) == 0 {
		return nil, errors.New("empty answer")
	}
	switch body[0] {
	case '{':
		var top map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber() // ids and epochs keep their digits
		if err := d.Decode(&top); err != nil {
			return nil, errors.New("invalid JSON") // the cause could quote a token
		}
		return top, nil
	case '<':
		return nil, errors.New("HTML or XML")
	case '[', '"':
		return nil, errors.New("JSON that is not an object")
	}
	if !bytes.ContainsRune(body, '=') {
		return nil, errors.New("neither JSON nor a form")
	}
	form, _ := url.ParseQuery(string(body)) // malformed pairs are left out: the tokens may be in the others
	top := map[string]any{}
	for k, v := range form {
		top[k] = v[0]
	}
	return top, nil
}

// trimmed is a body without a byte order mark and white space.
func trimmed(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\uFEFF")))
}

func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

// text returns the first of several members that is a non-empty string or a number, as text.
func text(o map[string]any, names ...string) string {
	for _, n := range names {
		switch v := o[n].(type) {
		case string:
			if v != "" {
				return v
			}
		case json.Number:
			return v.String()
		}
	}
	return ""
}

// accessToken finds the access token in an object. A member "token" counts only as a string: as an object it is a place.
func accessToken(o map[string]any) string {
	if s := text(o, "access_token", "accessToken"); s != "" {
		return s
	}
	s, _ := o["token"].(string)
	return s
}

// withoutTokens copies a document for the connector, without the tokens at any depth and under any name.
func (r tokenResponse) withoutTokens(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any, len(v))
		for k, member := range v {
			if !r.isToken(k, member) {
				o[k] = r.withoutTokens(member)
			}
		}
		return o
	case []any:
		l := make([]any, 0, len(v))
		for _, element := range v {
			if !r.isToken("", element) {
				l = append(l, r.withoutTokens(element))
			}
		}
		return l
	}
	return v
}

func (r tokenResponse) isToken(name string, v any) bool {
	switch name {
	case "access_token", "accessToken", "refresh_token", "refreshToken", "id_token", "idToken":
		return true
	}
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case json.Number:
		s = v.String()
	}
	return s != "" && (s == r.access || s == r.refresh)
}
