package storage_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/storetest"
)

var (
	errTest = errors.New("a test's own error")
	ann     = crmgate.UserKey{Platform: "clio", ID: "1-clio"}
)

func secretsEqual() cmp.Option { return cmp.Comparer(crmgate.Secret.Equal) }

var signedIn = storage.LogEvent(audit.Event{Kind: audit.EventSignIn, By: audit.ByOAuth, Outcome: audit.OutcomeOK})

func keep(*crmgate.Person) error { return nil }

func mustSignIn(t testing.TB, s storetest.Store, key crmgate.UserKey, update func(*crmgate.Person) error, with ...storage.With) storage.Session {
	t.Helper()
	session, err := s.SignIn(t.Context(), key, update, with...)
	storetest.Must(t, err)
	return session
}

func mustSession(t *testing.T, s storetest.Store, key crmgate.UserKey) storage.Session {
	t.Helper()
	session, err := s.Session(t.Context(), key)
	storetest.Must(t, err)
	return session
}

// The filled person has every field set, so that a field that is added to the vocabulary and not stored is noticed.
func TestEveryFieldIsKept(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		fill(t, s, 1)
		key, update := filled(0)
		var want crmgate.Person
		storetest.Must(t, update(&want))
		noZero(t, reflect.ValueOf(want))
		got, err := s.Person(t.Context(), key)
		storetest.Must(t, err)
		if d := cmp.Diff(want, got, secretsEqual()); d != "" {
			t.Error(d)
		}
	})
}

func noZero(t *testing.T, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() {
			t.Errorf("the test person lacks %s", v.Type().Field(i).Name)
		}
		if f.Kind() == reflect.Struct && f.Type().PkgPath() == reflect.TypeFor[crmgate.User]().PkgPath() && f.Type() != reflect.TypeFor[crmgate.Secret]() {
			noZero(t, f)
		}
	}
}

func TestUnknownPerson(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		_, err := s.Session(t.Context(), ann)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		_, err = s.Person(t.Context(), ann)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		_, err = s.UpdatePerson(t.Context(), ann, keep)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		_, err = s.EndSession(t.Context(), ann)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		_, err = s.DeletePerson(t.Context(), ann)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
	})
}

func TestSessionsAcrossSignIns(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		first := mustSignIn(t, s, ann, func(p *crmgate.Person) error {
			if p.User.Key.ID != "" {
				t.Error("a new person is not the zero Person")
			}
			return nil
		})
		if b, err := base64.RawURLEncoding.DecodeString(first.ID); len(b) != 16 || err != nil {
			t.Errorf("session id %q, want 128 bits in base64url", first.ID)
		}
		if got := mustSession(t, s, ann); got != first {
			t.Errorf("got %+v, want %+v", got, first)
		}
		if again := mustSignIn(t, s, ann, keep); again.ID != first.ID {
			t.Error("a second browser ended the first")
		}
		other := mustSignIn(t, s, crmgate.UserKey{Platform: "other", ID: ann.ID}, keep)
		if other.ID == first.ID {
			t.Error("two platforms share a session")
		}

		_, err := s.EndSession(ctx, ann)
		storetest.Must(t, err)
		if got := mustSession(t, s, ann); !got.Ended {
			t.Error("the session goes on after logout")
		}
		second := mustSignIn(t, s, ann, keep)
		if second.ID == first.ID || second.Ended {
			t.Errorf("after logout: %+v, was %+v", second, first)
		}
		_, err = s.SessionByID(ctx, ann.Platform, ann.ID, first.ID)
		storetest.WantErr(t, err, crmgate.ErrNotFound)

		_, err = s.DeletePerson(ctx, ann)
		storetest.Must(t, err)
		_, err = s.Session(ctx, ann)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
		third := mustSignIn(t, s, ann, keep)
		if third.ID == first.ID || third.ID == second.ID {
			t.Error("an old session lives again")
		}
	})
}

