package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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

// FieldsKey names the managed values of an organisation on a platform and at a host or, with an Extension, those of that
// extension.
type FieldsKey struct {
	Platform  crmgate.Platform
	Account   crmgate.AccountID
	Extension crmgate.ExtensionID
	// Hostname is the host that the values may be sent to: the result of [manifest.Manifest.ValuesHost]. It is empty for values
	// without a host, which all values were before they had one.
	Hostname string
}

// FieldValues are the values of a form's fields, by the fields' consts.
type FieldValues map[string]crmgate.Secret

// Fields are the values at one host with which a form is filled in for one extension.
type Fields struct {
	Account   FieldValues
	Extension FieldValues
	// Failed says that FailFields recorded a sign-in of the extension, and none was accepted since.
	Failed bool
}

// HostFields are the values of an organisation and of all its extensions at one host.
type HostFields struct {
	Hostname   string // empty for values without a host
	Account    FieldValues
	Extensions []ExtensionFields // in the order of their ids
}

// ExtensionFields are an extension's values at one host.
type ExtensionFields struct {
	Hostname  string
	Extension crmgate.ExtensionID
	Name      string // of the person, as the admin saw it when entering the values; may be empty
	Values    FieldValues
}

// Fields returns the values of an extension and its organisation at a host, and whether a sign-in with them failed, on one
// snapshot.
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

// AllFields returns the values of an organisation and of all its extensions on a platform, on one snapshot. Hosts are in the
// order of their names; values without a host come first.
func (db *DB) AllFields(ctx context.Context, p crmgate.Platform, account crmgate.AccountID) ([]HostFields, error) {
	var all []HostFields
	key := FieldsKey{Platform: p, Account: account}
	err := db.view(ctx, func(r records) error {
		byHost := map[string]*HostFields{}
		at := func(host string) *HostFields {
			if byHost[host] == nil {
				byHost[host] = &HostFields{Hostname: host, Account: FieldValues{}}
			}
			return byHost[host]
		}
		err := r.scanFields(accountFields, db.keys.accountFields(key), func(f ExtensionFields) { at(f.Hostname).Account = f.Values })
		if err != nil {
			return err
		}
		err = r.scanFields(extensionFields, db.keys.extensionFields(key), func(f ExtensionFields) {
			h := at(f.Hostname)
			h.Extensions = append(h.Extensions, f)
		})
		all = nil
		for _, host := range slices.Sorted(maps.Keys(byHost)) {
			all = append(all, *byHost[host])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list managed fields: %w", err)
	}
	for _, h := range all {
		slices.SortFunc(h.Extensions, func(a, b ExtensionFields) int { return strings.Compare(string(a.Extension), string(b.Extension)) })
	}
	return all, nil
}

// scanFields calls fn for the records of values whose keys begin with a prefix.
func (r records) scanFields(k sealed.Kind, prefix []byte, fn func(ExtensionFields)) error {
	return r.Scan(prefix, func(key, stored []byte) error {
		b, err := r.Open(k, key, stored)
		if err != nil {
			return err
		}
		f, err := decodeFields(b)
		if err == nil {
			fn(f)
		}
		return err
	})
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
	k, key := r.db.keys.fields(c.Key)
	f, err := r.fields(k, key)
	if err != nil {
		return err
	}
	elsewhere, err := r.fieldsElsewhere(c.Key)
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
	case len(f.Values)+elsewhere > MaxFields:
		return crmgate.Refuse("There can be no more than %d managed values.", MaxFields)
	case before+elsewhere == 0 && k == extensionFields:
		if err := r.roomForExtension(c.Key); err != nil {
			return err
		}
	}
	if c.Name != "" {
		f.Name = c.Name
	}
	return r.setFields(c.Key, f)
}

// roomForExtension refuses more than maxExtensions. Concurrent changes may all find room, so the limit can be exceeded a little.
func (r records) roomForExtension(key FieldsKey) error {
	key.Hostname = ""
	n, length := 0, len(r.db.keys.extensionFields(key))
	key.Extension = ""
	var last []byte
	err := r.Scan(r.db.keys.extensionFields(key), func(stored, _ []byte) error {
		if extension := stored[:length]; !bytes.Equal(extension, last) { // not another host of the same extension
			n, last = n+1, bytes.Clone(extension)
		}
		return nil
	})
	if err == nil && n >= maxExtensions {
		err = crmgate.Refuse("No more than %d extensions can have managed values.", maxExtensions)
	}
	return err
}

// FailFields records that a sign-in of an extension at a host failed: the CRM refused it, or values were missing. With a
// life of zero the record stays until AcceptFields removes it.
func (db *DB) FailFields(ctx context.Context, key FieldsKey, life time.Duration) error {
	err := db.update(ctx, func(r records) error { return r.Set(failedFields, db.keys.failedFields(key), nil, life) })
	if err != nil {
		return fmt.Errorf("record a failed sign-in with managed fields: %w", err)
	}
	return nil
}

// AcceptFields removes the records of FailFields with a sign-in: that of the key, and that without a host.
func AcceptFields(key FieldsKey) With {
	return With{after: func(r records) error {
		anywhere := key
		anywhere.Hostname = ""
		return errors.Join(r.Delete(r.db.keys.failedFields(key)), r.Delete(r.db.keys.failedFields(anywhere)))
	}}
}

// fields returns the kind and the key of a record of values.
func (k keys) fields(f FieldsKey) (sealed.Kind, []byte) {
	if f.Extension == "" {
		return accountFields, k.accountFields(f)
	}
	return extensionFields, k.extensionFields(f)
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

// setFields stores a record of values.
func (r records) setFields(key FieldsKey, f ExtensionFields) error {
	f.Hostname, f.Extension = key.Hostname, key.Extension
	b, err := encodeFields(f)
	if err != nil {
		return err
	}
	k, stored := r.db.keys.fields(key)
	return r.Set(k, stored, b, 0)
}

// fieldsRecord is the payload of a record of values, version 1: JSON with the values in clear. It exists only while
// the values are sealed or opened.
type fieldsRecord struct {
	Extension crmgate.ExtensionID `json:"extension,omitempty"` // empty for the organisation's values
	Hostname  string              `json:"hostname,omitempty"`
	Name      string              `json:"name,omitempty"`
	Values    map[string]string   `json:"values"`
	// Revision is new in each record; earlier versions wrote none.
	Revision string `json:"revision,omitempty"`
}

func encodeFields(f ExtensionFields) ([]byte, error) {
	w := fieldsRecord{f.Extension, f.Hostname, f.Name, map[string]string{}, newSessionID()}
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
	f := ExtensionFields{w.Hostname, w.Extension, w.Name, FieldValues{}}
	for name, v := range w.Values {
		f.Values[name] = crmgate.NewSecret(v)
	}
	return f, nil
}
