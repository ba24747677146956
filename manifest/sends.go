package manifest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// Position is a part of a request that can carry a secret.
type Position string

// The positions.
const (
	InHeader Position = "header"
	InQuery  Position = "query"
	InBody   Position = "body"
)

// Send says where a secret may be sent (crmgate.sends). It is immutable. The zero value allows nothing.
type Send struct {
	In    []Position
	Hosts crmgate.Hosts
}

// Allows reports whether the secret may be sent at a position to a URL, with hostname for {hostname}.
func (s Send) Allows(at Position, to *url.URL, hostname string) bool {
	return slices.Contains(s.In, at) && s.Hosts.Allow(to, hostname) == nil
}

// Covers reports whether s allows all that other allows.
func (s Send) Covers(other Send) bool {
	for _, p := range other.In {
		if !slices.Contains(s.In, p) {
			return false
		}
	}
	return len(other.In) == 0 || covers(s.Hosts, other.Hosts)
}

// covers reports whether every host of inner is one of outer.
func covers(outer, inner crmgate.Hosts) bool {
	for _, p := range inner {
		found := slices.ContainsFunc(outer, func(o crmgate.HostPattern) bool {
			return o == p || o.Wildcard && !p.Person && o.Port == p.Port && strings.HasSuffix(p.Host, "."+o.Host)
		})
		if !found {
			return false
		}
	}
	return true
}

// The secrets that are not configuration values, by their names in crmgate.sends.
const (
	AccessToken  = "accessToken" // the credential of the Authorization header, after its scheme
	RefreshToken = "refreshToken"
	APIKeySecret = "apiKey"
	ClientSecret = "clientSecret" // that of oauthInfo, which may be an admin's
)

// readSends reads crmgate.secrets and crmgate.sends, after the hosts and the configuration.
func (m *Manifest) readSends(r *reader, n node) {
	if s := n.at("secrets"); s.present() {
		m.Handles = r.oneOf(s, "handles") != ""
	}
	all := n.at("sends")
	r.object(all)
	r.check(all, !all.present() || m.Handles, `a member only beside "secrets": "handles"`)
	object, _ := all.value.(map[string]any)
	m.Sends = map[string]Send{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		s := all.at(name)
		r.object(s)
		known := slices.Contains([]string{AccessToken, RefreshToken, APIKeySecret, ClientSecret}, name) || slices.Contains(m.Config, name)
		r.check(s, known, "accessToken, refreshToken, apiKey, clientSecret, or a name of crmgate.config")
		r.forbid(s, slices.ContainsFunc(m.Hosts, func(p crmgate.HostPattern) bool { return p.Config == name }), "this value is a host of crmgate.hosts, so it cannot be a secret")
		send := Send{In: []Position{InHeader}, Hosts: m.Hosts}
		if in := r.list(s.at("in")); len(in) > 0 {
			send.In = nil
			for _, p := range in {
				send.In = append(send.In, Position(r.oneOf(p, string(InHeader), string(InQuery), string(InBody))))
			}
		}
		if hosts := r.list(s.at("hosts")); len(hosts) > 0 {
			send.Hosts = nil
			for _, h := range hosts {
				p, err := hostPattern(r.text(h), m.Config)
				r.check(h, err == nil && covers(m.Hosts, crmgate.Hosts{p}), "one of crmgate.hosts, or a host that its wildcards cover")
				send.Hosts = append(send.Hosts, p)
			}
		}
		m.Sends[name] = send
	}
}

// CheckTokenURL is CheckURL for a token or revocation endpoint. If the connector has handles, it must not learn by its answer to
// getOauthInfo what they hide from it: the endpoint gets codes and refresh tokens, so it must be on a host that may get the refresh
// token, or the access token if sends does not name the former.
func (m *Manifest) CheckTokenURL(member, raw, hostname string) error {
	if err := m.CheckURL(member, raw, hostname); err != nil || !m.Handles {
		return err
	}
	name := m.tokenSecret()
	if m.Sends[name].Hosts.AllowURL(raw, hostname) == nil {
		return nil
	}
	return m.notAnAddress(crmgate.HostOf(raw), fmt.Errorf("%s: tokens may not be sent to %s: add the host to crmgate.sends.%s.hosts", member, crmgate.Clip(crmgate.HostOf(raw)), name))
}

// tokenSecret is the secret whose hosts may be token endpoints.
func (m *Manifest) tokenSecret() string {
	if _, ok := m.Sends[RefreshToken]; ok {
		return RefreshToken
	}
	return AccessToken
}

// SendsRefreshToken says where the server itself sends refresh tokens: to any host that CheckTokenURL allows. A connector that
// makes another secret a refresh token has it sent there.
func (m *Manifest) SendsRefreshToken() Send {
	at := InBody
	if m.Refresh.Body == TokenBodyQuery {
		at = InQuery
	}
	return Send{In: []Position{at}, Hosts: m.Sends[m.tokenSecret()].Hosts}
}

// Sees says in a sentence which secrets the connector sees.
func (m *Manifest) Sees() string {
	var seen, hidden []string
	for _, name := range m.Config {
		if _, ok := m.Sends[name]; !ok {
			seen = append(seen, name)
		}
	}
	secrets := []string{"access tokens"}
	if m.AuthType == APIKey {
		secrets = []string{"API keys"}
	}
	if m.Reveals(ClientSecret) {
		secrets = append(secrets, "client secrets of applications")
	}
	if m.Reveals(RefreshToken) {
		secrets = append(secrets, "refresh tokens")
	}
	if !m.Handles {
		return "sees " + list(slices.Concat(secrets, seen))
	}
	for _, name := range m.Config {
		if _, ok := m.Sends[name]; ok {
			hidden = append(hidden, name)
		}
	}
	text := "gets handles for " + list(slices.Concat(secrets, hidden))
	if len(seen) > 0 {
		text += ", and sees " + list(seen)
	}
	return text
}

// list joins words: "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
