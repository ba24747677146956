package storage_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/storetest"
)

// canaries must not occur outside of opened records.
var canaries = []string{"canary", "4711", "acme.example"}

// filled is a person with a canary in every field.
func filled(n int) (crmgate.UserKey, func(*crmgate.Person) error) {
	key := crmgate.UserKey{Platform: "clio", Hostname: "canary.acme.example", ID: crmgate.UserID(fmt.Sprintf("4711%04d-canary", n))}
	return key, func(p *crmgate.Person) error {
		p.User = crmgate.User{
			Key: key, Name: "Canary Name", Account: "4711-account", Unproven: true,
			HashedExtension: "canary-extension", TimezoneName: "canary/zone", TimezoneOffset: []byte(`"canary"`),
			AdditionalInfo: []byte(`{"canary":"<4711>"}`), Created: time.Unix(1, 0).UTC(), SignedIn: time.Unix(2, 0).UTC(), LoggedOut: time.Unix(6, 0).UTC(),
		}
		p.Grant = crmgate.Grant{
			AccessToken: crmgate.NewSecret("canary-access"), RefreshToken: crmgate.NewSecret("canary-refresh"), APIKey: crmgate.NewSecret("canary-key"),
			Issued: time.Unix(3, 0).UTC(), Expiry: time.Unix(4, 0).UTC(), Dead: "canary-dead", DeadSince: time.Unix(5, 0).UTC(),
			App: crmgate.ApplicationKey{ClientID: "canary-client", TokenURL: "https://acme.example/token", Account: "4711-account", Generation: 1, Entry: "canary-entry"},
		}
		return nil
	}
}

// fill stores n people, at least one, and one record of every other kind.
func fill(t *testing.T, s storetest.Store, n int) {
	t.Helper()
	app := crmgate.OrgApplication{Account: "4711-account", Platform: "clio", By: "canary-extension", Application: crmgate.Application{
		ClientID: "canary-client", ClientSecret: crmgate.NewSecret("canary-secret"), AccessTokenURI: "https://canary.example/token",
	}}
	_, err := confirm(t, s, app) // and retired, so that people are of the second
	storetest.Must(t, err)
	storetest.Must(t, s.RemoveApps(t.Context(), app.Account, app.Platform))
	_, err = confirm(t, s, app)
	storetest.Must(t, err)
	_, err = s.PutPendingApp(t.Context(), app)
	storetest.Must(t, err)
	_, err = s.DeletePerson(t.Context(), crmgate.UserKey{Platform: "clio", ID: "admin"})
	storetest.Must(t, err)
	for i := range n {
		key, update := filled(i)
		_, err := s.SignIn(t.Context(), key, update, signedIn)
		storetest.Must(t, err)
	}
	_, update := filled(n)
	var gone crmgate.Person
	storetest.Must(t, update(&gone))
	storetest.Must(t, s.QueueRevocation(t.Context(), gone))
	first, _ := filled(0)
	_, err = s.UpdateUserSettings(t.Context(), first, func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`"canary-settings"`), nil })
	storetest.Must(t, err)
	storetest.Must(t, s.UpdateOrgSettings(t.Context(), "canary-hash", "4711-account", func(o *storage.OrgSettings) error {
		o.UserSettings = json.RawMessage(`"canary-settings"`)
		return nil
	}))
	storetest.Must(t, s.SpendState(t.Context(), "canary-state", time.Hour))
	fields := storage.FieldsKey{Platform: "clio", Account: "4711-account"}
	values := storage.FieldValues{"canary-field": crmgate.NewSecret("canary-field-value")}
	storetest.Must(t, s.ChangeFields(t.Context(), storage.FieldsChange{Key: fields, Set: values}, changed))
	fields.Extension = "canary-extension"
	storetest.Must(t, s.ChangeFields(t.Context(), storage.FieldsChange{Key: fields, Name: "Canary Name", Set: values}, changed))
	storetest.Must(t, s.FailFields(t.Context(), fields, 0))
	fields.Hostname = "canary.example"
	storetest.Must(t, s.ChangeFields(t.Context(), storage.FieldsChange{Key: fields, Set: values}))
	storetest.Must(t, s.FailFields(t.Context(), fields, time.Hour))
	storetest.Must(t, s.States().Put(t.Context(), "canary-short", []byte("canary-value"), time.Hour, 10))
	storetest.Must(t, s.AuthSessions().Update(t.Context(), "canary-waiting", time.Hour, func([]byte) ([]byte, error) { return []byte("canary-value"), nil }))
	_, err = s.ServerKey(t.Context(), "session", func() []byte { return []byte("canary-server-key") })
	storetest.Must(t, err)
}

