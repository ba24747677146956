package storage_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
)

// vic is a person whom version 1 stored, with a host.
var vic = crmgate.UserKey{Platform: "clio", Hostname: "us.example", ID: "vic"}

// vicsSession is the session of vic.
var vicsSession = storage.Session{ID: "AAAAAAAAAAAAAAAAAAAAAA", Hostname: vic.Hostname}

// putVersion1 stores a person as version 1 did, with a session, settings, a lease and an answer in the journal.
func putVersion1(t testing.TB, s store, u crmgate.UserKey, ses storage.Session) {
	t.Helper()
	lookup, err := s.open([]byte("l/"), mustGet(t, s, []byte("l/")))
	must(t, err)
	keys := sealed.NewKeys(lookup)
	of := func(kind byte) []byte { return keys.On(sealed.Kind(kind), u.Platform, string(u.ID)) }
	person, err := storage.EncodePerson(crmgate.Person{
		User:  crmgate.User{Key: u, Name: "Vic", Account: "1", AdditionalInfo: json.RawMessage(`{"secret":1}`), Created: s.clock.now()},
		Grant: crmgate.Grant{RefreshToken: crmgate.NewSecret("vic's token")},
	})
	must(t, err)
	session, err := ses.Encode()
	must(t, err)
	lease, err := json.Marshal(storage.Lease{Epoch: 7})
	must(t, err)
	answer, err := storage.EncodeJournal(storage.JournalEntry{User: u, Hostname: u.Hostname, At: s.clock.now(), Body: crmgate.NewSecret("answer to vic")})
	must(t, err)
	must(t, s.engine.Update(t.Context(), func(tx storage.Tx) error {
		r := s.ring.Records(tx, s.clock.now(), nil)
		for kind, payload := range map[byte][]byte{'p': person, 's': session, 'e': lease, 'z': []byte(`"vic's settings"`)} {
			must(t, r.Set(sealed.Kind(kind), of(kind), payload, 0))
		}
		return r.Set('j', append(append(of('j'), '/'), "123456789012"...), answer, time.Hour)
	}))
}

func mustGet(t testing.TB, s store, key []byte) (value []byte) {
	t.Helper()
	must(t, s.engine.View(t.Context(), func(tx storage.Tx) (err error) {
		value, err = tx.Get(key)
		return err
	}))
	return value
}

// checkVic checks that everything of vic is there.
func checkVic(t *testing.T, s store) {
	t.Helper()
	ctx := t.Context()
	for name, read := range map[string]func() (storage.Session, error){
		"by id":  func() (storage.Session, error) { return s.SessionByID(ctx, vic.Platform, vic.ID, vicsSession.ID) },
		"of vic": func() (storage.Session, error) { return s.Session(ctx, vic) },
	} {
		if got, err := read(); err != nil || got != vicsSession {
			t.Errorf("session %s: %+v, %v", name, got, err)
		}
	}
	p, err := s.Person(ctx, vic)
	if err != nil || p.User.Key != vic || p.User.Name != "Vic" || string(p.User.AdditionalInfo) != `{"secret":1}` || p.Grant.RefreshToken.Reveal() != "vic's token" {
		t.Errorf("person: %+v, %v", p, err)
	}
	if b, err := s.UserSettings(ctx, vic); err != nil || string(b) != `"vic's settings"` {
		t.Errorf("settings: %s, %v", b, err)
	}
	if l, err := s.Lease(ctx, vic); err != nil || l.Epoch < 7 {
		t.Errorf("lease: %+v, %v", l, err)
	}
	journal, err := s.JournalOf(ctx, vic)
	if err != nil || len(journal) != 1 || journal[0].User != vic || journal[0].Body.Reveal() != "answer to vic" {
		t.Errorf("journal: %+v, %v", journal, err)
	}
}

// version1Left returns how many records of people still have version 1.
func version1Left(t *testing.T, s store) (n int) {
	t.Helper()
	for _, r := range raw(t, s.engine) {
		if strings.ContainsRune("ps", rune(r.key[0])) && sealed.Version(r.value) == 1 {
			n++
		}
	}
	return n
}

