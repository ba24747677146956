package storage_test

import (
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
