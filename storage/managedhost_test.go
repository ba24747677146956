package storage_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/storetest"
)

func at(host string, key storage.FieldsKey) storage.FieldsKey {
	key.Hostname = host
	return key
}

// Values at one host are not those at another, nor those without a host.
func TestFieldsStayAtTheirHosts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		none := storage.Fields{Account: values(), Extension: values()}
		for _, key := range []storage.FieldsKey{ofAcme, ofAnn} {
			changeFields(t, s, storage.FieldsChange{Key: key, Set: values("a", "0")})
			changeFields(t, s, storage.FieldsChange{Key: at("a.example", key), Set: values("a", "1")})
			changeFields(t, s, storage.FieldsChange{Key: at("b.example", key), Set: values("a", "2")})
		}
		storetest.Must(t, s.FailFields(t.Context(), at("b.example", ofAnn), 0))
		wantFields(t, s, ofAnn, storage.Fields{Account: values("a", "0"), Extension: values("a", "0")})
		wantFields(t, s, at("a.example", ofAnn), storage.Fields{Account: values("a", "1"), Extension: values("a", "1")})
		wantFields(t, s, at("b.example", ofAnn), storage.Fields{Account: values("a", "2"), Extension: values("a", "2"), Failed: true})
		wantFields(t, s, at("c.example", ofAnn), none)
		changeFields(t, s, storage.FieldsChange{Key: at("a.example", ofAcme), Remove: []string{"a"}})
		changeFields(t, s, storage.FieldsChange{Key: at("a.example", ofAnn), Remove: []string{"a"}})
		wantFields(t, s, at("a.example", ofAnn), none)
		wantAll(t, s,
			storage.HostFields{Account: values("a", "0"), Extensions: []storage.ExtensionFields{{Extension: "7", Values: values("a", "0")}}},
			storage.HostFields{Hostname: "b.example", Account: values("a", "2"),
				Extensions: []storage.ExtensionFields{{Hostname: "b.example", Extension: "7", Values: values("a", "2")}}})
	})
}

func TestFieldsHosts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ofBob := ofAnn
		ofBob.Extension = "8"
		changeFields(t, s, storage.FieldsChange{Key: ofAcme, Set: values("a", "1")})
		changeFields(t, s, storage.FieldsChange{Key: at("b.example", ofAcme), Set: values("a", "1")})
		changeFields(t, s, storage.FieldsChange{Key: at("b.example", ofAnn), Set: values("a", "1")})
		changeFields(t, s, storage.FieldsChange{Key: at("a.example", ofBob), Set: values("a", "1")})
		for key, want := range map[storage.FieldsKey][]string{
			ofAcme: {"b.example"}, at("x.example", ofAnn): {"b.example"}, ofBob: {"a.example", "b.example"}, {Platform: "other", Account: "acme"}: nil,
		} {
			if got, err := s.FieldsHosts(t.Context(), key); err != nil || !slices.Equal(got, want) {
				t.Errorf("%+v: got %v, %v, want %v", key, got, err, want)
			}
		}
	})
}

// PlaceFields moves everything without a host, and replaces nothing.
func TestPlaceFields(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ofBob := ofAnn
		ofBob.Extension = "8"
		changeFields(t, s, storage.FieldsChange{Key: ofAcme, Set: values("a", "1", "b", "2")})
		changeFields(t, s, storage.FieldsChange{Key: ofAnn, Name: "Ann", Set: values("c", "3")})
		changeFields(t, s, storage.FieldsChange{Key: ofBob, Name: "Bob", Set: values("c", "4")})
		changeFields(t, s, storage.FieldsChange{Key: at("a.example", ofAcme), Set: values("b", "there")})
		changeFields(t, s, storage.FieldsChange{Key: at("b.example", ofAnn), Set: values("c", "elsewhere")})
		_, err := s.SignIn(t.Context(), ann, func(*crmgate.Person) error { return errTest }, storage.PlaceFields(at("a.example", ofAnn)))
		storetest.WantErr(t, err, errTest)
		_, err = s.SignIn(t.Context(), ann, keep, storage.PlaceFields(ofAnn))
		storetest.Must(t, err)
		wantFields(t, s, ofAnn, storage.Fields{Account: values("a", "1", "b", "2"), Extension: values("c", "3")})
		_, err = s.SignIn(t.Context(), ann, keep, storage.PlaceFields(at("a.example", ofAnn)), storage.ChangeFields(
			storage.FieldsChange{Key: at("a.example", ofBob), Set: values("c", "5")}))
		storetest.Must(t, err)
		wantAll(t, s,
			storage.HostFields{Hostname: "a.example", Account: values("a", "1", "b", "there"), Extensions: []storage.ExtensionFields{
				{Hostname: "a.example", Extension: "7", Name: "Ann", Values: values("c", "3")},
				{Hostname: "a.example", Extension: "8", Name: "Bob", Values: values("c", "5")},
			}},
			storage.HostFields{Hostname: "b.example", Account: values(), Extensions: []storage.ExtensionFields{
				{Hostname: "b.example", Extension: "7", Values: values("c", "elsewhere")},
			}})
	})
}

// A sign-in that is accepted at one host says nothing about a refusal at another.
func TestFailedFieldsOfHosts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		failed := func(host string, want bool) {
			t.Helper()
			wantFields(t, s, at(host, ofAnn), storage.Fields{Account: values(), Extension: values(), Failed: want})
		}
		storetest.Must(t, s.FailFields(t.Context(), at("a.example", ofAnn), 0))
		storetest.Must(t, s.FailFields(t.Context(), at("b.example", ofAnn), 0))
		storetest.Must(t, s.FailFields(t.Context(), ofAnn, time.Minute))
		_, err := s.SignIn(t.Context(), ann, keep, storage.AcceptFields(at("a.example", ofAnn)))
		storetest.Must(t, err)
		failed("a.example", false)
		failed("b.example", true)
		failed("", false)
		storetest.Must(t, s.FailFields(t.Context(), ofAnn, time.Minute))
		failed("", true)
		s.Clock.Add(2 * time.Minute)
		failed("", false)
		failed("b.example", true)
	})
}

// The limits are those of an organisation and an extension, whatever the number of hosts.
func TestFieldsOfHostsHaveALimit(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		for _, key := range []storage.FieldsKey{ofAcme, ofAnn} {
			for i := range storage.MaxFields {
				host := fmt.Sprintf("h%d.example", i%4)
				changeFields(t, s, storage.FieldsChange{Key: at(host, key), Set: values(fmt.Sprint(i), "x")})
			}
			for _, host := range []string{"h1.example", "more.example", ""} {
				err := s.ChangeFields(t.Context(), storage.FieldsChange{Key: at(host, key), Set: values("more", "x")}, changed)
				var refusal *crmgate.Refusal
				if !errors.As(err, &refusal) {
					t.Errorf("one too many at %q: %v", host, err)
				}
			}
			changeFields(t, s, storage.FieldsChange{Key: at("h1.example", key), Set: values("1", "y"), Remove: []string{"5"}})
			changeFields(t, s, storage.FieldsChange{Key: at("more.example", key), Set: values("more", "x")})
		}
	})
}
