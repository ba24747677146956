package storage

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
)

// userHash is the name of a user in the audit log. It is the hash of the id in the key of their person record, so the log can
// show the user while the record exists. The log does not tell people of one id on two hosts apart.
func (db *DB) userHash(key crmgate.UserKey) (h audit.Hash) {
	db.keys.Append(h[:0], person, key.Platform, string(key.ID))
	return h
}

// userOf returns the user with a hash. If several people have the id, the user has only the platform and the id.
func (db *DB) userOf(ctx context.Context, p crmgate.Platform, h audit.Hash) (crmgate.User, error) {
	var found []crmgate.User
	err := db.view(ctx, func(r records) error {
		found = nil
		return r.Scan(append(onPlatform(person, p), h[:]...), func(key, b []byte) error {
			if p, err := r.openPerson(key, b); err == nil {
				found = append(found, p.User)
			}
			return nil
		})
	})
	switch {
	case err != nil:
		return crmgate.User{}, err
	case len(found) == 0:
		return crmgate.User{}, crmgate.ErrNotFound
	case len(found) > 1:
		return crmgate.User{Key: crmgate.UserKey{Platform: p, ID: found[0].Key.ID}}, nil
	}
	return found[0], nil
}
