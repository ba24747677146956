package practice

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// TokenAnswer is a form in which real token endpoints answer.
type TokenAnswer struct {
	Name string
	// Valid says that a token can be read from it.
	Valid bool
	// Expires says that it tells when the access token ends.
	Expires bool
	// Refresh says that it brings a refresh token.
	Refresh bool

	same, noRefresh bool
	write           func(http.ResponseWriter, granted)
}

// fields are the members of an ordinary answer.
func fields(g granted) map[string]any {
	return map[string]any{"access_token": g.access, "refresh_token": g.refresh, "token_type": "Bearer", "expires_in": int(g.life.Seconds())}
}

// with is an ordinary answer with members changed; a nil value leaves one out.
func with(change func(granted) map[string]any) func(http.ResponseWriter, granted) {
	return func(w http.ResponseWriter, g granted) {
		m := fields(g)
		maps.Copy(m, change(g))
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
		writeJSON(w, 200, m)
	}
}

// member changes one member of an ordinary answer.
func member(name string, v any) func(http.ResponseWriter, granted) {
	return with(func(granted) map[string]any { return map[string]any{name: v} })
}

// as writes bytes under a content type; "" is none.
func as(contentType string, body func(granted) string) func(http.ResponseWriter, granted) {
	return func(w http.ResponseWriter, g granted) {
		w.Header()["Content-Type"] = nil // none, where net/http would guess
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		_, _ = w.Write([]byte(body(g)))
	}
}

func jsonText(g granted) string {
	b, _ := json.Marshal(fields(g)) // never fails
	return string(b)
}

func formText(g granted) string {
	return url.Values{"access_token": {g.access}, "refresh_token": {g.refresh}, "expires_in": {strconv.Itoa(int(g.life.Seconds()))}}.Encode()
}

// ends is an absolute expiry in place of expires_in.
func ends(name string, format func(time.Time) any) func(http.ResponseWriter, granted) {
	return with(func(g granted) map[string]any {
		return map[string]any{"expires_in": nil, name: format(g.now.Add(g.life))}
	})
}

func null(json.RawMessage) any { return json.RawMessage("null") }

// TokenAnswers lists the forms. The first is the ordinary one.
func TokenAnswers() []TokenAnswer {
	good := func(name string, write func(http.ResponseWriter, granted)) TokenAnswer {
		return TokenAnswer{Name: name, Valid: true, Expires: true, Refresh: true, write: write}
	}
	timeless := func(name string, write func(http.ResponseWriter, granted)) TokenAnswer {
		return TokenAnswer{Name: name, Valid: true, Refresh: true, write: write}
	}
	bad := func(name string, write func(http.ResponseWriter, granted)) TokenAnswer {
		return TokenAnswer{Name: name, write: write}
	}
	text := func(s string) func(http.ResponseWriter, granted) {
		return as("application/json", func(granted) string { return s })
	}
	wrapped := func(name string) func(http.ResponseWriter, granted) {
		return func(w http.ResponseWriter, g granted) { writeJSON(w, 200, map[string]any{"ok": true, name: fields(g)}) }
	}
	return []TokenAnswer{
		good("ordinary", with(func(granted) map[string]any { return nil })),
		good("JSON as text/plain", as("text/plain", jsonText)),
		good("JSON as text/html", as("text/html", jsonText)),
		good("JSON without a type", as("", jsonText)),
		good("form", as("application/x-www-form-urlencoded", formText)),
		good("form as text/plain", as("text/plain", formText)),
		good("form as JSON", as("application/json", formText)),
		good("byte order mark", as("application/json", func(g granted) string { return "\uFEFF" + jsonText(g) })),
		good("expires_in as float", with(func(g granted) map[string]any {
			return map[string]any{"expires_in": json.RawMessage(strconv.FormatFloat(g.life.Seconds(), 'f', 1, 64))}
		})),
		good("expires_in as string", with(func(g granted) map[string]any {
			return map[string]any{"expires_in": strconv.Itoa(int(g.life.Seconds()))}
		})),
		timeless("expires_in empty", member("expires_in", "")),
		timeless("expires_in negative", member("expires_in", -1)),
		timeless("expires_in missing", member("expires_in", nil)),
		timeless("expires_in null", member("expires_in", null(nil))),
		good("expires_in in absurd milliseconds", with(func(granted) map[string]any { return map[string]any{"expires_in": 500_000_000} })),
		good("expires_at in seconds", ends("expires_at", func(t time.Time) any { return t.Unix() })),
		good("expires_at in milliseconds", ends("expires_at", func(t time.Time) any { return t.UnixMilli() })),
		good("expires_at as ISO 8601", ends("expires_at", func(t time.Time) any { return t.UTC().Format(time.RFC3339) })),
		good("expires as RFC 1123", ends("expires", func(t time.Time) any { return t.UTC().Format(http.TimeFormat) })),
		good("expires in seconds", ends("expires", func(t time.Time) any { return strconv.FormatInt(t.Unix(), 10) })),
		good("nested in data", wrapped("data")),
		good("nested in response", wrapped("response")),
		good("camelCase", func(w http.ResponseWriter, g granted) {
			writeJSON(w, 200, map[string]any{"accessToken": g.access, "refreshToken": g.refresh, "expiresIn": int(g.life.Seconds())})
		}),
		good("error null beside a token", member("error", null(nil))),
		good("error false beside a token", member("error", false)),
		good("error 0 beside a token", member("error", 0)),
		good("token_type null", member("token_type", null(nil))),
		good("token_type a number", member("token_type", 7)),
		good("token_type missing", member("token_type", nil)),
		good("status 201", func(w http.ResponseWriter, g granted) { writeJSON(w, 201, fields(g)) }),
		{Name: "no refresh_token", Valid: true, Expires: true, noRefresh: true, write: member("refresh_token", nil)},
		{Name: "the same refresh_token", Valid: true, Expires: true, Refresh: true, same: true, write: with(func(g granted) map[string]any {
			if g.previous == "" {
				return nil
			}
			return map[string]any{"refresh_token": g.previous}
		})},
		good("extra fields", with(func(granted) map[string]any {
			return map[string]any{"instance_url": "https://eu1.practice.example", "api_domain": "https://api.practice.example", "restUrl": "https://rest.practice.example/9/", "scope": "read write", "big": json.RawMessage("12345678901234567890")}
		})),

		bad("error as an object", func(w http.ResponseWriter, _ granted) {
			writeJSON(w, 400, map[string]any{"error": map[string]any{"code": "invalid_grant", "message": "Bad code"}})
		}),
		bad("error with status 200", func(w http.ResponseWriter, _ granted) { writeJSON(w, 200, map[string]any{"error": "invalid_grant"}) }),
		bad("ok false", func(w http.ResponseWriter, _ granted) {
			writeJSON(w, 200, map[string]any{"ok": false, "error": "code_already_used"})
		}),
		bad("HTML", func(w http.ResponseWriter, r granted) { misbehave(w, nil, "html") }),
		bad("empty", text("")),
		bad("cut JSON", as("application/json", func(g granted) string { return strings.TrimSuffix(jsonText(g), "}") })),
		bad("an array", text(`["access_token"]`)),
		bad("two megabytes", as("application/json", func(granted) string { return `{"access_token":"` + strings.Repeat("x", 2<<20) + `"}` })),
	}
}

// answerNamed returns a form; the ordinary one for a name that is none.
func answerNamed(name string) TokenAnswer {
	all := TokenAnswers()
	for _, a := range all {
		if a.Name == name {
			return a
		}
	}
	return all[0]
}
