package settings

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/crmgate/crmgate"
)

// object is a JSON object. Its values stay as they were written: numbers keep their digits, strings their escapes.
type object map[string]json.RawMessage

// objectOf reads an object. It returns nil for other JSON and for none.
func objectOf(b json.RawMessage) object {
	var o object
	if json.Unmarshal(b, &o) != nil {
		return nil
	}
	return o
}

// maxNesting bounds the nesting of objects and lists from clients. Stored settings are encoded inside other objects, and
// encoding/json stops at 10,000 levels.
const maxNesting = 100

// readJSON returns a member of a body without insignificant blanks; nil if it is null or absent. The error is a Refusal.
func readJSON(name string, b json.RawMessage, most int) (json.RawMessage, error) {
	if !given(b) {
		return nil, nil
	}
	if nesting(b) > maxNesting {
		return nil, crmgate.Refuse("The body's %s is nested more than %d levels deep.", name, maxNesting)
	}
	var short bytes.Buffer
	if err := json.Compact(&short, b); err != nil {
		return nil, crmgate.Refuse("The body's %s is not JSON.", name)
	}
	if short.Len() > most {
		return nil, tooLarge(most)
	}
	return short.Bytes(), nil
}

// readObject is readJSON for a member that must be an object or null.
func readObject(name string, b json.RawMessage, most int) (object, error) {
	b, err := readJSON(name, b, most)
	if err != nil || b == nil {
		return nil, err
	}
	o := objectOf(b)
	if o == nil {
		return nil, crmgate.Refuse("The body's %s is of the wrong type.", name)
	}
	return o, nil
}

// nesting returns how deeply objects and lists are nested in valid JSON.
func nesting(b []byte) (deepest int) {
	depth, text := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// given reports whether there is a value other than null.
func given(b json.RawMessage) bool { return len(b) > 0 && string(b) != "null" }

// truthy reports whether JavaScript treats a value as true.
func truthy(b json.RawMessage) bool {
	switch string(b) {
	case "", "null", "false", `""`:
		return false
	}
	n, err := strconv.ParseFloat(string(b), 64)
	return err != nil || n != 0
}
