package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

const (
	// MaxFields is how many values one organisation, and one extension, can have on a platform.
	MaxFields = 100
	// maxExtensions is how many extensions of an organisation can have values on a platform: far more than an admin would
	// enter one by one, and few enough to be listed.
	maxExtensions = 10_000
)

// FieldsKey names the managed values of an organisation on a platform or, with an Extension, those of that extension.
type FieldsKey struct {
	Platform  crmgate.Platform
	Account   crmgate.AccountID
	Extension crmgate.ExtensionID
}

// FieldValues are the values of a form's fields, by the fields' consts.
type FieldValues map[string]crmgate.Secret

// Fields are the values with which a form is filled in for one extension.
type Fields struct {
	Account   FieldValues
	Extension FieldValues
	// Failed says that the CRM refused the extension's latest sign-in.
	Failed bool
}

// ExtensionFields are an extension's values.
type ExtensionFields struct {
	Extension crmgate.ExtensionID
	Name      string // of the person, as the admin saw it when entering the values; may be empty
	Values    FieldValues
}

// Fields returns the values of an extension and its organisation, and whether a sign-in with them failed, on one snapshot.
func (db *DB) Fields(ctx context.Context, key FieldsKey) (Fields, error) {
	var f Fields
	err := db.view(ctx, func(r records) error {
		account, err := r.fields(accountFields, db.keys.accountFields(key))
		if err != nil {
			return err
		}
		own, err := r.fields(extensionFields, db.keys.extensionFields(key))
		if err != nil {
			return err
		}
		f.Account, f.Extension = account.Values, own.Values
		f.Failed, err = r.Has(failedFields, db.keys.failedFields(key))
		return err
	})
	if err != nil {
		return Fields{}, fmt.Errorf("read managed fields: %w", err)
	}
	return f, nil
}

// AllFields returns the values of an organisation and of all its extensions on a platform, on one snapshot. Extensions are
// in the order of their ids.
func (db *DB) AllFields(ctx context.Context, p crmgate.Platform, account crmgate.AccountID) (FieldValues, []ExtensionFields, error) {
	var own ExtensionFields
	var all []ExtensionFields
	key := FieldsKey{Platform: p, Account: account}
	err := db.view(ctx, func(r records) (err error) {
		all = nil
		if own, err = r.fields(accountFields, db.keys.accountFields(key)); err != nil {
			return err
		}
		return r.Scan(db.keys.extensionFields(key), func(key, stored []byte) error {
			b, err := r.Open(extensionFields, key, stored)
			if err != nil {
				return err
			}
			f, err := decodeFields(b)
			all = append(all, f)
			return err
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list managed fields: %w", err)
	}
	slices.SortFunc(all, func(a, b ExtensionFields) int { return strings.Compare(string(a.Extension), string(b.Extension)) })
	return own.Values, all, nil
}

// FieldsChange changes values: those in Set are added or replaced, those named in Remove are removed.
type FieldsChange struct {
	Key    FieldsKey
	Name   string // of an extension's person; empty leaves it unchanged
	Set    FieldValues
	Remove []string
}

// ChangeFields changes an organisation's or an extension's values. More than MaxFields values are a Refusal, and nothing is
// changed. An event that goes with it names the user who asked for the change.
func (db *DB) ChangeFields(ctx context.Context, c FieldsChange, with ...With) error {
	about := audit.Subject{User: crmgate.UserKey{Platform: c.Key.Platform}, Account: c.Key.Account}
	err := db.change(ctx, with, func(r records) (audit.Subject, error) { return about, r.changeFields(c) })
	if err != nil {
		return fmt.Errorf("change managed fields: %w", err)
	}
	return nil
}

// ChangeFields changes values with another change, as [DB.ChangeFields] does.
func ChangeFields(c FieldsChange) With {
	return With{after: func(r records) error { return r.changeFields(c) }}
}

func (r records) changeFields(c FieldsChange) error {
	k, key := accountFields, r.db.keys.accountFields(c.Key)
	if c.Key.Extension != "" {
		k, key = extensionFields, r.db.keys.extensionFields(c.Key)
	}
	f, err := r.fields(k, key)
	if err != nil {
		return err
	}
	before := len(f.Values)
	maps.Copy(f.Values, c.Set)
	for _, name := range c.Remove {
		delete(f.Values, name)
	}
	switch {
	case len(f.Values) == 0:
		return r.Delete(key)
	case len(f.Values) > MaxFields:
		return crmgate.Refuse("There can be no more than %d managed values.", MaxFields)
	case before == 0 && k == extensionFields:
		if err := r.roomForExtension(c.Key); err != nil {
			return err
		}
	}
	f.Extension = c.Key.Extension
	if c.Name != "" {
		f.Name = c.Name
	}
	b, err := encodeFields(f)
	if err != nil {
		return err
	}
	return r.Set(k, key, b, 0)
}

// roomForExtension refuses more than maxExtensions. Concurrent changes may all find room, so the limit can be exceeded a little.
func (r records) roomForExtension(key FieldsKey) error {
	n := 0
	key.Extension = ""
	err := r.Scan(r.db.keys.extensionFields(key), func(_, _ []byte) error { n++; return nil })
	if err == nil && n >= maxExtensions {
		err = crmgate.Refuse("No more than %d extensions can have managed values.", maxExtensions)
	}
	return err
}

// FailFields records that the CRM refused a sign-in of an extension.
func (db *DB) FailFields(ctx context.Context, key FieldsKey) error {
	err := db.update(ctx, func(r records) error { return r.Set(failedFields, db.keys.failedFields(key), nil, 0) })
	if err != nil {
		return fmt.Errorf("record a failed sign-in with managed fields: %w", err)
	}
	return nil
}

// AcceptFields removes the record of FailFields with a sign-in.
func AcceptFields(key FieldsKey) With {
	return With{after: func(r records) error { return r.Delete(r.db.keys.failedFields(key)) }}
}

// fields reads a record of values; it has none if there is no record.
func (r records) fields(k sealed.Kind, key []byte) (ExtensionFields, error) {
	b, err := r.Get(k, key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return ExtensionFields{Values: FieldValues{}}, nil
	}
	if err != nil {
		return ExtensionFields{}, err
	}
	return decodeFields(b)
}

// fieldsRecord is the payload of a record of values, version 1: JSON with the values in clear. It exists only while
// ExtensionFields are sealed or opened.
type fieldsRecord struct {
	Extension crmgate.ExtensionID `json:"extension,omitempty"` // empty for the organisation's values
	Name      string              `json:"name,omitempty"`
	Values    map[string]string   `json:"values"`
}

func encodeFields(f ExtensionFields) ([]byte, error) {
	w := fieldsRecord{f.Extension, f.Name, map[string]string{}}
	for name, v := range f.Values {
		w.Values[name] = v.Reveal()
	}
	return json.Marshal(w)
}

func decodeFields(b []byte) (ExtensionFields, error) {
	var w fieldsRecord
	if err := decodeJSON(b, &w); err != nil {
		return ExtensionFields{}, err
	}
	f := ExtensionFields{w.Extension, w.Name, FieldValues{}}
	for name, v := range w.Values {
		f.Values[name] = crmgate.NewSecret(v)
	}
	return f, nil
}
