package web

import (
	"io"
	"slices"
	"strings"
)

// Connect is the page where a person connects to a CRM.
type Connect struct {
	CRM    string // its display name
	OAuth  bool   // sign-in continues at the CRM; if false, the form asks for an API key
	Action string // the form's address
	// Session is the id of the sign-in that a client polls for; empty if no client does.
	Session string
	// ProblemTitle and Problem are an error of the whole form; empty if there is none.
	ProblemTitle, Problem string
	Warning               string
	Blocks                []Block
	// Revision identifies the applications that the administrator sees.
	Revision string
	// Setup, if not nil, makes this the page where an administrator enters the organisation's application.
	Setup *Setup
}

// Waited reports whether a client polls for the sign-in.
func (c Connect) Waited() bool { return c.Session != "" }

// Wrong reports whether the form was rejected.
func (c Connect) Wrong() bool { return wrong(c.Problem, c.Blocks) }

func wrong(problem string, blocks []Block) bool {
	return problem != "" || slices.ContainsFunc(blocks, func(b Block) bool { return b.Error != "" })
}

// focus moves the focus to the first field with an error.
func focus(blocks []Block) {
	for i := range blocks {
		if blocks[i].Error != "" {
			blocks[i].Focus = true
			break
		}
	}
}

// PageTitle is the title of the window. It starts with "Error" if the form was rejected, since screen readers read it first.
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

// Block is a field of a form, or a text or link between fields.
type Block struct {
	// Kind is a field: text, url, password, textarea, select or choice (radio buttons); or paragraph, note or link.
	Kind     string
	ID, Name string
	Label    string
	Help     string
	Steps    []string // instructions to find the value
	Value    string   // never a password
	Error    string   // what is wrong with the value
	Required bool
	Set      bool   // a secret is stored, and kept if the field is left empty
	Removes  string // the value that the Remove button of a stored secret sends; empty for no button
	Focus    bool   // the field gets the focus
	Options  []Option
	Href     string
	// Placeholder is an example value.
	Placeholder string
}

// Option is an option of a select or choice.
type Option struct{ Value, Label, Detail string }

// DescribedBy lists the ids of the field's descriptions, for screen readers.
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

// Connect writes the page. The first field with an error gets the focus.
func (p *Pages) Connect(w io.Writer, c Connect) error {
	focus(c.Blocks)
	return p.templates.ExecuteTemplate(w, "connect.html", c)
}
