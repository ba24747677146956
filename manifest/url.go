package manifest

import (
	"net/url"
	"strings"

	"github.com/crmgate/crmgate"
)

// placeholder stands for the person's host in the URLs and hosts of a manifest.
const placeholder = "{hostname}"

// HostnameURL returns a URL of a manifest with the person's hostname in place of {hostname}.
func HostnameURL(raw, hostname string) string { return strings.ReplaceAll(raw, placeholder, hostname) }

// NeedsHostname reports whether a URL of a manifest can only be used with the person's hostname.
func NeedsHostname(raw string) bool { return strings.Contains(raw, placeholder) }

// absolute reports whether s is an absolute http or https URL.
func absolute(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != ""
}

// allowsForAll reports whether hosts allow a URL for every person. {hostname} may only be in the URL's host.
func allowsForAll(hosts crmgate.Hosts, raw string) bool {
	const person = "person"
	_, rest, _ := strings.Cut(raw, "://")
	_, path, _ := strings.Cut(rest, "/")
	filled := HostnameURL(raw, person)
	return !strings.ContainsAny(path, "{}") && !strings.ContainsAny(filled, "{}#") && hosts.AllowURL(filled, person) == nil
}

// allowsForSome reports whether hosts allow a URL for at least one value of {hostname}.
func allowsForSome(hosts crmgate.Hosts, raw string) bool {
	people := []string{"hostname.invalid"}
	for _, p := range hosts {
		people = append(people, strings.Replace(p.String(), "*", "any", 1))
	}
	for _, person := range people {
		u, err := url.Parse(HostnameURL(raw, person))
		if err == nil && u.Host != "" && u.Fragment == "" && hosts.Allow(u, person) == nil {
			return true
		}
	}
	return false
}
