package storage_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/storetest"
)

// odd is JSON that an encoder of Go's would write in another way.
const odd = `{"a&<>":123456789012345678901234567890.10,"b":"\ud800\u00e9"}`

func TestOrgSettings(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		_, err := s.OrgSettings(t.Context(), "hash")
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		storetest.Must(t, s.UpdateOrgSettings(t.Context(), "hash", "1", func(o *storage.OrgSettings) error {
			if o.UserSettings != nil {
				t.Error("new settings are not empty")
			}
			o.UserSettings = json.RawMessage(odd)
			return nil
		}))
		first := s.Clock.Now()
		s.Clock.Add(time.Hour)
		storetest.Must(t, s.UpdateOrgSettings(t.Context(), "hash", "1", func(o *storage.OrgSettings) error {
			o.UserMappings = json.RawMessage(`[1]`)
			return nil
		}))
		o, err := s.OrgSettings(t.Context(), "hash")
		storetest.Must(t, err)
		if string(o.UserSettings) != odd || string(o.UserMappings) != "[1]" || o.CustomAdapter != nil || !o.Created.Equal(first) || !o.Updated.Equal(first.Add(time.Hour)) {
			t.Errorf("got %+v", o)
		}
		_, err = s.OrgSettings(t.Context(), "Hash")
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		storetest.WantErr(t, s.UpdateOrgSettings(t.Context(), "other", "2", func(*storage.OrgSettings) error { return errTest }), errTest)
		_, err = s.OrgSettings(t.Context(), "other")
		storetest.WantErr(t, err, crmgate.ErrNotFound)
	})
}

func mustAudit(t testing.TB, s storetest.Store) []audit.Entry {
	t.Helper()
	var all []audit.Entry
	storetest.Must(t, s.Audit().Read(t.Context(), audit.Query{}, func(e audit.Entry) error { all = append(all, e); return nil }))
	return all
}

// The audit entry names the account, and is stored with the change or not at all.
func TestOrgSettingsAreAudited(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		event := storage.LogEvent(audit.Event{Kind: audit.EventAdministration, By: audit.ByAdmin, Outcome: audit.OutcomeOK})
		set := func(err error) func(*storage.OrgSettings) error {
			return func(*storage.OrgSettings) error { return err }
		}
		storetest.WantErr(t, s.UpdateOrgSettings(t.Context(), "hash", "1", set(errTest), event), errTest)
		if n := len(mustAudit(t, s)); n != 0 {
			t.Errorf("%d entries for what was not stored", n)
		}
		storetest.Must(t, s.UpdateOrgSettings(t.Context(), "hash", "1", set(nil), event))
		all := mustAudit(t, s)
		if len(all) != 1 || all[0].Kind.String() != "administration" || all[0].By.String() != "admin" || all[0].AccountHash == "" || all[0].UserHash != "" {
			t.Errorf("got %+v", all)
		}
	})
}

func TestUserSettings(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		set := func(text string) func(json.RawMessage) (json.RawMessage, error) {
			return func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(text), nil }
		}
		wantStored := func(want string) {
			t.Helper()
			got, err := s.UserSettings(ctx, ann)
			if err != nil || string(got) != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		}
		wantStored("")
		_, err := s.UpdateUserSettings(ctx, ann, set(odd))
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		mustSignIn(t, s, ann, keep)
		got, err := s.UpdateUserSettings(ctx, ann, set(odd))
		if err != nil || string(got) != odd {
			t.Errorf("got %q, %v", got, err)
		}
		_, err = s.UpdateUserSettings(ctx, ann, func(old json.RawMessage) (json.RawMessage, error) {
			if string(old) != odd {
				t.Errorf("the change begins with %q", old)
			}
			return json.RawMessage("{}"), errTest
		})
		storetest.WantErr(t, err, errTest)
		other := crmgate.UserKey{Platform: "other", ID: ann.ID}
		if got, err := s.UserSettings(ctx, other); got != nil || err != nil {
			t.Errorf("another platform's: %q, %v", got, err)
		}
		_, err = s.EndSession(ctx, ann)
		storetest.Must(t, err)
		_, err = s.UpdateUserSettings(ctx, ann, set("{}"))
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		wantStored(odd)
		mustSignIn(t, s, ann, keep)
		wantStored(odd)
		_, err = s.DeletePerson(ctx, ann)
		storetest.Must(t, err)
		wantStored("")
		for _, p := range storetest.Raw(t, s.Engine) {
			if strings.HasPrefix(string(p.Key), "z/") {
				t.Error("something is left of a person who was deleted")
			}
		}
		mustSignIn(t, s, ann, keep)
		wantStored("")
	})
}

// Each of many changes at once sees those before it.
func TestSettingsLoseNoChange(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		mustSignIn(t, s, ann, keep)
		const n = 32
		appended := func(old json.RawMessage) json.RawMessage {
			return append(json.RawMessage("["+strings.Trim(string(old), "[]")), "0]"...)
		}
		var group sync.WaitGroup
		for range n {
			group.Go(func() {
				_, err := s.UpdateUserSettings(t.Context(), ann, func(old json.RawMessage) (json.RawMessage, error) { return appended(old), nil })
				err = errors.Join(err, s.UpdateOrgSettings(t.Context(), "hash", "1", func(o *storage.OrgSettings) error {
					o.UserSettings = json.RawMessage(`"` + strings.Trim(string(o.UserSettings), `"`) + `x"`)
					return nil
				}))
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		got, err := s.UserSettings(t.Context(), ann)
		storetest.Must(t, err)
		o, err := s.OrgSettings(t.Context(), "hash")
		storetest.Must(t, err)
		if strings.Count(string(got), "0") != n || strings.Count(string(o.UserSettings), "x") != n {
			t.Errorf("of %d changes, %s and %s are left", n, got, o.UserSettings)
		}
	})
}
