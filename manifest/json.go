package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
)

// node is a value in a JSON document, with its place for error messages.
type node struct {
	file, path string
	value      any // nil for null and for a missing member
}

// parseJSON reads one JSON object. The message of a syntax error has its line and column.
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

// at returns a member. If there is none, or n is not an object, the node has no value.
func (n node) at(name string) node {
	m, _ := n.value.(map[string]any)
	path := name
	if n.path != "" {
		path = n.path + "." + name
	}
	return node{file: n.file, path: path, value: m[name]}
}

func (n node) present() bool { return n.value != nil }

// members iterates over an object in the order of its names, so that every start reports the same mistake.
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

// wrong returns the error for a value that is not what was wanted.
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

// reader reads typed values from nodes and keeps the first error, so that its callers need no error checks.
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

func (r *reader) flag(n node, missing bool) bool {
	if !n.present() {
		return missing
	}
	b, ok := n.value.(bool)
	r.check(n, ok, "true or false")
	return b
}

func (r *reader) oneOf(n node, values ...string) string {
	s := r.text(n)
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	r.check(n, slices.Contains(values, s), "one of "+strings.Join(quoted, ", "))
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

// set sets the member at a path, and adds the objects that are missing on the way. It returns false if a value on the way
// is not an object.
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
