package manifest

import (
	"maps"
	"slices"
)

// Capabilities lists what the connector may reach and see, as sorted texts such as "host *.clio.com", "config CLIO_CLIENT_SECRET",
// "handle CLIO_CLIENT_SECRET", "reveal refreshToken", "secrets to *.clio.com" and "secrets in clear". It includes what overrides add for some hosts. A connector of
// which the list has a new text may do more than before: one that sees its secrets can send them to each of its hosts.
func (m *Manifest) Capabilities() []string {
	all := map[string]bool{}
	m.addCapabilities(all)
	for _, o := range m.byHost {
		o.addCapabilities(all)
	}
	return slices.Sorted(maps.Keys(all))
}

func (m *Manifest) addCapabilities(all map[string]bool) {
	person := false
	for _, h := range m.Hosts {
		all["host "+h.String()] = true
		person = person || h.Person
	}
	if person { // {hostname} is one of these
		for _, h := range m.Environment {
			all["host "+h.String()+" of a person"] = true
		}
	}
	for _, name := range m.Config {
		if _, ok := m.Sends[name]; ok { // it does not see the value
			all["handle "+name] = true
		} else {
			all["config "+name] = true
		}
	}
	sends := m.Hosts
	if m.Handles {
		sends = nil
		for _, s := range m.Sends {
			sends = append(sends, s.Hosts...)
		}
	} else {
		all["secrets in clear"] = true // it sees the values of its configuration and of the person's credentials
	}
	for _, h := range sends {
		all["secrets to "+h.String()] = true
	}
	for _, name := range m.Reveal {
		all["reveal "+name] = true
	}
}
