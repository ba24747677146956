package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Answer is a token answer in the journal: its grant is not stored yet. It describes the answer and contains no credential.
type Answer struct {
	ID       string            `json:"id"`
	At       time.Time         `json:"at"`
	Platform crmgate.Platform  `json:"platform"`
	User     crmgate.UserID    `json:"user,omitempty"` // empty for a sign-in
	Account  crmgate.AccountID `json:"rcAccountId,omitempty"`
	Kind     string            `json:"kind"` // refresh, sign-in, or damaged; a damaged one has no other fields
	Status   int               `json:"status"`
	Bytes    int               `json:"bytes"`
	ClientID string            `json:"clientId"`
}

// AnswerOf describes a journal entry.
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

// Answers lists the journal, latest first.
func (d Directory) Answers(ctx context.Context) ([]Answer, error) {
	entries, err := d.DB.Journal(ctx)
	all := make([]Answer, len(entries))
	for i, e := range entries {
		all[i] = AnswerOf(e)
	}
	return all, err
}

// CountAnswers counts the journal by platform and Answer.Kind.
func (d Directory) CountAnswers(ctx context.Context) (map[crmgate.Platform]map[string]int, error) {
	all, err := d.Answers(ctx)
	counts := map[crmgate.Platform]map[string]int{}
	for _, a := range all {
		if counts[a.Platform] == nil {
			counts[a.Platform] = map[string]int{}
		}
		counts[a.Platform][a.Kind]++
	}
	return counts, err
}

// Answer returns a journal entry by id. It returns crmgate.ErrNotFound if there is none.
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

// DropAnswer removes a journal entry and with it the grant. It returns crmgate.ErrNotFound if there is none.
func (d Directory) DropAnswer(ctx context.Context, id string) error {
	return d.DB.DropEntryByID(ctx, id)
}
