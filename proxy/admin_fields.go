package proxy

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// adminFields is the page of the credentials that an admin fills in: the organisation's, or one extension's.
func (s *Server) adminFields(ctx context.Context, r *request, a *org.Admin) (any, error) {
	extension, err := r.param("extension")
	if err != nil {
		return nil, err
	}
	return s.showFields(ctx, r, a, strings.TrimSpace(extension), "", 200)
}

// adminSetFields sets what was filled in, or removes the one value whose button was pressed.
func (s *Server) adminSetFields(ctx context.Context, r *request, a *org.Admin) (any, error) {
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
	u := org.FieldsUpdate{Extension: crmgate.ExtensionID(b.Extension), Name: b.Name}
	if b.Extension != "" {
		u.Scope = string(manifest.UserScope)
	}
	if b.Remove != "" {
		u.Remove = []string{b.Remove}
	} else {
		u.Values = typed(m.Fields, u.Scope, b.Fields)
	}
	err = a.UpdateFields(ctx, m.Platform, u)
	if t := tell(err); err != nil && t.sentence != "" {
		s.Logger.InfoContext(ctx, "refused", "status", t.status, "err", err)
		return s.showFields(ctx, r, a, b.Extension, t.sentence, t.status)
	}
	if err != nil {
		return nil, err
	}
	return seeOther(s.fieldsPath(m.Platform, b.Extension)), nil
}

func (s *Server) fieldsPath(p crmgate.Platform, extension string) string {
	path := s.adminPath("/fields/" + string(p))
	if extension != "" {
		path += "?extension=" + url.QueryEscape(extension)
	}
	return path
}

// typed are the values of the form's fields, and of no others.
func typed(fields []manifest.FormField, scope string, from map[string]string) crmgate.Secret {
	values := map[string]string{}
	for _, f := range fields {
		if f.Managed && (f.Scope == manifest.UserScope) == (scope == string(manifest.UserScope)) {
			values[f.Const] = strings.TrimSpace(from[f.Const])
		}
	}
	b, _ := json.Marshal(values) // texts: always encodes
	return crmgate.NewSecret(string(b))
}

func (s *Server) showFields(ctx context.Context, r *request, a *org.Admin, extension, problem string, status int) (any, error) {
	m, all, err := a.Fields(ctx, crmgate.Platform(r.last))
	if err != nil {
		return nil, err
	}
	v := web.AdminFields{
		Frame: s.frame(a, m.Title), Problem: problem, Extension: extension, Action: s.adminPath("/fields/" + r.last), Own: len(all.Own) > 0,
	}
	scope, values := manifest.AccountScope, all.OrgValues
	if extension != "" {
		scope, values = manifest.UserScope, nil
		for _, e := range all.Values {
			if string(e.Extension) == extension {
				values, v.Name = e.Fields, e.Name
			}
		}
	} else {
		for _, e := range all.Values {
			v.Extensions = append(v.Extensions, web.Row{Title: cmp.Or(e.Name, "Extension "+string(e.Extension)), Href: s.fieldsPath(m.Platform, string(e.Extension))})
		}
	}
	for i, f := range m.Fields {
		if f.Managed && f.Scope == scope {
			v.Blocks = append(v.Blocks, s.fieldBlock(ctx, a, m.Platform, f, values[f.Const].HasValue, i))
		}
	}
	return adminPage(status, func(b *strings.Builder) error { return s.pages.AdminFields(b, v) })
}

// fieldBlock asks for a value. Nobody is shown one again, so all are asked for as secrets are, save what can be chosen.
func (s *Server) fieldBlock(ctx context.Context, a *org.Admin, p crmgate.Platform, f manifest.FormField, set bool, i int) web.Block {
	var d struct {
		Title       string `json:"title"`
		Description string `json:"description"`
	}
	_ = json.Unmarshal(f.Definition, &d) // else it has the name that it has
	b := web.Block{
		Kind: "password", ID: "field-" + strconv.Itoa(i), Name: "fields[" + f.Const + "]", Label: cmp.Or(d.Title, f.Const), Help: d.Description, Set: set,
	}
	if set {
		b.Removes = f.Const
		b.Help = strings.TrimSpace(b.Help + " Leave this empty to keep what is set.")
	}
	if !f.Dynamic || f.Scope != manifest.UserScope {
		return b
	}
	options, err := a.FieldOptions(ctx, p, f.Const)
	if err != nil {
		s.Logger.WarnContext(ctx, "the connector names no choices", "platform", p, "err", err)
		b.Help = strings.TrimSpace(b.Help + " The choices cannot be had from the CRM at the moment.")
	}
	for _, o := range options {
		b.Kind = "select"
		b.Options = append(b.Options, web.Option{Value: o.Value, Label: o.Label})
	}
	return b
}
