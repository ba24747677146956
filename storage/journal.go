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

// journalLife is how long an answer is kept that nothing could read: long enough to notice it and to correct a manifest.
const journalLife = 7 * 24 * time.Hour

// JournalEntry is the unread answer of a token endpoint. It is kept until its tokens are stored. If the CRM rotated the
// refresh token, this answer is the only copy of the new one.
type JournalEntry struct {
	ID string    // made by PutEntry
	At time.Time // when the answer came
	// User is the person whose refresh was answered. For the exchange of a code it has only the platform, as the person is
	// not known yet.
	User crmgate.UserKey
	// From is the refresh token that was sent; empty for an exchange.
	From crmgate.Secret
	// App is the client that asked.
	App     crmgate.ApplicationKey
	Account crmgate.AccountID
	// Hostname is the person's, for which the client was chosen. It is also in User, if the person is known.
	Hostname string
	Status   int
	// Cut says that the answer is incomplete: the connection broke, or a limit was reached.
	Cut bool
	// Own says that a connector that refreshes by itself answered, not the CRM.
	Own bool
	// Skew is how far the CRM's clock was ahead of ours.
	Skew time.Duration
	// Body is the answer; it holds tokens.
	Body crmgate.Secret
	// Callback is what else the connector of an exchange needs: a JSON object that the store does not read.
	Callback crmgate.Secret
	// Damaged says that the record does not open. Then only ID and the platform are known.
	Damaged bool

	key []byte // of the record, if it was read from the store
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

const entryIDLen = 12

// entryKey is the key of an entry; prefix is that of its journal.
func entryKey(prefix []byte, id string) ([]byte, error) {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != entryIDLen {
		return nil, fmt.Errorf("journal entry %q: %w", id, crmgate.ErrNotFound)
	}
	return append(slices.Clip(prefix), b...), nil
}

// entryID is the ID of the entry with a key.
func entryID(key []byte) string { return hex.EncodeToString(key[max(0, len(key)-entryIDLen):]) }

// PutEntry stores an answer durably and returns its ID. The answer is dropped after a week.
func (db *DB) PutEntry(ctx context.Context, e JournalEntry) (id string, err error) {
	random := make([]byte, entryIDLen)
	_, _ = rand.Read(random) // never fails
	id = hex.EncodeToString(random)
	b, err := encodeJournal(e)
	if err != nil {
		return "", err
	}
	key, err := entryKey(db.keys.journal(e.User), id)
	if err != nil {
		return "", err
	}
	err = db.update(ctx, func(r records) error { return r.Set(journal, key, b, journalLife) })
	if err != nil {
		return "", fmt.Errorf("journal an answer: %w", err)
	}
	return id, nil
}

// JournalOf returns the answers that are kept for a person, the latest first. For a key without an ID it returns those of
// exchanges. A damaged entry is an error, because the tokens in it are not known.
func (db *DB) JournalOf(ctx context.Context, key crmgate.UserKey) ([]JournalEntry, error) {
	all, err := db.readJournal(ctx, func(r records) ([]JournalEntry, error) { return r.journalOf(key) })
	if n := len(all); n > 0 && all[n-1].Damaged && err == nil {
		err = fmt.Errorf("read the journal: entry %s is damaged: %w", all[n-1].ID, crmgate.ErrSealed)
	}
	return all, err
}

// Journal returns all answers that are kept, the latest first, and then the damaged ones.
func (db *DB) Journal(ctx context.Context) ([]JournalEntry, error) {
	return db.readJournal(ctx, func(r records) ([]JournalEntry, error) { return r.journal(sealed.Prefix(journal)) })
}

func (db *DB) readJournal(ctx context.Context, read func(records) ([]JournalEntry, error)) ([]JournalEntry, error) {
	var all []JournalEntry
	err := db.view(ctx, func(r records) (err error) {
		all, err = read(r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	slices.SortStableFunc(all, func(a, b JournalEntry) int { return b.At.Compare(a.At) }) // damaged ones have no time
	return all, nil
}

// journalOf returns the entries of a user. Version 1 kept them without the host in their key: such an entry is the user's if it
// has the user's host, or none because the person got their host later. The host of a damaged entry is unknown, so it is
// returned for every person of version 1 who has the id.
func (r records) journalOf(u crmgate.UserKey) ([]JournalEntry, error) {
	all, err := r.journal(r.db.keys.journal(u))
	if u.ID == "" || err != nil {
		return all, err
	}
	old, err := r.journal(r.version1().journalPrefix(u))
	if err != nil || len(old) == 0 {
		return all, err
	}
	unmoved, err := r.version1().isUnmoved(u)
	if err != nil {
		return all, err
	}
	p, err := r.person(u)
	if err != nil && !sealed.Lost(err) {
		return all, err
	}
	for _, e := range old {
		if unmoved && e.User.Hostname == "" && !e.Damaged {
			e.User = u
		}
		if e.Damaged && (unmoved || p.moved) || !e.Damaged && e.User.Hostname == u.Hostname {
			all = append(all, e)
		}
	}
	return all, nil
}

// journal returns the entries whose keys begin with a prefix.
func (r records) journal(prefix []byte) (all []JournalEntry, err error) {
	err = r.Scan(prefix, func(key, stored []byte) error {
		b, err := r.Open(journal, key, stored)
		if errors.Is(err, crmgate.ErrNotFound) {
			return nil // expired
		}
		e := JournalEntry{User: crmgate.UserKey{Platform: platformOf(journal, key)}, Damaged: true}
		if err == nil {
			if read, err := decodeJournal(b); err == nil {
				e = read
			}
		}
		e.ID, e.key = entryID(key), bytes.Clone(key)
		all = append(all, e)
		return nil
	})
	return all, err
}

func encodeJournal(e JournalEntry) ([]byte, error) {
	if e.User.ID != "" {
		e.Hostname = e.User.Hostname
	}
	b, err := json.Marshal(journalRecord{
		At: e.At, Platform: e.User.Platform, User: e.User.ID, From: e.From.Reveal(), App: appRecord(e.App), Account: e.Account,
		Hostname: e.Hostname, Status: e.Status, Cut: e.Cut, Own: e.Own, Skew: e.Skew, Body: []byte(e.Body.Reveal()), Callback: e.Callback.Reveal(),
	})
	if err != nil {
		return nil, errors.New("encode a journal entry") // without the cause, which may quote the entry
	}
	return b, nil
}

func decodeJournal(b []byte) (JournalEntry, error) {
	var w journalRecord
	if err := decodeJSON(b, &w); err != nil {
		return JournalEntry{}, err
	}
	u := crmgate.UserKey{Platform: w.Platform, ID: w.User}
	if u.ID != "" {
		u.Hostname = w.Hostname
	}
	return JournalEntry{
		At: w.At, User: u, From: crmgate.NewSecret(w.From), App: crmgate.ApplicationKey(w.App),
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

// DropEntryByID removes an entry of any user, even a damaged one; crmgate.ErrNotFound if there is none.
func (db *DB) DropEntryByID(ctx context.Context, id string) error {
	err := db.update(ctx, func(r records) error {
		var found []byte
		err := r.Scan(sealed.Prefix(journal), func(key, _ []byte) error {
			if entryID(key) == id {
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

// DropEntry removes an entry with the change that stores its tokens. The zero entry removes nothing.
func DropEntry(e JournalEntry) With {
	return With{after: func(r records) error { return r.dropEntry(e) }}
}

func (r records) dropEntry(e JournalEntry) error {
	if e.ID == "" {
		return nil
	}
	key, err := entryKey(r.db.keys.journal(e.User), e.ID)
	if err != nil {
		return err
	}
	if e.key != nil && !bytes.Equal(e.key, key) { // version 1 kept it elsewhere, or it was moved since it was read
		err = r.Delete(e.key)
	}
	return errors.Join(err, r.Delete(key))
}

// ErrAnswered means that another answer of the CRM has come meanwhile.
var ErrAnswered = errors.New("another answer has come")

// IfUnanswered lets a change happen only if all answers that are kept for a person are in seen. The error matches
// ErrAnswered if there is another.
func IfUnanswered(key crmgate.UserKey, seen []JournalEntry) With {
	return With{before: func(r records) error {
		kept, err := r.journalOf(key)
		if err != nil {
			return err
		}
		for _, k := range kept {
			if !slices.ContainsFunc(seen, func(e JournalEntry) bool { return e.ID == k.ID }) {
				return ErrAnswered
			}
		}
		return nil
	}}
}
