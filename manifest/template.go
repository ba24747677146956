package manifest

import (
	"encoding/json"
	"slices"
	"strings"
)

// Template is a text of a manifest with values in it, such as "https://{hostname}/users/{body.id|lower}". It is immutable. A connector
// that is data gets it as JSON.
//
// A brace before a letter begins a value: a path, and functions behind bars. Any other brace is text, as in the GraphQL "{ me { id } }".
type Template []Part

// Part is a text or a value.
type Part struct {
	Text  string     `json:"text,omitempty"`
	Path  []string   `json:"path,omitempty"`  // of the value; empty for a text
	Calls [][]string `json:"calls,omitempty"` // functions with their argument, in the order in which they are applied
	As    Escape     `json:"as,omitempty"`
}

// Escape is how a value is written into the text around it.
type Escape string

// The ways to write a value. Without one, it is written as it is.
const (
	asHost  Escape = "host"  // a host, with an optional port; nothing else may be there
	asURL   Escape = "url"   // percent-encoded
	asJSON  Escape = "json"  // within a JSON string
	asValue Escape = "value" // as a JSON value of its own type
)

// maxText is the maximum length of a template, in bytes.
const maxText = 16 << 10

// functions are what can be applied to a value, and whether they have an argument. All of them are pure.
var functions = map[string]bool{
	"lower": false, "upper": false, "trim": false, "base64": false, "host": false,
	"default": true, "or": true, "join": true,
}

const functionNames = "base64, default:TEXT, host, join:TEXT, lower, or:PATH, trim, upper"

// template reads a template. roots are the first names that paths may have.
func (r *reader) template(n node, roots []string) (t Template) {
	text := r.text(n)
	r.check(n, len(text) <= maxText, "a text of at most 16 KB")
	for text != "" {
		at := valueAt(text)
		if at < 0 {
			return append(t, Part{Text: text})
		}
		if at > 0 {
			t = append(t, Part{Text: text[:at]})
		}
		inside, after, ok := strings.Cut(text[at+1:], "}")
		r.check(n, ok, "a closing brace behind the value: write a blank behind a brace that is text")
		t = append(t, r.value(n, inside, roots))
		text = after
	}
	return t
}

// valueAt returns where the first value begins; -1 if there is none.
func valueAt(text string) int {
	for i := range len(text) - 1 {
		if text[i] == '{' && isLetter(text[i+1]) {
			return i
		}
	}
	return -1
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// value reads what is between braces: a path, and functions behind bars.
func (r *reader) value(n node, inside string, roots []string) Part {
	path, rest, more := strings.Cut(inside, "|")
	p := Part{Path: r.valuePath(n, path, roots)}
	for more {
		var call string
		call, rest, more = strings.Cut(rest, "|")
		name, argument, given := strings.Cut(call, ":")
		takes, known := functions[name]
		r.check(n, known && takes == given, "after a bar one of the functions "+functionNames)
		if name == "or" {
			r.valuePath(n, argument, roots)
		}
		if takes {
			p.Calls = append(p.Calls, []string{name, argument})
		} else {
			p.Calls = append(p.Calls, []string{name})
		}
	}
	return p
}

// valuePath reads the names of a path, joined by dots.
func (r *reader) valuePath(n node, path string, roots []string) []string {
	names := strings.Split(path, ".")
	r.check(n, slices.Contains(roots, names[0]), "in braces a path that begins with "+strings.Join(roots, ", "))
	r.check(n, !slices.Contains(names, ""), "in braces the names of a path, such as {body.user.id}")
	return names
}

// as returns the template with its values written in another way.
func (t Template) as(e Escape) Template {
	c := slices.Clone(t)
	for i := range c {
		if len(c[i].Path) > 0 {
			c[i].As = e
		}
	}
	return c
}

// inURL returns the template of a URL: values are percent-encoded, and those in the host are hosts.
func (t Template) inURL() Template {
	c := slices.Clone(t)
	before := ""
	for i, p := range c {
		if _, rest, _ := strings.Cut(before, "://"); len(p.Path) > 0 && !strings.ContainsAny(rest, "/?#") {
			c[i].As = asHost
		} else if len(p.Path) > 0 {
			c[i].As = asURL
		}
		before += p.Text
	}
	return c
}

// inJSON returns the template of a text in JSON. A value without text around it keeps its type.
func (t Template) inJSON() Template {
	if len(t) == 1 && len(t[0].Path) > 0 {
		return t.as(asValue)
	}
	c := Template{{Text: `"`}}
	for _, p := range t.as(asJSON) {
		if len(p.Path) == 0 {
			quoted, _ := json.Marshal(p.Text) // a string always encodes
			p.Text = string(quoted[1 : len(quoted)-1])
		}
		c = append(c, p)
	}
	return append(c, Part{Text: `"`})
}

// paths returns the paths of all values, with those that are read if there is nothing.
func (t Template) paths() (all [][]string) {
	for _, p := range t {
		if len(p.Path) > 0 {
			all = append(all, p.Path)
		}
		for _, c := range p.Calls {
			if c[0] == "or" {
				all = append(all, strings.Split(c[1], "."))
			}
		}
	}
	return all
}

// uses reports whether a path begins with this name.
func (t Template) uses(root string) bool {
	return slices.ContainsFunc(t.paths(), func(path []string) bool { return path[0] == root })
}

// filled returns the text with another text for each value; the person's host stays.
func (t Template) filled(with string) string {
	var b strings.Builder
	for _, p := range t {
		switch {
		case len(p.Path) == 0:
			b.WriteString(p.Text)
		case p.Path[0] == "hostname" && p.As == asHost:
			b.WriteString(placeholder)
		default:
			b.WriteString(with)
		}
	}
	return b.String()
}

// hostKnown reports whether the host of a URL depends on nothing but the person's host.
func (t Template) hostKnown() bool {
	return !slices.ContainsFunc(t, func(p Part) bool { return p.As == asHost && !slices.Equal(p.Path, []string{"hostname"}) })
}
