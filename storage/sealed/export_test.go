package sealed

// ParseKeyRing is exported for fuzzing.
var ParseKeyRing = parseKeyRing

// SealVersion makes an authentic record of another version, without a payload.
func (k *KeyRing) SealVersion(key []byte, version byte) []byte {
	header := []byte{key[0], version}
	sealed, err := k.aead.Encrypt(make([]byte, expiryLen), associated(header, key))
	if err != nil {
		panic(err)
	}
	return append(header, sealed...)
}
