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

// fields is the page of the credentials that an admin fills in: the organisation's, or one extension's.
func (p adminPages) fields(ctx context.Context, r *request, a *org.Admin) (any, error) {
	extension, err := r.param("extension")
	if err != nil {
		return nil, err
	}
	return p.showFields(ctx, r, a, strings.TrimSpace(extension), "", 200)
}

// setFields saves the values that were entered, or removes the value whose button was pressed.
func (p adminPages) setFields(ctx context.Context, r *request, a *org.Admin) (any, error) {
	var b struct {
		Extension string            `json:"extension"`
		Name      string            `json:"name"`
		Fields    map[string]string `json:"fields"`
		Remove    string            `json:"remove"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	m, _, err := a.Fields(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	u := org.FieldsUpdate{Scope: string(scopeFor(b.Extension)), Extension: crmgate.ExtensionID(b.Extension), Name: b.Name}
	if b.Remove != "" {
		u.Remove = []string{b.Remove}
	} else {
		u.Values = typed(m.Fields, scopeFor(b.Extension), b.Fields)
	}
	err = a.UpdateFields(ctx, m.Platform, u)
	if t, ok := p.site.correctable(ctx, err); ok {
		return p.showFields(ctx, r, a, b.Extension, t.sentence, t.status)
	}
	return seeOther(p.fieldsPath(m.Platform, b.Extension)), err
}

// scopeFor is the scope of the credentials of an extension, or of the organisation if extension is empty.
func scopeFor(extension string) manifest.FieldScope {
	if extension != "" {
		return manifest.UserScope
	}
	return manifest.AccountScope
}

func (p adminPages) fieldsPath(platform crmgate.Platform, extension string) string {
	path := p.site.adminPath("/fields/" + string(platform))
	if extension != "" {
		path += "?extension=" + url.QueryEscape(extension)
	}
	return path
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
func (p adminPages) showFields(ctx context.Context, r *request, a *org.Admin, extension, problem string, status int) (any, error) {
	m, all, err := a.Fields(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	v := web.AdminFields{
		Frame: p.frame(a, m.Title), Problem: problem, Extension: extension, Action: p.site.adminPath("/fields/" + r.last), Own: len(all.Own) > 0,
	}
	scope, values := scopeFor(extension), all.OrgValues
	if extension != "" {
		v.Name, values = valuesOf(all, extension)
	} else {
		v.Extensions = p.extensionRows(m.Platform, all)
	}
	for i, f := range m.Fields {
		if f.Managed && f.Scope == scope {
			v.Blocks = append(v.Blocks, p.fieldBlock(ctx, a, m.Platform, f, values[f.Const].HasValue, i))
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

func (p adminPages) extensionRows(platform crmgate.Platform, all org.ManagedFields) (rows []web.Row) {
	for _, e := range all.Values {
		id := string(e.Extension)
		rows = append(rows, web.Row{Title: cmp.Or(e.Name, "Extension "+id), Href: p.fieldsPath(platform, id)})
	}
	return rows
}

// fieldBlock is the input of a credential. It is a password input without a value, because credentials are not shown again;
// a field with options is a list.
func (p adminPages) fieldBlock(ctx context.Context, a *org.Admin, platform crmgate.Platform, f manifest.FormField, set bool, i int) web.Block {
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
		p.addOptions(ctx, a, platform, f.Const, &b)
	}
	return b
}

// addOptions adds the options that the connector offers for a field.
func (p adminPages) addOptions(ctx context.Context, a *org.Admin, platform crmgate.Platform, field string, b *web.Block) {
	options, err := a.FieldOptions(ctx, platform, field)
	if err != nil {
		p.site.logger.WarnContext(ctx, "get the options of a managed field", "platform", platform, "err", err)
		b.Help = strings.TrimSpace(b.Help + " The CRM did not return the choices. Try again later.")
	}
	for _, o := range options {
		b.Kind = "select"
		b.Options = append(b.Options, web.Option{Value: o.Value, Label: o.Label})
	}
}
