package storage_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/storetest"
)

var (
	changed = storage.LogEvent(audit.Event{Kind: audit.EventAdministration, By: audit.ByPerson, Outcome: audit.OutcomeOK})
	ofAcme  = storage.FieldsKey{Platform: "clio", Account: "acme"}
	ofAnn   = storage.FieldsKey{Platform: "clio", Account: "acme", Extension: "7"}
)

func values(namesAndValues ...string) storage.FieldValues {
	v := storage.FieldValues{}
	for i := 0; i < len(namesAndValues); i += 2 {
		v[namesAndValues[i]] = crmgate.NewSecret(namesAndValues[i+1])
	}
	return v
}

func changeFields(t *testing.T, s storetest.Store, c storage.FieldsChange) {
	t.Helper()
	storetest.Must(t, s.ChangeFields(t.Context(), c, changed))
}

func wantFields(t *testing.T, s storetest.Store, key storage.FieldsKey, want storage.Fields) {
	t.Helper()
	got, err := s.Fields(t.Context(), key)
	storetest.Must(t, err)
	if d := cmp.Diff(want, got, secretsEqual()); d != "" {
		t.Errorf("%+v: %s", key, d)
	}
}

func wantAll(t *testing.T, s storetest.Store, want ...storage.HostFields) {
	t.Helper()
	got, err := s.AllFields(t.Context(), "clio", "acme")
	storetest.Must(t, err)
	if d := cmp.Diff(want, got, secretsEqual()); d != "" {
		t.Error(d)
	}
}

func TestFieldsReplaceStoredOnes(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		wantFields(t, s, ofAnn, storage.Fields{Account: values(), Extension: values()})
		changeFields(t, s, storage.FieldsChange{Key: ofAcme, Set: values("a", "1", "b", "2")})
		changeFields(t, s, storage.FieldsChange{Key: ofAcme, Set: values("b", "3", "c", "4"), Remove: []string{"a", "z"}})
		changeFields(t, s, storage.FieldsChange{Key: ofAnn, Name: "Ann", Set: values("a", "5")})
		changeFields(t, s, storage.FieldsChange{Key: ofAnn, Set: values("b", "6")})
		wantFields(t, s, ofAnn, storage.Fields{Account: values("b", "3", "c", "4"), Extension: values("a", "5", "b", "6")})
		wantAll(t, s, storage.HostFields{
			Account:    values("b", "3", "c", "4"),
			Extensions: []storage.ExtensionFields{{Extension: "7", Name: "Ann", Values: values("a", "5", "b", "6")}},
		})
		changeFields(t, s, storage.FieldsChange{Key: ofAnn, Remove: []string{"a", "b"}})
		wantAll(t, s, storage.HostFields{Account: values("b", "3", "c", "4")}) // an extension without values is not listed
	})
}

// Values belong to one organisation, extension and platform, even if ids are alike.
func TestFieldsStayWithTheirOwners(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		changeFields(t, s, storage.FieldsChange{Key: ofAcme, Set: values("a", "1")})
		changeFields(t, s, storage.FieldsChange{Key: ofAnn, Set: values("a", "2")})
		storetest.Must(t, s.FailFields(t.Context(), ofAnn, 0))
		none := storage.Fields{Account: values(), Extension: values()}
		for _, key := range []storage.FieldsKey{
			{Platform: "other", Account: "acme", Extension: "7"}, {Platform: "clio", Account: "other", Extension: "7"},
			{Platform: "clio", Account: "7", Extension: "acme"}, {Platform: "clio", Account: "acme\x007"}, {Platform: "clio"},
		} {
			wantFields(t, s, key, none)
			all, err := s.AllFields(t.Context(), key.Platform, key.Account)
			storetest.Must(t, err)
			if len(all) != 0 {
				t.Errorf("%+v lists %v", key, all)
			}
		}
		wantFields(t, s, storage.FieldsKey{Platform: "clio", Account: "acme", Extension: "8"}, storage.Fields{Account: values("a", "1"), Extension: values()})
	})
}

func TestFailedFields(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		storetest.Must(t, s.FailFields(t.Context(), ofAnn, 0))
		wantFields(t, s, ofAnn, storage.Fields{Account: values(), Extension: values(), Failed: true})
		set := storage.ChangeFields(storage.FieldsChange{Key: ofAcme, Set: values("a", "1")})
		_, err := s.SignIn(t.Context(), ann, func(*crmgate.Person) error { return errTest }, storage.AcceptFields(ofAnn), set)
		storetest.WantErr(t, err, errTest)
		wantFields(t, s, ofAnn, storage.Fields{Account: values(), Extension: values(), Failed: true})
		_, err = s.SignIn(t.Context(), ann, keep, storage.AcceptFields(ofAnn), set)
		storetest.Must(t, err)
		wantFields(t, s, ofAnn, storage.Fields{Account: values("a", "1"), Extension: values()})
	})
}

func TestFieldsHaveALimit(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		many := values()
		for i := range storage.MaxFields {
			many[fmt.Sprint(i)] = crmgate.NewSecret("x")
		}
		for _, key := range []storage.FieldsKey{ofAcme, ofAnn} {
			changeFields(t, s, storage.FieldsChange{Key: key, Set: many})
			err := s.ChangeFields(t.Context(), storage.FieldsChange{Key: key, Set: values("more", "x")}, changed)
			var refusal *crmgate.Refusal
			if !errors.As(err, &refusal) {
				t.Errorf("one too many: %v", err)
			}
			changeFields(t, s, storage.FieldsChange{Key: key, Set: values("more", "x"), Remove: []string{"0"}})
		}
	})
}
