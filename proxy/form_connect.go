package proxy

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/web"
)

// connectForm is the form of the connect page, as the manifest defines it, with the person's values.
type connectForm struct {
	m        *manifest.Manifest
	session  string
	hostname string            // as the person gave it; check replaces it by the canonical one
	username string            // at the CRM, if the manifest has the page ask for it
	values   map[string]string // of the API-key form, by const
	asked    map[string]bool   // the managed fields that the form shows, by const
	errors   map[string]string // by const; "" is the environment
	problem  string            // an error of the whole form
}

func newConnectForm(m *manifest.Manifest, session, hostname string) *connectForm {
	f := &connectForm{m: m, session: session, hostname: strings.TrimSpace(hostname), values: map[string]string{}, asked: map[string]bool{}, errors: map[string]string{}}
	for _, e := range f.entries() {
		if e.Field() {
			f.values[e.Const] = e.Default
		}
	}
	return f
}

// entries are the entries of the API-key form.
func (f *connectForm) entries() []manifest.FormEntry {
	if f.m.AuthType != manifest.APIKey {
		return nil
	}
	all := slices.Clone(f.m.Page.Form.Content)
	for _, e := range f.m.Page.Form.Managed {
		if f.asked[e.Const] {
			all = append(all, e)
		}
	}
	return all
}

// ask has the form show the managed fields among those that are missing. It reports whether it shows more than before.
func (f *connectForm) ask(missing []string) bool {
	before := len(f.asked)
	for _, e := range f.m.Page.Form.Managed {
		if slices.Contains(missing, e.Const) {
			f.asked[e.Const] = true
		}
	}
	return len(f.asked) > before
}

// fill takes the values of the form's own fields. It trims them, because keys are copied with spaces around them, but not
// passwords, which may start or end with a space.
func (f *connectForm) fill(fields map[string]string) {
	if f.session != "" { // values are stored for known people only, and only their form asks for fields that are missing
		f.ask(slices.Collect(maps.Keys(fields)))
	}
	for _, e := range f.entries() {
		if !e.Field() {
			continue
		}
		v := fields[e.Const]
		if e.Widget != manifest.PasswordWidget || strings.EqualFold(e.Const, "apiKey") {
			v = strings.TrimSpace(v)
		}
		f.values[e.Const] = v
	}
}

// check sets the errors of the fields, and reports whether there are none.
func (f *connectForm) check() bool {
	f.checkEnvironment()
	f.checkUsername()
	for _, e := range f.entries() {
		v := f.values[e.Const]
		switch {
		case !e.Field():
		case v == "" && e.Required && e.Widget == manifest.SelectWidget:
			f.errors[e.Const] = "Please choose one."
		case v == "" && e.Required:
			f.errors[e.Const] = "Please fill this in."
		case v != "" && e.Widget == manifest.SelectWidget && !slices.ContainsFunc(e.Options, func(o manifest.Option) bool { return o.Value == v }):
			f.errors[e.Const] = "Please choose one from the list."
		}
	}
	return len(f.errors) == 0
}

// usernameField is the name of the field for the user name, and its key in errors. No const of an API-key form is in the way.
const usernameField = "username"

// asksUsername reports whether the form asks for the user name at the CRM.
func (f *connectForm) asksUsername() bool { return f.m.AuthType == manifest.OAuth && f.m.Username }

// checkUsername checks the user name. What the form does not ask for is dropped.
func (f *connectForm) checkUsername() {
	const longest = 256
	switch {
	case !f.asksUsername():
		f.username = ""
	case f.username == "":
		f.errors[usernameField] = "Please fill this in."
	case len(f.username) > longest || strings.ContainsFunc(f.username, unicode.IsControl):
		f.errors[usernameField] = "This is not a user name. It must be a single line of at most 256 characters."
	}
}

// checkEnvironment checks the host name and makes it canonical.
func (f *connectForm) checkEnvironment() {
	env := f.m.Page.Environment
	switch env.Kind {
	case manifest.Fixed:
		host, err := f.m.CheckHostname(cmp.Or(env.URL, f.hostname))
		if err != nil {
			host = ""
		}
		f.hostname = host
		return
	case manifest.Selectable:
		if f.selected() == "" {
			f.errors[""] = "Please choose one."
			return
		}
	case manifest.Dynamic:
		if f.hostname == "" {
			f.errors[""] = "Please paste the address of your " + f.m.Title + "."
			return
		}
	}
	host, err := f.m.CheckHostname(f.hostname)
	if err != nil || host == "" {
		f.errors[""] = "This is not " + withArticle(f.m.Title) + " address."
		if env.Identifier != "" {
			f.errors[""] += " It should look like " + example(env.Identifier) + "."
		}
		return
	}
	if env.Kind == manifest.Selectable {
		host = f.selected()
	}
	f.hostname = host
}

