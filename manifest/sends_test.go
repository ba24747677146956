package manifest_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/manifest"
)

// mustSends returns a platform with handles, and these members of its crmgate object.
func mustSends(t *testing.T, more string) *manifest.Manifest {
	t.Helper()
	return mustParse(t, map[string]string{"a": key + `, "crmgate": {"hosts": ["a.example", "*.b.example", "{hostname}"], "config": ["A_KEY", "A_URL"], "secrets": "handles"` + more + `}}}}`}, "a")
}

func TestSends(t *testing.T) {
	t.Parallel()
	m := mustSends(t, `, "sends": {"apiKey": {}, "A_KEY": {"in": ["query", "body"], "hosts": ["x.b.example", "{hostname}"]}}`)
	for _, c := range []struct {
		name string
		at   manifest.Position
		to   string
		want bool
	}{
		{"apiKey", manifest.InHeader, "https://a.example/x", true},
		{"apiKey", manifest.InHeader, "https://y.b.example/x", true},
		{"apiKey", manifest.InBody, "https://a.example/x", false},
		{"apiKey", manifest.InHeader, "https://c.example/x", false},
		{"A_KEY", manifest.InBody, "https://x.b.example/", true},
		{"A_KEY", manifest.InQuery, "https://person.example/", true},
		{"A_KEY", manifest.InHeader, "https://x.b.example/", false},
		{"A_KEY", manifest.InBody, "https://y.b.example/", false},
		{"A_KEY", manifest.InBody, "http://x.b.example/", false},
		{"accessToken", manifest.InHeader, "https://a.example/", false},
	} {
		u, err := url.Parse(c.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Sends[c.name].Allows(c.at, u, "person.example"); got != c.want {
			t.Errorf("%s in the %s to %s: got %v", c.name, c.at, c.to, got)
		}
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	m := mustSends(t, `, "sends": {"apiKey": {"in": ["header", "body"]}, "accessToken": {"hosts": ["*.b.example"]}, "A_KEY": {"hosts": ["x.b.example"]}, "A_URL": {"in": ["query"], "hosts": ["a.example"]}}`)
	for _, c := range []struct {
		outer, inner string
		want         bool
	}{
		{"apiKey", "accessToken", true}, {"accessToken", "apiKey", false}, {"accessToken", "A_KEY", true}, {"A_KEY", "accessToken", false},
		{"apiKey", "A_URL", false}, {"A_KEY", "refreshToken", true}, {"refreshToken", "A_KEY", false}, {"refreshToken", "refreshToken", true},
	} {
		if got := m.Sends[c.outer].Covers(m.Sends[c.inner]); got != c.want {
			t.Errorf("%s covers %s: got %v", c.outer, c.inner, got)
		}
	}
}

func TestSees(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		m    *manifest.Manifest
		want string
	}{
		{mustSends(t, `, "sends": {"apiKey": {}, "A_KEY": {}}`), "gets handles for API keys and A_KEY, and sees A_URL"},
		{mustSends(t, `, "sends": {"A_KEY": {}, "A_URL": {}}, "reveal": ["refreshToken"]`), "gets handles for API keys, refresh tokens, A_KEY and A_URL"},
		{mustParse(t, map[string]string{"a": key + `, "crmgate": {"config": ["A_KEY", "A_URL"], "reveal": ["clientSecret"]}}}}`}, "a"), "sees API keys, client secrets of applications, A_KEY and A_URL"},
		{mustParse(t, map[string]string{"a": key + `}}}`}, "a"), "sees API keys"},
	} {
		if got := c.m.Sees(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestCheckTokenURL(t *testing.T) {
	t.Parallel()
	access := mustSends(t, `, "sends": {"accessToken": {"hosts": ["a.example"]}}`)
	refresh := mustSends(t, `, "sends": {"accessToken": {"hosts": ["a.example"]}, "refreshToken": {"in": ["body"], "hosts": ["x.b.example"]}}`)
	open := mustParse(t, map[string]string{"a": key + `, "crmgate": {"hosts": ["a.example", "*.b.example"]}}}}`}, "a")
	for _, c := range []struct {
		m    *manifest.Manifest
		to   string
		want bool
	}{
		{access, "https://a.example/token", true}, {access, "https://x.b.example/token", false}, {access, "https://c.example/token", false},
		{refresh, "https://a.example/token", false}, {refresh, "https://x.b.example/token", true},
		{open, "https://x.b.example/token", true}, {open, "https://c.example/token", false},
		{mustSends(t, ""), "https://a.example/token", false},
	} {
		err := c.m.CheckTokenURL("revocationUri", c.to, "")
		if (err == nil) != c.want || err != nil && !strings.HasPrefix(errors.Unwrap(err).Error(), "revocationUri: ") {
			t.Errorf("%v, %s: got %v", c.m.Sends, c.to, err)
		}
	}
}
