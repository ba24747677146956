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

// maxKeyRing bounds the size of a key ring file; one with a single key has 300 bytes.
const maxKeyRing = 1 << 20

// KeyRing has XAES-256-GCM keys: one of them seals, all of them open. The key ring and the store together show everything;
// the store alone shows nothing. Safe for concurrent use.
type KeyRing struct {
	aead   tink.AEAD
	handle *keyset.Handle
}

// NewKeyRing makes a key ring with one new key.
func NewKeyRing() (*KeyRing, error) {
	// 12 bytes of salt and 12 of nonce are enough that random ones do not repeat.
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

// String hides the keys when a KeyRing is printed.
func (k *KeyRing) String() string { return "[key ring]" }

func newKeyRing(h *keyset.Handle) (*KeyRing, error) {
	for i := range h.Len() {
		e, err := h.Entry(i)
		if err != nil {
			return nil, err
		}
		if _, ok := e.Key().(*xaesgcm.Key); !ok {
			return nil, errors.New("a key is not for XAES-256-GCM")
		}
	}
	a, err := aead.New(h)
	if err != nil {
		return nil, err
	}
	return &KeyRing{aead: a, handle: h}, nil
}

// LoadKeyRing reads the key ring file, a Tink keyset in JSON. If there is no file it makes one, and created is true: the
// operator should keep a copy of it elsewhere. If several processes find no file, one makes it and all use it. A file that
// other users may read is refused.
//
// LoadKeyRing does not look at the store. The caller checks that the store is empty before it lets a key ring be made;
// otherwise the missing file is the store's key ring.
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
		return nil, fmt.Errorf("the key ring %s may be read by others (mode %04o): run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyRing))
	if err != nil {
		return nil, fmt.Errorf("read the key ring: %w", err)
	}
	ring, err := parseKeyRing(b)
	if err != nil {
		// Without the cause: a parser's error may quote the key.
		return nil, fmt.Errorf("the file %s is not a key ring (a Tink keyset in JSON with XAES-256-GCM keys): restore it from a backup", path)
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

// save writes the file completely and durably, or not at all. If the file exists, the error matches fs.ErrExist.
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
	// Rename would replace a key ring that another process has made meanwhile; Link does not.
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
