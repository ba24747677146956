package storage_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

func FuzzKeyRing(f *testing.F) {
	path := filepath.Join(f.TempDir(), "ring")
	_, _, err := storage.LoadKeyRing(path)
	must(f, err)
	b, err := os.ReadFile(path)
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"primaryKeyId":1,"key":[{"keyId":1,"status":"ENABLED","outputPrefixType":"TINK"}]}`))
	f.Add([]byte(`{"key":[null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ring, err := storage.ParseKeyRing(b)
		if (ring == nil) != (err != nil) {
			t.Fatalf("%v, %v", ring, err)
		}
	})
}

func FuzzSession(f *testing.F) {
	b, err := storage.Session{ID: "AAAAAAAAAAAAAAAAAAAAAA", Hostname: "a.example", Ended: true, App: "acme", Generation: 7}.Encode()
	must(f, err)
	f.Add(b)
	f.Add(b[:27])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := storage.DecodeSession(b)
		if err != nil {
			return
		}
		again, err := s.Encode()
		if err != nil || string(again) != string(b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x, %v", b, s, again, err)
		}
	})
}

func FuzzPerson(f *testing.F) {
	var p crmgate.Person
	_, update := filled(1)
	must(f, update(&p))
	b, err := storage.EncodePerson(p)
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"grant":{"app":null},"timezoneOffset":1e999}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := storage.DecodePerson(b)
		if err != nil {
			return
		}
		if _, err := storage.EncodePerson(p); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzFields(f *testing.F) {
	b, err := storage.EncodeFields(storage.ExtensionFields{Extension: "1", Name: "Ann", Values: storage.FieldValues{"apiKey": crmgate.NewSecret("canary")}})
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"values":{"a":null,"A":"\ud800"},"extension":7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := storage.DecodeFields(b)
		if err != nil {
			quiet(t, err)
			return
		}
		again, err := storage.EncodeFields(v)
		must(t, err)
		twice, err := storage.DecodeFields(again)
		if err != nil || len(twice.Values) != len(v.Values) || twice.Extension != v.Extension || twice.Name != v.Name {
			t.Fatalf("%s came back as %s, %v", b, again, err)
		}
	})
}

// FuzzRecord: a stored value opens if it is the one that was sealed for its place, byte for byte.
func FuzzRecord(f *testing.F) {
	ring, err := storage.NewKeyRing()
	must(f, err)
	db, err := storage.Open(f.Context(), mustEngine(f, ""), ring, storage.Config{})
	must(f, err)
	key := []byte("session key")
	sealed := db.SealVersion(key, 1)
	state, err := db.Seal("state", []byte("payload"))
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
		if _, err := db.OpenRecord(key, change(sealed)); (err == nil) != same || err != nil && !errors.Is(err, crmgate.ErrSealed) {
			t.Errorf("a record changed at %d by %x and %x: %v", at, flip, more, err)
		}
		if b, err := db.Unseal("state", change(state)); (err == nil) != same || err != nil && !errors.Is(err, crmgate.ErrSealed) || same && string(b) != "payload" {
			t.Errorf("a sealed value changed at %d by %x and %x: %q, %v", at, flip, more, b, err)
		}
		for label, b := range map[string][]byte{"other": state, "state": more} {
			if _, err := db.Unseal(label, b); !errors.Is(err, crmgate.ErrSealed) {
				t.Errorf("%s opens %x: %v", label, b, err)
			}
		}
		if _, err := db.OpenRecord([]byte("session kez"), sealed); !errors.Is(err, crmgate.ErrSealed) {
			t.Errorf("a record opens in another's place: %v", err)
		}
		if _, err := db.OpenRecord(key, more); err == nil {
			t.Errorf("%x opens", more)
		}
	})
}

// FuzzAudit: what decodes is what was encoded, byte for byte, so that nothing hides behind a hash.
func FuzzAudit(f *testing.F) {
	for _, b := range payloads() {
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, again := range map[string]func([]byte) ([]byte, error){
			"entry": storage.AuditEntryAgain, "batch": storage.AuditBatchAgain, "node": storage.AuditNodeAgain,
		} {
			if got, err := again(b); err == nil && !bytes.Equal(got, b) {
				t.Errorf("an %s of %x is encoded as %x", name, b, got)
			}
		}
	})
}

func payloads() [][]byte {
	e, b, n := storage.AuditPayloads()
	return [][]byte{e, b, n}
}

func TestAuditPayloadsComeBack(t *testing.T) {
	e, b, n := storage.AuditPayloads()
	for _, tt := range []struct {
		again func([]byte) ([]byte, error)
		b     []byte
	}{{storage.AuditEntryAgain, e}, {storage.AuditBatchAgain, b}, {storage.AuditNodeAgain, n}} {
		if got, err := tt.again(tt.b); err != nil || !bytes.Equal(got, tt.b) {
			t.Errorf("%x became %x, %v", tt.b, got, err)
		}
	}
}
