package storage

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Exported for tests and fuzzing.
var (
	DecodeSession = decodeSession
	EncodeJournal = encodeJournal
	DecodeFields  = decodeFields
	EncodeFields  = encodeFields
)

// EncodePerson returns the payload of a person record of version 1.
func EncodePerson(p crmgate.Person) ([]byte, error) { return encodePerson(stored{Person: p}) }

// DecodePerson reads the payload of a person record.
func DecodePerson(b []byte) (crmgate.Person, error) {
	p, err := decodePerson(b)
	return p.Person, err
}

// Formats returns the formats of records.
func Formats() sealed.Formats { return formats }

// Encode returns the payload of a session record.
func (s Session) Encode() ([]byte, error) { return s.encode() }

// RaiseGeneration ends the sessions of an organisation's app, as its removal does.
func (db *DB) RaiseGeneration(ctx context.Context, account crmgate.AccountID, p crmgate.Platform) (g uint64, err error) {
	err = db.update(ctx, func(r records) error {
		g, err = r.raiseGeneration(account, p)
		return err
	})
	return g, err
}
