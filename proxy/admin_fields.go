package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// fields is the page of the credentials that an admin fills in: the organisation's, or one extension's. Where people choose
// the host of their CRM, it first asks for the host.
func (p adminPages) fields(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var extension, hostname string
	if err := r.params(map[string]*string{"extension": &extension, "hostname": &hostname}); err != nil {
		return nil, err
	}
	m, err := a.FieldsPlatform(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	c := credentials{m: m, extension: strings.TrimSpace(extension)}
	f := newConnectForm(m, "", hostname)
	if m.AsksHost() && f.hostname == "" {
		return p.showHosts(ctx, a, f, 200)
	}
	if !c.at(f) {
		return p.showHosts(ctx, a, f, 400)
	}
	return p.showFields(ctx, a, c, "", 200)
}

// setFields saves the values that were entered, removes the value whose button was pressed, or moves values without a host to
// the page's host.
func (p adminPages) setFields(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var b struct {
		Hostname  crmgate.Text `json:"hostname"`
		Extension crmgate.Text `json:"extension"`
		Name      crmgate.Text `json:"name"`
		Fields    texts        `json:"fields"`
		Remove    crmgate.Text `json:"remove"`
		Place     crmgate.Text `json:"place"`
		Revision  crmgate.Text `json:"revision"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	m, err := a.FieldsPlatform(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	c := credentials{m: m, extension: string(b.Extension)}
	if f := newConnectForm(m, "", string(b.Hostname)); !c.at(f) {
		return p.showHosts(ctx, a, f, 400)
	}
	u := org.FieldsUpdate{Scope: string(c.scope()), Extension: crmgate.ExtensionID(b.Extension), Name: string(b.Name)}
	switch {
	case b.Place != "":
		err = a.PlaceFields(ctx, m, c.host)
	case b.Remove != "":
		u.Remove = []string{string(b.Remove)}
		err = a.UpdateFields(ctx, m, c.host, u, string(b.Revision))
	default:
		u.Values = typed(m.Fields, c.scope(), b.Fields)
		err = a.UpdateFields(ctx, m, c.host, u, string(b.Revision))
	}
	if t, ok := p.site.correctable(ctx, err); ok {
		return p.showFields(ctx, a, c, t.sentence, t.status)
	}
	return seeOther(p.fieldsPath(c)), err
}

// credentials say whose credentials a page shows: those of the organisation or of an extension, for one host.
type credentials struct {
	m         *manifest.Manifest
	host      string // a result of ValuesHost
	extension string // empty for the organisation
}

// at takes the host from a form. It reports whether it is one; otherwise the form has an error.
func (c *credentials) at(f *connectForm) bool {
	hostname, err := f.m.CheckHostname(f.hostname)
	if !f.m.AsksHost() { // the sign-in on the connect page has the same
		f.checkEnvironment()
		hostname, err = f.hostname, nil
	}
	c.host = f.m.ValuesHost(hostname)
	if err != nil || c.host == "" && f.m.AsksHost() {
		f.checkEnvironment()
		return false
	}
	return true
}

// scope is the scope of the credentials.
func (c credentials) scope() manifest.FieldScope {
	if c.extension != "" {
		return manifest.UserScope
	}
	return manifest.AccountScope
}

func (p adminPages) fieldsPath(c credentials) string {
	q := url.Values{}
	if c.host != "" {
		q.Set("hostname", c.host)
	}
	if c.extension != "" {
		q.Set("extension", c.extension)
	}
	path := p.site.adminPath("/fields/" + string(c.m.Platform))
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// showHosts is the page that asks for the host of credentials, and lists those that have some.
func (p adminPages) showHosts(ctx context.Context, a *org.Admin, f *connectForm, status int) (any, error) {
	all, err := a.Fields(ctx, f.m, "")
	if err != nil {
		return nil, err
	}
	v := web.AdminHosts{Frame: p.frame(a, f.m.Title), Action: p.fieldsPath(credentials{m: f.m}), Unplaced: all.Unplaced}
	for _, host := range all.Hosts {
		v.Hosts = append(v.Hosts, web.Row{Title: host, Href: p.fieldsPath(credentials{m: f.m, host: host})})
	}
	if b, ok := f.environment(); ok {
		v.Blocks = append(v.Blocks, b)
	}
	return renderForm(status, func(w io.Writer) error { return p.site.pages.AdminHosts(w, v) })
}

// typed are the values of the form's own fields, as a JSON object.
func typed(fields []manifest.FormField, scope manifest.FieldScope, from map[string]string) crmgate.Secret {
	values := map[string]string{}
	for _, f := range fields {
		if f.Managed && (f.Scope == manifest.UserScope) == (scope == manifest.UserScope) {
			values[f.Const] = strings.TrimSpace(from[f.Const])
		}
	}
	b, _ := json.Marshal(values) // strings always encode
	return crmgate.NewSecret(string(b))
}

// showFields is the page of the organisation's credentials, or of one extension's. problem is an error of the whole form.
func (p adminPages) showFields(ctx context.Context, a *org.Admin, c credentials, problem string, status int) (any, error) {
	revision, err := a.FieldsRevision(ctx, c.m, c.host, crmgate.ExtensionID(c.extension)) // before the values, which may be newer
	if err != nil {
		return nil, err
	}
	all, err := a.Fields(ctx, c.m, c.host)
	if err != nil {
		return nil, err
	}
	organisation := c
	organisation.extension = ""
	v := web.AdminFields{
		Frame: p.frame(a, c.m.Title), Problem: problem, Host: c.host, Extension: c.extension, Own: len(all.Own) > 0, Unplaced: all.Unplaced,
		Revision: revision, Action: p.fieldsPath(credentials{m: c.m}), Organisation: p.fieldsPath(organisation),
	}
	values := all.OrgValues
	if c.extension != "" {
		v.Name, values = valuesOf(all.ManagedFields, c.extension)
	} else {
		v.Extensions = p.extensionRows(c, all.ManagedFields)
	}
	for i, f := range c.m.Fields {
		if f.Managed && f.Scope == c.scope() {
			v.Blocks = append(v.Blocks, p.fieldBlock(ctx, a, c, f, values[f.Const].HasValue, i))
		}
	}
	return renderForm(status, func(w io.Writer) error { return p.site.pages.AdminFields(w, v) })
}

// valuesOf returns the name and the values of an extension.
func valuesOf(all org.ManagedFields, extension string) (name string, values map[string]org.ShownValue) {
	for _, e := range all.Values {
		if string(e.Extension) == extension {
			return e.Name, e.Fields
		}
	}
	return "", nil
}

func (p adminPages) extensionRows(c credentials, all org.ManagedFields) (rows []web.Row) {
	for _, e := range all.Values {
		c.extension = string(e.Extension)
		rows = append(rows, web.Row{Title: cmp.Or(e.Name, "Extension "+c.extension), Href: p.fieldsPath(c)})
	}
	return rows
}

// fieldBlock is the input of a credential. It is a password input without a value, because credentials are not shown again;
// a field with options is a list.
func (p adminPages) fieldBlock(ctx context.Context, a *org.Admin, c credentials, f manifest.FormField, set bool, i int) web.Block {
	var d struct {
		Title       string `json:"title"`
		Description string `json:"description"`
	}
	_ = json.Unmarshal(f.Definition, &d) // without a title, the label is the const
	b := web.Block{
		Kind: "password", ID: "field-" + strconv.Itoa(i), Name: "fields[" + f.Const + "]", Label: cmp.Or(d.Title, f.Const), Help: d.Description, Set: set,
	}
	if set {
		b.Removes = f.Const
		b.Help = strings.TrimSpace(b.Help + " Leave empty to keep the saved value.")
	}
	if f.Dynamic && f.Scope == manifest.UserScope {
		p.addOptions(ctx, a, c, f.Const, &b)
	}
	return b
}

// addOptions adds the options that the connector offers for a field.
func (p adminPages) addOptions(ctx context.Context, a *org.Admin, c credentials, field string, b *web.Block) {
	options, err := a.FieldOptions(ctx, c.m, c.host, field)
	if err != nil {
		p.site.logger.WarnContext(ctx, "get the options of a managed field", "platform", c.m.Platform, "err", err)
		b.Help = strings.TrimSpace(b.Help + " The CRM did not return the choices. Try again later.")
	}
	for _, o := range options {
		b.Kind = "select"
		b.Options = append(b.Options, web.Option{Value: o.Value, Label: o.Label})
	}
}
