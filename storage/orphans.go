package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate"
)

// A forsaken answer is one in the journal of somebody who has left. What it granted lives at the CRM, and may be all that
// lives there: the refresh token that was stored is the one that it replaced. So it is moved into the queue of revocations,
// where it is read by the manifest that there is then.

// QueueOrphans queues the answers that are kept for people who have logged out, or are no more: they came when the person
// had left already. What is younger than RevocationLease is left to whoever got it. It returns how many they were.
func (db *DB) QueueOrphans(ctx context.Context) (n int, err error) {
	kept, err := db.Journal(ctx)
	for _, e := range kept {
		if e.User.ID == "" || db.now().Sub(e.At) < RevocationLease {
			continue
		}
		p, gone := db.Person(ctx, e.User)
		if !errors.Is(gone, crmgate.ErrNotFound) && (gone != nil || !p.Grant.Empty()) {
			continue
		}
		n++
		err = errors.Join(err, db.update(ctx, func(r records) error { return r.revokeForsaken(e.User) }))
	}
	if err != nil {
		return n, fmt.Errorf("queue answers of people who have left: %w", err)
	}
	return n, nil
}

// revokeForsaken is revokeJournal for somebody who has left, if they are not back.
func (r records) revokeForsaken(key crmgate.UserKey) error {
	p, err := r.person(key)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return r.revokeJournal(crmgate.User{Key: key})
	case err != nil || !p.Grant.Empty():
		return err
	}
	return r.revokeJournal(p.User)
}

// revokeJournal moves the answers that are kept for a person into the queue of revocations. u is what is known of them. What
// cannot be opened is dropped.
func (r records) revokeJournal(u crmgate.User) error {
	var keys [][]byte
	var answers []JournalEntry
	err := r.Scan(r.db.keys.journal(u.Key), func(key, stored []byte) error {
		keys = append(keys, bytes.Clone(key))
		if b, err := r.Open(journal, key, stored); err == nil {
			if e, err := decodeJournal(b); err == nil {
				answers = append(answers, e)
			}
		}
		return nil
	})
	for _, k := range keys {
		err = errors.Join(err, r.Delete(k))
	}
	for _, e := range answers {
		err = errors.Join(err, r.queueAnswer(u, e))
	}
	return err
}

// queueAnswer queues what an answer granted, to be revoked from now on.
func (r records) queueAnswer(u crmgate.User, e JournalEntry) error {
	if u.Hostname == "" {
		u.Hostname = e.Hostname
	}
	if u.Account == "" {
		u.Account = e.Account
	}
	v := Revocation{Person: crmgate.Person{User: u, Grant: crmgate.Grant{App: e.App, Issued: e.At}}, Answer: e, Queued: r.Now}
	_, err := r.place(v, r.Now)
	return errors.Join(err, r.nameBacklog(u.Key.Platform))
}
