package crmgate_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
)

// FuzzHosts: whatever is declared and asked for, an allowed URL's host is the declared one, or one whole label or more
// stand before it.
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

// name is a host name as DNS compares it.
func name(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// FuzzParseManifests: a document is read or refused with a place, and what is read can be used and published.
func FuzzParseManifests(f *testing.F) {
	f.Add([]byte(law), []byte(`{"platforms": {}}`), "au.app.law.example")
	f.Add([]byte(law), []byte(`{"platforms": {"law": {"name": "Ours", "crmgate": {}}}}`), "https://x.law.example/")
	f.Add([]byte(`{"platforms": {"law": {"auth": {"type": "apiKey"}, "environment": {"urlIdentifier": "*.x.example/y*"}}}}`), []byte(`{}`), "undefined")
	f.Add([]byte(`{"platforms": {"law": null}}`), []byte(`[]`), "")
	f.Fuzz(func(t *testing.T, own, base []byte, hostname string) {
		ms, err := crmgate.ParseManifests(map[string][]byte{"law": own, "manifest": base}, publicURL)
		if err != nil {
			var wrong *crmgate.ManifestError
			if !errors.As(err, &wrong) || wrong.File == "" || wrong.Want == "" {
				t.Errorf("%v tells no place", err)
			}
			return
		}
		for p, m := range ms.Platforms() {
			if !p.Valid() || m.Platform != p || m.ForHost(hostname).Platform != p {
				t.Errorf("%q: %+v", p, m)
			}
			host, err := m.CheckHostname(hostname)
			if err != nil || host == "" {
				continue
			}
			if again, err := m.CheckHostname(host); err != nil || again != host {
				t.Errorf("%q is %q, and %q is %q, %v", hostname, host, host, again, err)
			}
			if m.ForHost(hostname) != m.ForHost(host) {
				t.Errorf("%q and %q have different overrides", hostname, host)
			}
		}
		for _, name := range []string{"law", "default"} {
			doc, ok := ms.Published(name)
			var d struct {
				Platforms map[string]map[string]any
			}
			if ok && !json.Valid(doc) {
				t.Errorf("%s: not JSON: %s", name, doc)
			}
			if json.Unmarshal(doc, &d) != nil {
				continue // members that are no objects have no crmgate object
			}
			for p, m := range d.Platforms {
				if _, found := m["crmgate"]; found && ok {
					t.Errorf("%s shows crmgate of %s", name, p)
				}
			}
		}
	})
}
