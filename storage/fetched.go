package storage

import "github.com/crmgate/crmgate"

// Fetched keeps what a CRM has answered to a connector that refreshes by itself, until the grant is stored. FetchedID is the id.
func (db *DB) Fetched() Pending { return Pending{db, "answers to a connector", fetched} }

// FetchedID is the id in Fetched for the refresh of a person's grant with a refresh token.
func FetchedID(key crmgate.UserKey, refreshToken crmgate.Secret) string {
	return string(key.Platform) + "\x00" + key.Hostname + "\x00" + string(key.ID) + "\x00" + refreshToken.Reveal()
}

// DropFetched goes with the change that stores a refreshed grant: it removes what the connector fetched under an id.
func DropFetched(id string) With {
	return With{after: func(r records) error {
		key := r.db.Fetched().key(id)
		there, err := r.Has(fetched, key)
		if err != nil || !there {
			return err
		}
		return r.Delete(key)
	}}
}
