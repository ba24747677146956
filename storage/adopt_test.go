package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/sealed"
	"github.com/crmgate/crmgate/storage/storetest"
)

// vic is a person whom version 1 stored, with a host.
var vic = crmgate.UserKey{Platform: "clio", Hostname: "us.example", ID: "vic"}

// vicsSession is the session of vic.
var vicsSession = storage.Session{ID: "AAAAAAAAAAAAAAAAAAAAAA", Hostname: vic.Hostname}

// putVersion1 stores a person as version 1 did, with a session, settings, a lease and an answer in the journal.
func putVersion1(t testing.TB, s storetest.Store, u crmgate.UserKey, ses storage.Session) {
	t.Helper()
	person, err := storage.EncodePerson(crmgate.Person{
		User:  crmgate.User{Key: u, Name: "Vic", Account: "1", AdditionalInfo: json.RawMessage(`{"secret":1}`), Created: s.Clock.Now()},
		Grant: crmgate.Grant{RefreshToken: crmgate.NewSecret("vic's token")},
	})
	storetest.Must(t, err)
	session, err := ses.Encode()
	storetest.Must(t, err)
	lease, err := json.Marshal(storage.Lease{Epoch: 7})
	storetest.Must(t, err)
	for kind, payload := range map[byte][]byte{'p': person, 's': session, 'e': lease, 'z': []byte(`"vic's settings"`)} {
		setVersion1(t, s, u, kind, "", payload)
	}
	putAnswer1(t, s, u, "123456789012", "answer to vic")
}

// putAnswer1 puts an answer into the journal as version 1 did.
func putAnswer1(t testing.TB, s storetest.Store, u crmgate.UserKey, id, body string) {
	t.Helper()
	answer, err := storage.EncodeJournal(storage.JournalEntry{User: u, At: s.Clock.Now(), Body: crmgate.NewSecret(body)})
	storetest.Must(t, err)
	setVersion1(t, s, u, 'j', "/"+id, answer)
}

// setVersion1 stores a record of version 1, which has no host in its key.
func setVersion1(t testing.TB, s storetest.Store, u crmgate.UserKey, kind byte, end string, payload []byte) {
	t.Helper()
	lookup, err := open(s, []byte("l/"), mustGet(t, s, []byte("l/")))
	storetest.Must(t, err)
	key := append(sealed.NewKeys(lookup).On(sealed.Kind(kind), u.Platform, string(u.ID)), end...)
	storetest.Must(t, s.Engine.Update(t.Context(), func(tx storage.Tx) error {
		return s.Ring.Records(tx, s.Clock.Now(), nil).Set(sealed.Kind(kind), key, payload, 24*time.Hour)
	}))
}

// damage damages all records of a kind.
func damage(t testing.TB, s storetest.Store, kind byte) {
	t.Helper()
	for _, r := range storetest.Raw(t, s.Engine) {
		if r.Key[0] == kind {
			r.Value[len(r.Value)-1] ^= 1
			storetest.Write(t, s.Engine, r.Key, r.Value)
		}
	}
}

func mustGet(t testing.TB, s storetest.Store, key []byte) (value []byte) {
	t.Helper()
	storetest.Must(t, s.Engine.View(t.Context(), func(tx storage.Tx) (err error) {
		value, err = tx.Get(key)
		return err
	}))
	return value
}

