package manifest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// configured parses a manifest with a host that the operator configures as value; "unset" sets none.
func configured(t testing.TB, value string) *manifest.Set {
	t.Helper()
	set, err := manifest.Parse(map[string][]byte{"a": []byte(key + `, "crmgate": {"config": ["A_SERVER"], "hosts": ["b.example", "{config:A_SERVER}"],
		"secrets": "handles", "sends": {"apiKey": {"hosts": ["{config:A_SERVER}"]}, "accessToken": {}}},
		"override": [{"triggerType": "hostname", "triggerValue": "x.example", "overrideObjects": [{"path": "name", "value": "X"}]}]}}}`)}, "")
	if err != nil || len(set.LeftOut()) > 0 {
		t.Fatal(err, set.LeftOut())
	}
	return set.Configured(func(name string) (crmgate.Secret, bool) {
		return crmgate.NewSecret(value), name == "A_SERVER" && value != "unset"
	})
}

func TestConfiguredHosts(t *testing.T) {
	t.Parallel()
	for value, allowed := range map[string]string{
		"api.crm.example": "https://api.crm.example/x", " API.crm.example ": "https://api.crm.example/x", "https://api.crm.example:8443/v1?a": "https://api.crm.example:8443/x",
		"http://127.0.0.1:81": "http://127.0.0.1:81/x",
	} {
		m, ok := configured(t, value).Platform("a")
		if !ok {
			t.Fatalf("%q: left out", value)
		}
		for _, m := range []*manifest.Manifest{m, m.ForHost("x.example")} {
			for name, hosts := range map[string]crmgate.Hosts{"hosts": m.Hosts, "apiKey": m.Sends["apiKey"].Hosts, "accessToken": m.Sends["accessToken"].Hosts} {
				if err := hosts.AllowURL(allowed, ""); err != nil {
					t.Errorf("%q, %s: %v", value, name, err)
				}
				if hosts.AllowURL("https://c.example/x", "") == nil {
					t.Errorf("%q, %s: another host is allowed", value, name)
				}
			}
		}
		want := []string{"accessToken to b.example in header", "accessToken to {config:A_SERVER} in header", "apiKey to {config:A_SERVER} in header",
			"config A_SERVER", "host b.example", "host {config:A_SERVER}"}
		if got := m.Capabilities(); !slices.Equal(got, want) {
			t.Errorf("%q: the capabilities are %q, want %q", value, got, want)
		}
	}
}

// Before it is configured, such an entry covers no host.
func TestUnconfiguredHosts(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"unset": "A_SERVER is not set: set it to the host of the CRM, or to a URL there", "": "A_SERVER is not set",
		"*.crm.example": "A_SERVER is not a host", "{hostname}": "A_SERVER is not a host", "{config:A_SERVER}": "A_SERVER is not a host", "a b": "A_SERVER is not a host",
		"https://": "A_SERVER is not a host", "https://u:hush@crm.example": "A_SERVER is not a host",
	} {
		set := configured(t, value)
		err := set.LeftOut()["a"]
		if _, ok := set.Platform("a"); ok || err == nil || !strings.Contains(err.Error(), "a.json: platforms.a.crmgate.hosts: "+want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: got %v, want %s", value, err, want)
		}
	}
	if (crmgate.Hosts{{Config: "A_SERVER"}}).AllowURL("https://c.example", "c.example") == nil {
		t.Error("a host that is not resolved is allowed")
	}
}

func FuzzConfiguredHosts(f *testing.F) {
	for _, s := range []string{"api.crm.example", "https://a:1/x", "*.b", "", "http://u@b", "{hostname}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		m, ok := configured(t, value).Platform("a")
		if !ok {
			return
		}
		for _, h := range m.Hosts {
			if h.Person || h.Wildcard || h.Host == "" {
				t.Errorf("%q became %+v", value, h)
			}
		}
	})
}
