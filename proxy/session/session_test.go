package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/session"
)

// TestKnownTokensStillEnd: a token in the cache still expires, and the cache accepts no other token.
func TestKnownTokensStillEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	issue, good := session.SessionTokens(strings.Repeat("k", 32), func() time.Time { return now })
	token := issue(crmgate.UserKey{Platform: "clio", ID: "1-clio"}, "sid").Reveal()
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, true}, {14*24*time.Hour - time.Second, true}, {time.Second, false}, {-time.Second, true}, {time.Hour, false}} {
		now = now.Add(c.after)
		if got := good(token); got != c.want {
			t.Errorf("at %v: got %v, want %v", now, got, c.want)
		}
	}
	now = now.Add(-15 * 24 * time.Hour)
	for i := range token {
		if good(token[:i] + string(token[i]^1) + token[i+1:]) {
			t.Errorf("a token with byte %d changed is valid", i)
		}
	}
}

// TestIDsAreStrings: an id is a string, or a number that becomes a string, as upstream.
func TestIDsAreStrings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{`"1-clio"`, "1-clio"}, {`"a\/b\ud83d\ude00"`, "a/b😀"}, {`12345678901234567890`, "12345678901234567890"}, {`null`, ""}, {`""`, ""},
	} {
		if got, err := session.ReadID(c.in); err != nil || got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{`true`, `{"a":1}`, `[1]`} {
		if got, err := session.ReadID(in); err == nil {
			t.Errorf("%s: got %q, want an error", in, got)
		}
	}
}
