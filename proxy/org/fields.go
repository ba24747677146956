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

// Bounds of a managed field's value and name, in bytes.
const (
	maxFieldValue = 8 << 10
	maxFieldName  = 256
)

// FieldsState says which fields of a platform's form a person must fill in.
type FieldsState struct {
	Managed   bool `json:"hasManagedAuth"`
	Satisfied bool `json:"allRequiredFieldsSatisfied"`
	// Visible lists the fields to show; nil for all.
	Visible []string `json:"visibleFieldConsts"`
	Missing []string `json:"missingRequiredFieldConsts"`
	// Fallback says that the CRM refused the managed values, so the person may enter their own.
	Fallback bool `json:"fallbackToManualAuth"`
}

// FieldsState returns what the holder of a RingCentral token must fill in to sign in at a host. Without a hostname, it is the
// only host that has values. A platform that does not exist has no fields. A missing platform is a Refusal, before the token is
// verified; so is an invalid token, and an invalid hostname if there are managed fields.
func (o *Orgs) FieldsState(ctx context.Context, p crmgate.Platform, hostname string, rcToken crmgate.Secret) (FieldsState, error) {
	if p == "" {
		return FieldsState{}, crmgate.RefusePlain("Missing platform name")
	}
	who, err := o.Verify.Required(ctx, rcToken)
	if err != nil {
		return FieldsState{}, err
	}
	m := o.Connectors.Manifest(ctx, p)
	s := FieldsState{Managed: hasManaged(m.Fields), Missing: []string{}}
	var stored storage.Fields
	if s.Managed {
		if stored, err = o.expected(ctx, m, who, hostname); err != nil {
			return FieldsState{}, err
		}
		s.Fallback = stored.Failed
	}
	for _, field := range m.Fields {
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

// scoped returns the values of a managed field's scope.
func scoped(all storage.Fields, field manifest.FormField) storage.FieldValues {
	if field.Scope == manifest.UserScope {
		return all.Extension
	}
	return all.Account
}

// Filling says how the managed fields of a form were filled in. The zero Filling is that of a form without managed fields,
// or of an unknown sender.
type Filling struct {
	key storage.FieldsKey // names the host
	// own are the submitted values that were used: no value was stored, or the stored one had failed.
	own storage.Fields
	// unplaced means that values without a host were used. If the CRM accepts them, they belong to the host.
	unplaced bool
	// asks means that the platform's form asks for the host.
	asks bool
	// lacks means that a required managed field is empty.
	lacks bool
}

// Fill fills in the managed fields of a form with the values that are stored for its sender. hostname is where the form is
// to be sent: a result of CheckHostname.
func (o *Orgs) Fill(ctx context.Context, m *manifest.Manifest, who identity.Identity, hostname string, form Form) (Filling, error) {
	if !hasManaged(m.Fields) {
		return Filling{}, nil
	}
	offered, err := o.offer(ctx, m, who, hostname)
	if err != nil {
		return Filling{}, err
	}
	x := Filling{key: offered.key, asks: m.AsksHost()}
	if x.own, err = form.fill(m.Fields, offered.all()); err != nil {
		return x, err
	}
	for _, field := range m.Fields {
		if !field.Managed {
			continue
		}
		x.lacks = x.lacks || field.Required && form.empty(field.Const)
		used := func(values storage.Fields) bool { return !scoped(values, field)[field.Const].IsZero() }
		x.unplaced = x.unplaced || used(offered.unplaced) && !used(offered.here) && !used(x.own)
	}
	return x, nil
}

// fill puts stored values into a form, and returns the submitted ones that stay in it. A stored value replaces the
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

// Failed records that the CRM refused the form.
func (o *Orgs) Failed(ctx context.Context, x Filling) {
	if x.key.Platform == "" {
		return
	}
	o.fail(ctx, x.key, 0)
	if x.asks && x.key.Hostname != "" {
		o.showAll(ctx, x)
	}
}

// Incomplete records that the form lacked required fields. If the form expected to have stored values, which belong to
// another host, it must show the fields next time.
func (o *Orgs) Incomplete(ctx context.Context, x Filling) {
	if x.asks && x.lacks {
		o.showAll(ctx, x)
	}
}

// showAll has the form of a client that asks without a host show all fields for a while.
func (o *Orgs) showAll(ctx context.Context, x Filling) {
	anywhere := x.key
	anywhere.Hostname = ""
	o.fail(ctx, anywhere, askAgain)
}

// Accepted returns what to store with a sign-in that the CRM accepted. The values that an admin submitted are stored for
// the organisation and the host if the sign-in used them: values that it did not use may be wrong.
func (x Filling) Accepted(admin bool) []storage.With {
	if x.key.Platform == "" {
		return nil
	}
	with := []storage.With{storage.AcceptFields(x.key)}
	if !admin || !x.unplaced && len(x.own.Account)+len(x.own.Extension) == 0 {
		return with
	}
	if x.unplaced {
		with = append(with, storage.PlaceFields(x.key))
	}
	if len(x.own.Account) > 0 {
		with = append(with, storage.ChangeFields(storage.FieldsChange{Key: account(x.key), Set: x.own.Account}))
	}
	if len(x.own.Extension) > 0 {
		with = append(with, storage.ChangeFields(storage.FieldsChange{Key: x.key, Set: x.own.Extension}))
	}
	return append(with, storage.LogEvent(audit.Event{Kind: audit.EventAdministration, By: audit.ByAPIKey, Outcome: audit.OutcomeOK}))
}

// readFieldValues reads submitted values, a JSON object or nothing, without empty ones and Placeholders. Its errors are
// Refusals that do not quote a value.
func readFieldValues(object crmgate.Secret) (storage.FieldValues, error) {
	var raw map[string]json.RawMessage
	if !object.IsZero() && json.Unmarshal([]byte(object.Reveal()), &raw) != nil {
		return nil, crmgate.Refuse("The values must be a JSON object.")
	}
	if len(raw) > storage.MaxFields {
		return nil, crmgate.Refuse("Too many managed values: the limit is %d.", storage.MaxFields)
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

// fieldValue reads a submitted value: a JSON string, or a number or boolean as it is written. It is empty for null, the
// empty string, the Placeholder, and "apiKey" as an API key, which clients send if their form does not show that field.
func fieldValue(name string, v json.RawMessage) (crmgate.Secret, error) {
	s, err := fieldText(v)
	switch {
	case len(v) == 0 || err == nil && s == "":
		return crmgate.Secret{}, nil
	case len(name) > maxFieldName:
		return crmgate.Secret{}, crmgate.Refuse("A field name is too long: the limit is %d bytes.", maxFieldName)
	case err != nil:
		return crmgate.Secret{}, crmgate.Refuse("The field %s must be a text.", name)
	case len(s) > maxFieldValue:
		return crmgate.Secret{}, crmgate.Refuse("The field %s is too long: the limit is %d bytes.", name, maxFieldValue)
	}
	if strings.TrimSpace(s) == crmgate.Placeholder || name == "apiKey" && s == "apiKey" {
		s = ""
	}
	return crmgate.NewSecret(s), nil
}
