package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
)

// alias is another name for a setting of a connector: it is read from the variable old if that of the name is not set. Only the operator
// and this program can give one: a manifest could name the secret of another connector.
type alias struct{ name, old string }

// UnmarshalText reads NEW=OLD. Kong calls it.
func (a *alias) UnmarshalText(text []byte) error {
	var ok bool
	a.name, a.old, ok = strings.Cut(string(text), "=")
	switch {
	case !ok || !isSettingName(a.name) || a.old == "" || a.name == a.old:
		return fmt.Errorf("expected NEW=OLD, such as CLIO_CLIENT_ID=RC_CLIO_ID, with the variable that is set as OLD, got %q", text)
	case strings.HasPrefix(a.name, "CRMGATE_") || strings.HasPrefix(a.old, "CRMGATE_"):
		return fmt.Errorf("%s: only settings of connectors can have another name", text)
	}
	return nil
}

// isSettingName reports whether a connector can have a setting of this name.
func isSettingName(name string) bool {
	return strings.Contains(strings.Trim(name, "_"), "_") && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// aliases are the aliases of a command.
type aliases []alias

// appConnectNames are the variables of App Connect's own server that do not begin with the name of the platform, as a setting does.
func appConnectNames() aliases {
	return aliases{
		{name: "GOOGLESHEETS_CLIENT_ID", old: "GOOGLESHEET_CLIENT_ID"},
		{name: "GOOGLESHEETS_CLIENT_SECRET", old: "GOOGLESHEET_CLIENT_SECRET"},
	}
}

// effective returns the aliases with those of App Connect. The operator's take precedence.
func (all aliases) effective() aliases { return append(slices.Clip(all), appConnectNames()...) }

// of returns the other name of a setting, or "".
func (all aliases) of(name string) string {
	i := slices.IndexFunc(all, func(a alias) bool { return a.name == name })
	if i < 0 {
		return ""
	}
	return all[i].old
}

// check refuses aliases of which one would not count.
func (all aliases) check() error {
	for i, a := range all {
		if all[:i].of(a.name) != "" {
			return fmt.Errorf("--config-alias: %s has two other names, %s and %s: keep one", a.name, all.of(a.name), a.old)
		}
		if all.of(a.old) != "" {
			return fmt.Errorf("--config-alias %s=%s: %s has another name too: write the variable that is set as OLD", a.name, a.old, a.old)
		}
	}
	return nil
}

// setting is setting with the aliases.
func (all aliases) setting(name string) (value crmgate.Secret, ok bool, err error) {
	value, ok, err = setting(name)
	if old := all.effective().of(name); old != "" && !ok && err == nil {
		return setting(old)
	}
	return value, ok, err
}

// names lists the names that setting finds.
func (all aliases) names() []string {
	names := settingNames()
	for _, a := range all.effective() {
		if slices.Contains(names, a.old) && !slices.Contains(names, a.name) {
			names = append(names, a.name)
		}
	}
	slices.Sort(names)
	return names
}
