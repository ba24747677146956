package storage

import (
	"context"
	"time"

	"github.com/crmgate/crmgate"
)

// What tests and fuzzing must reach.
var (
	DecodeSession = decodeSession
	DecodePerson  = decodePerson
	EncodePerson  = encodePerson
	ParseKeyRing  = parseKeyRing
	DecodeFields  = decodeFields
	EncodeFields  = encodeFields
)

// Encode is the payload of a session record.
func (s Session) Encode() ([]byte, error) { return s.encode() }

// OpenRecord opens a value as the record that belongs under a key.
func (db *DB) OpenRecord(key, stored []byte) ([]byte, error) {
	return records{db: db, now: db.now()}.open(kind(key[0]), key, stored)
}

// SealVersion makes an authentic record of another version.
func (db *DB) SealVersion(key []byte, version byte) []byte {
	header := []byte{key[0], version}
	sealed, err := db.ring.aead.Encrypt(make([]byte, expiryLen), associated(header, key))
	if err != nil {
		panic(err)
	}
	return append(header, sealed...)
}

// What of the audit log tests and fuzzing must reach: each decodes a payload and encodes it again.
var (
	AuditEntryAgain = func(b []byte) ([]byte, error) {
		e, err := decodeEntry(b)
		return e.encode(), err
	}
	AuditBatchAgain = func(b []byte) ([]byte, error) {
		batch, err := decodeBatch(b)
		return batch.encode(), err
	}
	AuditNodeAgain = func(b []byte) ([]byte, error) {
		n, err := decodeNode(b)
		return n.encode(), err
	}
)

// AuditPayloads are an entry, a batch and a node to begin with.
func AuditPayloads() (entry, batch, node []byte) {
	e := auditEntry{At: time.UnixMilli(1), Kind: EventSignIn, Platform: "clio", User: auditHash{1}}.encode()
	b := makeBatch(nodeID{1}, 7, auditHash{2}, []uint64{3, 4, 9}, [][]byte{e, e, e})
	return e, b.encode(), auditNode{Started: time.UnixMilli(1), Batches: 3, From: 1, Closed: true}.encode()
}

// Reseal writes a record under another key, as whoever has the key ring can.
func (db *DB) Reseal(ctx context.Context, key, stored, to []byte) error {
	return db.update(ctx, func(r records) error {
		b, err := r.open(kind(key[0]), key, stored)
		if err != nil {
			return err
		}
		return r.set(kind(to[0]), to, b, 0)
	})
}

// RaiseGeneration ends the sessions of an organisation's app, as its removal does.
func (db *DB) RaiseGeneration(ctx context.Context, account crmgate.AccountID, p crmgate.Platform) (g uint64, err error) {
	err = db.update(ctx, func(r records) error {
		g, err = r.raiseGeneration(account, p)
		return err
	})
	return g, err
}
