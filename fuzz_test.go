package crmgate_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
)

// FuzzHosts checks that the host of an allowed URL is the declared host or, for a wildcard, a host below it.
func FuzzHosts(f *testing.F) {
	for _, s := range [][3]string{
		{"*.clio.com", "https://app.clio.com/x", ""}, {"clio.com:8443", "http://clio.com:8443", ""}, {"{hostname}", "https://a.b", "A.b."},
		{"*.clio.com", "https://evil.com#.clio.com", ""}, {"good.com", "https://good.com@evil.com", ""}, {"{hostname}:81", "http://127.0.0.1:81", "127.0.0.1:80"},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, pattern, raw, person string) {
		p, err := crmgate.ParseHostPattern(pattern)
		if err != nil {
			return
		}
		if again, err := crmgate.ParseHostPattern(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, and %q is %+v, %v", pattern, p, p, again, err)
		}
		u, err := url.Parse(raw)
		if err != nil || (crmgate.Hosts{p}).Allow(u, person) != nil {
			return
		}
		want := p.Host
		if p.Person {
			want, _, _ = strings.Cut(person, ":")
		}
		got, want := name(u.Hostname()), name(want)
		label, isBelow := strings.CutSuffix(got, "."+want)
		if p.Wildcard && (!isBelow || label == "") || !p.Wildcard && got != want {
			t.Errorf("%q allows %q (person %q)", pattern, raw, person)
		}
		if u.User != nil || u.Scheme == "http" && p.Port == 0 && !strings.Contains(person, ":") {
			t.Errorf("%q allows %q (person %q)", pattern, raw, person)
		}
	})
}

// name returns a host name as DNS compares it.
func name(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }
