package crmgate

import (
	"bytes"
	"encoding/json"
	"strings"
)

// EncodeJSON encodes v without HTML escaping and without a newline at the end.
//
// JSON is not part of a page here. encoding/json would write the "&" of a URL as "\u0026".
func EncodeJSON(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Text is a string of a JSON document from a client or a guest. A number or a boolean is read as it is written, so that a number
// keeps all its digits, and null is empty.
type Text string

// UnmarshalJSON reads a string, number, boolean or null. The error, a *json.UnmarshalTypeError, does not quote the value.
func (t *Text) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '"':
		return json.Unmarshal(b, (*string)(t))
	case '{', '[':
		return &json.UnmarshalTypeError{Value: "value"} // the decoder adds the field
	case 'n':
		*t = ""
	default:
		*t = Text(b)
	}
	return nil
}

// Words is a Text, or a list of Texts that is joined by spaces, such as OAuth scopes.
type Words string

// UnmarshalJSON reads a Text or a list. The error is that of Text.
func (w *Words) UnmarshalJSON(b []byte) error {
	if b[0] != '[' {
		return (*Text)(w).UnmarshalJSON(b)
	}
	var list []Text
	if err := json.Unmarshal(b, &list); err != nil {
		return &json.UnmarshalTypeError{Value: "value"}
	}
	var words []string
	for _, t := range list {
		if t != "" {
			words = append(words, string(t))
		}
	}
	*w = Words(strings.Join(words, " "))
	return nil
}