func TestAMovedRecordNeverOpens(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	fill(t, s, 16)
	pairs := storetest.Raw(t, s.Engine)
	if len(pairs) < 40 {
		t.Fatalf("%d records, want 40", len(pairs))
	}
	for _, at := range pairs {
		for _, from := range pairs {
			_, err := open(s, at.Key, from.Value)
			if moved := !bytes.Equal(at.Key, from.Key); moved != errors.Is(err, crmgate.ErrSealed) {
				t.Errorf("record of %q under %q: %v", from.Key, at.Key, err)
			}
		}
	}
}

func TestSwappedPeopleDoNotOpen(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		fill(t, s, 2)
		a, _ := filled(0)
		b, _ := filled(1)
		for _, kind := range []string{"p/", "s/"} {
			var two []storetest.Pair
			for _, p := range storetest.Raw(t, s.Engine) {
				if strings.HasPrefix(string(p.Key), kind) {
					two = append(two, p)
				}
			}
			storetest.Write(t, s.Engine, two[0].Key, two[1].Value)
			storetest.Write(t, s.Engine, two[1].Key, two[0].Value)
		}
		for _, key := range []crmgate.UserKey{a, b} {
			_, err := s.Person(t.Context(), key)
			storetest.WantErr(t, err, crmgate.ErrSealed)
			quiet(t, err)
			_, err = s.Session(t.Context(), key)
			storetest.WantErr(t, err, crmgate.ErrSealed)
			quiet(t, err)
		}
		err := s.People(t.Context(), func(crmgate.Person, storage.Session) error { t.Error("listed"); return nil })
		storetest.WantErr(t, err, crmgate.ErrSealed)
		quiet(t, err)
		if !strings.Contains(err.Error(), "2 records") {
			t.Errorf("got %v, want both counted", err)
		}
		was, err := s.DeletePerson(t.Context(), a)
		if err != nil || was.User.Key != a {
			t.Errorf("delete what does not open: %v, %v", was.User.Key, err)
		}
		_, err = s.Person(t.Context(), a)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
	})
}

// quiet checks that the text of an error has no personal data.
func quiet(t *testing.T, err error) {
	t.Helper()
	for _, c := range canaries {
		if strings.Contains(strings.ToLower(err.Error()), c) {
			t.Errorf("the error shows %q: %v", c, err)
		}
	}
}

func TestFlippedBytesNeverOpen(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	fill(t, s, 8)
	pairs := storetest.Raw(t, s.Engine)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		p := pairs[rng.IntN(len(pairs))]
		v := bytes.Clone(p.Value)
		at, bit := rng.IntN(len(v)), byte(1)<<rng.IntN(8)
		v[at] ^= bit
		if _, err := open(s, p.Key, v); !errors.Is(err, crmgate.ErrSealed) {
			t.Errorf("%q with byte %d flipped by %02x: %v", p.Key, at, bit, err)
		}
	}
	for _, p := range pairs {
		for n := range len(p.Value) {
			if _, err := open(s, p.Key, p.Value[:n]); !errors.Is(err, crmgate.ErrSealed) {
				t.Fatalf("%q cut to %d bytes: %v", p.Key, n, err)
			}
		}
	}
}

func TestNothingShowsInTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.New(t, dir)
	fill(t, s, 20)
	key, _ := filled(3)
	_, err := s.EndSession(t.Context(), key)
	storetest.Must(t, err)
	var all [][]byte
	for _, p := range storetest.Raw(t, s.Engine) {
		all = append(all, p.Key, p.Value)
	}
	storetest.Must(t, s.Engine.Close())
	files := 0
	storetest.Must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		all = append(all, b)
		return err
	}))
	if files < 3 {
		t.Fatalf("%d files in the store", files)
	}
	for _, b := range all {
		b = bytes.ToLower(b)
		for _, c := range canaries {
			if bytes.Contains(b, []byte(c)) {
				t.Errorf("%q lies open in the store", c)
			}
		}
	}
	if !bytes.Contains(bytes.Join(all, nil), []byte("p/clio/")) {
		t.Error("the search does not find what is there")
	}
}

// An id has different hashes on two platforms, and as an account and a person.
func TestKeysAreNotLinked(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	for _, p := range []crmgate.Platform{"clio", "other"} {
		_, err := s.SignIn(t.Context(), crmgate.UserKey{Platform: p, ID: "1"}, func(*crmgate.Person) error { return nil })
		storetest.Must(t, err)
		_, err = s.RaiseGeneration(t.Context(), "1", p)
		storetest.Must(t, err)
	}
	seen := map[string]string{}
	for _, p := range storetest.Raw(t, s.Engine) {
		if len(p.Key) < 32 {
			continue
		}
		hash := string(p.Key[len(p.Key)-32:])
		if other := seen[hash]; other != "" {
			t.Errorf("%q and %q have the same hash", p.Key, other)
		}
		seen[hash] = string(p.Key)
	}
	if len(seen) != 6 {
		t.Errorf("%d hashed keys, want 6", len(seen))
	}
}
