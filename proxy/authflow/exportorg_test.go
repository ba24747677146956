package authflow

import (
	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// ReadForm is an API-key form as it is read: what goes to the connector, the key in it, and the required fields that are missing.
func ReadFormOf(r APIKeyRequest, fields []manifest.FormField) (info, key string, missing []string, err error) {
	f, err := ReadForm(r.AdditionalInfo, r.APIKey)
	if err != nil {
		return "", "", nil, err
	}
	return f.Secret().Reveal(), f.Text("apiKey"), f.Missing(fields), nil
}

// FillForm is a form with managed fields as it is filled in: what goes to the connector, and the submitted values that it kept.
func FillForm(r APIKeyRequest, fields []manifest.FormField, stored storage.Fields) (info string, own storage.Fields, err error) {
	f, err := ReadForm(r.AdditionalInfo, r.APIKey)
	if err != nil {
		return "", own, err
	}
	own, err = f.fill(fields, stored)
	return f.Secret().Reveal(), own, err
}

// ReadFieldValues reads submitted values.
func ReadFieldValues(object string) (storage.FieldValues, error) {
	return readFieldValues(crmgate.NewSecret(object))
}
