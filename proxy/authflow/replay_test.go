package authflow_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/proxytest"
	"github.com/crmgate/crmgate/storage"
)

// TestSignInReplayedTooLate: an interrupted sign-in stays incomplete after a later sign-in or logout.
func TestSignInReplayedTooLate(t *testing.T) {
	t.Parallel()
	in := func(w *proxytest.World) { w.SignIn("ada", proxytest.Person(1)) }
	out := func(w *proxytest.World) { w.Logout(proxytest.Person(1)) }
	for _, c := range []struct {
		name          string
		before, after []func(w *proxytest.World) // what the person did before and after the token answer
		stored        bool                       // by the replay
		kept          bool                       // the answer, in the journal
		lives         bool                       // the grant, at the CRM
	}{
		{"unknown person", nil, nil, true, false, true},
		{"signed in before", []func(*proxytest.World){in}, nil, true, false, true},
		{"logged out before", []func(*proxytest.World){in, out}, nil, true, false, true},
		{"signed in since", nil, []func(*proxytest.World){in}, false, true, true},
		{"logged out since", []func(*proxytest.World){in}, []func(*proxytest.World){out}, false, false, false},
		{"signed in and out since", nil, []func(*proxytest.World){in, out}, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := proxytest.NewVirtualWorld(t, nil)
			for _, do := range c.before {
				do(w)
			}
			w.Clock.Add(time.Hour)
			cut := w.SignIn("ada", proxytest.Person(99)) // the token answer; its person is not known yet
			id := w.PutAnswer(storage.JournalEntry{User: crmgate.UserKey{Platform: "practice"}, App: cut.App}, cut, proxytest.PlainAnswer)
			w.Clock.Add(time.Hour)
			for _, do := range c.after {
				do(w)
			}
			_, err := w.Flows.Replay(t.Context(), id, false)
			if (err == nil) != c.stored || err != nil && !errors.As(err, new(*crmgate.Refusal)) {
				t.Errorf("the replay: %v", err)
			}
			if p, err := w.DB.Person(t.Context(), proxytest.Person(1)); err != nil || p.Grant.RefreshToken.Equal(cut.RefreshToken) != c.stored {
				t.Errorf("the grant is stored: %v, %v", !c.stored, err)
			}
			if s, err := w.DB.Session(t.Context(), proxytest.Person(1)); err != nil || s.Ended != !c.lives {
				t.Errorf("the session: %+v, %v", s, err)
			}
			kept, err := w.DB.JournalOf(t.Context(), crmgate.UserKey{Platform: "practice"})
			if is := slices.ContainsFunc(kept, func(e storage.JournalEntry) bool { return e.ID == id }); err != nil || is != c.kept {
				t.Errorf("the answer is kept: %v, %v", is, err)
			}
			if w.Revocations.RunDue(); w.Alive(cut) != c.lives {
				t.Errorf("the grant is alive: %v", !c.lives)
			}
		})
	}
}

// TestDamagedAnswer: a record that does not open affects no other, and can be dropped.
func TestDamagedAnswer(t *testing.T) {
	t.Parallel()
	w := proxytest.NewVirtualWorld(t, nil)
	g := w.SignIn("ada", proxytest.Person(1))
	w.Clock.Add(time.Hour)
	id := w.PutAnswer(storage.JournalEntry{User: proxytest.Person(1), From: g.RefreshToken, App: g.App}, g, proxytest.PlainAnswer)
	const key = "j/other/01234567890123456789012345678901/012345678901"
	proxytest.Must(t, w.Engine.Update(t.Context(), func(tx storage.Tx) error { return tx.Set([]byte(key), []byte("j\x01damaged"), 0) }))
	d := operator.Directory{DB: w.DB}
	all, err := d.Answers(t.Context())
	if n := len(all); err != nil || n < 2 || all[n-1].Kind != "damaged" || all[n-1].Platform != "other" {
		t.Fatalf("listed: %+v, %v", all, err)
	}
	damaged := all[len(all)-1].ID
	if _, err := w.Flows.Replay(t.Context(), damaged, false); !errors.As(err, new(*crmgate.Refusal)) {
		t.Errorf("replayed: %v", err)
	}
	_, err = w.Flows.Replay(t.Context(), id, true)
	proxytest.Must(t, err)
	proxytest.Must(t, d.DropAnswer(t.Context(), id))
	proxytest.Must(t, d.DropAnswer(t.Context(), damaged))
	if err := d.DropAnswer(t.Context(), damaged); !errors.Is(err, crmgate.ErrNotFound) {
		t.Errorf("dropped twice: %v", err)
	}
}
