package storage

import (
	"context"

	"github.com/crmgate/crmgate"
)

// Exported for tests and fuzzing.
var (
	DecodeSession = decodeSession
	DecodePerson  = decodePerson
	EncodePerson  = encodePerson
	DecodeFields  = decodeFields
	EncodeFields  = encodeFields
)

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
