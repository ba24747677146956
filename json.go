package crmgate

import (
	"bytes"
	"encoding/json"
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
