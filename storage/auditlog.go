package storage

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
)

// userHash is the name of a user in the audit log. It is the hash in the key of their person record, so the log can show
// the user while the record exists.
func (db *DB) userHash(key crmgate.UserKey) (h audit.Hash) {
	db.keys.Append(h[:0], person, key.Platform, string(key.ID))
	return h
}

// userOf returns the user with a hash.
func (db *DB) userOf(ctx context.Context, p crmgate.Platform, h audit.Hash) (crmgate.User, error) {
	var u crmgate.User
	key := append(onPlatform(person, p), h[:]...)
	err := db.view(ctx, func(r records) error {
		b, err := r.Get(person, key)
		if err != nil {
			return err
		}
		found, err := decodePerson(b)
		u = found.User
		return err
	})
	return u, err
}