// A CRM that has several hosts may give one id to two people, and the owner of a host can choose any id. The two share
// nothing.
func TestTwoHosts(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		hosts := []string{"us.example", "eu.example", ""}
		at := func(host string) crmgate.UserKey {
			return crmgate.UserKey{Platform: ann.Platform, Hostname: host, ID: ann.ID}
		}
		settings := func(host string) func(json.RawMessage) (json.RawMessage, error) {
			return func(old json.RawMessage) (json.RawMessage, error) {
				if old != nil {
					t.Errorf("%q begins with the settings %s", host, old)
				}
				return json.Marshal(host)
			}
		}
		sessions := map[string]storage.Session{}
		for _, host := range hosts {
			sessions[host] = mustSignIn(t, s, at(host), func(p *crmgate.Person) error {
				if p.User.Account != "" || p.User.AdditionalInfo != nil || !p.Grant.Empty() {
					t.Errorf("%q begins with the person %+v", host, p)
				}
				p.User.Account, p.User.AdditionalInfo = crmgate.AccountID("of "+host), json.RawMessage(`{"secret":1}`)
				p.User.Name, p.Grant.AccessToken = "Ann", crmgate.NewSecret("token of "+host)
				return nil
			}, signedIn)
			_, err := s.UpdateUserSettings(ctx, at(host), settings(host))
			storetest.Must(t, err)
			lease, err := s.TakeLease(ctx, at(host), "node", time.Minute, false)
			if err != nil || lease.Epoch != 1 {
				t.Errorf("%q: lease %+v, %v", host, lease, err)
			}
			_, err = s.PutEntry(ctx, storage.JournalEntry{User: at(host), Hostname: host, At: s.Clock.Now(), Body: crmgate.NewSecret("answer to " + host)})
			storetest.Must(t, err)
		}
		check := func(host string) {
			t.Helper()
			got, err := s.SessionByID(ctx, ann.Platform, ann.ID, sessions[host].ID)
			if err != nil || got != sessions[host] || got.Ended || got.Hostname != host {
				t.Errorf("%q: session %+v, %v", host, got, err)
			}
			p, err := s.Person(ctx, at(host))
			if err != nil || p.User.Key != at(host) || p.User.Account != crmgate.AccountID("of "+host) || p.Grant.AccessToken.Reveal() != "token of "+host {
				t.Errorf("%q: person %+v, %v", host, p, err)
			}
			if b, err := s.UserSettings(ctx, at(host)); err != nil || string(b) != strconv.Quote(host) {
				t.Errorf("%q: settings %s, %v", host, b, err)
			}
			journal, err := s.JournalOf(ctx, at(host))
			if err != nil || len(journal) != 1 || journal[0].User != at(host) || journal[0].Body.Reveal() != "answer to "+host {
				t.Errorf("%q: journal %+v, %v", host, journal, err)
			}
		}
		for _, host := range hosts {
			check(host)
		}
		if keys, err := s.Namesakes(ctx, ann.Platform, ann.ID); err != nil || len(keys) != 3 {
			t.Errorf("namesakes: %v, %v", keys, err)
		}
		for _, e := range mustAudit(t, s) {
			if e.User != ann.ID || e.Name != "" {
				t.Errorf("the audit log says which of three people it was: %+v", e)
			}
		}
		if keys, err := s.Namesakes(ctx, ann.Platform, "1"); err != nil || len(keys) != 0 {
			t.Errorf("namesakes of nobody: %v, %v", keys, err)
		}
		_, err := s.EndSession(ctx, at("us.example"))
		storetest.Must(t, err)
		_, err = s.DeletePerson(ctx, at(""))
		storetest.Must(t, err)
		check("eu.example")
		if got := mustSession(t, s, at("us.example")); !got.Ended {
			t.Error("the session goes on after logout")
		}
		_, err = s.SessionByID(ctx, ann.Platform, ann.ID, sessions[""].ID)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
	})
}

func TestAFailedSignInStoresNothing(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		_, err := s.SignIn(t.Context(), ann, func(*crmgate.Person) error { return errTest })
		storetest.WantErr(t, err, errTest)
		_, err = s.SignIn(t.Context(), ann, func(p *crmgate.Person) error {
			p.User.AdditionalInfo = []byte("{")
			return nil
		})
		if err == nil {
			t.Error("invalid JSON was stored")
		}
		_, err = s.Session(t.Context(), ann)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
	})
}

func TestEndSessionForgetsTheGrantAndKeepsTheProfile(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		mustSignIn(t, s, ann, func(p *crmgate.Person) error {
			p.User.Name = "Ann"
			p.Grant.AccessToken = crmgate.NewSecret("token")
			return nil
		})
		was, err := s.EndSession(t.Context(), ann)
		storetest.Must(t, err)
		if was.Grant.AccessToken.Reveal() != "token" {
			t.Error("the grant to revoke was not returned")
		}
		now, err := s.Person(t.Context(), ann)
		storetest.Must(t, err)
		if !now.Grant.Empty() || now.User.Name != "Ann" {
			t.Errorf("afterwards: grant empty %v, name %q", now.Grant.Empty(), now.User.Name)
		}
	})
}

