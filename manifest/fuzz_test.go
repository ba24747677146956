package manifest_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/crmgate/crmgate/manifest"
)

// FuzzParse checks that a document is refused with its place, or can be used and published.
func FuzzParse(f *testing.F) {
	f.Add([]byte(law), []byte(`{"platforms": {}}`), "au.app.law.example")
	f.Add([]byte(law), []byte(`{"platforms": {"law": {"name": "Ours", "crmgate": {}}}}`), "https://x.law.example/")
	f.Add([]byte(`{"platforms": {"law": {"auth": {"type": "apiKey"}, "environment": {"urlIdentifier": "*.x.example/y*"}}}}`), []byte(`{}`), "undefined")
	f.Add([]byte(`{"platforms": {"law": null}}`), []byte(`[]`), "")
	f.Add([]byte(`{"platforms": {}}`), []byte(`{"platforms": {"law": {"auth": {"type": "apiKey"}, "crmgate": {"hosts": ["a.example"], "basicAuth": "{apiKey}:",
	  "userInfo": {"request": {"url": "https://a.example/{additionalInfo.a|or:hostname}", "body": {"q": ["{ me }", "{username}", 1]}}, "id": "{body.0.id|lower}"}}}}}`), "a.example")
	f.Add([]byte(`{"platforms": {}}`), []byte(`{"platforms": {"law": {"auth": {"type": "apiKey"}, "crmgate": {"hosts": ["a.example"], "proxyConfig": {"auth": {"encode": "none"},
	  "requestDefaults": {"baseUrl": "https://a.example"}, "operations": {"getUserInfo": {"url": "/{{additionalInfo.a}}", "query": {"b": "{{apiKey}}"}, "responseMapping": {"idPath": "body.id"}}}}}}}}`), "a.example")
	f.Fuzz(func(t *testing.T, own, base []byte, hostname string) {
		ms, err := manifest.Parse(map[string][]byte{"law": own, "manifest": base}, publicURL)
		if err != nil {
			var wrong *manifest.Error
			if !errors.As(err, &wrong) || wrong.File == "" || wrong.Want == "" {
				t.Errorf("%v names no place", err)
			}
			return
		}
		for p, err := range ms.LeftOut() {
			var wrong *manifest.Error
			if _, ok := ms.Platform(p); ok || !errors.As(err, &wrong) || wrong.File == "" || wrong.Want == "" {
				t.Errorf("%s is left out: %v", p, err)
			}
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
				continue // it has a member that is not an object
			}
			for p, m := range d.Platforms {
				if _, found := m["crmgate"]; found && ok {
					t.Errorf("%s: the crmgate object of %s is published", name, p)
				}
			}
		}
	})
}
