package manifest

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
)

// Page is the content of the pages that people see before they sign in. Values that a page cannot show are left out and
// not refused, because manifests are written for App Connect's clients, which may show them.
type Page struct {
	// Environment asks for the host of the person's CRM.
	Environment EnvironmentPage
	// Form asks for an API key and the values that belong to it.
	Form FormPage
}

// EnvironmentPage is the content of environment.
type EnvironmentPage struct {
	Kind EnvironmentKind
	// URL is the address of the CRM if it is the same for all people; may be empty.
	URL string
	// Selections are the choices of a Selectable environment. Each Value is a URL or a host.
	Selections []Option
	// Instructions are the steps to find the address of one's own CRM.
	Instructions []string
	// Identifier is the pattern of such an address, such as *.example.com.
	Identifier string
}

// EnvironmentKind is how a person names the host of their CRM.
type EnvironmentKind string

// The kinds of environments. A platform without one is Fixed.
const (
	Fixed      EnvironmentKind = "fixed"
	Selectable EnvironmentKind = "selectable"
	Dynamic    EnvironmentKind = "dynamic"
)

// Option is one choice of several.
type Option struct{ Value, Label string }

// FormPage is auth.apiKey.page.
type FormPage struct {
	Title, Warning string
	Content        []FormEntry // in the form's order, the managed fields left out
	Managed        []FormEntry // the managed fields, which are shown if no value is stored
	// Unlinked names the buttons and links without an address. A page leaves them out: only App Connect's clients have them.
	Unlinked []string
}

// FormEntry is a field of the form, or a text or link between fields.
type FormEntry struct {
	Const       string // the name of the field
	Title       string // the label; for a text or link, its text
	Description string
	Widget      Widget
	Required    bool
	Default     string
	Options     []Option // for a SelectWidget
	Link        string   // an absolute http or https URL, with {hostname} for the person's host
	Secret      bool     // the value is masked, and not shown again
}

// Widget is how an entry is shown.
type Widget string

// The widgets. The last three are not fields.
const (
	TextWidget     Widget = "text"
	PasswordWidget Widget = "password"
	TextareaWidget Widget = "textarea"
	SelectWidget   Widget = "select"
	ParagraphEntry Widget = "paragraph"
	NoteEntry      Widget = "note" // a highlighted paragraph
	LinkEntry      Widget = "link"
)

// Field reports whether people fill in the entry.
func (e FormEntry) Field() bool {
	return e.Widget != ParagraphEntry && e.Widget != NoteEntry && e.Widget != LinkEntry
}

