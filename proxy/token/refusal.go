package token

import (
	"encoding/json"
	"strings"

	"github.com/crmgate/crmgate/manifest"
)

// refusal is what an answer of a token endpoint says about an error. The zero value means that it says nothing.
type refusal struct {
	code        string   // of the member "error", else the first known word
	description string   // for people
	words       []string // all that may say why the request was refused, the likeliest first
}

// wordPlaces are the members in which CRMs put the word that says why they refuse a request, the likeliest first.
var wordPlaces = []string{"error", "error_code", "errorCode", "code", "status", "reason"}

// readRefusal reads the error in the first of several objects that has one. An object without the member "error" counts only if it has a
// known word: a "status" or "code" stands beside good tokens, too.
func readRefusal(places []map[string]any, errors manifest.TokenErrors) refusal {
	for _, o := range places {
		var r refusal
		r.code, r.description = errorIn(o)
		if r.words = wordsIn(o); r.code != "" {
			return r
		}
		for _, w := range r.words {
			if known(errors, w) {
				r.code = w
				return r
			}
		}
	}
	return refusal{}
}

// wordsIn lists the texts of an object at wordPlaces, and of the objects in "error" and "errors".
func wordsIn(o map[string]any) []string {
	var words []string
	for _, place := range wordPlaces {
		if s, _ := o[place].(string); s != "" {
			words = append(words, s)
		}
	}
	for _, inner := range append(objects(o["error"]), objects(o["errors"])...) {
		for _, place := range append([]string{"errorType", "type"}, wordPlaces...) {
			if s, _ := inner[place].(string); s != "" {
				words = append(words, s)
			}
		}
	}
	return words
}

// objects returns a value that is an object, those of a list, or the one in a JSON text.
func objects(v any) []map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return []map[string]any{v}
	case []any:
		var all []map[string]any
		for _, element := range v {
			if o := object(element); o != nil {
				all = append(all, o)
			}
		}
		return all
	case string:
		if o, err := document([]byte(v)); err == nil && strings.HasPrefix(strings.TrimSpace(v), "{") {
			return []map[string]any{o}
		}
	}
	return nil
}

// wrappedRefusal reads an error from a body that is a list of one object, or an object in a JSON text. It reads no tokens
// from these: no CRM is known to send them so, and what is misread is lost.
func wrappedRefusal(body []byte, errors manifest.TokenErrors) refusal {
	var v any
	if json.Unmarshal(trimmed(body), &v) != nil {
		return refusal{}
	}
	wrapped := objects(v)
	if len(wrapped) != 1 || accessToken(wrapped[0]) != "" || object(v) != nil {
		return refusal{}
	}
	for _, w := range wordsIn(wrapped[0]) {
		if known(errors, w) {
			return readRefusal(wrapped, errors)
		}
	}
	return refusal{}
}

// errorIn finds an error in an object. Beside a good token, endpoints put null, false, 0 or "" to say that there is no error.
func errorIn(o map[string]any) (code, description string) {
	const unnamed = "error"
	description = text(o, "error_description", "errorDescription", "message")
	for _, inner := range append(objects(o["error"]), objects(o["errors"])...) {
		if d := text(inner, "message", "description", "error_description"); d != "" {
			description = d
			break
		}
	}
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
		if code == "" && len(e) > 0 {
			code = unnamed
		}
	}
	if ok, is := o["ok"].(bool); is && !ok && code == "" {
		code = unnamed
	}
	return code, description
}
