package token_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
)

// put journals an answer to a refresh of Ada's grant.
func (w *world) put(from crmgate.Secret, at time.Time, body string) storage.JournalEntry {
	w.t.Helper()
	e := storage.JournalEntry{User: ada, At: at, From: from, Status: 200, App: w.client().App, Body: crmgate.NewSecret(body)}
	id, err := w.db.PutEntry(context.Background(), e)
	must(w.t, err)
	e.ID = id
	return e
}

func wantRefusal(t *testing.T, err error) {
	t.Helper()
	if !errors.As(err, new(*crmgate.Refusal)) {
		t.Errorf("got %v, want a refusal", err)
	}
}

// TestReplayDuringRefresh: a replay during a refresh, in the same process or another one, is refused.
func TestReplayDuringRefresh(t *testing.T) {
	t.Parallel()
	for _, useful := range []bool{false, true} {
		w := newWorld(t, "")
		w.signIn()
		a := w.engine
		w.restart()
		b := w.engine
		w.clock.Add(2 * time.Hour)
		asking, goOn := make(chan struct{}), make(chan struct{})
		a.SetPoint(func(at string) {
			if at == "asking" {
				close(asking)
				<-goOn
			}
		})
		done := make(chan error)
		go func() { _, err := a.Live(context.Background(), ada); done <- err }()
		<-asking
		from := crmgate.NewSecret("an older one")
		if useful {
			from = w.stored().RefreshToken
		}
		entry := w.put(from, w.clock.Now(), tokensOne)
		for _, e := range []*token.Engine{a, b} {
			_, err := e.Replay(t.Context(), w.conn, entry)
			wantRefusal(t, err)
		}
		if l, err := w.db.Lease(t.Context(), ada); err != nil || l.Epoch != 1 || l.Until.IsZero() {
			t.Errorf("the lease is %+v, %v", l, err)
		}
		close(goOn)
		must(t, <-done)
		if n := w.crm.Counts(); n.Refreshes != 1 || n.Reuses != 0 {
			t.Errorf("%d refreshes, %d reuses", n.Refreshes, n.Reuses)
		}
	}
}

// TestReplayDuringConnectorRefresh: a process that is alone could take its own lease again, so a replay waits for the refresh itself.
func TestReplayDuringConnectorRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", func(c *token.Config) { c.Alone = true })
	w.signIn()
	w.clock.Add(2 * time.Hour)
	entry := w.put(w.stored().RefreshToken, w.clock.Now().Add(-time.Hour), tokensOne)
	must(t, w.db.DropEntry(t.Context(), entry)) // the operator has it, and the refresh has not
	w.conn.own = func(ctx context.Context, _ connector.RefreshRequest) (connector.RefreshAnswer, error) {
		_, err := w.engine.Replay(ctx, w.conn, entry)
		wantRefusal(t, err)
		return connector.RefreshAnswer{AccessToken: crmgate.NewSecret("new"), RefreshToken: crmgate.NewSecret("rotated"), ExpiresIn: 3600}, nil
	}
	_, err := w.live()
	if g := w.stored(); err != nil || g.RefreshToken.Reveal() != "rotated" {
		t.Errorf("stored %q, %v", g.RefreshToken.Reveal(), err)
	}
}

// TestReplayable: an answer to a refresh token that is no longer stored is refused.
func TestReplayable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.signIn()
	w.clock.Add(2 * time.Hour)
	useless := w.put(crmgate.NewSecret("an older one"), w.clock.Now(), tokensOne)
	_, err := w.engine.Replayable(t.Context(), w.conn, useless)
	wantRefusal(t, err)
	entry := w.put(w.stored().RefreshToken, w.clock.Now(), tokensOne)
	_, err = w.engine.Replayable(t.Context(), w.conn, entry)
	must(t, err)
	_, err = w.engine.Replay(t.Context(), w.conn, entry)
	must(t, err)
	if p, err := w.live(); err != nil || p.Grant.RefreshToken.Reveal() != "refresh-token-one" {
		t.Errorf("got %q, %v", p.Grant.RefreshToken.Reveal(), err)
	}
	if kept, err := w.db.JournalOf(t.Context(), ada); err != nil || len(kept) != 1 || kept[0].ID != useless.ID {
		t.Errorf("kept %d, %v", len(kept), err)
	}
	if w.engine.Refreshing() != 0 {
		t.Error("the replay has not landed")
	}
}
