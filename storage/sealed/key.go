package sealed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/crmgate/crmgate"
)

// Prefix is the prefix of a kind's keys, and the whole key of a kind with one record.
func Prefix(k Kind) []byte { return []byte{byte(k), '/'} }

// Keys makes keys that contain hashes of ids. Safe for concurrent use.
type Keys struct {
	macs sync.Pool // of hash.Hash: HMAC-SHA256 under a key of the store
}

// NewKeys returns Keys that hash under a secret.
func NewKeys(secret []byte) *Keys {
	return &Keys{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
}

// Of returns the key of an id's record.
func (s *Keys) Of(k Kind, id string) []byte {
	return s.Append(Prefix(k), k, "", id)
}

// On returns the key of an id's record on a platform. It contains the platform in clear.
func (s *Keys) On(k Kind, p crmgate.Platform, id string) []byte {
	key := make([]byte, 0, 3+len(p)+sha256.Size)
	key = append(append(append(key, byte(k), '/'), p...), '/')
	return s.Append(key, k, p, id)
}

// Append appends the hash of an id on a platform. Each kind has its own hash of an id.
func (s *Keys) Append(key []byte, k Kind, p crmgate.Platform, id string) []byte {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	input := make([]byte, 0, 128)
	input = append(binary.AppendUvarint(append(input, byte(k)), uint64(len(p))), p...)
	_, _ = mac.Write(append(input, id...))
	return mac.Sum(key)
}
