package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// kind is the type of a record, and the first byte of its key.
type kind byte

const (
	checkValue  kind = 'c'
	lookupKey   kind = 'l'
	serverKey   kind = 'k'
	session     kind = 's'
	person      kind = 'p'
	generation  kind = 'g'
	spentState  kind = 'x'
	shortState  kind = 't'
	stateCursor kind = 'n'
	stateSlot   kind = 'i'
	journal     kind = 'j'
	lease       kind = 'e'
	pause       kind = 'u'
	revocation  kind = 'r'
	backlog     kind = 'q'
	managedApp  kind = 'm'
	pendingApp  kind = 'd'
	retiredApp  kind = 'h'

	orgSettings  kind = 'y'
	userSettings kind = 'z'

	accountFields   kind = 'f'
	extensionFields kind = 'w'
	failedFields    kind = 'v'

	authSession       kind = 'S'
	authSessionCursor kind = 'N'
	authSessionSlot   kind = 'I'

	auditEntryKind kind = 'a'
	auditBatchKind kind = 'b'
	auditNodeKind  kind = 'o'
)

// version is the layout in which records of a kind are written, and the only one that is read.
func (k kind) version() byte { return 1 }

// A stored record is
//
//	kind (1) | version (1) | sealed: expiry (8, Unix milliseconds, 0 for never) | payload
//
// and its associated data is the first two bytes and the key that it is stored under.
const (
	headerLen = 2
	expiryLen = 8
)

// ttlMargin is how much longer than the record's own expiry an engine is asked to keep it: the engine's clock may jump.
const ttlMargin = 2 * time.Hour

// errMalformed is an authentic record that does not parse: a bug of ours, or of another version.
var errMalformed = errors.New("malformed record")

// records is a transaction that speaks of records.
type records struct {
	db  *DB
	tx  Tx
	now time.Time
}

// get returns a record's payload, or crmgate.ErrNotFound if there is none or it has expired.
func (r records) get(k kind, key []byte) ([]byte, error) {
	stored, err := r.tx.Get(key)
	if err != nil {
		return nil, err
	}
	return r.open(k, key, stored)
}

// has reports whether there is a record that has not expired.
func (r records) has(k kind, key []byte) (bool, error) {
	_, err := r.get(k, key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// set seals a record. A ttl of zero means that it never expires.
func (r records) set(k kind, key, payload []byte, ttl time.Duration) error {
	var expiry uint64
	if ttl > 0 {
		expiry = uint64(r.now.Add(ttl).UnixMilli())
		ttl += ttlMargin
	}
	plain := binary.BigEndian.AppendUint64(make([]byte, 0, expiryLen+len(payload)), expiry)
	header := []byte{byte(k), k.version()}
	sealed, err := r.db.ring.aead.Encrypt(append(plain, payload...), associated(header, key))
	if err != nil {
		return fmt.Errorf("seal record %q: %w", byte(k), err)
	}
	return r.tx.Set(key, append(header, sealed...), ttl)
}

// number returns a record that holds a number; 0 if there is none.
func (r records) number(k kind, key []byte) (uint64, error) {
	b, err := r.get(k, key)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case len(b) != 8:
		return 0, errMalformed
	}
	return binary.BigEndian.Uint64(b), nil
}

func (r records) setNumber(k kind, key []byte, n uint64) error {
	return r.set(k, key, binary.BigEndian.AppendUint64(nil, n), 0)
}

// living is get for a record that expires: it also returns how long it will live.
func (r records) living(k kind, key []byte) (payload []byte, left time.Duration, err error) {
	stored, err := r.tx.Get(key)
	if err != nil {
		return nil, 0, err
	}
	payload, expiry, err := r.openUntil(k, key, stored)
	return payload, time.UnixMilli(expiry).Sub(r.now), err
}

func (r records) open(k kind, key, stored []byte) ([]byte, error) {
	payload, _, err := r.openUntil(k, key, stored)
	return payload, err
}

// openUntil authenticates before it looks at anything, so that what it says of a record is true of what was once sealed.
func (r records) openUntil(k kind, key, stored []byte) (payload []byte, expiry int64, err error) {
	if len(stored) < headerLen {
		return nil, 0, fmt.Errorf("record %q: %w", byte(k), crmgate.ErrSealed)
	}
	header := stored[:headerLen]
	plain, err := r.db.ring.aead.Decrypt(stored[headerLen:], associated(header, key))
	if err != nil || header[0] != byte(k) {
		return nil, 0, fmt.Errorf("record %q: %w", byte(k), crmgate.ErrSealed)
	}
	if header[1] != k.version() {
		return nil, 0, fmt.Errorf("record %q has version %d, and this crmgate reads version %d only", byte(k), header[1], k.version())
	}
	if len(plain) < expiryLen {
		return nil, 0, fmt.Errorf("record %q: %w", byte(k), errMalformed)
	}
	if expiry = int64(binary.BigEndian.Uint64(plain)); expiry != 0 && r.now.UnixMilli() >= expiry {
		return nil, 0, crmgate.ErrNotFound
	}
	return plain[expiryLen:], expiry, nil
}

func associated(header, key []byte) []byte {
	ad := make([]byte, 0, headerLen+len(key))
	return append(append(ad, header...), key...)
}

// Seal seals bytes that leave the store, such as a state. Only Unseal with the same label opens them, on every node
// that has the key ring. How long they are good for is the caller's to put inside.
func (db *DB) Seal(label string, plain []byte) ([]byte, error) {
	sealed, err := db.ring.aead.Encrypt(plain, labelled(label))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Unseal opens what Seal made with the same label. The error matches crmgate.ErrSealed.
func (db *DB) Unseal(label string, sealed []byte) ([]byte, error) {
	plain, err := db.ring.aead.Decrypt(sealed, labelled(label))
	if err != nil {
		return nil, crmgate.ErrSealed // Tink's own says no more
	}
	return plain, nil
}

// labelled is no associated data of a record: those begin with a kind, which is a letter.
func labelled(label string) []byte { return append([]byte{0}, label...) }
