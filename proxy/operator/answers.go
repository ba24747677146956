package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Answer is a token endpoint's answer that is kept because what it granted is not stored yet. It says what is known of
// it, never what it is.
type Answer struct {
	ID       string            `json:"id"`
	At       time.Time         `json:"at"`
	Platform crmgate.Platform  `json:"platform"`
	User     crmgate.UserID    `json:"user,omitempty"` // empty: of a sign-in
	Account  crmgate.AccountID `json:"rcAccountId,omitempty"`
	Kind     string            `json:"kind"` // refresh, sign-in, or damaged, of which nothing else is known
	Status   int               `json:"status"`
	Bytes    int               `json:"bytes"`
	ClientID string            `json:"clientId"`
}

func AnswerOf(e storage.JournalEntry) Answer {
	a := Answer{
		ID: e.ID, At: e.At, Platform: e.User.Platform, User: e.User.ID, Account: e.Account, Kind: "refresh",
		Status: e.Status, Bytes: len(e.Body.Reveal()), ClientID: e.App.ClientID,
	}
	switch {
	case e.Damaged:
		a.Kind = "damaged"
	case e.User.ID == "":
		a.Kind = "sign-in"
	}
	return a
}

// Answers lists the answers that are kept, the latest first.
func (d Directory) Answers(ctx context.Context) ([]Answer, error) {
	entries, err := d.DB.Journal(ctx)
	all := make([]Answer, len(entries))
	for i, e := range entries {
		all[i] = AnswerOf(e)
	}
	return all, err
}

// Answer finds a kept answer; crmgate.ErrNotFound if there is none of that id.
func (d Directory) Answer(ctx context.Context, id string) (storage.JournalEntry, error) {
	entries, err := d.DB.Journal(ctx)
	if err != nil {
		return storage.JournalEntry{}, err
	}
	for _, e := range entries {
		if e.ID == id {
			return e, nil
		}
	}
	return storage.JournalEntry{}, fmt.Errorf("journal entry %q: %w", id, crmgate.ErrNotFound)
}

// DropAnswer forgets a kept answer, and whatever it granted; crmgate.ErrNotFound if there is none of that id.
func (d Directory) DropAnswer(ctx context.Context, id string) error {
	return d.DB.DropEntryByID(ctx, id)
}
