package proxy

import (
	"maps"
	"slices"
	"strings"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// appForm is the form on which an admin enters their organisation's own application: the fields that the manifest names,
// with what is set and what was filled in. Where the application sends people back to is no question: to this server.
type appForm struct {
	m      *manifest.Manifest
	place  *connectForm      // asks where the organisation's CRM is
	stored org.ManagedValues // what is set, the secret as authflow.Placeholder; may be nil
	values org.ManagedValues // as filled in
	errors map[string]string // what is wrong, by field
}

func newAppForm(m *manifest.Manifest, stored org.ManagedValues) *appForm {
	f := &appForm{m: m, place: newConnectForm(m, "", stored["hostname"]), stored: stored, values: org.ManagedValues{}, errors: map[string]string{}}
	maps.Copy(f.values, stored)
	return f
}

// appField is how a field is asked for.
type appField struct{ name, kind, label, help string }

// appFields are crmgate.ManagedFields, without the redirect URI.
var appFields = []appField{
	{"clientId", "text", "Client ID", ""},
	{"clientSecret", "password", "Client secret", ""},
	{"accessTokenUri", "url", "Token URL", ""},
	{"authorizationUri", "url", "Authorization URL", ""},
	{"scopes", "text", "Scopes", "As the CRM writes them, separated by spaces."},
	{"hostname", "url", "Host name", "The address of your organisation's CRM."},
}

// asked are the fields that are asked for.
func (f *appForm) asked() []appField {
	var asked []appField
	for _, field := range appFields {
		if field.name == "hostname" && f.m.Page.Environment.Kind != manifest.Fixed {
			continue // the environment asks
		}
		if slices.Contains(f.m.OAuth.AdminManaged.Fields, field.name) {
			asked = append(asked, field)
		}
	}
	return asked
}

// required reports whether a field must be filled in.
func (f *appForm) required(name string) bool {
	switch name {
	case "clientId":
		return true
	case "clientSecret":
		return f.stored[name] == ""
	case "authorizationUri":
		return f.m.OAuth.AuthURL == ""
	}
	return false
}

// fill takes what was typed into the form's fields, and nothing else. Values that are set and not asked for stay.
func (f *appForm) fill(hostname string, fields map[string]string) {
	f.place.hostname = strings.TrimSpace(hostname)
	for _, field := range f.asked() {
		f.values[field.name] = strings.TrimSpace(fields[field.name])
	}
	if f.values["clientSecret"] == "" {
		f.values["clientSecret"] = f.stored["clientSecret"] // the one that is set stays
	}
}

// check says what is wrong beside each field, and whether nothing is.
func (f *appForm) check() bool {
	for _, field := range f.asked() {
		if f.values[field.name] == "" && f.required(field.name) {
			f.errors[field.name] = "Please fill this in."
		}
	}
	if f.m.Page.Environment.Kind != manifest.Fixed {
		f.place.checkEnvironment()
		f.values["hostname"] = f.place.hostname
	}
	return len(f.errors)+len(f.place.errors) == 0
}

// entered is what the form enters: redirectURI is where this server takes people back, named unless the manifest does.
func (f *appForm) entered(redirectURI string) org.ManagedValues {
	v := maps.Clone(f.values)
	delete(v, "redirectUri")
	if f.m.OAuth.RedirectURI != redirectURI {
		v["redirectUri"] = redirectURI
	}
	return v
}

// setup is what comes before the form.
func (f *appForm) setup(redirectURI string) (web.Setup, error) {
	notes, err := web.Notes(f.m.OAuth.AdminManaged.SetupNotes)
	return web.Setup{CRM: f.m.Title, Notes: notes, RedirectURI: redirectURI}, err
}

// blocks are the form's fields.
func (f *appForm) blocks() []web.Block {
	var all []web.Block
	if b, ok := f.place.environment(); ok {
		all = append(all, b)
	}
	for _, field := range f.asked() {
		b := web.Block{
			Kind: field.kind, ID: "app-" + field.name, Name: "fields[" + field.name + "]", Label: field.label, Help: field.help,
			Value: f.values[field.name], Error: f.errors[field.name], Required: f.required(field.name),
		}
		if field.kind == "password" {
			b.Value = "" // not shown again
			if f.stored[field.name] != "" {
				b.Help, b.Set = "Leave empty to keep the saved secret.", true
			}
		}
		all = append(all, b)
	}
	return all
}