// readSecret reports whether a field holds a secret: as the manifest says ("secret", or the widget text or password), else by
// its name.
func readSecret(n node, e FormEntry) bool {
	if declared, ok := n.at("secret").value.(bool); ok {
		return declared
	}
	switch {
	case e.Widget == PasswordWidget:
		return true
	case e.Widget == SelectWidget, n.at("uiSchema").at("ui:widget").str() == "text":
		return false
	}
	name := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(e.Const))
	for _, s := range []string{"apikey", "secret", "token", "passw", "credential"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

// readPage reads the content of the pages from a platform's object.
func readPage(n node) Page {
	page := n.at("auth").at("apiKey").at("page")
	p := Page{
		Environment: readEnvironmentPage(n.at("environment")),
		Form:        FormPage{Title: page.at("title").str(), Warning: page.at("warning").str()},
	}
	for _, e := range page.at("content").items() {
		entry, ok := readEntry(e, n.at("crmgate").at("buttons"))
		managed, _ := e.at("managed").value.(bool)
		switch {
		case !ok && entry.Widget == LinkEntry:
			p.Form.Unlinked = append(p.Form.Unlinked, cmp.Or(entry.Const, entry.Title))
		case !ok:
		case managed && entry.Field():
			p.Form.Managed = append(p.Form.Managed, entry)
		default:
			p.Form.Content = append(p.Form.Content, entry)
		}
	}
	return p
}

func readEnvironmentPage(n node) EnvironmentPage {
	e := EnvironmentPage{Kind: EnvironmentKind(n.at("type").str()), URL: n.at("url").str(), Identifier: crmgate.HostOf(n.at("urlIdentifier").str())}
	for _, s := range n.at("selections").items() {
		if v := s.at("const").str(); v != "" {
			e.Selections = append(e.Selections, Option{Value: v, Label: cmp.Or(s.at("name").str(), v)})
		}
	}
	for _, s := range n.at("instructions").items() {
		e.Instructions = append(e.Instructions, s.str())
	}
	switch {
	case e.Kind == Selectable && len(e.Selections) > 0, e.Kind == Dynamic:
	case e.Kind == "" && len(e.Selections) > 0:
		e.Kind = Selectable
	case e.Kind == "" && e.Identifier != "":
		e.Kind = Dynamic
	default:
		e.Kind = Fixed
	}
	return e
}

// readEntry reads an entry of the form. buttons has the addresses of crmgate.buttons. ok is false for an entry that cannot be
// shown: a field without a name, or a button without an address, which only App Connect's client supports.
func readEntry(n, buttons node) (e FormEntry, ok bool) {
	ui := n.at("uiSchema")
	e = FormEntry{
		Const: n.at("const").str(), Title: n.at("title").str(), Description: n.at("description").str(),
		Default: n.at("default").scalar(), Options: readOptions(n), Link: webLink(buttons.at(n.at("const").str()), ui.at("ui:href"), n.at("href"), n.at("url"), n.at("link")),
	}
	e.Required, _ = n.at("required").value.(bool)
	switch ui.at("ui:field").str() {
	case "typography":
		e.Widget, e.Title = ParagraphEntry, cmp.Or(e.Description, e.Title)
		return e, e.Title != ""
	case "admonition":
		e.Widget, e.Title = NoteEntry, cmp.Or(e.Description, e.Title)
		return e, e.Title != ""
	case "button", "link":
		e.Widget, e.Title = LinkEntry, cmp.Or(e.Title, e.Description, e.Link)
		return e, e.Link != ""
	}
	switch ui.at("ui:widget").str() {
	case "password":
		e.Widget = PasswordWidget
	case "textarea":
		e.Widget = TextareaWidget
	default:
		e.Widget = TextWidget
	}
	if len(e.Options) > 0 {
		e.Widget = SelectWidget
	}
	e.Title, e.Secret = cmp.Or(e.Title, e.Const), readSecret(n, e)
	return e, e.Const != ""
}

// readOptions reads the choices of a field from options, or from JSON Schema's oneOf or enum.
func readOptions(n node) []Option {
	var all []Option
	for _, list := range []string{"options", "oneOf", "enum"} {
		for _, o := range n.at(list).items() {
			value := cmp.Or(o.scalar(), o.at("const").scalar(), o.at("value").scalar())
			if value != "" {
				all = append(all, Option{Value: value, Label: cmp.Or(o.at("title").str(), o.at("name").str(), o.at("label").str(), value)})
			}
		}
		if len(all) > 0 {
			break
		}
	}
	return all
}

// webLink returns the first node that is an http or https URL, with or without {hostname}.
func webLink(nodes ...node) string {
	for _, n := range nodes {
		if absolute(HostnameURL(n.str(), "person")) {
			return n.str()
		}
	}
	return ""
}

// str returns the string of a node, or an empty one.
func (n node) str() string {
	s, _ := n.value.(string)
	return s
}

// scalar returns the string, number or boolean of a node as text, or an empty string.
func (n node) scalar() string {
	switch v := n.value.(type) {
	case string:
		return v
	case float64, bool:
		return fmt.Sprint(v)
	}
	return ""
}

// items returns the items of a list, or none if the node is not a list.
func (n node) items() []node {
	var r reader
	return r.list(n)
}
