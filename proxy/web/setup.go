package web

import "html/template"

// Setup tells an administrator how to register the application at a CRM. The template "setup" shows it.
type Setup struct {
	CRM   string
	Notes template.HTML // from the function Notes; may be empty
	// RedirectURI is the redirect URI to register.
	RedirectURI string
}
