package crmgate_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/crmgate/crmgate"
)

func mustHosts(t testing.TB, patterns ...string) crmgate.Hosts {
	t.Helper()
	var hosts crmgate.Hosts
	for _, s := range patterns {
		p, err := crmgate.ParseHostPattern(s)
		if err != nil {
			t.Fatalf("pattern %q: %v", s, err)
		}
		hosts = append(hosts, p)
	}
	return hosts
}

func TestHostPattern(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want crmgate.HostPattern
		back string // what String returns, if not text
	}{
		{text: "clio.com", want: crmgate.HostPattern{Host: "clio.com"}},
		{text: "Clio.COM.", want: crmgate.HostPattern{Host: "clio.com"}, back: "clio.com"},
		{text: "*.clio.com", want: crmgate.HostPattern{Host: "clio.com", Wildcard: true}},
		{text: "*.clio.com:8443", want: crmgate.HostPattern{Host: "clio.com", Wildcard: true, Port: 8443}},
		{text: "{hostname}", want: crmgate.HostPattern{Person: true}},
		{text: "{hostname}:8443", want: crmgate.HostPattern{Person: true, Port: 8443}},
		{text: "localhost:80", want: crmgate.HostPattern{Host: "localhost", Port: 80}},
		{text: "127.0.0.1:8081", want: crmgate.HostPattern{Host: "127.0.0.1", Port: 8081}},
		{text: "my_crm.example", want: crmgate.HostPattern{Host: "my_crm.example"}},
	} {
		got, err := crmgate.ParseHostPattern(c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.text, got, err, c.want)
		}
		if c.back == "" {
			c.back = c.text
		}
		if got.String() != c.back {
			t.Errorf("%s: prints as %s, want %s", c.text, got, c.back)
		}
	}
}

func TestHostPatternRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "*", "*.", "**.clio.com", "*.*.clio.com", "a.*.clio.com", "*clio.com", "clio.*", ".", "..", ".clio.com", "clio..com",
		"clio.com..", "clio.com:", "clio.com:0", "clio.com:65536", "clio.com:+443", "clio.com:-1", "clio.com:x", "clio.com:443:443", ":443",
		"https://clio.com", "clio.com/x", "clio.com?x", "clio.com#x", "u@clio.com", "clio.com ", " clio.com", "cl io.com", "clio.com\n",
		"-clio.com", "clio-.com", "[::1]", "::1", "[::1]:443", "cliö.com", "clio.com\x00", "%63lio.com", "clio。com",
		"{hostname", "{hostname}x", "{hostname}.clio.com", "x{hostname}", "*.{hostname}", "{hostname}:", "{hostname}:0", "{host}", "{hostname}}",
		strings.Repeat("a", 64) + ".com", strings.Repeat("a.", 127) + "com",
	} {
		if p, err := crmgate.ParseHostPattern(s); err == nil {
			t.Errorf("%q: got %+v, want an error", s, p)
		}
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		hosts   string // separated by spaces
		person  string
		allowed string // URLs, separated by spaces
		refused string
	}{
		{
			name: "a host", hosts: "app.clio.com",
			allowed: "https://app.clio.com https://app.clio.com/ https://app.clio.com:443/x?y#z https://APP.Clio.com/ https://app.clio.com./",
			refused: "https://clio.com https://x.app.clio.com https://app.clio.com.evil.com https://app-clio.com https://app.clio.com:444 https://app.clio.com:80 http://app.clio.com http://app.clio.com:443",
		},
		{
			name: "a wildcard covers whole labels", hosts: "*.clio.com",
			allowed: "https://app.clio.com https://a.b.clio.com https://A.CLIO.COM https://app.clio.com.",
			refused: "https://clio.com https://evilclio.com https://clio.com.evil.com https://app.clio.com.evil.com https://.clio.com https://app.clio.com:8443",
		},
		{
			name: "a port", hosts: "app.clio.com:8443 *.x.com:9",
			allowed: "https://app.clio.com:8443/ http://app.clio.com:8443/ https://a.x.com:9 http://a.x.com:9",
			refused: "https://app.clio.com https://app.clio.com:443 http://app.clio.com https://a.x.com http://a.x.com",
		},
		{
			name: "http needs a port in the entry, even port 80", hosts: "a.com b.com:80 c.com:443",
			allowed: "https://a.com http://b.com http://b.com:80 https://c.com http://c.com:443",
			refused: "http://a.com http://a.com:80 https://b.com http://c.com",
		},
		{
			name: "the person's host", hosts: "{hostname}", person: "eu.clio.com",
			allowed: "https://eu.clio.com https://EU.clio.com:443",
			refused: "https://clio.com https://x.eu.clio.com https://eu.clio.com:8443 http://eu.clio.com",
		},
		{
			name: "the person's host with a port", hosts: "{hostname}", person: "127.0.0.1:8081",
			allowed: "http://127.0.0.1:8081/x https://127.0.0.1:8081",
			refused: "http://127.0.0.1 https://127.0.0.1 http://127.0.0.1:8082",
		},
		{
			name: "the entry's port wins over the person's", hosts: "{hostname}:8443", person: "eu.clio.com:9",
			allowed: "https://eu.clio.com:8443 http://eu.clio.com:8443",
			refused: "https://eu.clio.com:9 https://eu.clio.com",
		},
		{
			name: "{hostname} without a person's host", hosts: "{hostname}",
			refused: "https://clio.com https:/// https://{hostname} https://x",
		},
		{
			name: "no hosts", refused: "https://clio.com http://clio.com:80 https://localhost",
		},
		{
			name: "other hosts that look like a listed one", hosts: "clio.com *.clio.com good.com",
			refused: "https://evil.com#.clio.com https://evil.com/.clio.com https://evil.com?.clio.com https://evil.com%23.clio.com https://evil.com\\.clio.com " +
				"https://good.com@evil.com https://good.com:443@evil.com https://good.com%40evil.com https://evil@good.com https://:@good.com https://u:p@clio.com " +
				"https://clio.com%00.evil.com https://clio.com%2eevil.com https://evil.com;.clio.com https://evil,.clio.com https://clio。com https://cliο.com https://[clio.com] " +
				"https://clio.com:443:443 https://clio.com:+443 https://clio.com:0 https://clio.com:65979 https://..clio.com https://a..clio.com https://-.clio.com https://*.clio.com",
		},
		{
			name: "IPv6 addresses", hosts: "{hostname} *.clio.com", person: "[::1]",
			refused: "https://[::1] https://[::1]:443 https://[::ffff:127.0.0.1] https://[fe80::1%25.clio.com]",
		},
		{
			name: "other schemes", hosts: "clio.com clio.com:80",
			allowed: "HTTPS://clio.com HTTP://clio.com",
			refused: "ftp://clio.com ws://clio.com file://clio.com/etc javascript://clio.com //clio.com clio.com /x https:clio.com https:/clio.com",
		},
	} {
		hosts := mustHosts(t, strings.Fields(c.hosts)...)
		for _, u := range strings.Fields(c.allowed) {
			if err := hosts.AllowURL(u, c.person); err != nil {
				t.Errorf("%s: %s is refused: %v", c.name, u, err)
			}
		}
		for _, u := range strings.Fields(c.refused) {
			if hosts.AllowURL(u, c.person) == nil {
				t.Errorf("%s: %s is allowed", c.name, u)
			}
		}
	}
}

