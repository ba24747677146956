package token_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
)

// FuzzRetryAfter: the wait is never negative, and never longer than an hour.
func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "30", "-1", "+5", "1e9", "4294967295", "99999999999999999999", "Tue, 24 Nov 2026 12:00:30 GMT",
		"Tuesday, 24-Nov-26 12:00:30 GMT", "Tue Nov 24 11:00:00 2026", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d := token.RetryAfter(value, noon); d < 0 || d > time.Hour {
			t.Errorf("%q: %v", value, d)
		}
	})
}

// FuzzErrorText: a CRM's error becomes a short and valid text for clients.
func FuzzErrorText(f *testing.F) {
	f.Add("invalid_grant", "expired")
	f.Add("odd", "\xff"+strings.Repeat("é", 200))
	f.Add("", "")
	f.Add(strings.Repeat("x", 1000), "")
	f.Fuzz(func(t *testing.T, code, description string) {
		s := token.StandardText(code, description)
		if !utf8.ValidString(s) || len(s) > 910 { // an invalid byte becomes three
			t.Errorf("%q, %q: %d bytes: %q", code, description, len(s), s)
		}
		if (code != "" || description != "") && s == "" {
			t.Errorf("%q, %q: no text", code, description)
		}
	})
}

// FuzzPreview: neither the log nor a client sees a secret that the answer repeats, or the end of one.
func FuzzPreview(f *testing.F) {
	f.Add("code-1234567", "code-1234567-and-more", `<p>`, `</p>`)
	f.Add("secret+/%~=", "secret", `{"error_description":"`, `"`)
	f.Add("abcd", "abcdabcd", strings.Repeat("x ", 395), "&")
	f.Fuzz(func(t *testing.T, one, two, before, between string) {
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=%"
		for _, s := range []string{one, two} {
			// These are not credentials, or they occur in the text anyway.
			if len(s) < 8 || len(s) > 100 || strings.Trim(s, letters) != "" || strings.Contains("error_description invalid_grant", s) ||
				strings.Contains(before+between, s[:8]) {
				return
			}
		}
		sent := []crmgate.Secret{crmgate.NewSecret(one), crmgate.NewSecret(two), {}}
		body := before + one + between + two + between + one
		for where, shown := range map[string]string{"log": token.Preview([]byte(body), sent...), "client": token.Masked(body, sent...)} {
			for _, s := range []string{one, two} {
				if strings.Contains(shown, s) {
					t.Errorf("the %s shows %q: %q", where, s, shown)
				}
			}
			if strings.HasPrefix(two, one) && two != one && len(two)-len(one) >= 8 && strings.Contains(shown, two[len(one):]) && !strings.Contains(before+between, two[len(one):]) {
				t.Errorf("the %s shows the end of %q: %q", where, two, shown)
			}
		}
	})
}