// checkVic checks that everything of vic is there.
func checkVic(t *testing.T, s storetest.Store) {
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
func version1Left(t *testing.T, s storetest.Store) (n int) {
	t.Helper()
	for _, r := range storetest.Raw(t, s.Engine) {
		if strings.ContainsRune("ps", rune(r.Key[0])) && sealed.Version(r.Value) == 1 {
			n++
		}
	}
	return n
}

// A person of version 1 is found, and keeps everything when anything of theirs changes.
func TestPeopleOfVersion1Move(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(context.Context, storetest.Store) error{
		"nothing": nil,
		"sign-in": func(ctx context.Context, s storetest.Store) error {
			got, err := s.SignIn(ctx, vic, keep)
			if err == nil && got != vicsSession {
				err = fmt.Errorf("the session is %+v", got)
			}
			return err
		},
		"update": func(ctx context.Context, s storetest.Store) error {
			_, err := s.UpdatePerson(ctx, vic, keep)
			return err
		},
		"lease": func(ctx context.Context, s storetest.Store) error {
			l, err := s.TakeLease(ctx, vic, "node", time.Minute, false)
			if err == nil && l.Epoch != 8 {
				err = fmt.Errorf("the lease is %+v", l)
			}
			return err
		},
		"settings": func(ctx context.Context, s storetest.Store) error {
			_, err := s.UpdateUserSettings(ctx, vic, func(old json.RawMessage) (json.RawMessage, error) { return old, nil })
			return err
		},
		"sign-in of another host": func(ctx context.Context, s storetest.Store) error { return intrude(ctx, s, "eu.example") },
		"sign-in without a host":  func(ctx context.Context, s storetest.Store) error { return intrude(ctx, s, "") },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Both(t, func(t *testing.T, s storetest.Store) {
				putVersion1(t, s, vic, vicsSession)
				before := storetest.Raw(t, s.Engine)
				checkVic(t, s)
				for _, host := range []string{"", "eu.example"} {
					other := crmgate.UserKey{Platform: vic.Platform, Hostname: host, ID: vic.ID}
					_, err := s.Person(t.Context(), other)
					storetest.WantErr(t, err, crmgate.ErrNotFound)
					_, err = s.Session(t.Context(), other)
					storetest.WantErr(t, err, crmgate.ErrNotFound)
				}
				_, err := s.SessionByID(t.Context(), vic.Platform, vic.ID, "BBBBBBBBBBBBBBBBBBBBBB")
				storetest.WantErr(t, err, crmgate.ErrNotFound)
				if fmt.Sprint(storetest.Raw(t, s.Engine)) != fmt.Sprint(before) {
					t.Error("reading wrote something")
				}
				want := 2
				if change != nil {
					storetest.Must(t, change(t.Context(), s))
					want = 0
				}
				checkVic(t, s)
				if n := version1Left(t, s); n != want {
					t.Errorf("%d records of version 1, want %d", n, want)
				}
				storetest.Must(t, s.People(t.Context(), func(p crmgate.Person, ses storage.Session) error {
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
func intrude(ctx context.Context, s storetest.Store, host string) error {
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
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
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
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		putVersion1(t, s, vic, vicsSession)
		damage(t, s, 'p')
		_, err := s.SignIn(ctx, vic, keep) // else the old session would outlive a logout from the new one
		storetest.WantErr(t, err, crmgate.ErrSealed)
		_, err = s.DeletePerson(ctx, crmgate.UserKey{Platform: vic.Platform, Hostname: "eu.example", ID: vic.ID})
		storetest.WantErr(t, err, crmgate.ErrSealed)
		keys, err := s.Namesakes(ctx, vic.Platform, vic.ID)
		if err != nil || len(keys) != 1 {
			t.Fatalf("namesakes: %v, %v", keys, err)
		}
		_, err = s.DeletePerson(ctx, keys[0])
		storetest.Must(t, err)
		_, err = s.SessionByID(ctx, vic.Platform, vic.ID, vicsSession.ID)
		storetest.WantErr(t, err, crmgate.ErrNotFound)
	})
}

// The other records of version 1 may be damaged: the person can still sign in, leave and be deleted with their grant, and
// people of other hosts are not affected.
func TestDamagedRecordsOfVersion1(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]byte{"session": 's', "lease": 'e', "settings": 'z', "journal": 'j'} {
		for action, do := range map[string]func(context.Context, storetest.Store) error{
			"sign-in": func(ctx context.Context, s storetest.Store) error {
				if _, err := s.SignIn(ctx, vic, keep); err != nil {
					return err
				}
				p, err := s.Person(ctx, vic)
				if err == nil && (p.User.Name != "Vic" || p.Grant.RefreshToken.Reveal() != "vic's token") {
					err = fmt.Errorf("the person is %+v", p)
				}
				return err
			},
			"sign-in of another host": func(ctx context.Context, s storetest.Store) error { return intrude(ctx, s, "eu.example") },
			"lease": func(ctx context.Context, s storetest.Store) error {
				l, err := s.TakeLease(ctx, vic, "node", time.Minute, false)
				if err == nil && l.Epoch < 8 {
					err = fmt.Errorf("the lease is %+v", l)
				}
				return err
			},
			"logout": func(ctx context.Context, s storetest.Store) error { return leaves(s.EndSession(ctx, vic)) },
			"deletion": func(ctx context.Context, s storetest.Store) error {
				_, err := s.DeletePerson(ctx, crmgate.UserKey{Platform: vic.Platform, Hostname: "eu.example", ID: vic.ID})
				if !errors.Is(err, crmgate.ErrNotFound) {
					return fmt.Errorf("deletion of nobody: %w", err)
				}
				return leaves(s.DeletePerson(ctx, vic))
			},
		} {
			t.Run(name+"/"+action, func(t *testing.T) {
				t.Parallel()
				s := storetest.New(t, "")
				putVersion1(t, s, vic, vicsSession)
				damage(t, s, kind)
				storetest.Must(t, do(t.Context(), s))
				left := action == "logout" || action == "deletion"
				if _, err := s.JournalOf(t.Context(), vic); kind == 'j' && errors.Is(err, crmgate.ErrSealed) == left {
					t.Errorf("vic's journal: %v; the damaged answer must stop refreshes until vic leaves", err)
				}
				stranger := crmgate.UserKey{Platform: vic.Platform, Hostname: "third.example", ID: vic.ID}
				mustSignIn(t, s, stranger, keep)
				if _, err := s.JournalOf(t.Context(), stranger); err != nil {
					t.Errorf("a stranger's journal: %v", err)
				}
			})
		}
	}
}

// Settings that cannot be read while a person moves are not given to anybody later.
func TestUnreadableSettingsGoToNobody(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		putVersion1(t, s, vic, vicsSession)
		damage(t, s, 'z')
		mustSignIn(t, s, vic, keep)
		nowhere := crmgate.UserKey{Platform: vic.Platform, ID: vic.ID}
		mustSignIn(t, s, nowhere, keep)
		for range 2 {
			if b, err := s.UserSettings(ctx, nowhere); err != nil || b != nil {
				t.Errorf("a stranger's settings: %s, %v", b, err)
			}
			damage(t, s, 'z') // damaged twice, it opens again
		}
	})
}

// A session that cannot be read is replaced by the next sign-in, and stops neither a logout nor a sweep.
func TestDamagedSession(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		app := crmgate.OrgApplication{Platform: "clio", Account: "1", Application: crmgate.Application{ClientID: "a", ClientSecret: crmgate.NewSecret("b")}}
		confirmed, err := confirm(t, s, app)
		storetest.Must(t, err)
		granted := func(p *crmgate.Person) error {
			p.Grant = crmgate.Grant{RefreshToken: crmgate.NewSecret("token"), App: crmgate.ApplicationKey{Account: "1", Generation: confirmed.Generation}}
			return nil
		}
		first := mustSignIn(t, s, ann, granted)
		damage(t, s, 's')
		if second := mustSignIn(t, s, ann, granted); second.ID == first.ID {
			t.Error("the session that cannot be read lives again")
		}
		damage(t, s, 's')
		_, err = s.EndSession(ctx, ann)
		storetest.Must(t, err)
		mustSignIn(t, s, ann, granted)
		damage(t, s, 's')
		storetest.Must(t, s.RemoveApps(ctx, app.Account, app.Platform))
		retired, err := s.RetiredApps(ctx)
		storetest.Must(t, err)
		if n, err := s.SweepRetired(ctx, retired[0], 10); n == 0 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
	})
}

// leaves checks that vic's grant is queued for revocation.
func leaves(v storage.Revocation, err error) error {
	if err == nil && (!v.Waiting() || v.Grant.RefreshToken.Reveal() != "vic's token") {
		err = fmt.Errorf("the grant is not queued: %+v", v)
	}
	return err
}

// An answer of version 1 belongs to the person of the host that it names, whoever holds the id now.
func TestAnswersOfVersion1(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		ctx := t.Context()
		us := crmgate.UserKey{Platform: vic.Platform, Hostname: "other.example", ID: vic.ID}
		nowhere := crmgate.UserKey{Platform: vic.Platform, ID: vic.ID}
		putVersion1(t, s, vic, vicsSession)
		putAnswer1(t, s, us, "aaaaaaaaaaaa", "answer to another")
		putAnswer1(t, s, nowhere, "bbbbbbbbbbbb", "answer to vic before the host was known")
		bodies := func(u crmgate.UserKey) (all []string) {
			kept, err := s.JournalOf(ctx, u)
			storetest.Must(t, err)
			for _, e := range kept {
				if e.User != u {
					t.Errorf("an answer of %v names %v", u, e.User)
				}
				all = append(all, e.Body.Reveal())
			}
			slices.Sort(all)
			return all
		}
		check := func(when string, u crmgate.UserKey, want ...string) {
			t.Helper()
			if got := bodies(u); !slices.Equal(got, want) {
				t.Errorf("%s, %v: %q, want %q", when, u, got, want)
			}
		}
		vics := []string{"answer to vic", "answer to vic before the host was known"}
		check("before", vic, vics...)
		check("before", us, "answer to another")
		_, err := s.UpdatePerson(ctx, vic, keep)
		storetest.Must(t, err)
		check("moved", vic, vics...)
		check("moved", us, "answer to another")
		kept, err := s.JournalOf(ctx, vic)
		storetest.Must(t, err)
		storetest.WantErr(t, update(ctx, s, storage.IfUnanswered(vic, nil)), storage.ErrAnswered)
		storetest.Must(t, update(ctx, s, storage.IfUnanswered(vic, kept)))
		storetest.Must(t, update(ctx, s, storage.DropEntry(kept[0]), storage.DropEntry(kept[1])))
		check("dropped", vic)
		_, err = s.EndSession(ctx, vic)
		storetest.Must(t, err)
		check("after vic's logout", us, "answer to another")
		s.Clock.Add(storage.RevocationLease)
		before := mustBacklog(t, s.DB, vic.Platform).Count
		if n, err := s.QueueOrphans(ctx); n != 1 || err != nil {
			t.Errorf("queued %d, %v", n, err)
		}
		check("queued", us)
		if n := mustBacklog(t, s.DB, vic.Platform).Count - before; n != 1 {
			t.Errorf("%d orphans are queued, want 1", n)
		}
	})
}

