package storage_test

import (
	"sync"
	"testing"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/storetest"
)

// revision returns the revision that an admin's form has.
func revision(t *testing.T, s storetest.Store, admin crmgate.ExtensionID) string {
	t.Helper()
	apps, err := s.Applications(t.Context(), "acme", "clio")
	storetest.Must(t, err)
	return apps.Revision(admin)
}

func ifSeen(admin crmgate.ExtensionID, revision string) storage.With {
	return storage.IfSeen("acme", "clio", admin, revision)
}

// TestRevision: a revision names the confirmed application, and another admin's pending one.
func TestRevision(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		seen := map[string]bool{}
		isNew := func(what string) {
			t.Helper()
			r := revision(t, s, "102")
			if seen[r] {
				t.Errorf("%s: the revision is an earlier one", what)
			}
			seen[r] = true
		}
		isNew("nothing")
		own := acme("one")
		for range 2 {
			own.By = "102"
			_, err := s.PutPendingApp(ctx, own, ifSeen("102", ""))
			storetest.Must(t, err)
		}
		if revision(t, s, "102") != (storage.Applications{}).Revision("102") {
			t.Error("an admin's own pending application changes the revision of their form")
		}
		_, err := s.PutPendingApp(ctx, acme("one"))
		storetest.Must(t, err)
		isNew("another admin's pending application")
		_, err = s.PutPendingApp(ctx, acme("one"))
		storetest.Must(t, err)
		isNew("the same values, entered again")
		for range 2 {
			_, err = confirm(t, s, staged("one"))
			storetest.Must(t, err)
			isNew("a confirmed application")
		}
		storetest.Must(t, s.DropPendingApps(ctx, "acme", []crmgate.Platform{"clio"}))
		if !seen[revision(t, s, "102")] {
			t.Error("dropping nothing changes the revision")
		}
	})
}

func staged(client string) crmgate.OrgApplication {
	a := acme(client)
	a.State = crmgate.Staged
	return a
}

// TestIfSeen: a change with an outdated revision changes nothing.
func TestIfSeen(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		a, err := confirm(t, s, acme("one"))
		storetest.Must(t, err)
		old := revision(t, s, "102")
		b, err := confirm(t, s, staged("two"))
		storetest.Must(t, err)
		_, err = s.PutPendingApp(ctx, staged("three"))
		storetest.Must(t, err)
		for _, outdated := range []string{old, "", "none", "x"} {
			_, err = s.PutPendingApp(ctx, staged("four"), ifSeen("102", outdated))
			storetest.WantErr(t, err, crmgate.ErrConflict)
			storetest.WantErr(t, s.DropPendingApps(ctx, "acme", []crmgate.Platform{"clio"}, ifSeen("102", outdated)), crmgate.ErrConflict)
			storetest.WantErr(t, s.RemoveApps(ctx, "acme", "clio", ifSeen("102", outdated)), crmgate.ErrConflict)
		}
		apps, err := s.Applications(ctx, "acme", "clio")
		if err != nil || apps.Confirmed == nil || apps.Confirmed.Entry != b.Entry || apps.Pending == nil || apps.Pending.ClientID != "three" || a.Entry == b.Entry {
			t.Errorf("after outdated changes: %+v, %v", apps, err)
		}
		storetest.Must(t, s.RemoveApps(ctx, "acme", "clio", ifSeen("102", revision(t, s, "102"))))
	})
}

// TestIfSeenAtOnce: of many admins who saw the same, one changes it.
func TestIfSeenAtOnce(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			admin := crmgate.ExtensionID(string(rune('a' + i)))
			wg.Go(func() {
				a := acme("one")
				a.By = admin
				_, errs[i] = s.PutPendingApp(t.Context(), a, ifSeen(admin, ""))
			})
		}
		wg.Wait()
		stored := 0
		for _, err := range errs {
			if err == nil {
				stored++
			} else {
				storetest.WantErr(t, err, crmgate.ErrConflict)
			}
		}
		if stored != 1 {
			t.Errorf("%d of %d applications were stored, want 1", stored, len(errs))
		}
	})
}

// TestIfFieldsSeen: a change of values whose form is outdated changes nothing, also if the values are the same again.
func TestIfFieldsSeen(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		key := storage.FieldsKey{Platform: "clio", Account: "acme", Hostname: "a.example"}
		of := func(key storage.FieldsKey) string {
			revision, err := s.FieldsRevision(ctx, key)
			storetest.Must(t, err)
			return revision
		}
		change := func(key storage.FieldsKey, revision string) error {
			return s.ChangeFields(ctx, storage.FieldsChange{Key: key, Set: values("apiKey", "k-1")}, storage.IfFieldsSeen(key, revision))
		}
		storetest.Must(t, change(key, ""))
		first := of(key)
		storetest.Must(t, change(key, first))
		for _, outdated := range []string{first, "", "first", "none"} {
			storetest.WantErr(t, change(key, outdated), crmgate.ErrConflict)
		}
		own, elsewhere := key, key
		own.Extension, elsewhere.Hostname = "7", "b.example"
		storetest.Must(t, change(own, ""))
		storetest.Must(t, change(elsewhere, ""))
		storetest.Must(t, change(key, of(key)))
	})
}
