package storage_test

import (
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/storetest"
)

func FuzzSession(f *testing.F) {
	b, err := storage.Session{ID: "AAAAAAAAAAAAAAAAAAAAAA", Hostname: "a.example", Ended: true, App: "acme", Generation: 7}.Encode()
	storetest.Must(f, err)
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
	storetest.Must(f, update(&p))
	b, err := storage.EncodePerson(p)
	storetest.Must(f, err)
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
	storetest.Must(f, err)
	f.Add(b)
	f.Add([]byte(`{"values":{"a":null,"A":"\ud800"},"extension":7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := storage.DecodeFields(b)
		if err != nil {
			quiet(t, err)
			return
		}
		again, err := storage.EncodeFields(v)
		storetest.Must(t, err)
		twice, err := storage.DecodeFields(again)
		if err != nil || len(twice.Values) != len(v.Values) || twice.Extension != v.Extension || twice.Name != v.Name {
			t.Fatalf("%s came back as %s, %v", b, again, err)
		}
	})
}
