package sealed_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

func mustRing(t testing.TB) *sealed.KeyRing {
	t.Helper()
	ring, err := sealed.NewKeyRing()
	must(t, err)
	return ring
}

// open opens a value as the record that belongs under a key.
func open(ring *sealed.KeyRing, key, stored []byte) ([]byte, error) {
	return ring.Records(nil, time.Now(), nil).Open(sealed.Kind(key[0]), key, stored)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()
	ring := mustRing(t)
	value, err := ring.Seal("state", []byte("plain"))
	must(t, err)
	plain, err := ring.Unseal("state", value)
	if string(plain) != "plain" || err != nil {
		t.Errorf("got %q, %v", plain, err)
	}
	again, err := ring.Seal("state", []byte("plain"))
	must(t, err)
	if bytes.Equal(value, again) {
		t.Error("sealing twice gives the same bytes")
	}
	for i := range value {
		flipped := bytes.Clone(value)
		flipped[i] ^= 1
		_, err := ring.Unseal("state", flipped)
		wantErr(t, err, crmgate.ErrSealed)
	}
	for _, bad := range [][]byte{nil, {}, value[:len(value)-1], append(value, 0)} {
		_, err := ring.Unseal("state", bad)
		wantErr(t, err, crmgate.ErrSealed)
	}
	_, err = ring.Unseal("stat", value)
	wantErr(t, err, crmgate.ErrSealed)
	_, err = mustRing(t).Unseal("state", value)
	wantErr(t, err, crmgate.ErrSealed)
}

// A record is read by the versions that its writer names, and refused by older ones with a sentence.
func TestVersions(t *testing.T) {
	t.Parallel()
	ring, key := mustRing(t), []byte("s/clio")
	for _, c := range []struct {
		version, oldest, reader byte
		read                    bool
	}{
		{1, 0, 1, true},
		{1, 0, 3, true},
		{2, 2, 1, false},
		{2, 2, 2, true},
		{2, 2, 3, true},
		{3, 2, 2, true},
		{3, 3, 2, false},
		{3, 1, 1, true},
	} {
		r := ring.Records(nil, time.Now(), sealed.Formats{'s': {Version: c.reader, Oldest: c.reader}})
		b, err := r.Open('s', key, ring.SealVersion(key, c.version, c.oldest))
		switch want := fmt.Sprintf("has version %d, but this crmgate reads only versions up to %d", c.version, c.reader); {
		case c.read && (err != nil || len(b) != 0):
			t.Errorf("%+v: got %q, %v, want that it is read", c, b, err)
		case !c.read && (err == nil || errors.Is(err, crmgate.ErrSealed) || !strings.Contains(err.Error(), want)):
			t.Errorf("%+v: got %v, want an error with %q", c, err, want)
		}
	}
	wantErr(t, func() error {
		_, err := ring.Records(nil, time.Now(), sealed.Formats{'s': {2, 2}}).Open('s', key, ring.SealVersion(key, 1, 0)[:3])
		return err
	}(), crmgate.ErrSealed)
}

// FuzzRecord: a stored value opens only under its key and unchanged.
func FuzzRecord(f *testing.F) {
	ring := mustRing(f)
	key := []byte("session key")
	stored := ring.SealVersion(key, 1, 0)
	state, err := ring.Seal("state", []byte("payload"))
	must(f, err)
	f.Add(0, byte(1), []byte(nil))
	f.Add(1, byte(2), []byte("x"))
	f.Add(-1, byte(0x80), []byte{0})
	f.Add(5, byte(0), []byte(nil))
	f.Fuzz(func(t *testing.T, at int, flip byte, more []byte) {
		change := func(b []byte) []byte {
			c := bytes.Clone(b)
			c[uint(at)%uint(len(c))] ^= flip
			return append(c, more...)
		}
		same := flip == 0 && len(more) == 0
		if _, err := open(ring, key, change(stored)); (err == nil) != same || err != nil && !errors.Is(err, crmgate.ErrSealed) {
			t.Errorf("a record changed at %d by %x and %x: %v", at, flip, more, err)
		}
		if b, err := ring.Unseal("state", change(state)); (err == nil) != same || err != nil && !errors.Is(err, crmgate.ErrSealed) || same && string(b) != "payload" {
			t.Errorf("a sealed value changed at %d by %x and %x: %q, %v", at, flip, more, b, err)
		}
		for label, b := range map[string][]byte{"other": state, "state": more} {
			if _, err := ring.Unseal(label, b); !errors.Is(err, crmgate.ErrSealed) {
				t.Errorf("%s opens %x: %v", label, b, err)
			}
		}
		if _, err := open(ring, []byte("session kez"), stored); !errors.Is(err, crmgate.ErrSealed) {
			t.Errorf("a record opens under another key: %v", err)
		}
		if _, err := open(ring, key, more); err == nil {
			t.Errorf("%x opens", more)
		}
	})
}
