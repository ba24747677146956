package sealed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/crmgate/crmgate"
)

// Prefix is the key of a kind that has one record, and the prefix of one that has many.
func Prefix(k Kind) []byte { return []byte{byte(k), '/'} }

// Keys makes the keys of records that belong to an id, without showing the id. Safe for concurrent use.
type Keys struct {
	macs sync.Pool // of hash.Hash: HMAC-SHA256 under a key of the store
}

// NewKeys returns the Keys of a store, which hash ids under one of its keys.
func NewKeys(secret []byte) *Keys {
	return &Keys{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, secret) }}}
}

// Of is the key of a record that belongs to an id, which it does not show.
func (s *Keys) Of(k Kind, id string) []byte {
	return s.Append(Prefix(k), k, "", id)
}

// On is the same for an id on a platform, which it shows.
func (s *Keys) On(k Kind, p crmgate.Platform, id string) []byte {
	key := make([]byte, 0, 3+len(p)+sha256.Size)
	key = append(append(append(key, byte(k), '/'), p...), '/')
	return s.Append(key, k, p, id)
}

// Append appends the hash of an id on a platform, which is another for each kind.
func (s *Keys) Append(key []byte, k Kind, p crmgate.Platform, id string) []byte {
	mac := s.macs.Get().(hash.Hash)
	defer s.macs.Put(mac)
	mac.Reset()
	input := make([]byte, 0, 128)
	input = append(binary.AppendUvarint(append(input, byte(k)), uint64(len(p))), p...)
	_, _ = mac.Write(append(input, id...))
	return mac.Sum(key)
}
