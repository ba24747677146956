// Package web renders the HTML pages: templates, one stylesheet and one script, all embedded in the binary.
//
// [Pages] has one method for each page. Its argument is a struct of what the page shows, such as [Connect], [Result] or
// [AdminApp]. The package handles no requests and decides nothing: callers in proxy fill in the struct.
//
// Pages load nothing from another server and contain no inline script or style; see [Policy]. Every page works by keyboard
// alone. Every page works without its script, except the landing page, which posts to the window that opened it.
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

// Policy is the Content-Security-Policy of every page. Pages load and submit only to their own server, and cannot be
// framed.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Pages renders the pages. Safe for concurrent use.
type Pages struct{ templates *template.Template }

// New parses the embedded templates. base is the path of the public URL, empty if it has none. Pages load their assets from
// base/ui/NAME?v=VERSION: the version changes with the content, so browsers may cache assets for ever.
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

// Assets lists the files that pages load.
var Assets = []string{"icon.svg", "page.js", "style.css"}

// Asset returns the content of one of Assets. The caller may change the bytes.
func Asset(name string) ([]byte, error) { return files.ReadFile(name) }

// Landing is the page at the redirect URI.
type Landing struct {
	// Origins are the origins that the page posts its own URL to, if one of them opened the window.
	Origins []string
	// Bound says that the sign-in cannot be finished without the window that opened this one.
	Bound bool
	// Connect is the address of the page on which a person without an app can connect; empty for none.
	Connect string
}

// List returns the origins as JSON.
func (l Landing) List() (string, error) {
	list, err := json.Marshal(l.Origins)
	return string(list), err
}

// Landing writes the page at the redirect URI. It posts its own URL to the window that opened it, and closes. If no window did,
// it says what the person can do.
func (p *Pages) Landing(w io.Writer, l Landing) error {
	return p.templates.ExecuteTemplate(w, "landing.html", l)
}

// Link is a link on a page.
type Link struct{ Title, Href string }

// Home writes the page at the server's own address. connect has a link for each CRM that people can connect there.
func (p *Pages) Home(w io.Writer, connect []Link) error {
	return p.templates.ExecuteTemplate(w, "home.html", connect)
}

// Going is the page that leads to the CRM.
type Going struct {
	CRM, URL string
	Warning  string // empty for none
}

// Going writes a page with a link to the CRM. The caller may add a Refresh header, which follows the link.
func (p *Pages) Going(w io.Writer, g Going) error {
	return p.templates.ExecuteTemplate(w, "going.html", g)
}

// Result is the page that says how a sign-in ended.
type Result struct {
	Tone      string // good, calm, bad
	Heading   string
	Sentences []string
	// Retry is the link to try again, with the text RetryLabel; empty for no link.
	Retry, RetryLabel string
	// Clean replaces the page's address, which may contain a code, in the browser's history; empty to keep it.
	Clean string
}

// Result writes the page that says how a sign-in ended.
func (p *Pages) Result(w io.Writer, r Result) error {
	return p.templates.ExecuteTemplate(w, "result.html", r)
}
