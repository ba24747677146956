// Package web holds the pages that people see: html/template, one stylesheet, one script, no build step, nothing from
// anybody else's server. It renders; what a page says is decided by its caller.
//
// Every page works without its script, except the one that posts to the window which opened it, and by keyboard alone.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"html/template"
	"io"
)

//go:embed *.html style.css page.js icon.svg
var files embed.FS

// Policy is the Content-Security-Policy of every page: what it shows and runs comes from its own server, it is in nobody's
// frame, and its forms go nowhere else. It is fixed: no page has anything inline.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Pages renders the pages. Safe for concurrent use.
type Pages struct{ templates *template.Template }

// New parses the embedded templates. base is the path of the public URL, empty if it has none; what the pages name of this
// server's own lies at base/ui/NAME, and another version of it at another URL, so that it may be kept for ever.
func New(base string) (*Pages, error) {
	sum := sha256.New()
	for _, name := range Assets {
		b, err := Asset(name)
		if err != nil {
			return nil, err
		}
		sum.Write(b)
	}
	version := hex.EncodeToString(sum.Sum(nil)[:8])
	t := template.New("").Funcs(template.FuncMap{"asset": func(name string) string { return base + "/ui/" + name + "?v=" + version }})
	t, err := t.ParseFS(files, "*.html")
	return &Pages{templates: t}, err
}

// Assets are the files that the pages name.
var Assets = []string{"icon.svg", "page.js", "style.css"}

// Asset returns one of Assets. The bytes are the caller's.
func Asset(name string) ([]byte, error) { return files.ReadFile(name) }

// Landing writes the page that a CRM sends the browser back to. It posts its own URL to the window that opened it, at
// each of origins and nowhere else, and closes.
func (p *Pages) Landing(w io.Writer, origins []string) error {
	list, err := json.Marshal(origins)
	if err != nil {
		return err
	}
	return p.templates.ExecuteTemplate(w, "landing.html", struct{ Origins string }{string(list)})
}

// Going is a page that leads to the CRM.
type Going struct{ CRM, URL string }

// Going writes a page with a link to the CRM. That the browser follows it by itself is for a header to say.
func (p *Pages) Going(w io.Writer, g Going) error {
	return p.templates.ExecuteTemplate(w, "going.html", g)
}

// Result is how something ended.
type Result struct {
	Tone      string // good, calm, bad
	Heading   string
	Sentences []string
	// Retry is where to try again, empty if not here; RetryLabel is what that link says.
	Retry, RetryLabel string
	// Clean is the address to show in the place of the page's own; empty if that may stay.
	Clean string
}

// Result writes a page that says how something ended.
func (p *Pages) Result(w io.Writer, r Result) error {
	return p.templates.ExecuteTemplate(w, "result.html", r)
}
