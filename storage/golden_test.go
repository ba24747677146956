package storage_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/storage/storetest"
)

// mustGolden opens a copy of testdata/store.json. An earlier version wrote it. It has the records of fill for three
// people, one of them logged out, a pause, a lease, a journal entry and two more sign-ins.
func mustGolden(t *testing.T) storetest.Store {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "store.json"))
	storetest.Must(t, err)
	var golden struct {
		Ring    json.RawMessage
		Records [][2][]byte
	}
	storetest.Must(t, json.Unmarshal(b, &golden))
	path := filepath.Join(t.TempDir(), "ring")
	storetest.Must(t, os.WriteFile(path, golden.Ring, 0o600))
	s := storetest.Store{Engine: storetest.Engine(t, ""), Clock: storetest.NewClock()}
	s.Ring, _, err = sealed.LoadKeyRing(path)
	storetest.Must(t, err)
	for _, r := range golden.Records {
		storetest.Write(t, s.Engine, r[0], r[1])
	}
	s.DB, err = storage.Open(t.Context(), s.Engine, s.Ring, storage.Config{Now: s.Clock.Now})
	storetest.Must(t, err)
	return s
}

// A store of an earlier version opens, reads and verifies: keys, kinds, payloads, associated data and hashes are the same.
func TestAStoreOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	s, ctx := mustGolden(t), t.Context()
	for _, r := range storetest.Raw(t, s.Engine) {
		if _, err := open(s, r.Key, r.Value); err != nil {
			t.Errorf("%q: %v", r.Key, err)
		}
	}
	key, update := filled(2)
	var want crmgate.Person
	storetest.Must(t, update(&want))
	want.User.Unproven, want.Grant.App.Entry = false, "" // that version did not have them
	got, err := s.Person(ctx, key)
	storetest.Must(t, err)
	if d := cmp.Diff(want, got, secretsEqual()); d != "" {
		t.Error(d)
	}
	if mustSession(t, s, key).Ended {
		t.Error("a live session has ended")
	}
	gone, _ := filled(1)
	if !mustSession(t, s, gone).Ended {
		t.Error("a session that has ended lives")
	}
	journal, err := s.JournalOf(ctx, gone)
	if err != nil || len(journal) != 1 || journal[0].Body.Reveal() != "canary-body" {
		t.Errorf("journal: %+v, %v", journal, err)
	}
	lease, err := s.Lease(ctx, gone)
	if err != nil || lease.Epoch != 1 || lease.Node != "node" {
		t.Errorf("lease: %+v, %v", lease, err)
	}
	apps, err := s.Applications(ctx, "4711-account", "clio")
	if err != nil || apps.Pending == nil || apps.Confirmed == nil || apps.Confirmed.Generation != 1 || apps.Confirmed.ClientSecret.Reveal() != "canary-secret" {
		t.Errorf("apps: %+v, %v", apps, err)
	}
	_, paused, err := s.PausedWith(ctx, storage.Usage{Platform: "clio", App: crmgate.ApplicationKey{ClientID: "canary-client"}}, crmgate.NewSecret("canary-secret"))
	if err != nil || !paused {
		t.Errorf("paused: %v, %v", paused, err)
	}
	ofOne := storage.FieldsKey{Platform: "clio", Account: "4711-account", Extension: "canary-extension"}
	fields, err := s.Fields(ctx, ofOne)
	if err != nil || !fields.Failed || len(fields.Account) != 1 || len(fields.Extension) != 1 {
		t.Errorf("fields: %+v, %v", fields, err)
	}
	if all, err := s.AllFields(ctx, "clio", "4711-account"); err != nil || len(all) != 1 || all[0].Hostname != "" || len(all[0].Extensions) != 1 {
		t.Errorf("all fields: %+v, %v", all, err)
	}
	if b := mustBacklog(t, s.DB, "clio"); b.Count != 3 {
		t.Errorf("%d revocations, want 3", b.Count)
	}
	if o, err := s.OrgSettings(ctx, "canary-hash"); err != nil || string(o.UserSettings) != `"canary-settings"` {
		t.Errorf("settings: %+v, %v", o, err)
	}
	for name, p := range map[string]storage.Pending{"canary-short": s.States().Pending, "canary-waiting": s.AuthSessions()} {
		if b, err := p.Get(ctx, name); err != nil || string(b) != "canary-value" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	storetest.WantErr(t, s.SpendState(ctx, "canary-state", 1), crmgate.ErrConflict)
	r, err := s.Audit().Verify(ctx, func(p string) { t.Error(p) })
	if want := (audit.Report{Nodes: 1, Batches: 2, Entries: 8, Unsealed: 2}); err != nil || r != want {
		t.Errorf("audit log: %+v, %v; want %+v", r, err, want)
	}
	if all := mustAudit(t, s); len(all) != 8 || all[0].User != "47110000-canary" || all[5].Kind != audit.EventLogout {
		t.Errorf("audit log: %+v", all)
	}
}

// The managed values of an earlier version have no host, and can be moved to one.
func TestFieldsOfAnEarlierVersionMoveToAHost(t *testing.T) {
	t.Parallel()
	s := mustGolden(t)
	before := storage.FieldsKey{Platform: "clio", Account: "4711-account", Extension: "canary-extension"}
	wantFields(t, s, at("eu.example", before), storage.Fields{Account: values(), Extension: values()})
	_, err := s.SignIn(t.Context(), ann, keep, storage.PlaceFields(at("eu.example", before)), storage.AcceptFields(at("eu.example", before)))
	storetest.Must(t, err)
	stored := values("canary-field", "canary-field-value")
	wantFields(t, s, at("eu.example", before), storage.Fields{Account: stored, Extension: stored})
	wantFields(t, s, before, storage.Fields{Account: values(), Extension: values()})
}
