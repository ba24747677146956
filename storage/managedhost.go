package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// FieldsHosts returns the hosts at which an extension or its organisation has values, in the order of their names. It leaves
// out values without a host. Without an Extension, only the organisation's values count.
func (db *DB) FieldsHosts(ctx context.Context, key FieldsKey) ([]string, error) {
	key.Hostname = ""
	var hosts []string
	err := db.view(ctx, func(r records) error {
		hosts = nil
		add := func(f ExtensionFields) {
			if f.Hostname != "" {
				hosts = append(hosts, f.Hostname)
			}
		}
		err := r.scanFields(accountFields, db.keys.accountFields(key), add)
		if err == nil && key.Extension != "" {
			err = r.scanFields(extensionFields, db.keys.extensionFields(key), add)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the hosts of managed fields: %w", err)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// fieldsElsewhere returns how many values the owner of a key's values has at other hosts.
func (r records) fieldsElsewhere(key FieldsKey) (n int, err error) {
	host := key.Hostname
	key.Hostname = ""
	k, prefix := r.db.keys.fields(key)
	err = r.scanFields(k, prefix, func(f ExtensionFields) {
		if f.Hostname != host {
			n += len(f.Values)
		}
	})
	return n, err
}

// PlaceFields moves the values without a host to the host of a key, before another change: those of the organisation and of
// all its extensions, because they were stored for the same host. Values that are already there stay. Without a host it does
// nothing.
func PlaceFields(key FieldsKey) With {
	return With{before: func(r records) error { return r.placeFields(key) }}
}

func (r records) placeFields(to FieldsKey) error {
	if to.Hostname == "" {
		return nil
	}
	from := FieldsKey{Platform: to.Platform, Account: to.Account}
	var all []ExtensionFields // the organisation's values have no extension
	add := func(f ExtensionFields) {
		if f.Hostname == "" {
			all = append(all, f)
		}
	}
	err := r.scanFields(accountFields, r.db.keys.accountFields(from), add)
	if err == nil {
		err = r.scanFields(extensionFields, r.db.keys.extensionFields(from), add)
	}
	for _, f := range all {
		if err != nil {
			return err
		}
		from.Extension, to.Extension = f.Extension, f.Extension
		err = r.placeOne(from, to, f)
	}
	return err
}

// placeOne moves the values f of one owner.
func (r records) placeOne(from, to FieldsKey, f ExtensionFields) error {
	k, key := r.db.keys.fields(to)
	there, err := r.fields(k, key)
	if err != nil {
		return err
	}
	maps.Copy(f.Values, there.Values)
	f.Name = cmp.Or(there.Name, f.Name)
	_, old := r.db.keys.fields(from)
	return errors.Join(r.Delete(old), r.setFields(to, f))
}