func update(ctx context.Context, s storetest.Store, with ...storage.With) error {
	_, err := s.UpdatePerson(ctx, vic, keep, with...)
	return err
}

// The answer of a person whose record does not open is not revoked: the grant may be in use.
func TestAnswersOfADamagedPersonAreKept(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		putVersion1(t, s, vic, vicsSession)
		damage(t, s, 'p')
		s.Clock.Add(storage.RevocationLease)
		if n, err := s.QueueOrphans(t.Context()); n != 0 || err != nil {
			t.Errorf("queued %d, %v", n, err)
		}
	})
}

// A sweep moves many people with large records.
func TestSweepOfPeopleOfVersion1(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		app := crmgate.OrgApplication{Platform: "clio", Account: "1", State: crmgate.Confirmed, Application: crmgate.Application{ClientID: "a", ClientSecret: crmgate.NewSecret("b")}}
		confirmed, err := confirm(t, s, app)
		storetest.Must(t, err)
		for i := range 100 {
			u := vic
			u.ID = crmgate.UserID(fmt.Sprint("vic ", i))
			b, err := storage.EncodePerson(crmgate.Person{User: crmgate.User{Key: u}, Grant: crmgate.Grant{
				RefreshToken: crmgate.NewSecret("token"), App: crmgate.ApplicationKey{Account: "1", Generation: confirmed.Generation},
			}})
			storetest.Must(t, err)
			setVersion1(t, s, u, 'p', "", b)
			setVersion1(t, s, u, 'z', "", []byte(strconv.Quote(strings.Repeat("x", 60<<10))))
		}
		storetest.Must(t, s.RemoveApps(t.Context(), app.Account, app.Platform))
		retired, err := s.RetiredApps(t.Context())
		if err != nil || len(retired) != 1 {
			t.Fatalf("retired: %+v, %v", retired, err)
		}
		if n, err := s.SweepRetired(t.Context(), retired[0], 1000); n < 100 || err != nil {
			t.Errorf("swept %d, %v", n, err)
		}
		u := vic
		u.ID = "vic 99"
		if b, err := s.UserSettings(t.Context(), u); err != nil || len(b) < 60<<10 {
			t.Errorf("settings of %d bytes, %v", len(b), err)
		}
	})
}

