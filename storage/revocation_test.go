package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/storetest"
)

func granted(token string) func(*crmgate.Person) error {
	return func(p *crmgate.Person) error {
		p.Grant = crmgate.Grant{AccessToken: crmgate.NewSecret(token), RefreshToken: crmgate.NewSecret(token + "-refresh")}
		return nil
	}
}

func mustBacklog(t *testing.T, db *storage.DB, p crmgate.Platform) storage.Backlog {
	t.Helper()
	b, err := db.Revocations(t.Context(), p, 100, nil)
	storetest.Must(t, err)
	return b
}

func TestForgettingQueuesARevocation(t *testing.T) {
	for name, forget := range map[string]func(*testing.T, storetest.Store) storage.Revocation{
		"logout": func(t *testing.T, s storetest.Store) storage.Revocation {
			key, _ := filled(0)
			v, err := s.EndSession(t.Context(), key)
			storetest.Must(t, err)
			return v
		},
		"erasure": func(t *testing.T, s storetest.Store) storage.Revocation {
			key, _ := filled(0)
			v, err := s.DeletePerson(t.Context(), key)
			storetest.Must(t, err)
			return v
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Both(t, func(t *testing.T, s storetest.Store) {
				key, update := filled(0)
				mustSignIn(t, s, key, func(p *crmgate.Person) error {
					err := update(p)
					p.Grant.App = crmgate.ApplicationKey{ClientID: "c", TokenURL: "https://acme.example/token"}
					return err
				})
				v := forget(t, s)
				if !v.Waiting() || v.Attempts != 1 || v.User.Name != "Canary Name" {
					t.Errorf("returned: %+v", v)
				}
				b := mustBacklog(t, s.DB, "clio")
				if len(b.Due) != 0 || b.Count != 1 || !b.Next.Equal(s.Clock.Now().Add(storage.RevocationLease)) {
					t.Fatalf("not left to the caller: %+v", b)
				}
				s.Clock.Add(storage.RevocationLease)
				b = mustBacklog(t, s.DB, "clio")
				if len(b.Due) != 1 || !b.Next.IsZero() {
					t.Fatalf("after the lease: %+v", b)
				}
				got := b.Due[0]
				u := got.User
				if got.Grant.AccessToken.Reveal() != "canary-access" || got.Grant.RefreshToken.Reveal() != "canary-refresh" || got.Grant.APIKey.Reveal() != "canary-key" ||
					got.Grant.App.ClientID != "c" || u.Key != key || u.Account != "4711-account" || string(u.AdditionalInfo) == "" {
					t.Errorf("a value that the revocation needs is missing: %+v", got)
				}
				if u.Name != "" || u.HashedExtension != "" || !u.Created.IsZero() {
					t.Errorf("values are kept that the revocation does not need: %+v", u)
				}
				storetest.Must(t, s.EndRevocation(t.Context(), got))
				storetest.Must(t, s.EndRevocation(t.Context(), got))
				if b := mustBacklog(t, s.DB, "clio"); b.Count != 0 {
					t.Errorf("after its end: %+v", b)
				}
			})
		})
	}
}

