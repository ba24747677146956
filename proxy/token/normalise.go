package token

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/crmgate/crmgate/manifest"
)

// answer is what a token endpoint said: tokens or an error.
type answer struct {
	access, refresh  string
	expiry           time.Time // zero: unknown
	data             map[string]any
	errCode, errText string
}

var errNoToken = errors.New("no token in the answer")

// normalise reads a token answer as real endpoints give it: JSON or a form under whatever content type, with or without
// a byte order mark, tokens nested or in camelCase, expiry in any of its forms, an error beside a status of 200. It
// reports an error if the answer is neither a token nor an error of the CRM's; answer.errCode is set for the latter. An
// answer may be both: some have words about other things beside a token. Its errors quote nothing.
func normalise(body []byte, m manifest.TokenRules, now time.Time) (answer, error) {
	top, err := document(body)
	if err != nil {
		return answer{}, err
	}
	places := places(top, m)
	var a answer
	for _, o := range places {
		if a.errCode, a.errText = errorIn(o); a.errCode != "" {
			break
		}
	}
	named := at(top, m.Paths.AccessToken)
	for _, o := range places {
		access := cmp.Or(named, accessToken(o))
		if access == "" {
			continue
		}
		a.access = access
		a.refresh = cmp.Or(at(top, m.Paths.RefreshToken), text(o, "refresh_token", "refreshToken"), only(top, "refresh_token", "refreshToken"))
		a.expiry = sensible(relative(at(top, m.Paths.ExpiresIn), m, now), absolute(at(top, m.Paths.ExpiresAt), now), now)
		for _, place := range []map[string]any{o, top} {
			if a.expiry.IsZero() {
				a.expiry = expiry(place, m, now)
			}
		}
		if a.expiry.IsZero() && m.Lifetime > 0 {
			a.expiry = now.Add(time.Duration(m.Lifetime) * time.Second)
		}
		a.data, _ = a.withoutTokens(top).(map[string]any)
		return a, nil
	}
	if a.errCode != "" {
		return a, nil
	}
	return answer{}, errNoToken
}

// only is the text that members of these names hold, wherever they are, if it is the only one: a refresh token that is
// passed over is lost once the CRM has rotated it.
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

// places lists the objects in which tokens may stand, the likeliest first: what the manifest names, or what the access
// token that it names stands in.
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

// inside returns the object at a path of members; nil if there is none.
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

// document reads an object out of JSON or a form; what the content type says plays no part.
func document(body []byte) (map[string]any, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\uFEFF")))
	if len(body) == 0 {
		return nil, errors.New("an empty answer")
	}
	switch body[0] {
	case '{':
		var top map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber() // ids and epochs keep their digits
		if err := d.Decode(&top); err != nil {
			return nil, errors.New("broken JSON") // the cause could quote a token
		}
		return top, nil
	case '<':
		return nil, errors.New("a page of HTML or XML")
	case '[', '"':
		return nil, errors.New("JSON that is no object")
	}
	if !bytes.ContainsRune(body, '=') {
		return nil, errors.New("neither JSON nor a form")
	}
	form, _ := url.ParseQuery(string(body)) // without the pairs that are malformed: the tokens may be among the others
	top := map[string]any{}
	for k, v := range form {
		top[k] = v[0]
	}
	return top, nil
}

func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

// text returns the first of several members that is a text or a number, as text.
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

// accessToken finds the access token in an object. That "token" is one only as a text: as an object it is a place.
func accessToken(o map[string]any) string {
	if s := text(o, "access_token", "accessToken"); s != "" {
		return s
	}
	s, _ := o["token"].(string)
	return s
}

// errorIn finds an error in an object. Endpoints put null, false, 0 or "" beside a good token, and so say that there is none.
func errorIn(o map[string]any) (code, description string) {
	const unnamed = "error"
	description = text(o, "error_description", "errorDescription", "message")
	switch e := o["error"].(type) {
	case string:
		code = e
	case json.Number:
		if f, err := e.Float64(); err != nil || f != 0 {
			code = e.String()
		}
	case bool:
		if e {
			code = unnamed
		}
	case map[string]any:
		code = text(e, "error", "code", "type", "status")
		if d := text(e, "message", "description", "error_description"); d != "" {
			description = d
		}
		if code == "" && len(e) > 0 {
			code = unnamed
		}
	}
	if ok, is := o["ok"].(bool); is && !ok && code == "" {
		code = unnamed
	}
	return code, description
}

// withoutTokens copies an answer without the tokens in it, at any depth and under any name: it goes to the connector.
func (a answer) withoutTokens(v any) any {
	switch v := v.(type) {
	case map[string]any:
		o := make(map[string]any, len(v))
		for k, member := range v {
			if !a.isToken(k, member) {
				o[k] = a.withoutTokens(member)
			}
		}
		return o
	case []any:
		l := make([]any, 0, len(v))
		for _, element := range v {
			if !a.isToken("", element) {
				l = append(l, a.withoutTokens(element))
			}
		}
		return l
	}
	return v
}

func (a answer) isToken(name string, v any) bool {
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
	return s != "" && (s == a.access || s == a.refresh)
}