// An earlier crmgate refuses a store that this one has opened.
func TestEarlierReleasesRefuseTheStore(t *testing.T) {
	t.Parallel()
	s := mustGolden(t)
	_, err := s.Ring.Records(nil, s.Clock.Now(), nil).Open('c', []byte("c/"), mustGet(t, s, []byte("c/")))
	if err == nil || !strings.Contains(err.Error(), "version 3") {
		t.Errorf("got %v, want an error that names version 3", err)
	}
	again, err := storage.Open(t.Context(), s.Engine, s.Ring, storage.Config{Now: s.Clock.Now})
	if err != nil || again == nil {
		t.Errorf("opened again: %v", err)
	}
}

// The audit log does not give the name of a person to the entries of another one who had the id.
func TestAuditNamesNoStranger(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		as := func(name, account string) func(*crmgate.Person) error {
			return func(p *crmgate.Person) error {
				p.User.Name, p.User.Account = name, crmgate.AccountID(account)
				return nil
			}
		}
		mustSignIn(t, s, vic, as("Vic", "1"), signedIn)
		_, err := s.DeletePerson(t.Context(), vic)
		storetest.Must(t, err)
		stranger := vic
		stranger.Hostname = "evil.example"
		mustSignIn(t, s, stranger, as("Chief of account 1", "2"), signedIn)
		all := mustAudit(t, s)
		if len(all) != 2 || all[0].Name != "" || all[1].Name != "Chief of account 1" {
			t.Errorf("got %+v", all)
		}
	})
}