// The tokens in the journal of a person who leaves are still valid at the CRM.
func TestAnswersAreQueuedToo(t *testing.T) {
	key, _ := filled(0)
	granted := func(p *crmgate.Person) error {
		p.Grant.RefreshToken = crmgate.NewSecret("canary-refresh")
		return nil
	}
	answer := func(s storetest.Store) storage.JournalEntry {
		return storage.JournalEntry{At: s.Clock.Now(), User: key, From: crmgate.NewSecret("canary-refresh"), Status: 200, Account: "acme",
			App: crmgate.ApplicationKey{ClientID: "c", TokenURL: "u"}, Body: crmgate.NewSecret("{\"refresh_token\":\"\xff\"}")}
	}
	for name, forget := range map[string]func(storetest.Store) error{
		"logout":  func(s storetest.Store) error { _, err := s.EndSession(t.Context(), key); return err },
		"erasure": func(s storetest.Store) error { _, err := s.DeletePerson(t.Context(), key); return err },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Both(t, func(t *testing.T, s storetest.Store) {
				mustSignIn(t, s, key, granted)
				want := answer(s)
				_, err := s.PutEntry(t.Context(), want)
				storetest.Must(t, err)
				storetest.Must(t, forget(s))
				if kept, err := s.Journal(t.Context()); len(kept) != 0 || err != nil {
					t.Errorf("still in the journal: %+v, %v", kept, err)
				}
				b := mustBacklog(t, s.DB, "clio")
				if len(b.Due) != 1 || b.Count != 2 {
					t.Fatalf("queued: %+v", b)
				}
				v := b.Due[0]
				if !v.Unread() || !v.Answer.Body.Equal(want.Body) || !v.Answer.From.Equal(want.From) || v.User.Key != key || v.Grant.App != want.App {
					t.Errorf("it came back as %+v", v)
				}
				// An unread answer stays unread when it is claimed. Once it is read, its tokens replace it.
				v, err = s.ClaimRevocation(t.Context(), v)
				storetest.Must(t, err)
				storetest.Must(t, s.PostponeRevocation(t.Context(), v, s.Clock.Now()))
				v = mustBacklog(t, s.DB, "clio").Due[0]
				if !v.Unread() {
					t.Error("the answer of a postponed revocation is gone")
				}
				v.Answer, v.Grant.RefreshToken = storage.JournalEntry{}, crmgate.NewSecret("r1")
				_, err = s.ClaimRevocation(t.Context(), v)
				storetest.Must(t, err)
				s.Clock.Add(storage.RevocationLease)
				tokens := map[string]bool{}
				for _, v := range mustBacklog(t, s.DB, "clio").Due {
					tokens[v.Grant.RefreshToken.Reveal()] = !v.Unread()
				}
				if !tokens["r1"] || !tokens["canary-refresh"] {
					t.Errorf("in the queue: %v", tokens)
				}
			})
		})
	}
	t.Run("that came later", func(t *testing.T) {
		storetest.Both(t, func(t *testing.T, s storetest.Store) {
			other, _ := filled(1)
			mustSignIn(t, s, key, granted)
			mustSignIn(t, s, other, granted)
			_, err := s.EndSession(t.Context(), key)
			storetest.Must(t, err)
			of := answer(s)
			for _, user := range []crmgate.UserKey{key, other, {Platform: "clio", ID: "unknown"}, {Platform: "clio"}} {
				of.User = user
				_, err := s.PutEntry(t.Context(), of)
				storetest.Must(t, err)
			}
			if n, err := s.QueueOrphans(t.Context()); n != 0 || err != nil {
				t.Errorf("while they may still be stored: %d, %v", n, err)
			}
			s.Clock.Add(storage.RevocationLease)
			if n, err := s.QueueOrphans(t.Context()); n != 2 || err != nil {
				t.Errorf("queued %d, %v", n, err)
			}
			kept, err := s.Journal(t.Context())
			storetest.Must(t, err)
			for _, e := range kept {
				if e.User != other && e.User.ID != "" {
					t.Errorf("still kept: %v", e.User)
				}
			}
			b := mustBacklog(t, s.DB, "clio")
			if len(kept) != 2 || b.Count != 3 {
				t.Errorf("%d kept, %d in the queue", len(kept), b.Count)
			}
		})
	})
}

func TestNothingToRevokeIsNotQueued(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	mustSignIn(t, s, ann, keep)
	for range 2 {
		v, err := s.EndSession(t.Context(), ann)
		storetest.Must(t, err)
		if v.Waiting() || v.User.Key != ann {
			t.Errorf("queued %+v", v)
		}
	}
	if p, err := s.RevocationPlatforms(t.Context()); len(p) != 0 || err != nil {
		t.Errorf("platforms %v, %v", p, err)
	}
}

// Two processes find the same due revocations, and one of them gets each.
func TestOneClaimWins(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		const n = 40
		for i := range n {
			key := crmgate.UserKey{Platform: "clio", ID: crmgate.UserID(fmt.Sprint(i))}
			mustSignIn(t, s, key, granted(fmt.Sprint("token ", i)))
			_, err := s.EndSession(t.Context(), key)
			storetest.Must(t, err)
		}
		s.Clock.Add(storage.RevocationLease)
		other, err := storage.Open(t.Context(), s.Engine, s.Ring, storage.Config{Now: s.Clock.Now})
		storetest.Must(t, err)
		found := map[*storage.DB][]storage.Revocation{s.DB: mustBacklog(t, s.DB, "clio").Due, other: mustBacklog(t, other, "clio").Due}
		var won, lost atomic.Int64
		var group sync.WaitGroup
		for db, due := range found {
			if len(due) != n {
				t.Fatalf("%d are due, want %d", len(due), n)
			}
			group.Go(func() {
				for _, v := range due {
					claimed, err := db.ClaimRevocation(t.Context(), v)
					switch {
					case err == nil && claimed.Attempts == 2 && claimed.Waiting():
						won.Add(1)
					case errors.Is(err, crmgate.ErrConflict):
						lost.Add(1)
					default:
						t.Errorf("%+v, %v", claimed, err)
					}
				}
			})
		}
		group.Wait()
		if won.Load() != n || lost.Load() != n {
			t.Errorf("%d claims won and %d lost, want %d of each", won.Load(), lost.Load(), n)
		}
		if b := mustBacklog(t, s.DB, "clio"); len(b.Due) != 0 || b.Count != n {
			t.Errorf("claimed ones are still due, or lost: %d, %d", len(b.Due), b.Count)
		}
		s.Clock.Add(storage.RevocationLease) // both processes have died
		if b := mustBacklog(t, other, "clio"); len(b.Due) != n {
			t.Errorf("after the lease %d are due, want %d", len(b.Due), n)
		}
	})
}

