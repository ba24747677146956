package sealed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// Kind is the type of a record, and the first byte of its key.
type Kind byte

// Format is the version in which records of a kind are written. Records of earlier versions are read too: the code that
// decodes a payload knows them all. A record of a later version is read only if its writer said that this version may.
type Format struct {
	Version byte
	// Oldest is the oldest version that may read the record, and write it in its own version.
	Oldest byte
}

// Formats are the formats of the kinds that have had more than one. The others have version 1.
type Formats map[Kind]Format

func (f Formats) of(k Kind) Format {
	if format, ok := f[k]; ok {
		return format
	}
	return Format{1, 1}
}

// The lengths of a record's parts; see the package comment.
const (
	headerLen = 2
	oldestLen = 1 // since version 2
	expiryLen = 8
)

// ttlMargin is how much longer than its own expiry an engine keeps a record: the engine's clock may jump.
const ttlMargin = 2 * time.Hour

// ErrMalformed means that a record is authentic but does not parse, because of a bug or another version.
var ErrMalformed = errors.New("malformed record")

// Lost reports whether an error says that a record does not exist or cannot be read, and not that the engine failed.
func Lost(err error) bool {
	return errors.Is(err, crmgate.ErrNotFound) || errors.Is(err, crmgate.ErrSealed) || errors.Is(err, ErrMalformed)
}

// Tx is the transaction of an engine; storage.Tx describes it.
type Tx interface {
	Get(key []byte) ([]byte, error)
	Set(key, value []byte, ttl time.Duration) error
	Delete(key []byte) error
	Scan(prefix []byte, fn func(key, value []byte) error) error
}

// Records is a transaction that reads and writes records.
type Records struct {
	Tx   Tx
	Now  time.Time // by which records expire
	ring *KeyRing
	f    Formats
}

// Records returns the records of a transaction.
func (k *KeyRing) Records(tx Tx, now time.Time, f Formats) Records { return Records{tx, now, k, f} }

// Get returns the payload of a record; crmgate.ErrNotFound if there is none or it has expired.
func (r Records) Get(k Kind, key []byte) ([]byte, error) {
	stored, err := r.Tx.Get(key)
	if err != nil {
		return nil, err
	}
	return r.Open(k, key, stored)
}

// Has reports whether there is a record that has not expired.
func (r Records) Has(k Kind, key []byte) (bool, error) {
	_, err := r.Get(k, key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Delete removes a record; it need not exist.
func (r Records) Delete(key []byte) error { return r.Tx.Delete(key) }

// Scan calls fn for each record whose key begins with a prefix, as Tx.Scan does. Open opens it.
func (r Records) Scan(prefix []byte, fn func(key, stored []byte) error) error {
	return r.Tx.Scan(prefix, fn)
}

// Set seals and stores a record. With a ttl of zero it never expires.
func (r Records) Set(k Kind, key, payload []byte, ttl time.Duration) error {
	var expiry uint64
	if ttl > 0 {
		expiry = uint64(r.Now.Add(ttl).UnixMilli())
		ttl += ttlMargin
	}
	format := r.f.of(k)
	plain := make([]byte, 0, oldestLen+expiryLen+len(payload))
	if format.Version > 1 {
		plain = append(plain, format.Oldest)
	}
	plain = binary.BigEndian.AppendUint64(plain, expiry)
	header := []byte{byte(k), format.Version}
	sealed, err := r.ring.aead.Encrypt(append(plain, payload...), associated(header, key))
	if err != nil {
		return fmt.Errorf("seal record %q: %w", byte(k), err)
	}
	return r.Tx.Set(key, append(header, sealed...), ttl)
}

// Number returns the number in a record; 0 if there is none.
func (r Records) Number(k Kind, key []byte) (uint64, error) {
	b, err := r.Get(k, key)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case len(b) != 8:
		return 0, ErrMalformed
	}
	return binary.BigEndian.Uint64(b), nil
}

// SetNumber stores a number in a record that never expires.
func (r Records) SetNumber(k Kind, key []byte, n uint64) error {
	return r.Set(k, key, binary.BigEndian.AppendUint64(nil, n), 0)
}

// Living is get for a record that expires: it also returns how long it will live.
func (r Records) Living(k Kind, key []byte) (payload []byte, left time.Duration, err error) {
	stored, err := r.Tx.Get(key)
	if err != nil {
		return nil, 0, err
	}
	payload, expiry, err := r.openUntil(k, key, stored)
	return payload, time.UnixMilli(expiry).Sub(r.Now), err
}

// Version returns the version of a stored record. It may be wrong of a record that does not open.
func Version(stored []byte) byte {
	if len(stored) < headerLen {
		return 0
	}
	return stored[1]
}

// Open returns the payload of a record that Scan found; crmgate.ErrNotFound if it has expired.
func (r Records) Open(k Kind, key, stored []byte) ([]byte, error) {
	payload, _, err := r.openUntil(k, key, stored)
	return payload, err
}

// openUntil authenticates the record before it reads the header, so its errors are true of a record that was once sealed.
func (r Records) openUntil(k Kind, key, stored []byte) (payload []byte, expiry int64, err error) {
	if len(stored) < headerLen {
		return nil, 0, fmt.Errorf("record %q: %w", byte(k), crmgate.ErrSealed)
	}
	header := stored[:headerLen]
	plain, err := r.ring.aead.Decrypt(stored[headerLen:], associated(header, key))
	if err != nil || header[0] != byte(k) {
		return nil, 0, fmt.Errorf("record %q: %w", byte(k), crmgate.ErrSealed)
	}
	version, oldest := header[1], header[1]
	if version > 1 && len(plain) >= oldestLen {
		oldest, plain = plain[0], plain[oldestLen:]
	}
	if known := r.f.of(k).Version; oldest > known {
		return nil, 0, fmt.Errorf("record %q has version %d, but this crmgate reads only versions up to %d: use the crmgate that wrote it, or a newer one", byte(k), version, known)
	}
	if len(plain) < expiryLen {
		return nil, 0, fmt.Errorf("record %q: %w", byte(k), ErrMalformed)
	}
	if expiry = int64(binary.BigEndian.Uint64(plain)); expiry != 0 && r.Now.UnixMilli() >= expiry {
		return nil, 0, crmgate.ErrNotFound
	}
	return plain[expiryLen:], expiry, nil
}

func associated(header, key []byte) []byte {
	ad := make([]byte, 0, headerLen+len(key))
	return append(append(ad, header...), key...)
}

// Seal seals bytes that leave the store, such as a state. Unseal opens them with the same label, on every node that has the
// key ring. They do not expire: a caller that needs an expiry puts it inside.
func (k *KeyRing) Seal(label string, plain []byte) ([]byte, error) {
	sealed, err := k.aead.Encrypt(plain, labelled(label))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Unseal opens bytes that Seal sealed with the same label. The error matches crmgate.ErrSealed.
func (k *KeyRing) Unseal(label string, sealed []byte) ([]byte, error) {
	plain, err := k.aead.Decrypt(sealed, labelled(label))
	if err != nil {
		return nil, crmgate.ErrSealed // Tink's error has no more information
	}
	return plain, nil
}

// labelled is associated data that no record has: a record's begins with a letter.
func labelled(label string) []byte { return append([]byte{0}, label...) }
