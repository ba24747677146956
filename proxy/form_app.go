package proxy

import (
	"maps"
	"slices"
	"strings"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/web"
)

// appForm is the form for an organisation's own application: the fields that the manifest names, with the admin's values.
// It does not ask for the redirect URI, which is this server's.
type appForm struct {
	m      *manifest.Manifest
	place  *connectForm      // the field for the address of the organisation's CRM
	stored map[string]string // the saved values, with crmgate.Placeholder for the secret; may be nil
	values map[string]string // the admin's values
	errors map[string]string // by field
	// revision identifies the applications that the form shows.
	revision string
}

func newAppForm(m *manifest.Manifest, stored map[string]string, revision string) *appForm {
	f := &appForm{m: m, revision: revision, place: newConnectForm(m, "", stored["hostname"]), stored: stored, values: map[string]string{}, errors: map[string]string{}}
	maps.Copy(f.values, stored)
	return f
}

// appField is the input for a field.
type appField struct{ name, kind, label, help string }

// appFields are the inputs for crmgate.ApplicationFields, without the redirect URI.
var appFields = []appField{
	{"clientId", "text", "Client ID", ""},
	{"clientSecret", "password", "Client secret", ""},
	{"accessTokenUri", "url", "Token URL", ""},
	{"authorizationUri", "url", "Authorization URL", ""},
	{"scopes", "text", "Scopes", "As the CRM writes them, separated by spaces."},
	{"hostname", "url", "Host name", "The address of your organisation's CRM."},
}

// asked are the fields that the form asks for.
func (f *appForm) asked() []appField {
	var asked []appField
	for _, field := range appFields {
		if field.name == "hostname" && f.m.Page.Environment.Kind != manifest.Fixed {
			continue // place asks for it
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

// fill takes the values of the form's own fields. Saved values that the form does not ask for stay.
func (f *appForm) fill(hostname string, fields map[string]string) {
	f.place.hostname = strings.TrimSpace(hostname)
	for _, field := range f.asked() {
		f.values[field.name] = strings.TrimSpace(fields[field.name])
	}
	if f.values["clientSecret"] == "" {
		f.values["clientSecret"] = f.stored["clientSecret"] // the saved one
	}
}

// check sets the errors of the fields, and reports whether there are none.
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

// entered returns the values to save. They include redirectURI, this server's, unless the manifest names it.
func (f *appForm) entered(redirectURI string) map[string]string {
	v := maps.Clone(f.values)
	delete(v, "redirectUri")
	if f.m.OAuth.RedirectURI != redirectURI {
		v["redirectUri"] = redirectURI
	}
	return v
}

// setup is the section above the form.
func (f *appForm) setup(redirectURI string) (web.Setup, error) {
	notes, err := web.Notes(f.m.OAuth.AdminManaged.SetupNotes)
	return web.Setup{CRM: f.m.Title, Notes: notes, RedirectURI: redirectURI}, err
}

// blocks are the fields as the page shows them.
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
