package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/token"
)

// TestNormalise has what the practice CRM's answers do not: units, places, and nonsense.
func TestNormalise(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, body   string
		m            crmgate.TokenManifest
		access, code string
		life         time.Duration
	}{
		{"milliseconds by the manifest", `{"access_token":"a","expires_in":3600000}`, crmgate.TokenManifest{Milliseconds: true}, "a", "", time.Hour},
		{"milliseconds, absurd as seconds", `{"access_token":"a","expires_in":500000000}`, crmgate.TokenManifest{}, "a", "", 500000 * time.Second},
		{"an epoch under expires_in", `{"access_token":"a","expires_in":1795525200}`, crmgate.TokenManifest{}, "a", "", time.Hour},
		{"the manifest's lifetime", `{"access_token":"a"}`, crmgate.TokenManifest{Lifetime: 60}, "a", "", time.Minute},
		{"the manifest's path", `{"x":{"y":{"access_token":"a","expires_in":60}},"access_token":"b"}`, crmgate.TokenManifest{Path: "x.y"}, "a", "", time.Minute},
		{"a path that is not there", `{"access_token":"b"}`, crmgate.TokenManifest{Path: "x.y"}, "b", "", 0},
		{"expiry beside the object that has the token", `{"data":{"access_token":"a"},"expires_in":60}`, crmgate.TokenManifest{}, "a", "", time.Minute},
		{"not a number", `{"access_token":"a","expires_in":"NaN"}`, crmgate.TokenManifest{}, "a", "", 0},
		{"infinite", `{"access_token":"a","expires_in":1e999}`, crmgate.TokenManifest{}, "a", "", 0},
		{"an access token that is a number", `{"access_token":12345678901234567890}`, crmgate.TokenManifest{}, "12345678901234567890", "", 0},
		{"an error beside a token", `{"access_token":"a","error":"invalid_scope"}`, crmgate.TokenManifest{}, "", "invalid_scope", 0},
		{"an error that is a number", `{"error":401}`, crmgate.TokenManifest{}, "", "401", 0},
		{"an error that is true", `{"error":true}`, crmgate.TokenManifest{}, "", "error", 0},
		{"an error nested", `{"response":{"error":"invalid_grant"}}`, crmgate.TokenManifest{}, "", "invalid_grant", 0},
		{"an error in a form", `error=invalid_grant&error_description=x`, crmgate.TokenManifest{}, "", "invalid_grant", 0},
		{"ok false alone", `{"ok":false}`, crmgate.TokenManifest{}, "", "error", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			access, code, expiry, err := token.Normalise([]byte(c.body), c.m, now)
			var life time.Duration
			if !expiry.IsZero() {
				life = expiry.Sub(now)
			}
			if err != nil || access != c.access || code != c.code || life != c.life {
				t.Errorf("got %q %q %v %v", access, code, life, err)
			}
		})
	}
	for _, body := range []string{"", " ", "\uFEFF", "null", "true", "7", `""`, `"x"`, "[]", "{}", "{", "<html>", "hello", "hello=", `{"access_token":""}`, `{"access_token":null}`, `{"access_token":{}}`} {
		if access, code, _, err := token.Normalise([]byte(body), crmgate.TokenManifest{}, now); err == nil {
			t.Errorf("%q was read as %q %q", body, access, code)
		}
	}
}

func TestPreviewsShowNoToken(t *testing.T) {
	t.Parallel()
	const secret = "abcDEF123-._~abcDEF123abcDEF123"
	for _, pad := range []int{0, 100, 170, 190, 199, 500} {
		p := token.Preview([]byte(strings.Repeat("x ", pad/2) + `{"access_token":"` + secret + `"`))
		if strings.Contains(p, secret[:10]) || len(p) > 500 {
			t.Errorf("pad %d: %s", pad, p)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	f.Add([]byte(`{"access_token":"a","expires_in":"3600","data":{"x":[1]}}`), "data", int64(60))
	f.Add([]byte("access_token=a&expires_in=1"), "", int64(0))
	f.Add([]byte("\uFEFF{\"error\":{\"code\":1}}"), "a.b.", int64(0))
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte, path string, life int64) {
		access, code, _, err := token.Normalise(body, crmgate.TokenManifest{Path: path, Lifetime: life % 1e9}, now)
		if err == nil && (access == "") == (code == "") {
			t.Errorf("neither a token nor an error, or both: %q %q", access, code)
		}
	})
}
