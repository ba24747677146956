package org

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// What bounds a value of a managed field, and its name.
const (
	maxFieldValue = 8 << 10
	maxFieldName  = 256
)

// FieldsState says what of a platform's form somebody has to fill in.
type FieldsState struct {
	Managed   bool `json:"hasManagedAuth"`
	Satisfied bool `json:"allRequiredFieldsSatisfied"`
	// Visible are the fields to show; nil for all.
	Visible []string `json:"visibleFieldConsts"`
	Missing []string `json:"missingRequiredFieldConsts"`
	// Fallback says that the CRM refused the managed values, so that the person may enter their own.
	Fallback bool `json:"fallbackToManualAuth"`
}

// FieldsState returns what whoever holds a RingCentral token has to fill in to sign in. A platform that does not exist
// has no fields. Whose token it is not, is a Refusal; so is a missing platform, which is looked at first.
func (o *Orgs) FieldsState(ctx context.Context, p crmgate.Platform, rcToken crmgate.Secret) (FieldsState, error) {
	if p == "" {
		return FieldsState{}, crmgate.RefusePlain("Missing platform name")
	}
	who, err := o.Verify.Required(ctx, rcToken)
	if err != nil {
		return FieldsState{}, err
	}
	fields := o.Connectors.Fields(p)
	s := FieldsState{Managed: hasManaged(fields)}
	var stored storage.Fields
	if s.Managed {
		if stored, err = o.DB.Fields(ctx, storage.FieldsKey{Platform: p, Account: who.Account, Extension: who.Extension}); err != nil {
			return FieldsState{}, err
		}
		s.Fallback = stored.Failed
	}
	s.Missing = []string{}
	for _, field := range fields {
		known := field.Managed && !stored.Failed && !scoped(stored, field)[field.Const].IsZero()
		if field.Required && !known {
			s.Missing = append(s.Missing, field.Const)
		}
	}
	if s.Managed && !s.Fallback {
		s.Visible, s.Satisfied = s.Missing, len(s.Missing) == 0
	}
	return s, nil
}

func hasManaged(fields []manifest.FormField) bool {
	for _, field := range fields {
		if field.Managed {
			return true
		}
	}
	return false
}

// scoped are the values among which a managed field's is.
func scoped(all storage.Fields, field manifest.FormField) storage.FieldValues {
	if field.Scope == manifest.UserScope {
		return all.Extension
	}
	return all.Account
}

// Filling is what was done about the managed fields of a form. The zero Filling is nothing: nobody is known, or there are none.
type Filling struct {
	key storage.FieldsKey
	// own are the submitted values that the form has kept, because none is stored or those that are did not do.
	own storage.Fields
}

// Fill fills in the managed fields of a form with what is stored for its sender.
func (o *Orgs) Fill(ctx context.Context, m *manifest.Manifest, who identity.Identity, form Form) (Filling, error) {
	if !hasManaged(m.Fields) {
		return Filling{}, nil
	}
	x := Filling{key: storage.FieldsKey{Platform: m.Platform, Account: who.Account, Extension: who.Extension}}
	stored, err := o.DB.Fields(ctx, x.key)
	if err == nil {
		x.own, err = form.fill(m.Fields, stored)
	}
	return x, err
}

// fill lays stored values over a form and returns the submitted ones that remain in it. A stored value goes before the
// submitted one, unless a sign-in with stored values failed.
func (f Form) fill(fields []manifest.FormField, stored storage.Fields) (own storage.Fields, err error) {
	own = storage.Fields{Account: storage.FieldValues{}, Extension: storage.FieldValues{}}
	for _, field := range fields {
		if !field.Managed {
			continue
		}
		submitted, err := fieldValue(field.Const, f[field.Const])
		if err != nil {
			return own, err
		}
		v := scoped(stored, field)[field.Const]
		if v.IsZero() || stored.Failed && !submitted.IsZero() {
			v = submitted
			if !v.IsZero() {
				scoped(own, field)[field.Const] = v
			}
		}
		delete(f, field.Const)
		if !v.IsZero() {
			f[field.Const], _ = json.Marshal(v.Reveal())
		}
	}
	return own, nil
}

// Failed puts on record that the CRM refused the form. The person is told the same whether that works or not.
func (o *Orgs) Failed(ctx context.Context, x Filling) {
	if x.key.Platform == "" {
		return
	}
	if err := o.DB.FailFields(ctx, x.key); err != nil {
		o.Logger.WarnContext(ctx, "a refused sign-in with managed fields is not on record", "platform", x.key.Platform, "err", err)
	}
}

// Accepted is what is stored with the sign-in once the CRM has accepted the form. An admin's own values are kept for
// others, and only those that the CRM has just seen: what was submitted and not used may be wrong.
func (x Filling) Accepted(admin bool) []storage.With {
	if x.key.Platform == "" {
		return nil
	}
	with := []storage.With{storage.AcceptFields(x.key)}
	if !admin || len(x.own.Account)+len(x.own.Extension) == 0 {
		return with
	}
	account := x.key
	account.Extension = ""
	if len(x.own.Account) > 0 {
		with = append(with, storage.ChangeFields(storage.FieldsChange{Key: account, Set: x.own.Account}))
	}
	if len(x.own.Extension) > 0 {
		with = append(with, storage.ChangeFields(storage.FieldsChange{Key: x.key, Set: x.own.Extension}))
	}
	return append(with, storage.LogEvent(audit.Event{Kind: audit.EventAdministration, By: audit.ByAPIKey, Outcome: audit.OutcomeOK}))
}

// readFieldValues reads submitted values, a JSON object or nothing. What is empty or stays as it is, is left out. Its
// errors are Refusals, and quote no value.
func readFieldValues(object crmgate.Secret) (storage.FieldValues, error) {
	var raw map[string]json.RawMessage
	if !object.IsZero() && json.Unmarshal([]byte(object.Reveal()), &raw) != nil {
		return nil, crmgate.Refuse("The values must be an object.")
	}
	if len(raw) > storage.MaxFields {
		return nil, crmgate.Refuse("There can be no more than %d managed values.", storage.MaxFields)
	}
	values := storage.FieldValues{}
	for name, v := range raw {
		s, err := fieldValue(name, v)
		if err != nil {
			return nil, err
		}
		if !s.IsZero() {
			values[name] = s
		}
	}
	return values, nil
}

// fieldValue reads a submitted value, a JSON text; a number or a truth value is taken as it is written. What says
// nothing about the value is the empty Secret: null, an empty text, the Placeholder.
func fieldValue(name string, v json.RawMessage) (crmgate.Secret, error) {
	s := string(v)
	switch {
	case s == "" || s == "null":
		return crmgate.Secret{}, nil
	case len(name) > maxFieldName:
		return crmgate.Secret{}, crmgate.Refuse("The name of a field can have no more than %d bytes.", maxFieldName)
	case v[0] == '{' || v[0] == '[':
		return crmgate.Secret{}, crmgate.Refuse("The field %s must be a text.", name)
	case v[0] == '"':
		_ = json.Unmarshal(v, &s) // it is a JSON text
	}
	if len(s) > maxFieldValue {
		return crmgate.Secret{}, crmgate.Refuse("The field %s can have no more than %d bytes.", name, maxFieldValue)
	}
	if strings.TrimSpace(s) == crmgate.Placeholder {
		s = ""
	}
	return crmgate.NewSecret(s), nil
}
