package web

import "html/template"

// Setup is what an admin does at a CRM before there are credentials to enter: the template "setup" shows it.
type Setup struct {
	CRM   string
	Notes template.HTML // the developer's, as Notes renders them; may be empty
	// RedirectURI is what the application is registered with.
	RedirectURI string
}
