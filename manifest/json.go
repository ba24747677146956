package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/crmgate/crmgate"
)

// node is a place in a JSON document that knows where it stands, so that an error can say so.
type node struct {
	file, path string
	value      any // nil for null and for what is not there
}

// parseJSON reads one JSON object. A syntax error is told by line and column.
func parseJSON(file string, b []byte) (node, error) {
	n := node{file: file}
	if err := json.Unmarshal(b, &n.value); err != nil {
		at, ok := errors.AsType[*json.SyntaxError](err)
		if !ok {
			return n, n.wrong("JSON")
		}
		before := b[:min(int(at.Offset), len(b))]
		line := 1 + bytes.Count(before, []byte("\n"))
		column := len(before) - bytes.LastIndexByte(before, '\n') - 1
		return n, &Error{File: file, Want: "JSON", Got: fmt.Sprintf("an error in line %d, column %d: %v", line, column, err)}
	}
	if _, ok := n.value.(map[string]any); !ok {
		return n, n.wrong("an object")
	}
	return n, nil
}

// at returns a member; one that is not there, also of what is no object, is a node without a value.
func (n node) at(name string) node {
	m, _ := n.value.(map[string]any)
	path := name
	if n.path != "" {
		path = n.path + "." + name
	}
	return node{file: n.file, path: path, value: m[name]}
}

func (n node) present() bool { return n.value != nil }

// members iterates over an object in the order of names, so that the same fault is reported at every start.
func (n node) members() func(yield func(string, node) bool) {
	m, _ := n.value.(map[string]any)
	return func(yield func(string, node) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !yield(name, n.at(name)) {
				return
			}
		}
	}
}

func (n node) wrong(want string) *Error {
	e := &Error{File: n.file, Path: n.path, Want: want}
	switch v := n.value.(type) {
	case nil:
		e.Got = "nothing"
	case string:
		e.Got = fmt.Sprintf("%q", crmgate.Clip(v))
	case map[string]any:
		e.Got = "an object"
	case []any:
		e.Got = "a list"
	default:
		e.Got = fmt.Sprint(v)
	}
	return e
}

// reader reads typed values out of nodes and keeps the first error, so that reading stays a list of fields.
type reader struct{ err error }

func (r *reader) check(n node, ok bool, want string) {
	if !ok && r.err == nil {
		r.err = n.wrong(want)
	}
}

func (r *reader) text(n node) string {
	s, ok := n.value.(string)
	r.check(n, ok || !n.present(), "a string")
	return s
}

func (r *reader) flag(n node, otherwise bool) bool {
	if !n.present() {
		return otherwise
	}
	b, ok := n.value.(bool)
	r.check(n, ok, "true or false")
	return b
}

func (r *reader) oneOf(n node, values ...string) string {
	s := r.text(n)
	want := "one of"
	for _, v := range values {
		want += fmt.Sprintf(" %q", v)
	}
	r.check(n, slices.Contains(values, s), want)
	return s
}

func (r *reader) object(n node) {
	_, ok := n.value.(map[string]any)
	r.check(n, ok || !n.present(), "an object")
}

// texts reads an object of strings.
func (r *reader) texts(n node) map[string]string {
	r.object(n)
	all := map[string]string{}
	for name, v := range n.members() {
		s, ok := v.value.(string)
		r.check(v, ok, "a string")
		all[name] = s
	}
	return all
}

func (r *reader) list(n node) []node {
	l, ok := n.value.([]any)
	r.check(n, ok || !n.present(), "a list")
	nodes := make([]node, len(l))
	for i, v := range l {
		nodes[i] = node{file: n.file, path: fmt.Sprintf("%s[%d]", n.path, i), value: v}
	}
	return nodes
}

// clone copies a decoded JSON value.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for k, m := range v {
			c[k] = clone(m)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, m := range v {
			c[i] = clone(m)
		}
		return c
	}
	return v
}

// set puts v at a path of members, making objects on the way; false if the path leads through what is no object.
func set(tree any, path []string, v any) bool {
	m, ok := tree.(map[string]any)
	if !ok || path[0] == "" {
		return false
	}
	if len(path) == 1 {
		m[path[0]] = v
		return true
	}
	if m[path[0]] == nil {
		m[path[0]] = map[string]any{}
	}
	return set(m[path[0]], path[1:], v)
}
