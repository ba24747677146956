package manifest_test

import (
	"slices"
	"testing"

	"github.com/crmgate/crmgate/manifest"
)

// TestCapabilities: all that a connector may do is listed, also what an override adds.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	ms, err := manifest.Parse(map[string][]byte{"x": []byte(`{"platforms": {"x": {
		"auth": {"type": "oauth", "oauth": {"authUrl": "https://{hostname}/auth"}},
		"environment": {"type": "selectable", "selections": [{"const": "https://eu.x.example"}]},
		"crmgate": {"hosts": ["*.x.example", "{hostname}", "api.x.example:8443"], "config": ["X_SECRET", "X_ID"], "reveal": ["refreshToken"]},
		"override": [{"triggerType": "hostname", "triggerValue": "eu.x.example", "overrideObjects": [{"path": "crmgate.hosts", "value": ["other.example"]}]}]
	}}}`)}, "")
	if err != nil || len(ms.LeftOut()) > 0 {
		t.Fatal(err, ms.LeftOut())
	}
	m, _ := ms.Platform("x")
	want := []string{"config X_ID", "config X_SECRET", "host *.x.example", "host api.x.example:8443", "host eu.x.example of a person", "host other.example",
		"host {hostname}", "reveal refreshToken", "secrets in clear", "secrets to *.x.example", "secrets to api.x.example:8443", "secrets to other.example",
		"secrets to {hostname}"}
	if got := m.Capabilities(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestCapabilitiesOfHandles: a connector with handles lists which secrets may go where. One that begins to see a secret may do more.
func TestCapabilitiesOfHandles(t *testing.T) {
	t.Parallel()
	for sends, want := range map[string][]string{
		`{"X_SECRET": {"hosts": ["a.example"]}}`: {"X_SECRET to a.example in header", "handle X_SECRET", "host a.example", "host b.example"},
		`{"accessToken": {}}`:                    {"accessToken to a.example in header", "accessToken to b.example in header", "config X_SECRET", "host a.example", "host b.example"},
		`{"X_SECRET": {"hosts": ["a.example"]}, "accessToken": {"hosts": ["b.example"]}}`: {
			"X_SECRET to a.example in header", "accessToken to b.example in header", "handle X_SECRET", "host a.example", "host b.example"},
		`{"X_SECRET": {"hosts": ["b.example"]}, "accessToken": {"hosts": ["a.example"], "in": ["query"]}}`: { // they have changed places
			"X_SECRET to b.example in header", "accessToken to a.example in query", "handle X_SECRET", "host a.example", "host b.example"},
	} {
		ms, err := manifest.Parse(map[string][]byte{"x": []byte(`{"platforms": {"x": {"auth": {"type": "apiKey", "apiKey": {"page": {}}},
			"crmgate": {"hosts": ["a.example", "b.example"], "config": ["X_SECRET"], "secrets": "handles", "sends": ` + sends + `}}}}`)}, "")
		if err != nil || len(ms.LeftOut()) > 0 {
			t.Fatal(err, ms.LeftOut())
		}
		m, _ := ms.Platform("x")
		if got := m.Capabilities(); !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", sends, got, want)
		}
	}
}
