package token

import (
	"cmp"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crmgate/crmgate/manifest"
)

// Bounds for telling units apart: no access token lives longer than ten years, and every epoch is later than 2001.
const (
	longestLife = 10 * 365 * 24 * 3600 // seconds
	epochStart  = 1e9                  // 2001, in seconds
	epochMillis = 1e11                 // 5138 in seconds, 1973 in milliseconds
)

// expiryField is a member of an answer that says when the access token expires.
type expiryField struct {
	name     string
	absolute bool          // a point in time, not a lifetime
	unit     time.Duration // of a lifetime; 0 for the manifest's
}

// expiryFields are the members that CRMs use. Those that leave no doubt come first: Zoho sends expires_in in milliseconds beside
// expires_in_sec (https://zoho.com.cn/writer/help/api/v1/oauth-step4.html).
var expiryFields = []expiryField{
	{name: "expires_in_sec", unit: time.Second},
	{name: "expires_in"},
	{name: "expiresIn"},
	{name: "expires_at", absolute: true},
	{name: "expiresAt", absolute: true},
	{name: "expires_on", absolute: true},
	{name: "expires", absolute: true},
	{name: ".expires", absolute: true}, // ASP.NET
}

// expiryPaths are the places that a manifest names.
func expiryPaths(m manifest.TokenRules) []expiryField {
	return []expiryField{{name: m.Paths.ExpiresIn}, {name: m.Paths.ExpiresAt, absolute: true}}
}

// expiry reads when the access token expires, from the first of the fields with a sensible value; zero if there is none. get
// returns the text of a field.
func expiry(fields []expiryField, get func(name string) string, unit time.Duration, now time.Time) time.Time {
	for _, f := range fields {
		end := absolute(get(f.name), now)
		if !f.absolute {
			end = relative(get(f.name), cmp.Or(f.unit, unit), now)
		}
		if end = sensible(end, now); !end.IsZero() {
			return end
		}
	}
	return time.Time{}
}

// sensible is a time within the bounds; zero if it is absurd. A new token that has expired already is absurd: a clock or a time
// zone is wrong, and believing it would mean a refresh at every use.
func sensible(end, now time.Time) time.Time {
	if !end.After(now) {
		return time.Time{}
	}
	if last := now.Add(longestLife * time.Second); end.After(last) {
		return last
	}
	return end
}

// relative reads a lifetime in a unit. If that is 0, it is in seconds, or in milliseconds if the number is absurd otherwise.
func relative(s string, unit time.Duration, now time.Time) time.Time {
	f, ok := number(s)
	switch {
	case !ok || f <= 0:
		return time.Time{}
	case unit != 0:
		return now.Add(lifetime(f * unit.Seconds()))
	case f <= longestLife:
		return now.Add(lifetime(f))
	case f >= epochStart && f < 4*epochStart || f >= epochMillis:
		return epoch(f) // a point in time under the wrong name
	}
	return now.Add(lifetime(f / 1000))
}

// absolute reads a point in time: an epoch in seconds or milliseconds, ISO 8601, or an HTTP date.
func absolute(s string, now time.Time) time.Time {
	s = strings.TrimSpace(s)
	if f, ok := number(s); ok {
		switch {
		case f <= 0:
			return time.Time{}
		case f <= longestLife:
			return now.Add(lifetime(f)) // some CRMs give "expires" as a lifetime
		}
		return epoch(f)
	}
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", time.RFC1123Z,
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	if before, utc := strings.CutSuffix(s, " UTC"); utc {
		s = before + " GMT"
	}
	t, _ := http.ParseTime(s) // RFC 1123 and the older forms; zero if it is neither
	return t
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

// lifetime is a number of seconds, at most the longest.
func lifetime(seconds float64) time.Duration {
	return time.Duration(min(seconds, longestLife) * float64(time.Second))
}

func number(s string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// skew is how far a CRM's clock is ahead of ours, by its Date (RFC 9110, 6.6.1), which has whole seconds. A difference of more
// than a day is ignored.
func skew(h http.Header, now time.Time) time.Duration {
	const least, most = 2 * time.Second, 24 * time.Hour
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	d := t.Sub(now)
	if d.Abs() < least || d.Abs() > most {
		return 0
	}
	return d.Truncate(time.Second)
}
