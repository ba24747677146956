// Package ui holds the pages that people see: html/template, one stylesheet, no build step, nothing from anybody else's
// server. It renders; what a page says is decided by its caller.
package ui

import (
	"crypto/rand"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed *.html style.css
var files embed.FS

// Pages renders the pages. Safe for concurrent use.
type Pages struct {
	templates *template.Template
	style     template.CSS
}

// New parses the embedded templates.
func New() (*Pages, error) {
	t, err := template.ParseFS(files, "*.html")
	if err != nil {
		return nil, err
	}
	css, err := files.ReadFile("style.css")
	return &Pages{templates: t, style: template.CSS(css)}, err
}

// Landing writes the page that a CRM sends the browser back to. It posts its own URL to the window that opened it, at
// each of origins and nowhere else, and closes. policy is the Content-Security-Policy to send with it.
func (p *Pages) Landing(w io.Writer, origins []string) (policy string, err error) {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	nonce := base64.RawURLEncoding.EncodeToString(b)
	err = p.templates.ExecuteTemplate(w, "landing.html", map[string]any{"Nonce": nonce, "Origins": origins, "Style": p.style})
	return fmt.Sprintf("default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nonce, nonce), err
}
