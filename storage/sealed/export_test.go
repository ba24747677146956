package sealed

// ParseKeyRing is exported for fuzzing.
var ParseKeyRing = parseKeyRing

// SealVersion makes an authentic record of a version, without a payload. oldest is ignored in version 1.
func (k *KeyRing) SealVersion(key []byte, version, oldest byte) []byte {
	header := []byte{key[0], version}
	plain := make([]byte, expiryLen)
	if version > 1 {
		plain = append([]byte{oldest}, plain...)
	}
	sealed, err := k.aead.Encrypt(plain, associated(header, key))
	if err != nil {
		panic(err)
	}
	return append(header, sealed...)
}
