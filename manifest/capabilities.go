package manifest

import (
	"fmt"
	"maps"
	"slices"
)

// Capabilities lists what the connector may reach and see, as sorted texts such as "host *.clio.com", "config CLIO_CLIENT_ID",
// "handle CLIO_CLIENT_SECRET", "CLIO_CLIENT_SECRET to app.clio.com in body", "reveal refreshToken", "secrets to *.clio.com" and
// "secrets in clear". It includes what overrides add for some hosts. If the list has a new text, the connector may do more than before. A
// connector that sees its secrets can send them to each of its hosts.
//
// A host that the operator configures is in the list by the name of its value: to set that is to accept it.
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
		all["host "+h.Declared()] = true
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
	if !m.Handles {
		all["secrets in clear"] = true // it sees the values of its configuration and of the person's credentials
		for _, h := range m.Hosts {
			all["secrets to "+h.Declared()] = true
		}
	}
	for name, s := range m.Sends { // each by its name: else two secrets could change places
		for _, at := range s.In {
			for _, h := range s.Hosts {
				all[fmt.Sprintf("%s to %s in %s", name, h.Declared(), at)] = true
			}
		}
	}
	for _, name := range m.Reveal {
		all["reveal "+name] = true
	}
}
