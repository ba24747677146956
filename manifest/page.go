package manifest

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/crmgate/crmgate"
)

// Page is what a manifest has people shown before they sign in. What is of no use in it is left out rather than refused:
// it is written for App Connect's clients, and how they show it is theirs to say.
type Page struct {
	// Environment asks where the person's CRM is.
	Environment EnvironmentPage
	// Form asks for an API key and what else belongs to it.
	Form FormPage
}

// EnvironmentPage is environment, for people.
type EnvironmentPage struct {
	Kind EnvironmentKind
	// URL is where everybody's CRM is, if that is fixed; may be empty.
	URL string
	// Selections are the choices of a selectable environment; each Value is a URL or a host.
	Selections []Option
	// Instructions say how to find the address of one's own CRM, step by step.
	Instructions []string
	// Identifier is how such an address looks, as *.example.com.
	Identifier string
}

// EnvironmentKind says how a person's CRM is found.
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
}

// FormEntry is a field of the form, or a text or a link between its fields.
type FormEntry struct {
	Const       string // the field's name
	Title       string // its label; of a text or a link, what it says
	Description string
	Widget      Widget
	Required    bool
	Default     string
	Options     []Option // of a Select
	Link        string   // an absolute http or https URL
}

// Widget says how an entry is shown.
type Widget string

// The widgets. The last three are no fields.
const (
	TextWidget     Widget = "text"
	PasswordWidget Widget = "password"
	TextareaWidget Widget = "textarea"
	SelectWidget   Widget = "select"
	ParagraphEntry Widget = "paragraph"
	NoteEntry      Widget = "note" // a paragraph that is set off
	LinkEntry      Widget = "link"
)

// Field reports whether the entry is one that people fill in.
func (e FormEntry) Field() bool {
	return e.Widget != ParagraphEntry && e.Widget != NoteEntry && e.Widget != LinkEntry
}

// Secret reports whether what is filled in should not be shown again: the widget or the name says so.
func (e FormEntry) Secret() bool {
	if e.Widget == PasswordWidget {
		return true
	}
	name := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(e.Const))
	for _, s := range []string{"apikey", "secret", "token", "passw", "credential"} {
		if strings.Contains(name, s) {
			return true
		}
	}
	return false
}

// readPage reads a platform's member as far as people are shown it.
func readPage(n node) Page {
	page := n.at("auth").at("apiKey").at("page")
	p := Page{
		Environment: readEnvironmentPage(n.at("environment")),
		Form:        FormPage{Title: page.at("title").str(), Warning: page.at("warning").str()},
	}
	for _, e := range page.at("content").items() {
		if entry, ok := readEntry(e); ok {
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

// readEntry reads an entry of the form; ok is false if there is nothing to show: a managed field, or a button that only
// App Connect's client knows what to do with.
func readEntry(n node) (e FormEntry, ok bool) {
	ui := n.at("uiSchema")
	e = FormEntry{
		Const: n.at("const").str(), Title: n.at("title").str(), Description: n.at("description").str(),
		Default: n.at("default").scalar(), Options: readOptions(n), Link: webLink(ui.at("ui:href"), n.at("href"), n.at("url"), n.at("link")),
	}
	e.Required, _ = n.at("required").value.(bool)
	managed, _ := n.at("managed").value.(bool)
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
	e.Title = cmp.Or(e.Title, e.Const)
	return e, e.Const != "" && !managed
}

// readOptions reads the choices of a field as JSON Schema has them (enum, oneOf), and as options.
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

// webLink is the first of several members that is a link to the web.
func webLink(nodes ...node) string {
	for _, n := range nodes {
		u, err := url.Parse(n.str())
		if err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
			return n.str()
		}
	}
	return ""
}

// str is the text at a place, empty if there is none.
func (n node) str() string {
	s, _ := n.value.(string)
	return s
}

// scalar is the text, number or truth value at a place as text, empty if there is none.
func (n node) scalar() string {
	switch v := n.value.(type) {
	case string:
		return v
	case float64, bool:
		return fmt.Sprint(v)
	}
	return ""
}

// items are the items of the list at a place, none if it is no list.
func (n node) items() []node {
	var r reader
	return r.list(n)
}
