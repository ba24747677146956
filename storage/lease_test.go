package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/storetest"
)

func TestLease(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		fill(t, s, 1)
		key, _ := filled(0)
		first, err := s.TakeLease(t.Context(), key, "a", time.Minute, false)
		storetest.Must(t, err)
		if _, err := s.TakeLease(t.Context(), key, "b", time.Minute, false); !errors.Is(err, storage.ErrLeased) {
			t.Errorf("another node: %v", err)
		}
		again, err := s.TakeLease(t.Context(), key, "a", time.Minute, false)
		if err != nil || again.Epoch != first.Epoch+1 {
			t.Errorf("the same node: %+v, %v", again, err)
		}
		if taken, err := s.TakeLease(t.Context(), key, "b", time.Minute, true); err != nil || taken.Epoch != again.Epoch+1 {
			t.Errorf("a node that is alone: %+v, %v", taken, err)
		}
		// A node that lost the lease can neither write nor release it.
		_, err = s.UpdatePerson(t.Context(), key, func(p *crmgate.Person) error { p.User.Name = "lost"; return nil }, storage.ReleaseLease(key, first))
		if !errors.Is(err, crmgate.ErrConflict) {
			t.Errorf("a write without the lease: %v", err)
		}
		storetest.Must(t, s.ReleaseLease(t.Context(), key, first))
		if l, err := s.Lease(t.Context(), key); err != nil || l.Node != "b" || l.Until.IsZero() {
			t.Errorf("after the former holder released it: %+v, %v", l, err)
		}
		if p, _ := s.Person(t.Context(), key); p.User.Name == "lost" {
			t.Error("the write without the lease was stored")
		}
		// After it expires any node can take it. The outcome of the attempts is kept.
		s.Clock.Add(time.Minute)
		held, err := s.TakeLease(t.Context(), key, "c", time.Minute, false)
		storetest.Must(t, err)
		held.Failures, held.NotBefore = 3, s.Clock.Now().Add(time.Hour)
		_, err = s.UpdatePerson(t.Context(), key, func(p *crmgate.Person) error { p.User.Name = "kept"; return nil }, storage.ReleaseLease(key, held))
		storetest.Must(t, err)
		l, err := s.Lease(t.Context(), key)
		if err != nil || !l.Until.IsZero() || l.Failures != 3 || !l.NotBefore.Equal(held.NotBefore) {
			t.Errorf("released: %+v, %v", l, err)
		}
		// Deleting the person does not restart the epochs: a node may still hold an old one.
		_, err = s.DeletePerson(t.Context(), key)
		storetest.Must(t, err)
		if next, err := s.TakeLease(t.Context(), key, "d", time.Minute, false); err != nil || next.Epoch <= held.Epoch {
			t.Errorf("after deletion: %+v, %v", next, err)
		}
	})
}

func TestJournal(t *testing.T) {
	storetest.Both(t, func(t *testing.T, s storetest.Store) {
		fill(t, s, 2)
		key, _ := filled(0)
		other, _ := filled(1)
		put := func(e storage.JournalEntry) storage.JournalEntry {
			t.Helper()
			id, err := s.PutEntry(t.Context(), e)
			storetest.Must(t, err)
			e.ID = id
			return e
		}
		body := crmgate.NewSecret("{\"access_token\":\"\xff\"}")
		first := put(storage.JournalEntry{At: s.Clock.Now(), User: key, From: crmgate.NewSecret("r1"), Status: 200, Body: body, Skew: time.Second, Cut: true, Own: true,
			App: crmgate.ApplicationKey{ClientID: "c", TokenURL: "u"}, Account: "acme"})
		s.Clock.Add(time.Second)
		second := put(storage.JournalEntry{At: s.Clock.Now(), User: key, From: crmgate.NewSecret("r2"), Body: body})
		put(storage.JournalEntry{At: s.Clock.Now(), User: other, Body: body})
		exchange := put(storage.JournalEntry{At: s.Clock.Now(), User: crmgate.UserKey{Platform: key.Platform}, Hostname: "h.example", Body: body, Callback: crmgate.NewSecret("{}")})

		of, err := s.JournalOf(t.Context(), key)
		if err != nil || len(of) != 2 || of[0].ID != second.ID || of[1].ID != first.ID {
			t.Fatalf("of one person: %+v, %v", of, err)
		}
		if e := of[1]; !e.Body.Equal(body) || !e.From.Equal(first.From) || e.App != first.App || e.Account != "acme" || e.Hostname != key.Hostname || e.User != key || e.Status != 200 || !e.Cut || !e.Own || e.Skew != time.Second || !e.At.Equal(first.At) {
			t.Errorf("it came back as %+v", e)
		}
		all, err := s.Journal(t.Context())
		if err != nil || len(all) != 4 {
			t.Fatalf("all: %d, %v", len(all), err)
		}
		// A change drops the entry. If the change fails, the entry stays.
		_, err = s.UpdatePerson(t.Context(), key, func(*crmgate.Person) error { return errors.New("no") }, storage.DropEntry(second))
		if err == nil {
			t.Error("the change did not fail")
		}
		_, err = s.UpdatePerson(t.Context(), key, func(*crmgate.Person) error { return nil }, storage.DropEntry(second), storage.DropEntry(storage.JournalEntry{}))
		storetest.Must(t, err)
		if of, err := s.JournalOf(t.Context(), key); err != nil || len(of) != 1 {
			t.Errorf("after it was dropped: %+v, %v", of, err)
		}
		// A change fails if another answer has come.
		change := func(seen []storage.JournalEntry) error {
			_, err := s.UpdatePerson(t.Context(), key, func(*crmgate.Person) error { return nil }, storage.IfUnanswered(key, seen))
			return err
		}
		storetest.Must(t, change([]storage.JournalEntry{first, second}))
		if err := change([]storage.JournalEntry{second}); !errors.Is(err, storage.ErrAnswered) {
			t.Errorf("with an answer that was not seen: %v", err)
		}
		// Logout and deletion queue the answers for revocation. A week drops them.
		_, err = s.EndSession(t.Context(), key)
		storetest.Must(t, err)
		_, err = s.DeletePerson(t.Context(), other)
		storetest.Must(t, err)
		if all, err := s.Journal(t.Context()); err != nil || len(all) != 1 || all[0].ID != exchange.ID || !all[0].Callback.Equal(exchange.Callback) {
			t.Errorf("after logout and deletion: %+v, %v", all, err)
		}
		s.Clock.Add(7 * 24 * time.Hour)
		if all, err := s.Journal(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("after a week: %+v, %v", all, err)
		}
		storetest.Must(t, s.DropEntry(t.Context(), exchange))
		if err := s.DropEntry(t.Context(), storage.JournalEntry{ID: "nonsense", User: key}); !errors.Is(err, crmgate.ErrNotFound) {
			t.Errorf("an invalid id: %v", err)
		}
	})
}
