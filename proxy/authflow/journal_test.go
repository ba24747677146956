package authflow_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/storage"
)

// TestSignInReplayedTooLate: a sign-in that was cut off is not finished for somebody who has signed in or out since.
func TestSignInReplayedTooLate(t *testing.T) {
	t.Parallel()
	in := func(w *world) { w.signIn("ada", person(1)) }
	out := func(w *world) { w.logout(person(1)) }
	for _, c := range []struct {
		name          string
		before, after []func(w *world) // what the person did before the CRM answered, and after
		stored        bool             // by the replay
		kept          bool             // the answer
		lives         bool             // what was granted, at the CRM
	}{
		{"nobody", nil, nil, true, false, true},
		{"signed in before", []func(*world){in}, nil, true, false, true},
		{"logged out before", []func(*world){in, out}, nil, true, false, true},
		{"signed in since", nil, []func(*world){in}, false, true, true},
		{"logged out since", []func(*world){in}, []func(*world){out}, false, false, false},
		{"signed in and out since", nil, []func(*world){in, out}, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			for _, do := range c.before {
				do(w)
			}
			w.clock.add(time.Hour)
			cut := w.signIn("ada", person(99)) // this is what the CRM answered; whose it is, nobody has asked yet
			id := w.put(storage.JournalEntry{User: crmgate.UserKey{Platform: "practice"}, App: cut.App}, cut, plainAnswer)
			w.clock.add(time.Hour)
			for _, do := range c.after {
				do(w)
			}
			_, err := w.Replay(t.Context(), id, false)
			if (err == nil) != c.stored || err != nil && !errors.As(err, new(*crmgate.Refusal)) {
				t.Errorf("the replay: %v", err)
			}
			if p, err := w.db.Person(t.Context(), person(1)); err != nil || p.Grant.RefreshToken.Equal(cut.RefreshToken) != c.stored {
				t.Errorf("what the replay brought is stored: %v, %v", !c.stored, err)
			}
			if s, err := w.db.Session(t.Context(), person(1)); err != nil || s.Ended != !c.lives {
				t.Errorf("the session: %+v, %v", s, err)
			}
			kept, err := w.db.JournalOf(t.Context(), crmgate.UserKey{Platform: "practice"})
			if is := slices.ContainsFunc(kept, func(e storage.JournalEntry) bool { return e.ID == id }); err != nil || is != c.kept {
				t.Errorf("the answer is kept: %v, %v", is, err)
			}
			if w.WorkOff(); w.alive(cut) != c.lives {
				t.Errorf("what was granted lives: %v", !c.lives)
			}
		})
	}
}

// TestDamagedAnswer: one record that does not open is in nobody's way, and can be dropped.
func TestDamagedAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	g := w.signIn("ada", person(1))
	w.clock.add(time.Hour)
	id := w.put(storage.JournalEntry{User: person(1), From: g.RefreshToken, App: g.App}, g, plainAnswer)
	const key = "j/other/01234567890123456789012345678901/012345678901"
	must(t, w.engine.Update(t.Context(), func(tx storage.Tx) error { return tx.Set([]byte(key), []byte("j\x01damaged"), 0) }))
	d := authflow.Directory{DB: w.db}
	all, err := d.Answers(t.Context())
	if n := len(all); err != nil || n < 2 || all[n-1].Kind != "damaged" || all[n-1].Platform != "other" {
		t.Fatalf("listed: %+v, %v", all, err)
	}
	damaged := all[len(all)-1].ID
	if _, err := w.Replay(t.Context(), damaged, false); !errors.As(err, new(*crmgate.Refusal)) {
		t.Errorf("replayed: %v", err)
	}
	_, err = w.Replay(t.Context(), id, true)
	must(t, err)
	must(t, d.DropAnswer(t.Context(), id))
	must(t, d.DropAnswer(t.Context(), damaged))
	if err := d.DropAnswer(t.Context(), damaged); !errors.Is(err, crmgate.ErrNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
}
