package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/xaesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// maxKeyRing bounds what is read as a key ring; one with a key has 300 bytes.
const maxKeyRing = 1 << 20

// KeyRing seals and opens what is stored: XAES-256-GCM keys, one of which seals, while all of them open. Whoever has
// it and the store can read everything; without it the store shows nothing. Safe for concurrent use.
type KeyRing struct {
	aead   tink.AEAD
	handle *keyset.Handle
}

// NewKeyRing makes a key ring of one new key.
func NewKeyRing() (*KeyRing, error) {
	// 12 bytes of salt and 12 of nonce: random ones do not repeat, however much is sealed.
	params, err := xaesgcm.NewParameters(xaesgcm.VariantTink, 12)
	if err != nil {
		return nil, fmt.Errorf("make key ring: %w", err)
	}
	m := keyset.NewManager()
	id, err := m.AddNewKeyFromParameters(params)
	if err != nil {
		return nil, fmt.Errorf("make key ring: %w", err)
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("make key ring: %w", err)
	}
	h, err := m.Handle()
	if err != nil {
		return nil, fmt.Errorf("make key ring: %w", err)
	}
	return newKeyRing(h)
}

// String shows nothing of the keys, for whoever prints a KeyRing.
func (k *KeyRing) String() string { return "[key ring]" }

func newKeyRing(h *keyset.Handle) (*KeyRing, error) {
	for i := range h.Len() {
		e, err := h.Entry(i)
		if err != nil {
			return nil, err
		}
		if _, ok := e.Key().(*xaesgcm.Key); !ok {
			return nil, errors.New("a key that is not for XAES-256-GCM")
		}
	}
	a, err := aead.New(h)
	if err != nil {
		return nil, err
	}
	return &KeyRing{aead: a, handle: h}, nil
}

// LoadKeyRing reads the key ring file, a Tink keyset in JSON, and makes it if there is none; created says so, and is
// the moment to tell the operator to keep a copy elsewhere. A file that others than its owner may read is refused, and
// so is a file that does not hold one. Of several processes that find no file, one makes it and all use it. It does not look at
// the store: the caller first sees that the store is empty, or the missing key ring is the store's.
func LoadKeyRing(path string) (ring *KeyRing, created bool, err error) {
	ring, err = readKeyRing(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, false, err
	}
	if ring, err = NewKeyRing(); err != nil {
		return nil, false, err
	}
	err = ring.save(path)
	if errors.Is(err, fs.ErrExist) {
		ring, err = readKeyRing(path)
		return ring, false, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("make the key ring %s: %w", path, err)
	}
	return ring, true, nil
}

func readKeyRing(path string) (*KeyRing, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the key ring: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the key ring: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the key ring %s is not a file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the key ring %s may be read by others (mode %04o): take their rights away with chmod 600", path, info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyRing))
	if err != nil {
		return nil, fmt.Errorf("read the key ring: %w", err)
	}
	ring, err := parseKeyRing(b)
	if err != nil {
		// Without the cause: a parser's words about this file may quote the key.
		return nil, fmt.Errorf("the file %s is no key ring: expected a Tink keyset in JSON with XAES-256-GCM keys; restore it from a backup", path)
	}
	return ring, nil
}

func parseKeyRing(b []byte) (*KeyRing, error) {
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(b)))
	if err != nil {
		return nil, err
	}
	return newKeyRing(h)
}

// save writes the file, complete and durable, or not at all. It never replaces one: the error then matches fs.ErrExist.
func (k *KeyRing) save(path string) error {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(k.handle, keyset.NewJSONWriter(&b)); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".keyring-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b.Bytes())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// Link, not rename, which would replace the ring that another process has made meanwhile.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
