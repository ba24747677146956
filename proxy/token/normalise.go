package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
)

// answer is what a token endpoint said: tokens or an error.
type answer struct {
	access, refresh  string
	expiry           time.Time // zero: unknown
	data             map[string]any
	errCode, errText string
}

// Names under which endpoints give things. The first is RFC 6749's.
var (
	accessNames   = []string{"access_token", "accessToken"}
	refreshNames  = []string{"refresh_token", "refreshToken"}
	idNames       = []string{"id_token", "idToken"}
	relativeNames = []string{"expires_in", "expiresIn"}
	absoluteNames = []string{"expires_at", "expiresAt", "expires_on", "expires"}
)

var errNoToken = errors.New("no token in the answer")

// normalise reads a token answer as real endpoints give it: JSON or a form under whatever content type, with or without
// a byte order mark, tokens nested or in camelCase, expiry in any of its forms, an error beside a status of 200. It
// reports an error if the answer is neither a token nor an error of the CRM's; answer.errCode is set for the latter.
func normalise(body []byte, m crmgate.TokenManifest, now time.Time) (answer, error) {
	top, err := document(body)
	if err != nil {
		return answer{}, err
	}
	a := answer{}
	places := []map[string]any{top, object(top["data"]), object(top["response"])}
	if m.Path != "" {
		places = slices.Insert(places, 0, descend(top, m.Path))
	}
	for _, o := range places {
		if a.errCode, a.errText = errorIn(o); a.errCode != "" {
			return a, nil
		}
	}
	for _, o := range places {
		if a.access = text(o, accessNames); a.access == "" {
			continue
		}
		a.refresh = text(o, refreshNames)
		a.expiry = expiry(o, m, now)
		if a.expiry.IsZero() {
			a.expiry = expiry(top, m, now)
		}
		if a.expiry.IsZero() && m.Lifetime > 0 {
			a.expiry = now.Add(time.Duration(m.Lifetime) * time.Second)
		}
		a.data = withoutTokens(top)
		return a, nil
	}
	return a, errNoToken
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
	form, err := url.ParseQuery(string(body))
	if err != nil || !strings.Contains(string(body), "=") {
		return nil, errors.New("neither JSON nor a form")
	}
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

// descend follows a path of members.
func descend(o map[string]any, path string) map[string]any {
	for name := range strings.SplitSeq(path, ".") {
		o = object(o[name])
	}
	return o
}

// text returns the first of several members that is a text or a number, as text.
func text(o map[string]any, names []string) string {
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

// errorIn finds an error in an object. Endpoints put null, false, 0 or "" beside a good token, and so say that there is none.
func errorIn(o map[string]any) (code, description string) {
	description = text(o, []string{"error_description", "errorDescription", "message"})
	switch e := o["error"].(type) {
	case string:
		code = e
	case json.Number:
		if f, err := e.Float64(); err != nil || f != 0 {
			code = e.String()
		}
	case bool:
		if e {
			code = "error"
		}
	case map[string]any:
		code = text(e, []string{"error", "code", "type", "status"})
		if d := text(e, []string{"message", "description", "error_description"}); d != "" {
			description = d
		}
		if code == "" && len(e) > 0 {
			code = "error"
		}
	}
	if ok, is := o["ok"].(bool); is && !ok && code == "" {
		code = "error"
	}
	return code, description
}

// Bounds for telling units apart: nobody gives an access token for more than ten years, and epochs began before this program.
const (
	longestLife = 10 * 365 * 24 * 3600 // seconds
	epochStart  = 1e9                  // 2001, in seconds
	epochMillis = 1e11                 // 5138 in seconds, 1973 in milliseconds
)

// expiry reads when the access token ends; zero if that is not told, or nonsense.
func expiry(o map[string]any, m crmgate.TokenManifest, now time.Time) time.Time {
	if s, ok := seconds(text(o, relativeNames)); ok && s > 0 {
		switch {
		case m.Milliseconds:
			return now.Add(time.Duration(s * float64(time.Millisecond)))
		case s <= longestLife:
			return now.Add(time.Duration(s * float64(time.Second)))
		case s >= epochStart && s < 4*epochStart || s >= epochMillis:
			return epoch(s) // an absolute time under the wrong name
		default:
			return now.Add(time.Duration(s * float64(time.Millisecond)))
		}
	}
	s := text(o, absoluteNames)
	if f, ok := seconds(s); ok && f > 0 {
		if f <= longestLife {
			return now.Add(time.Duration(f * float64(time.Second))) // "expires" is relative with some
		}
		return epoch(f)
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	if t, err := http.ParseTime(s); err == nil { // RFC 1123, and its older forms
		return t
	}
	if t, err := time.Parse(time.RFC1123Z, s); err == nil {
		return t
	}
	return time.Time{}
}

// epoch is a Unix time in seconds or milliseconds.
func epoch(f float64) time.Time {
	if f >= epochMillis {
		f /= 1000
	}
	if f >= epochMillis {
		return time.Time{}
	}
	return time.Unix(int64(f), 0)
}

func seconds(s string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// withoutTokens copies an answer without the tokens in it, at any depth: it goes to the connector.
func withoutTokens(o map[string]any) map[string]any {
	o = maps.Clone(o)
	for k, v := range o {
		if slices.Contains(accessNames, k) || slices.Contains(refreshNames, k) || slices.Contains(idNames, k) {
			delete(o, k)
		} else if inner := object(v); inner != nil {
			o[k] = withoutTokens(inner)
		}
	}
	return o
}

// looksSecret is a run of characters long enough to be a token.
var looksSecret = regexp.MustCompile(`[A-Za-z0-9_\-.~+/=]{12,}`)

// preview is the beginning of an answer, fit for a log: whatever could be a token is masked.
func preview(body []byte) string {
	const longest = 200
	// What is cut must not leave the beginning of a token that is too short to be seen as one.
	s := looksSecret.ReplaceAllString(strings.ToValidUTF8(string(body[:min(len(body), 4*longest)]), "\uFFFD"), "[…]")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "")
	}
	return strconv.Quote(s)
}