// A url.URL can have values that parsing never produces.
func TestAllowOfURLs(t *testing.T) {
	t.Parallel()
	hosts := mustHosts(t, "*.clio.com")
	for _, u := range []*url.URL{
		{}, {Scheme: "https"}, {Scheme: "https", Path: "app.clio.com"}, {Scheme: "https", Opaque: "//app.clio.com"},
		{Scheme: "https", Host: "evil.com#.clio.com"}, {Scheme: "https", Host: "evil.com/.clio.com"}, {Scheme: "https", Host: "u@app.clio.com"},
		{Scheme: "https", Host: "app.clio.com\r\nX: y"}, {Scheme: "HTTPS", Host: "app.clio.com"},
		{Scheme: "https", Host: "app.clio.com", User: url.User("")},
	} {
		if hosts.Allow(u, "") == nil {
			t.Errorf("%+v is allowed", u)
		}
	}
}

func TestAllowSaysWhatToAdd(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"https://x.test/a?b":   "https://x.test is not on a host that the manifest declares: add x.test to crmgate.hosts",
		"http://x.test/":       "http://x.test is not on a host that the manifest declares: add x.test:80 to crmgate.hosts",
		"https://X.test:8443/": "https://X.test:8443 is not on a host that the manifest declares: add x.test:8443 to crmgate.hosts",
	} {
		if err := mustHosts(t, "clio.com").AllowURL(url, ""); err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", url, err, want)
		}
		_, entry, _ := strings.Cut(strings.TrimSuffix(want, " to crmgate.hosts"), ": add ")
		if err := mustHosts(t, entry).AllowURL(url, ""); err != nil {
			t.Errorf("%s with %s added: %v", url, entry, err)
		}
	}
}

func TestHostsNames(t *testing.T) {
	t.Parallel()
	hosts := mustHosts(t, "api.example.com", "*.tenant.example", "{hostname}", "crm.example.com:8443")
	for host, want := range map[string]bool{
		"api.example.com": true, "api.example.com:443": true, "crm.example.com:8443": true, "crm.example.com": false,
		"a.tenant.example": false, "evil.example": false, "": false,
	} {
		if got := hosts.Names(host); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}

func TestAllowHost(t *testing.T) {
	t.Parallel()
	hosts := mustHosts(t, "app.clio.com", "*.eu.clio.com", "{hostname}", "local:81")
	for host, want := range map[string]bool{
		"app.clio.com": true, "APP.clio.com:443": true, "a.eu.clio.com": true, "local:81": true,
		"": false, "eu.clio.com": false, "app.clio.com:81": false, "local": false, "{hostname}": false, "https://app.clio.com": false, "app.clio.com/x": false,
	} {
		if got := hosts.AllowHost(host); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
}
