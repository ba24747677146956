package web

import "io"

// Frame is the part that all pages for administrators share.
type Frame struct {
	Heading string
	Account string // the organisation's RingCentral account id
	Who     string // how the administrator signed in: "as extension 101"
	Home    string // the overview's address
}

// PageTitle is the window's title.
func (f Frame) PageTitle() string { return f.Heading }

// AdminSignIn is the page that asks an administrator for a token.
type AdminSignIn struct{ Action, Problem string }

// PageTitle is the title of the window. It starts with "Error" if the form was rejected.
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

// Row is an entry of a list.
type Row struct {
	Title, Href string
	State, Tone string // Tone is good, calm, bad
	Sentences   []string
}

// Pair is a name and its value.
type Pair struct{ Name, Value string }

// AdminHome is the overview page.
type AdminHome struct {
	Frame
	Apps, Fields, People []Row
}

// AdminHome writes the overview page.
func (p *Pages) AdminHome(w io.Writer, a AdminHome) error {
	return p.templates.ExecuteTemplate(w, "adminhome.html", a)
}

// AdminApp is the page of the organisation's application at one CRM.
type AdminApp struct {
	Frame
	CRM                string
	Confirmed, Pending *AppCard // nil if there is none
	Trouble            string   // why the CRM rejects the confirmed application; empty if it does not
	Retried            bool     // the rejected application is tried again by the next request
	SignedIn           string   // people signed in with the confirmed application: "2 people"
	Problem            string   // an error of the whole form
	Setup              Setup
	Blocks             []Block
	Revision           string // identifies the applications on the page; its forms carry it
	// Addresses of the forms and links. Retry is empty if the next sign-in tries the rejected application.
	Action, Try, Retry, Drop, Remove, People string
}

// AppCard is an application with the values that were entered.
type AppCard struct {
	Heading  string // of the pending application
	Values   []Pair
	Sentence string
}

// PageTitle is the title of the window. It starts with "Error" if the form was rejected.
func (a AdminApp) PageTitle() string {
	if wrong(a.Problem, a.Blocks) {
		return "Error: " + a.Heading
	}
	return a.Heading
}

// AdminApp writes the page. The first field with an error gets the focus.
func (p *Pages) AdminApp(w io.Writer, a AdminApp) error {
	focus(a.Blocks)
	return p.templates.ExecuteTemplate(w, "adminapp.html", a)
}

// AdminPeople is the page that lists the connected people of a CRM.
type AdminPeople struct {
	Frame
	Total     string // "2 people"
	Some      bool   // there are people
	People    []Row
	End, Next string // links to end all sessions, and to the next page; Next may be empty
}

// AdminPeople writes the page.
func (p *Pages) AdminPeople(w io.Writer, a AdminPeople) error {
	return p.templates.ExecuteTemplate(w, "adminpeople.html", a)
}

// AdminConfirm is the page that asks to confirm an action.
type AdminConfirm struct {
	Frame
	Sentences            []string
	Action, Button, Back string
	Hidden               []Pair // hidden fields of the form
}

// AdminConfirm writes the page.
func (p *Pages) AdminConfirm(w io.Writer, a AdminConfirm) error {
	return p.templates.ExecuteTemplate(w, "adminconfirm.html", a)
}

// AdminFields is the page of the credentials that an administrator enters for other people.
type AdminFields struct {
	Frame
	Problem    string
	Host       string // the host that they are for; empty if people do not choose one
	Extension  string // the extension they are for; empty for the whole organisation
	Name       string // name of the person at that extension
	Blocks     []Block
	Own        bool // single extensions can have credentials
	Unplaced   bool // there are credentials without a host
	Extensions []Row
	Revision   string // identifies the credentials on the page; the form carries it
	// Action is the address of the forms, Organisation that of the organisation's credentials for the same host.
	Action, Organisation string
}

// PageTitle is the title of the window. It starts with "Error" if the form was rejected.
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

// AdminHosts is the page that asks for which host credentials are.
type AdminHosts struct {
	Frame
	Blocks   []Block
	Unplaced bool  // there are credentials without a host
	Hosts    []Row // the hosts that have credentials
	Action   string
}

// PageTitle is the title of the window. It starts with "Error" if the form was rejected.
func (a AdminHosts) PageTitle() string {
	if wrong("", a.Blocks) {
		return "Error: " + a.Heading
	}
	return a.Heading
}

// AdminHosts writes the page. The first field with an error gets the focus.
func (p *Pages) AdminHosts(w io.Writer, a AdminHosts) error {
	focus(a.Blocks)
	return p.templates.ExecuteTemplate(w, "adminhosts.html", a)
}

// AdminAudit is the page of the audit log.
type AdminAudit struct {
	Frame
	Entries []Row
	Next    string // link to older entries; empty at the end
}

// AdminAudit writes the page.
func (p *Pages) AdminAudit(w io.Writer, a AdminAudit) error {
	return p.templates.ExecuteTemplate(w, "adminaudit.html", a)
}
