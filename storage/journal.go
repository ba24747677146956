package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// journalLife is how long an answer is kept that nobody could read: long enough to notice, and to mend a manifest.
const journalLife = 7 * 24 * time.Hour

// JournalEntry is a token endpoint's answer as it came, kept until what it granted is stored. The CRM may have rotated
// a refresh token with it, so that it is all there is.
type JournalEntry struct {
	ID string    // made by PutEntry
	At time.Time // when the answer came
	// User is whose refresh it answers; of a code's exchange, whose person is not known yet, only the platform is there.
	User crmgate.UserKey
	// From is the refresh token that was sent; empty for an exchange.
	From crmgate.Secret
	// App is the client that asked.
	App     crmgate.App
	Account crmgate.AccountID
	// Hostname is the person's, for which the client was chosen.
	Hostname string
	Status   int
	// Cut says that the connection broke, or a limit was reached, before the end of the answer was seen.
	Cut bool
	// Own says that a connector answered, which refreshes by itself, and not the CRM.
	Own bool
	// Skew is how far the CRM's clock was ahead of ours.
	Skew time.Duration
	// Body is the answer; it holds tokens.
	Body crmgate.Secret
	// Callback is what else an exchange's connector was to be told: a JSON object of the flow's, opaque here.
	Callback crmgate.Secret
	// Damaged says that the record does not open. Nothing is known of it but the ID and the platform.
	Damaged bool
}

// journalRecord is the payload of a journal record, version 1.
type journalRecord struct {
	At       time.Time         `json:"at"`
	Platform crmgate.Platform  `json:"platform"`
	User     crmgate.UserID    `json:"user,omitempty"`
	From     string            `json:"from,omitempty"`
	App      appRecord         `json:"app"`
	Account  crmgate.AccountID `json:"account,omitempty"`
	Hostname string            `json:"hostname,omitempty"`
	Status   int               `json:"status"`
	Cut      bool              `json:"cut,omitempty"`
	Own      bool              `json:"own,omitempty"`
	Skew     time.Duration     `json:"skew,omitempty"`
	Body     []byte            `json:"body"`
	Callback string            `json:"callback,omitempty"`
}

func journalKey(prefix []byte, id string) ([]byte, error) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != journalIDLen {
		return nil, fmt.Errorf("journal entry %q: %w", id, crmgate.ErrNotFound)
	}
	return append(slices.Clip(prefix), b...), nil
}

const journalIDLen = 12

// idOf is the ID of the entry that is stored under a key.
func idOf(key []byte) string { return hex.EncodeToString(key[max(0, len(key)-journalIDLen):]) }

// PutEntry keeps an answer, durably, before it returns, and gives it an ID. It is dropped after a week.
func (db *DB) PutEntry(ctx context.Context, e JournalEntry) (id string, err error) {
	random := make([]byte, journalIDLen)
	_, _ = rand.Read(random) // never fails
	id = hex.EncodeToString(random)
	b, err := encodeJournal(e)
	if err != nil {
		return "", err
	}
	key, err := journalKey(db.keys.journal(e.User), id)
	if err != nil {
		return "", err
	}
	err = db.update(ctx, func(r records) error { return r.Set(journal, key, b, journalLife) })
	if err != nil {
		return "", fmt.Errorf("journal an answer: %w", err)
	}
	return id, nil
}

// JournalOf returns the answers that are kept for a person, the latest first; for a key without an ID, those of exchanges.
// It is an error if one is damaged: nobody knows what the CRM has granted with it.
func (db *DB) JournalOf(ctx context.Context, key crmgate.UserKey) ([]JournalEntry, error) {
	all, err := db.scanJournal(ctx, db.keys.journal(key))
	if n := len(all); n > 0 && all[n-1].Damaged && err == nil {
		err = fmt.Errorf("read the journal: entry %s is damaged: %w", all[n-1].ID, crmgate.ErrSealed)
	}
	return all, err
}

// Journal returns all answers that are kept, the latest first, and then those whose record is damaged.
func (db *DB) Journal(ctx context.Context) ([]JournalEntry, error) {
	return db.scanJournal(ctx, sealed.Prefix(journal))
}

