package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// hostPattern reads an entry of a list of hosts: a host pattern, or {config:NAME} for a name of config.
func hostPattern(entry string, config []string) (crmgate.HostPattern, error) {
	name, ok := strings.CutPrefix(entry, "{config:")
	if !ok {
		return crmgate.ParseHostPattern(entry)
	}
	name, ok = strings.CutSuffix(name, "}")
	if !ok || !slices.Contains(config, name) {
		return crmgate.HostPattern{}, fmt.Errorf("%q does not name a value of crmgate.config", crmgate.Clip(entry))
	}
	return crmgate.HostPattern{Config: name}, nil
}

// Configured returns a set in which configuration values replace {config:NAME} in hosts. A value is a host, with an optional port, or
// a URL, of which the host counts. A platform whose value is not set, or is neither, is left out.
func (ms *Set) Configured(setting func(name string) (value crmgate.Secret, ok bool)) *Set {
	c := *ms
	c.platforms, c.leftOut = map[crmgate.Platform]*Manifest{}, maps.Clone(ms.leftOut)
	for p, m := range ms.platforms {
		resolved, err := m.configured(setting)
		if err != nil {
			c.leftOut[p] = &Error{File: string(p) + ".json", Path: "platforms." + string(p) + ".crmgate.hosts", Want: err.Error()}
			continue
		}
		c.platforms[p] = resolved
	}
	return &c
}

// configured returns the manifest with the hosts that configuration values name.
func (m *Manifest) configured(setting func(string) (crmgate.Secret, bool)) (*Manifest, error) {
	named := func(p crmgate.HostPattern) bool { return p.Config != "" }
	c := *m
	var err error
	if slices.ContainsFunc(m.Hosts, named) {
		if c.Hosts, err = resolved(m.Hosts, setting); err != nil {
			return nil, err
		}
		c.Sends = map[string]Send{}
		for name, s := range m.Sends {
			if s.Hosts, err = resolved(s.Hosts, setting); err != nil {
				return nil, err
			}
			c.Sends[name] = s
		}
	}
	c.byHost = map[string]*Manifest{}
	for host, o := range m.byHost {
		if c.byHost[host], err = o.configured(setting); err != nil {
			return nil, err
		}
	}
	return &c, nil
}

// resolved returns hosts with the values of the configuration.
func resolved(hosts crmgate.Hosts, setting func(string) (crmgate.Secret, bool)) (crmgate.Hosts, error) {
	all := slices.Clone(hosts)
	for i, h := range all {
		if h.Config == "" {
			continue
		}
		value, ok := setting(h.Config)
		if !ok || value.IsZero() {
			return nil, fmt.Errorf("%s is not set: set it to the host of the CRM, or to a URL there", h.Config)
		}
		p, err := crmgate.ParseHostPattern(crmgate.HostOf(strings.TrimSpace(value.Reveal())))
		if err != nil || p.Person || p.Wildcard { // the value may be a secret that was put there by mistake
			return nil, fmt.Errorf("%s is not a host: set it to the host of the CRM, such as api.crm.example, or to a URL there", h.Config)
		}
		p.Config = h.Config
		all[i] = p
	}
	return all, nil
}