func TestPostponing(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	mustSignIn(t, s, ann, granted("token"))
	v, err := s.EndSession(t.Context(), ann)
	storetest.Must(t, err)
	queued := v.Queued
	storetest.Must(t, s.PostponeRevocation(t.Context(), v, s.Clock.Now().Add(time.Hour)))
	storetest.WantErr(t, s.PostponeRevocation(t.Context(), v, s.Clock.Now()), crmgate.ErrConflict)
	_, err = s.ClaimRevocation(t.Context(), v)
	storetest.WantErr(t, err, crmgate.ErrConflict)
	s.Clock.Add(time.Hour - time.Millisecond)
	if b := mustBacklog(t, s.DB, "clio"); len(b.Due) != 0 || !b.Next.Equal(s.Clock.Now().Add(time.Millisecond)) {
		t.Errorf("too early: %+v", b)
	}
	s.Clock.Add(time.Millisecond)
	if b := mustBacklog(t, s.DB, "clio"); len(b.Due) != 1 || !b.Due[0].Queued.Equal(queued) || b.Due[0].Attempts != 1 {
		t.Errorf("got %+v", b)
	}
}

// Revoking a credential that the person uses again would log them out.
func TestACredentialInUseIsNotRevoked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		now  crmgate.Grant
		want bool // it is revoked
	}{
		{"another sign-in", crmgate.Grant{AccessToken: crmgate.NewSecret("new"), RefreshToken: crmgate.NewSecret("new-refresh")}, true},
		{"no grant", crmgate.Grant{}, true},
		{"the same access token", crmgate.Grant{AccessToken: crmgate.NewSecret("old")}, false},
		{"the same refresh token", crmgate.Grant{AccessToken: crmgate.NewSecret("new"), RefreshToken: crmgate.NewSecret("old-refresh")}, false},
	} {
		s := storetest.New(t, "")
		mustSignIn(t, s, ann, granted("old"))
		v, err := s.EndSession(t.Context(), ann)
		storetest.Must(t, err)
		mustSignIn(t, s, ann, func(p *crmgate.Person) error { p.Grant = c.now; return nil })
		claimed, err := s.ClaimRevocation(t.Context(), v)
		storetest.Must(t, err)
		count := mustBacklog(t, s.DB, "clio").Count
		if claimed.Waiting() != c.want || c.want != (count == 1) {
			t.Errorf("%s: revoked is %v, %d waiting", c.name, claimed.Waiting(), count)
		}
	}
}

// The queue of one platform is read from its beginning, and nothing else is.
func TestABacklogOpensNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	for i := range 50 {
		for _, p := range []crmgate.Platform{"clio", "clioB"} {
			storetest.Must(t, s.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: crmgate.UserKey{Platform: p, ID: "1"}}, Grant: crmgate.Grant{AccessToken: crmgate.NewSecret(fmt.Sprint(i))}}))
		}
		s.Clock.Add(time.Second)
	}
	b, err := s.Revocations(t.Context(), "clio", 3, nil)
	storetest.Must(t, err)
	if b.Count != 50 || len(b.Due) != 3 {
		t.Fatalf("%d of %d", len(b.Due), b.Count)
	}
	for i, v := range b.Due {
		if v.Grant.AccessToken.Reveal() != fmt.Sprint(i) {
			t.Errorf("number %d is the one queued as %s", i, v.Grant.AccessToken.Reveal())
		}
	}
	all, err := s.RevocationPlatforms(t.Context())
	if fmt.Sprint(all) != "[clio clioB]" || err != nil {
		t.Errorf("platforms %v, %v", all, err)
	}
}

// A revocation that was changed in the store does not open, and does not stop the others.
func TestADamagedRevocationDoesNotStopOthers(t *testing.T) {
	t.Parallel()
	s := storetest.New(t, "")
	for _, token := range []string{"canary-1", "canary-2"} {
		storetest.Must(t, s.QueueRevocation(t.Context(), crmgate.Person{User: crmgate.User{Key: ann}, Grant: crmgate.Grant{AccessToken: crmgate.NewSecret(token)}}))
		s.Clock.Add(time.Second)
	}
	for _, p := range storetest.Raw(t, s.Engine) {
		if strings.HasPrefix(string(p.Key), "r/") {
			v := bytes.Clone(p.Value)
			v[len(v)-1] ^= 1
			storetest.Write(t, s.Engine, p.Key, v)
			break
		}
	}
	b, err := s.Revocations(t.Context(), "clio", 1, nil)
	storetest.Must(t, err)
	if b.Count != 2 || len(b.Due) != 1 || b.Due[0].Grant.AccessToken.Reveal() != "canary-2" {
		t.Errorf("got %+v", b)
	}
}
