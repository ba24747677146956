package web

import "io"

// Frame is what all pages of an organisation's admin have: whose organisation it is, and who they are taken for.
type Frame struct {
	Heading, Account, Who string
	Home                  string // the overview's address
}

// PageTitle is the window's title.
func (f Frame) PageTitle() string { return f.Heading }

// AdminSignIn asks an admin for a token.
type AdminSignIn struct{ Action, Problem string }

// PageTitle is the window's title. A mistake comes first.
func (a AdminSignIn) PageTitle() string {
	if a.Problem != "" {
		return "Error: Your organisation's CRMs"
	}
	return "Your organisation's CRMs"
}

// AdminSignIn writes the page.
func (p *Pages) AdminSignIn(w io.Writer, a AdminSignIn) error {
	return p.templates.ExecuteTemplate(w, "adminsignin.html", a)
}

// Row is one of several things that are listed.
type Row struct {
	Title, Href string
	State, Tone string // Tone is good, calm, bad
	Sentences   []string
}

// Pair is a name and its value.
type Pair struct{ Name, Value string }

// AdminHome is the overview.
type AdminHome struct {
	Frame
	Apps, Fields, People []Row
}

// AdminHome writes the overview.
func (p *Pages) AdminHome(w io.Writer, a AdminHome) error {
	return p.templates.ExecuteTemplate(w, "adminhome.html", a)
}

// AdminApp is the page of an organisation's application.
type AdminApp struct {
	Frame
	CRM                string
	Confirmed, Pending *AppCard // nil if there is none
	Trouble            string   // what the CRM says of the confirmed one, if it rejects it
	SignedIn           string   // how many people are, by the confirmed one
	Problem            string   // what is wrong with what was filled in, as a whole
	Setup              Setup
	Blocks             []Block
	// Where the forms go, and the links.
	Action, Try, Drop, Remove, People string
}

// AppCard is an application as it was entered.
type AppCard struct {
	Values   []Pair
	Sentence string
}

// PageTitle is the window's title. A mistake comes first.
func (a AdminApp) PageTitle() string {
	if wrong(a.Problem, a.Blocks) {
		return "Error: " + a.Heading
	}
	return a.Heading
}

// AdminApp writes the page. If something is wrong, the first field that is has the keyboard.
func (p *Pages) AdminApp(w io.Writer, a AdminApp) error {
	focus(a.Blocks)
	return p.templates.ExecuteTemplate(w, "adminapp.html", a)
}

// AdminPeople lists people.
type AdminPeople struct {
	Frame
	Total       string // how many they are
	Some, First bool   // there are any; it is the first page
	People      []Row
	End, Next   string // links; Next may be empty
}

// AdminPeople writes the list.
func (p *Pages) AdminPeople(w io.Writer, a AdminPeople) error {
	return p.templates.ExecuteTemplate(w, "adminpeople.html", a)
}

// AdminConfirm asks whether something is to be done.
type AdminConfirm struct {
	Frame
	Sentences            []string
	Action, Button, Back string
	Hidden               []Pair // goes with the form
}

// AdminConfirm writes the question.
func (p *Pages) AdminConfirm(w io.Writer, a AdminConfirm) error {
	return p.templates.ExecuteTemplate(w, "adminconfirm.html", a)
}

// AdminFields is the page of credentials that an admin fills in for others.
type AdminFields struct {
	Frame
	Problem    string
	Extension  string // whose they are; empty: the organisation's
	Name       string // of the extension's person
	Blocks     []Block
	Own        bool // extensions can have values
	Extensions []Row
	Action     string
}

// PageTitle is the window's title. A mistake comes first.
func (a AdminFields) PageTitle() string {
	if wrong(a.Problem, a.Blocks) {
		return "Error: " + a.Heading
	}
	return a.Heading
}

// AdminFields writes the page.
func (p *Pages) AdminFields(w io.Writer, a AdminFields) error {
	return p.templates.ExecuteTemplate(w, "adminfields.html", a)
}

// AdminAudit shows what happened.
type AdminAudit struct {
	Frame
	Entries []Row
	Next    string // a link to what was before; empty at the end
}

// AdminAudit writes the page.
func (p *Pages) AdminAudit(w io.Writer, a AdminAudit) error {
	return p.templates.ExecuteTemplate(w, "adminaudit.html", a)
}
