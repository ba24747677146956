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

// maxNotes bounds what is rendered of a developer's notes.
const maxNotes = 32 << 10

// Notes renders a connector developer's notes, CommonMark. They are somebody else's text: HTML in them is left out, of
// images their description is kept, and only what leads to the web is a link.
func Notes(markdown string) (template.HTML, error) {
	if len(markdown) > maxNotes {
		markdown = markdown[:maxNotes]
	}
	md := goldmark.New(goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tame{}, 0))))
	var b bytes.Buffer
	err := md.Convert([]byte(markdown), &b)
	return template.HTML(b.String()), err // raw HTML is off, and it is tamed
}

// tame takes out of a text what a page of ours does not show.
type tame struct{}

func (tame) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	var odd []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Heading:
			if entering {
				n.Level = min(6, n.Level+2) // the page has the levels above
			}
		case *ast.Image, *ast.HTMLBlock, *ast.RawHTML:
			if entering {
				odd = append(odd, n)
			}
		case *ast.Link:
			if entering && !leads(n, n.Destination) {
				odd = append(odd, n)
			}
		case *ast.AutoLink:
			if entering && !leads(n, n.URL(reader.Source())) {
				odd = append(odd, n)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, n := range odd {
		unwrap(n, reader.Source())
	}
}

// leads reports whether a link leads to the web, and has it open in a window of its own.
func leads(n ast.Node, to []byte) bool {
	u, err := url.Parse(string(to))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return false
	}
	for name, value := range map[string]string{"class": "out", "target": "_blank", "rel": "noopener noreferrer"} {
		n.SetAttributeString(name, []byte(value))
	}
	return true
}

// unwrap puts what is inside of a node into its place.
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