// selected is the manifest's selection with the form's host name; empty if there is none.
func (f *connectForm) selected() string {
	want, err := crmgate.ParseHostname(strings.TrimSpace(f.hostname))
	if err != nil {
		return ""
	}
	for _, o := range f.m.Page.Environment.Selections {
		if host, err := crmgate.ParseHostname(strings.TrimSpace(o.Value)); err == nil && host == want {
			return o.Value
		}
	}
	return ""
}

// example is an address that matches an identifier of the manifest.
func example(identifier string) string {
	return "https://" + strings.Replace(identifier, "*", "your-company", 1)
}

// withArticle puts "a" or "an" before a name.
func withArticle(name string) string {
	if name != "" && strings.ContainsRune("AEIOUaeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// view is the form as the page shows it.
func (f *connectForm) view(action string) web.Connect {
	c := web.Connect{CRM: f.m.Title, OAuth: f.m.AuthType == manifest.OAuth, Action: action, Session: f.session, Problem: f.problem}
	if c.Problem != "" {
		c.ProblemTitle = "Not connected"
	}
	if !c.OAuth {
		c.CRM, c.Warning = cmp.Or(f.m.Page.Form.Title, c.CRM), f.m.Page.Form.Warning
	}
	if b, ok := f.environment(); ok {
		c.Blocks = append(c.Blocks, b)
	}
	if f.asksUsername() {
		c.Blocks = append(c.Blocks, web.Block{
			Kind: string(manifest.TextWidget), ID: usernameField, Name: usernameField, Label: "Your user name at " + f.m.Title, Value: f.username,
			Error: f.errors[usernameField], Required: true,
		})
	}
	for i, e := range f.entries() {
		c.Blocks = append(c.Blocks, f.block(e, i))
	}
	return c
}

// environment is the field for the address of the person's CRM. ok is false if the manifest has the address.
func (f *connectForm) environment() (b web.Block, ok bool) {
	env := f.m.Page.Environment
	b = web.Block{ID: "hostname", Name: "hostname", Required: true, Error: f.errors[""]}
	switch env.Kind {
	case manifest.Selectable:
		b.Kind, b.Label, b.Value = "choice", "Where is your "+f.m.Title+"?", f.selected()
		for _, s := range env.Selections {
			host, _ := crmgate.ParseHostname(strings.TrimSpace(s.Value))
			o := web.Option{Value: s.Value, Label: s.Label}
			if host != s.Label {
				o.Detail = host
			}
			b.Options = append(b.Options, o)
		}
	case manifest.Dynamic:
		b.Kind, b.Label, b.Value, b.Steps = "url", "Address of your "+f.m.Title, f.hostname, env.Instructions
		if env.Identifier != "" {
			b.Placeholder = example(env.Identifier)
		}
	default:
		return b, false
	}
	return b, true
}

// block is an entry of the API-key form as the page shows it.
func (f *connectForm) block(e manifest.FormEntry, i int) web.Block {
	if e.Widget == manifest.LinkEntry {
		return f.link(e)
	}
	if !e.Field() {
		return web.Block{Kind: string(e.Widget), Label: e.Title}
	}
	b := web.Block{
		Kind: string(e.Widget), ID: "field-" + strconv.Itoa(i), Name: "fields[" + e.Const + "]", Label: e.Title, Help: e.Description,
		Value: f.values[e.Const], Error: f.errors[e.Const], Required: e.Required,
	}
	if e.Secret {
		b.Value = "" // not shown again
		if e.Widget == manifest.TextWidget {
			b.Kind = string(manifest.PasswordWidget)
		}
	}
	for _, o := range e.Options {
		b.Options = append(b.Options, web.Option{Value: o.Value, Label: o.Label})
	}
	return b
}

// link is a link as the page shows it. While the host of its address is unknown, it is a text that shows what the address
// looks like.
func (f *connectForm) link(e manifest.FormEntry) web.Block {
	host := ""
	if manifest.NeedsHostname(e.Link) { // a wrong host must not become a link on this page
		host, _ = f.m.CheckHostname(cmp.Or(f.hostname, f.m.Page.Environment.URL))
		if host == "" {
			like := cmp.Or(strings.Replace(f.m.Page.Environment.Identifier, "*", "your-company", 1), "your-company")
			return web.Block{Kind: string(manifest.ParagraphEntry), Label: e.Title + ": " + manifest.HostnameURL(e.Link, like)}
		}
	}
	return web.Block{Kind: string(e.Widget), Label: e.Title, Href: manifest.HostnameURL(e.Link, host)}
}
