package storage

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
)

// userHash is how the log names somebody: as the key of their record does, so that it is found while it exists.
func (db *DB) userHash(key crmgate.UserKey) (h audit.Hash) {
	db.keys.Append(h[:0], person, key.Platform, string(key.ID))
	return h
}

// userOf returns the user whom the log names by a hash.
func (db *DB) userOf(ctx context.Context, p crmgate.Platform, h audit.Hash) (crmgate.User, error) {
	var u crmgate.User
	key := onPlatform(person, p)
	err := db.view(ctx, func(r records) error {
		b, err := r.Get(person, append(key, h[:]...))
		if err != nil {
			return err
		}
		found, err := decodePerson(b)
		u = found.User
		return err
	})
	return u, err
}
