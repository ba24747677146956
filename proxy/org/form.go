package org

import (
	"encoding/json"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// Form is a filled-in API-key form, by the fields' consts.
type Form map[string]json.RawMessage

// ReadForm reads a form. additionalInfo is a JSON object of its fields, or empty. apiKey is the field of that name, if the
// object has none.
func ReadForm(additionalInfo, apiKey crmgate.Secret) (Form, error) {
	f := Form{}
	if !additionalInfo.IsZero() {
		if err := json.Unmarshal([]byte(additionalInfo.Reveal()), &f); err != nil {
			return nil, crmgate.Refuse("additionalInfo must be an object") // the cause could quote a credential
		}
	}
	if f == nil { // null
		f = Form{}
	}
	if f.empty("apiKey") && !apiKey.IsZero() {
		f["apiKey"], _ = json.Marshal(apiKey.Reveal())
	}
	return f, nil
}

// Text returns a field; empty if it is missing, or not a text.
func (f Form) Text(name string) string {
	s, _ := fieldText(f[name])
	return s
}

// fieldText reads a value of a form. No value is empty.
func fieldText(v json.RawMessage) (string, error) {
	if len(v) == 0 {
		return "", nil
	}
	var t crmgate.Text
	err := t.UnmarshalJSON(v)
	return string(t), err
}

func (f Form) empty(name string) bool {
	v := string(f[name])
	return v == "" || v == `""` || v == "null"
}

// Secret returns the form as a JSON object.
func (f Form) Secret() crmgate.Secret {
	b, _ := json.Marshal(f)
	return crmgate.NewSecret(string(b))
}

// Missing returns the required fields that are empty, in the form's order.
func (f Form) Missing(fields []manifest.FormField) []string {
	var consts []string
	for _, field := range fields {
		if field.Required && f.empty(field.Const) {
			consts = append(consts, field.Const)
		}
	}
	return consts
}