// A person of version 1 is found, and keeps everything when anything of theirs changes.
func TestPeopleOfVersion1Move(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(context.Context, store) error{
		"nothing": nil,
		"sign-in": func(ctx context.Context, s store) error {
			got, err := s.SignIn(ctx, vic, keep)
			if err == nil && got != vicsSession {
				err = fmt.Errorf("the session is %+v", got)
			}
			return err
		},
		"update": func(ctx context.Context, s store) error { _, err := s.UpdatePerson(ctx, vic, keep); return err },
		"lease": func(ctx context.Context, s store) error {
			l, err := s.TakeLease(ctx, vic, "node", time.Minute, false)
			if err == nil && l.Epoch != 8 {
				err = fmt.Errorf("the lease is %+v", l)
			}
			return err
		},
		"settings": func(ctx context.Context, s store) error {
			_, err := s.UpdateUserSettings(ctx, vic, func(old json.RawMessage) (json.RawMessage, error) { return old, nil })
			return err
		},
		"sign-in of another host": func(ctx context.Context, s store) error { return intrude(ctx, s, "eu.example") },
		"sign-in without a host":  func(ctx context.Context, s store) error { return intrude(ctx, s, "") },
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, s store) {
				putVersion1(t, s, vic, vicsSession)
				before := raw(t, s.engine)
				checkVic(t, s)
				for _, host := range []string{"", "eu.example"} {
					other := crmgate.UserKey{Platform: vic.Platform, Hostname: host, ID: vic.ID}
					_, err := s.Person(t.Context(), other)
					wantErr(t, err, crmgate.ErrNotFound)
					_, err = s.Session(t.Context(), other)
					wantErr(t, err, crmgate.ErrNotFound)
				}
				_, err := s.SessionByID(t.Context(), vic.Platform, vic.ID, "BBBBBBBBBBBBBBBBBBBBBB")
				wantErr(t, err, crmgate.ErrNotFound)
				if fmt.Sprint(raw(t, s.engine)) != fmt.Sprint(before) {
					t.Error("reading wrote something")
				}
				want := 2
				if change != nil {
					must(t, change(t.Context(), s))
					want = 0
				}
				checkVic(t, s)
				if n := version1Left(t, s); n != want {
					t.Errorf("%d records of version 1, want %d", n, want)
				}
				must(t, s.People(t.Context(), func(p crmgate.Person, ses storage.Session) error {
					if p.User.Key == vic && ses != vicsSession {
						t.Errorf("listed with the session %+v", ses)
					}
					return nil
				}))
			})
		})
	}
}

// intrude signs a person of another host in who has vic's id. It checks that they get nothing of vic's.
func intrude(ctx context.Context, s store, host string) error {
	stranger := crmgate.UserKey{Platform: vic.Platform, Hostname: host, ID: vic.ID}
	got, err := s.SignIn(ctx, stranger, func(p *crmgate.Person) error {
		if p.User.Name != "" || p.User.AdditionalInfo != nil || !p.Grant.Empty() {
			return fmt.Errorf("the stranger begins with %+v", p)
		}
		p.User.Name = "Stranger"
		return nil
	})
	if err != nil {
		return err
	}
	settings, err := s.UserSettings(ctx, stranger)
	if err == nil && (got.ID == vicsSession.ID || settings != nil) {
		err = fmt.Errorf("the stranger has the session %+v and the settings %s", got, settings)
	}
	return err
}

// Logout and deletion reach a person of version 1, and queue the grant and the journal for revocation.
func TestPeopleOfVersion1Leave(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		ctx := t.Context()
		for name, leave := range map[string]func() (storage.Revocation, error){
			"logout":   func() (storage.Revocation, error) { return s.EndSession(ctx, vic) },
			"deletion": func() (storage.Revocation, error) { return s.DeletePerson(ctx, vic) },
		} {
			putVersion1(t, s, vic, vicsSession)
			before := mustBacklog(t, s.DB, vic.Platform).Count
			v, err := leave()
			if err != nil || v.Grant.RefreshToken.Reveal() != "vic's token" || v.User.Key != vic {
				t.Errorf("%s: %+v, %v", name, v, err)
			}
			if n := mustBacklog(t, s.DB, vic.Platform).Count - before; n != 2 {
				t.Errorf("%s: %d revocations, want the grant and the answer", name, n)
			}
			if ses, err := s.SessionByID(ctx, vic.Platform, vic.ID, vicsSession.ID); err == nil && !ses.Ended {
				t.Errorf("%s: the session lives", name)
			}
			if p, err := s.Person(ctx, vic); err == nil && !p.Grant.Empty() {
				t.Errorf("%s: the grant is kept", name)
			}
			if n := version1Left(t, s); n != 0 {
				t.Errorf("%s: %d records of version 1", name, n)
			}
			_, _ = s.DeletePerson(ctx, vic)
		}
	})
}

// A record of version 1 that does not open can be deleted by its id, and its session goes too.
func TestDamagedPersonOfVersion1(t *testing.T) {
	both(t, func(t *testing.T, s store) {
		ctx := t.Context()
		putVersion1(t, s, vic, vicsSession)
		for _, r := range raw(t, s.engine) {
			if r.key[0] == 'p' {
				r.value[len(r.value)-1] ^= 1
				write(t, s.engine, r.key, r.value)
			}
		}
		keys, err := s.Namesakes(ctx, vic.Platform, vic.ID)
		if err != nil || len(keys) != 1 {
			t.Fatalf("namesakes: %v, %v", keys, err)
		}
		_, err = s.DeletePerson(ctx, keys[0])
		must(t, err)
		_, err = s.SessionByID(ctx, vic.Platform, vic.ID, vicsSession.ID)
		wantErr(t, err, crmgate.ErrNotFound)
	})
}

// An earlier crmgate refuses a store that this one has opened.
func TestEarlierReleasesRefuseTheStore(t *testing.T) {
	t.Parallel()
	s := mustGolden(t)
	_, err := s.ring.Records(nil, s.clock.now(), nil).Open('c', []byte("c/"), mustGet(t, s, []byte("c/")))
	if err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v, want an error that names version 2", err)
	}
	again, err := storage.Open(t.Context(), s.engine, s.ring, storage.Config{Now: s.clock.now})
	if err != nil || again == nil {
		t.Errorf("opened again: %v", err)
	}
}
