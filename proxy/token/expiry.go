package token

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crmgate/crmgate/manifest"
)

// Bounds for telling units apart: nobody gives an access token for more than ten years, and epochs began before this program.
const (
	longestLife = 10 * 365 * 24 * 3600 // seconds
	epochStart  = 1e9                  // 2001, in seconds
	epochMillis = 1e11                 // 5138 in seconds, 1973 in milliseconds
)

// expiry reads when the access token ends; zero if that is not told, or nonsense. A token that has just been issued and
// has ended already is nonsense too: a clock or a time zone is wrong, and to believe it is to refresh at every use.
func expiry(o map[string]any, m manifest.TokenRules, now time.Time) time.Time {
	return sensible(relative(text(o, "expires_in", "expiresIn"), m, now), absolute(text(o, "expires_at", "expiresAt", "expires_on", "expires"), now), now)
}

// sensible is the first of two ends that is told, held to the bounds.
func sensible(end, otherwise, now time.Time) time.Time {
	if end.IsZero() {
		end = otherwise
	}
	if !end.After(now) {
		return time.Time{}
	}
	if last := now.Add(longestLife * time.Second); end.After(last) {
		return last
	}
	return end
}

// relative reads a lifetime, in the manifest's unit, else in seconds, or in milliseconds if the number is absurd otherwise.
func relative(s string, m manifest.TokenRules, now time.Time) time.Time {
	f, ok := number(s)
	switch {
	case !ok || f <= 0:
		return time.Time{}
	case m.Unit != 0:
		return now.Add(lifetime(f * m.Unit.Seconds()))
	case f <= longestLife:
		return now.Add(lifetime(f))
	case f >= epochStart && f < 4*epochStart || f >= epochMillis:
		return epoch(f) // an absolute time under the wrong name
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
			return now.Add(lifetime(f)) // "expires" is relative with some
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
	t, _ := http.ParseTime(s) // RFC 1123, and the older forms; the zero time if it is none
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

// lifetime is a number of seconds, cut at the longest that is believed.
func lifetime(seconds float64) time.Duration {
	return time.Duration(min(seconds, longestLife) * float64(time.Second))
}

func number(s string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}
