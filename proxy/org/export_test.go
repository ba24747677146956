package org

import (
	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
)

// FillForm fills in a form with managed fields. It returns the values for the connector, and the submitted values to keep.
func FillForm(additionalInfo crmgate.Secret, fields []manifest.FormField, stored storage.Fields) (info string, own storage.Fields, err error) {
	f, err := ReadForm(additionalInfo, crmgate.Secret{})
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
