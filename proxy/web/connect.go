package web

import (
	"io"
	"slices"
	"strings"
)

// Connect is the page on which a person connects a CRM.
type Connect struct {
	CRM    string // its name
	OAuth  bool   // the person goes on to the CRM; else they fill in the form
	Action string // where the form goes
	// Session is the sign-in that a client waits for; empty if none does.
	Session string
	// ProblemTitle and Problem are what is wrong as a whole; empty if nothing is.
	ProblemTitle, Problem string
	Warning               string
	Blocks                []Block
	// Setup, if not nil, says that the person is an admin who enters their organisation's application.
	Setup *Setup
}

// Waited reports whether a client waits for the sign-in.
func (c Connect) Waited() bool { return c.Session != "" }

// Wrong reports whether something has to be mended.
func (c Connect) Wrong() bool { return wrong(c.Problem, c.Blocks) }

func wrong(problem string, blocks []Block) bool {
	return problem != "" || slices.ContainsFunc(blocks, func(b Block) bool { return b.Error != "" })
}

// focus has the keyboard begin at the first field that is wrong.
func focus(blocks []Block) {
	for i := range blocks {
		if blocks[i].Error != "" {
			blocks[i].Focus = true
			break
		}
	}
}

// PageTitle is the window's title. A mistake comes first: that is what is read out when the page comes back.
func (c Connect) PageTitle() string {
	title := "Connect " + c.CRM
	if c.Setup != nil {
		title = "Set up " + c.CRM
	}
	if c.Wrong() {
		return "Error: " + title
	}
	return title
}

// Block is a field of the form, or a text or a link between its fields.
type Block struct {
	// Kind is text, url, password, textarea, select, choice (radio buttons), or, with no field, paragraph, note, link.
	Kind     string
	ID, Name string
	Label    string
	Help     string
	Steps    []string // how to find what is asked for
	Value    string   // never a password
	Error    string   // what is wrong with it
	Required bool
	Set      bool   // a secret is stored, which stays if this is left empty
	Removes  string // of a value that is set: what its button to remove it sends; empty if there is none
	Focus    bool   // where the keyboard begins
	Options  []Option
	Href     string
	// Placeholder is an example.
	Placeholder string
}

// Option is one choice.
type Option struct{ Value, Label, Detail string }

// DescribedBy names what belongs to a field, for those who hear it.
func (b Block) DescribedBy() string {
	var ids []string
	if len(b.Steps) > 0 {
		ids = append(ids, b.ID+"-steps")
	}
	if b.Help != "" {
		ids = append(ids, b.ID+"-help")
	}
	if b.Error != "" {
		ids = append(ids, b.ID+"-error")
	}
	return strings.Join(ids, " ")
}

// Connect writes the page. If something is wrong, the first field that is has the keyboard.
func (p *Pages) Connect(w io.Writer, c Connect) error {
	focus(c.Blocks)
	return p.templates.ExecuteTemplate(w, "connect.html", c)
}
