package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate"
)

// An orphan is an answer in the journal of a person who has logged out or was deleted. Its tokens may be the only ones that
// still work at the CRM: it may have rotated the refresh token that was stored. So orphans are queued for revocation, which
// reads them by the manifest that is then in use.

// QueueOrphans queues orphans for revocation and returns how many people had some. It leaves out answers younger than
// RevocationLease: the process that received one may still store it.
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
		err = errors.Join(err, db.update(ctx, func(r records) error { return r.queue().addOrphans(e.User) }))
	}
	if err != nil {
		return n, fmt.Errorf("queue answers of people who have left: %w", err)
	}
	return n, nil
}

// addOrphans queues the answers in a person's journal, unless the person has signed in again.
func (q queue) addOrphans(key crmgate.UserKey) error {
	p, err := q.personToChange(key)
	switch {
	case errors.Is(err, crmgate.ErrNotFound):
		return q.addJournal(crmgate.User{Key: key})
	case err != nil || !p.Grant.Empty():
		return err
	}
	return q.addJournal(p.User)
}

// addJournal moves the answers in a user's journal to the queue. It drops answers that do not open.
func (q queue) addJournal(u crmgate.User) error {
	answers, err := q.journalOf(u.Key)
	if err != nil {
		return err
	}
	for _, e := range answers {
		err = errors.Join(err, q.Delete(e.key))
		if !e.Damaged {
			err = errors.Join(err, q.addAnswer(u, e))
		}
	}
	return err
}

// addAnswer queues an answer, due now.
func (q queue) addAnswer(u crmgate.User, e JournalEntry) error {
	if u.Account == "" {
		u.Account = e.Account
	}
	v := Revocation{Person: crmgate.Person{User: u, Grant: crmgate.Grant{App: e.App, Issued: e.At}}, Answer: e, Queued: q.Now}
	_, err := q.put(v, q.Now)
	return errors.Join(err, q.note(u.Key.Platform))
}