func TestUpdatesKeepTheKeyAndTheSession(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		first := mustSignIn(t, s, ann, keep)
		move := func(p *crmgate.Person) error {
			p.User.Key = crmgate.UserKey{Platform: "other", Hostname: "b.example", ID: "2"}
			return nil
		}
		p, err := s.UpdatePerson(t.Context(), ann, move)
		storetest.Must(t, err)
		if got := mustSession(t, s, ann); p.User.Key != ann || got != first {
			t.Errorf("got %+v of %v", got, p.User.Key)
		}
		_, err = s.UpdatePerson(t.Context(), ann, func(*crmgate.Person) error { return errTest })
		storetest.WantErr(t, err, errTest)
		_, err = s.EndSession(t.Context(), ann)
		storetest.Must(t, err)
		_, err = s.UpdatePerson(t.Context(), ann, move)
		storetest.Must(t, err)
		if !mustSession(t, s, ann).Ended {
			t.Error("an update brought a session back to life")
		}
	})
}

func ofApp(account crmgate.AccountID, generation uint64) func(*crmgate.Person) error {
	return func(p *crmgate.Person) error {
		p.Grant.App = crmgate.ApplicationKey{Account: account, Generation: generation}
		return nil
	}
}

func TestGenerations(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		bob := crmgate.UserKey{Platform: "clio", ID: "2-clio"}
		eve := crmgate.UserKey{Platform: "clio", ID: "3-clio"}
		first := mustSignIn(t, s, ann, ofApp("acme", 0))
		mustSignIn(t, s, bob, keep)
		mustSignIn(t, s, eve, ofApp("other", 0))
		g, err := s.RaiseGeneration(ctx, "acme", "clio")
		if g != 1 || err != nil {
			t.Errorf("raised to %d, %v", g, err)
		}
		_, err = s.RaiseGeneration(ctx, "acme", "other")
		storetest.Must(t, err)
		if g, err := s.Generation(ctx, "acme", "clio"); g != 1 || err != nil {
			t.Errorf("generation %d, %v", g, err)
		}
		for key, ended := range map[crmgate.UserKey]bool{ann: true, bob: false, eve: false} {
			if got := mustSession(t, s, key); got.Ended != ended {
				t.Errorf("session of %v: ended is %v", key, got.Ended)
			}
		}
		_, err = s.UpdatePerson(ctx, ann, ofApp("acme", 1))
		storetest.Must(t, err)
		if !mustSession(t, s, ann).Ended {
			t.Error("an update brought a session of an older generation back to life")
		}
		_, err = s.SignIn(ctx, ann, ofApp("acme", 0))
		storetest.WantErr(t, err, crmgate.ErrConflict)
		second := mustSignIn(t, s, ann, ofApp("acme", 1))
		if second.ID == first.ID || second.App != "acme" || second.Generation != 1 || mustSession(t, s, ann).Ended {
			t.Errorf("after signing in again: %+v, was %+v", second, first)
		}
		if again := mustSignIn(t, s, ann, ofApp("acme", 1)); again.ID != second.ID {
			t.Error("a second browser ended the first")
		}
		_, err = s.UpdatePerson(ctx, ann, ofApp("", 0))
		storetest.Must(t, err)
		if !mustSession(t, s, ann).Ended {
			t.Error("a session outlives the app of its grant")
		}
	})
}

func TestPeople(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		var want []string
		for i := range 20 {
			key := crmgate.UserKey{Platform: crmgate.Platform(fmt.Sprintf("p%d", i%3)), ID: crmgate.UserID(fmt.Sprint(i))}
			session := mustSignIn(t, s, key, keep)
			want = append(want, key.String()+" "+session.ID)
		}
		var got []string
		storetest.Must(t, s.People(t.Context(), func(p crmgate.Person, session storage.Session) error {
			got = append(got, p.User.Key.String()+" "+session.ID)
			return nil
		}))
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		err := s.People(t.Context(), func(crmgate.Person, storage.Session) error { return errTest })
		storetest.WantErr(t, err, errTest)
	})
}

func TestReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storetest.New(t, dir)
	fill(t, s, 30)
	before := map[crmgate.UserKey]storage.Session{}
	for i := range 30 {
		key, _ := filled(i)
		before[key] = mustSession(t, s, key)
	}
	storetest.Must(t, s.Engine.Close())
	db, err := storage.Open(t.Context(), storetest.Engine(t, dir), s.Ring, storage.Config{Now: s.Clock.Now})
	storetest.Must(t, err)
	n := 0
	storetest.Must(t, db.People(t.Context(), func(p crmgate.Person, session storage.Session) error {
		if n++; session != before[p.User.Key] {
			t.Errorf("%v: %+v, was %+v", p.User.Key, session, before[p.User.Key])
		}
		return nil
	}))
	if n != len(before) {
		t.Errorf("%d people, want %d", n, len(before))
	}
	storetest.WantErr(t, db.SpendState(t.Context(), "canary-state", time.Hour), crmgate.ErrConflict)
	if g, err := db.Generation(t.Context(), "4711-account", "clio"); g != 1 || err != nil {
		t.Errorf("generation %d, %v", g, err)
	}
}
