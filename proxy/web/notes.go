package web

import (
	"bytes"
	"html/template"
	"net/url"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// maxNotes is how many bytes of notes are rendered.
const maxNotes = 32 << 10

// Notes renders the setup notes of a connector's developer, in CommonMark. The notes are untrusted: HTML is removed, images
// become their description, and only http and https links stay.
func Notes(markdown string) (template.HTML, error) {
	if len(markdown) > maxNotes {
		markdown = markdown[:maxNotes]
	}
	md := goldmark.New(goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(sanitizer{}, 0))))
	var b bytes.Buffer
	err := md.Convert([]byte(markdown), &b)
	return template.HTML(b.String()), err // raw HTML is off, and sanitizer removed the rest
}

// sanitizer removes images, HTML and unsafe links from a document.
type sanitizer struct{}

func (sanitizer) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	var unsafe []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Heading:
			if entering {
				n.Level = min(6, n.Level+2) // the page itself uses levels 1 and 2
			}
		case *ast.Image, *ast.HTMLBlock, *ast.RawHTML:
			if entering {
				unsafe = append(unsafe, n)
			}
		case *ast.Link:
			if entering && !external(n, n.Destination) {
				unsafe = append(unsafe, n)
			}
		case *ast.AutoLink:
			if entering && !external(n, n.URL(reader.Source())) {
				unsafe = append(unsafe, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, n := range unsafe {
		unwrap(n, reader.Source())
	}
}

// external reports whether a link is an http or https URL, and makes it open in a new window.
func external(n ast.Node, to []byte) bool {
	u, err := url.Parse(string(to))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return false
	}
	for name, value := range map[string]string{"class": "out", "target": "_blank", "rel": "noopener noreferrer"} {
		n.SetAttributeString(name, []byte(value))
	}
	return true
}

// unwrap replaces a node with its children.
func unwrap(n ast.Node, source []byte) {
	parent := n.Parent()
	if a, ok := n.(*ast.AutoLink); ok {
		parent.InsertBefore(parent, n, ast.NewString(util.EscapeHTML(a.Label(source))))
	}
	if n.Type() == ast.TypeInline {
		for c := n.FirstChild(); c != nil; {
			next := c.NextSibling()
			parent.InsertBefore(parent, n, c)
			c = next
		}
	}
	parent.RemoveChild(parent, n)
}
