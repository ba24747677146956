package storage

// What tests and fuzzing must reach.
var (
	DecodeSession = decodeSession
	DecodePerson  = decodePerson
	EncodePerson  = encodePerson
	ParseKeyRing  = parseKeyRing
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
