package crmgate

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Hosts are the hosts that a platform may reach: the manifest's crmgate.hosts.
type Hosts []HostPattern

// HostPattern is one entry of Hosts: "host", "*.suffix" or "{hostname}", each with an optional port.
type HostPattern struct {
	// Host is in lower case, without the "*." of a wildcard; empty for {hostname}.
	Host     string
	Wildcard bool   // one or more whole labels stand before Host
	Person   bool   // {hostname}: the person's own host
	Port     uint16 // 0 if none was written, which means 443
	// Config is the configuration value that Host and Port are from ({config:NAME}). Without Host it is not resolved, and covers
	// no host.
	Config string
}

// Declared returns the entry as the manifest has it.
func (p HostPattern) Declared() string {
	if p.Config != "" {
		return "{config:" + p.Config + "}"
	}
	return p.String()
}

// ParseHostPattern reads one entry. It accepts a wildcard over a public suffix, such as *.com: package wasmhost rejects that,
// because the list of public suffixes is not in the standard library.
func ParseHostPattern(s string) (HostPattern, error) {
	var p HostPattern
	name := s
	if rest, ok := strings.CutPrefix(s, "{hostname}"); ok && (rest == "" || rest[0] == ':') {
		p.Person, name = true, "person"+rest // only the port is left to read
	} else if rest, ok := strings.CutPrefix(s, "*."); ok {
		p.Wildcard, name = true, rest
	}
	host, port, err := splitHost(name)
	if err != nil {
		return HostPattern{}, fmt.Errorf("%q is not a host pattern: write host, *.suffix or {hostname}, with an optional port", Clip(s))
	}
	if !p.Person {
		p.Host = host
	}
	p.Port = port
	return p, nil
}

func (p HostPattern) String() string {
	s := p.Host
	if p.Person {
		s = "{hostname}"
	}
	if p.Wildcard {
		s = "*." + s
	}
	if p.Port != 0 {
		s += ":" + strconv.Itoa(int(p.Port))
	}
	return s
}

// matches reports whether p covers host (in lower case) and port. personHost replaces {hostname}.
func (p HostPattern) matches(host string, port uint16, personHost string) bool {
	want := p.Port
	if p.Person {
		h, n, err := splitHost(personHost)
		if err != nil || h != host {
			return false
		}
		if want == 0 {
			want = n
		}
	} else if p.Wildcard {
		if !strings.HasSuffix(host, "."+p.Host) { // labels are not empty, so at least one precedes p.Host
			return false
		}
	} else if p.Host != host {
		return false
	}
	if want == 0 {
		want = 443
	}
	return port == want
}

// Allow checks that the URL may be requested, with personHost for {hostname}: https to a listed host, or http to a host that
// is listed with a port. Package egress checks the address later. The error says what the manifest lacks, for its author and
// for the operator.
func (h Hosts) Allow(u *url.URL, personHost string) error {
	if u.User != nil {
		return fmt.Errorf("the URL contains a user name: remove it")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("scheme %q is not allowed: use https", Clip(u.Scheme))
	}
	host, port, err := splitHost(u.Host)
	if err != nil {
		return err
	}
	if port == 0 {
		port = 443
		if u.Scheme == "http" {
			port = 80
		}
	}
	for _, p := range h {
		if !p.matches(host, port, personHost) {
			continue
		}
		if u.Scheme == "https" || p.Port != 0 || p.Person && strings.Contains(personHost, ":") {
			return nil
		}
	}
	entry := host
	if u.Scheme == "http" || port != 443 {
		entry += ":" + strconv.Itoa(int(port))
	}
	return fmt.Errorf("%s://%s is not on a host that the manifest declares: add %s to crmgate.hosts", u.Scheme, u.Host, entry)
}

// AllowURL parses a URL and calls Allow.
func (h Hosts) AllowURL(raw, personHost string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is not an absolute URL", Clip(raw))
	}
	return h.Allow(u, personHost)
}

// AllowHost reports whether a bare host, with or without a port, is listed. An entry {hostname} covers no bare host.
func (h Hosts) AllowHost(host string) bool { return h.cover(host, true) }

// Names reports whether a bare host, with or without a port, is listed in full, so that no person can choose another one.
func (h Hosts) Names(host string) bool { return h.cover(host, false) }

// cover reports whether an entry covers a bare host. Wildcards may be left out.
func (h Hosts) cover(host string, wildcards bool) bool {
	name, port, err := splitHost(host)
	if err != nil {
		return false
	}
	if port == 0 {
		port = 443
	}
	for _, p := range h {
		if (wildcards || !p.Wildcard) && p.matches(name, port, "") {
			return true
		}
	}
	return false
}

// splitHost reads "name" or "name:port" in lower case. A name is a DNS name of one label or more, or an IPv4 address. IPv6
// literals are rejected: they have many spellings, and CRMs do not use them.
func splitHost(s string) (host string, port uint16, err error) {
	host, digits, hasPort := strings.Cut(s, ":")
	if hasPort {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n == 0 {
			return "", 0, fmt.Errorf("%q has an invalid port: write a number from 1 to 65535", Clip(s))
		}
		port = uint16(n)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if len(host) == 0 || len(host) > 253 {
		return "", 0, fmt.Errorf("%q is not a host name", Clip(s))
	}
	for label := range strings.SplitSeq(host, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", 0, fmt.Errorf("%q is not a host name", Clip(s))
		}
	}
	return host, port, nil
}

// HostOf returns the host, and the port if there is one, of text from a person or a manifest: "app.clio.com",
// "https://app.clio.com/x" or "app.clio.com/x?y".
func HostOf(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		s = s[:i]
	}
	return s
}

// ParseHostname reads a host name as people and connectors write it, with or without a scheme and a path. It returns the
// host in one spelling: lower case, no final dot, and a port only if it is not 443.
func ParseHostname(s string) (string, error) {
	host, port, err := splitHost(HostOf(s))
	if err == nil && port != 0 && port != 443 {
		host += ":" + strconv.Itoa(int(port))
	}
	return host, err
}