func (db *DB) scanJournal(ctx context.Context, prefix []byte) ([]JournalEntry, error) {
	var all []JournalEntry
	err := db.view(ctx, func(r records) error {
		all = nil
		return r.Scan(prefix, func(key, stored []byte) error {
			b, err := r.Open(journal, key, stored)
			if errors.Is(err, crmgate.ErrNotFound) {
				return nil // its week is over
			}
			e := JournalEntry{User: crmgate.UserKey{Platform: platformOf(key)}, Damaged: true}
			if err == nil {
				if read, err := decodeJournal(b); err == nil {
					e = read
				}
			}
			e.ID = idOf(key)
			all = append(all, e)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	slices.SortStableFunc(all, func(a, b JournalEntry) int { return b.At.Compare(a.At) })
	return all, nil
}

// platformOf is the platform that a key shows.
func platformOf(key []byte) crmgate.Platform {
	p, _, _ := bytes.Cut(bytes.TrimPrefix(key, sealed.Prefix(journal)), []byte("/"))
	return crmgate.Platform(p)
}

func encodeJournal(e JournalEntry) ([]byte, error) {
	b, err := json.Marshal(journalRecord{
		At: e.At, Platform: e.User.Platform, User: e.User.ID, From: e.From.Reveal(), App: appRecord(e.App), Account: e.Account,
		Hostname: e.Hostname, Status: e.Status, Cut: e.Cut, Own: e.Own, Skew: e.Skew, Body: []byte(e.Body.Reveal()), Callback: e.Callback.Reveal(),
	})
	if err != nil {
		return nil, errors.New("a journal entry cannot be written down") // the cause could quote it
	}
	return b, nil
}

func decodeJournal(b []byte) (JournalEntry, error) {
	var w journalRecord
	if json.Unmarshal(b, &w) != nil {
		return JournalEntry{}, sealed.ErrMalformed
	}
	return JournalEntry{
		At: w.At, User: crmgate.UserKey{Platform: w.Platform, ID: w.User}, From: crmgate.NewSecret(w.From), App: crmgate.App(w.App),
		Account: w.Account, Hostname: w.Hostname, Status: w.Status, Cut: w.Cut, Own: w.Own, Skew: w.Skew, Body: crmgate.NewSecret(string(w.Body)),
		Callback: crmgate.NewSecret(w.Callback),
	}, nil
}

// DropEntry removes an entry, named by its user and ID; it need not exist.
func (db *DB) DropEntry(ctx context.Context, e JournalEntry) error {
	if err := db.update(ctx, func(r records) error { return r.dropEntry(e) }); err != nil {
		return fmt.Errorf("drop a journal entry: %w", err)
	}
	return nil
}

// DropEntryByID removes the entry of an ID, whosoever it is, and whether it opens or not; crmgate.ErrNotFound if there is none.
func (db *DB) DropEntryByID(ctx context.Context, id string) error {
	err := db.update(ctx, func(r records) error {
		var found []byte
		err := r.Scan(sealed.Prefix(journal), func(key, _ []byte) error {
			if idOf(key) == id {
				found = bytes.Clone(key)
			}
			return nil
		})
		if err == nil && found == nil {
			err = crmgate.ErrNotFound
		}
		if err != nil {
			return err
		}
		return r.Delete(found)
	})
	if err != nil {
		return fmt.Errorf("drop journal entry %q: %w", id, err)
	}
	return nil
}

// ErrAnswered means that the CRM has answered somebody else meanwhile.
var ErrAnswered = errors.New("another answer has come")

// IfUnanswered lets a change happen only while the answers that are kept for a person are among those that were seen. The error
// matches ErrAnswered if there is another.
func IfUnanswered(key crmgate.UserKey, seen []JournalEntry) With {
	return With{before: func(r records) error {
		return r.Scan(r.db.keys.journal(key), func(key, _ []byte) error {
			id := idOf(key)
			if slices.ContainsFunc(seen, func(e JournalEntry) bool { return e.ID == id }) {
				return nil
			}
			return ErrAnswered
		})
	}}
}

// DropEntry drops a journal entry: what it granted is stored by this change. The zero entry is none.
func DropEntry(e JournalEntry) With {
	return With{after: func(r records) error { return r.dropEntry(e) }}
}

func (r records) dropEntry(e JournalEntry) error {
	if e.ID == "" {
		return nil
	}
	key, err := journalKey(r.db.keys.journal(e.User), e.ID)
	if err != nil {
		return err
	}
	return r.Delete(key)
}
