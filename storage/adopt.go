package storage

import (
	"context"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Version 1 kept a person's records under the platform and the id. The host was only in the person record, so a person of
// another host with the same id took the records over. Such records stay readable, for a person of the same host. The first
// change of anything under the id moves them. Entries of the journal stay where they are, because they live only for a week.
// Nothing of version 2 has a key of version 1.

// version1 are the records that version 1 stored.
type version1 struct{ records }

func (r records) version1() version1 { return version1{r} }

// unmoved returns the person whose records of version 1 are kept under u's platform and id, whatever their host is. The error
// matches crmgate.ErrNotFound if there is none, and is sealed.Lost if the record cannot be read: then the host is not known.
func (r version1) unmoved(u crmgate.UserKey) (stored, error) {
	key := r.db.keys.version1(person, u)
	b, err := r.Tx.Get(key)
	if err != nil {
		return stored{}, err
	}
	return r.openPerson(key, b)
}

// isUnmoved reports whether the records of version 1 under u's platform and id are u's.
func (r version1) isUnmoved(u crmgate.UserKey) (bool, error) {
	p, err := r.unmoved(u)
	if sealed.Lost(err) {
		return false, nil
	}
	return err == nil && p.User.Key == u, err
}

// adopt moves the records of version 1 that are kept under u's platform and id, if there are any, to the keys of their
// person. Every change of a person's records begins with it. Records that cannot be read do not stop it: the person signs in
// again if the session is one of them.
func (r version1) adopt(u crmgate.UserKey) error {
	p, err := r.unmoved(u)
	if sealed.Lost(err) {
		return nil
	}
	if err != nil {
		return err
	}
	u = p.User.Key
	p.moved = true
	s, err := r.sessions().of(p)
	switch {
	case err == nil:
		err = r.sessions().set(&p, s)
	case sealed.Lost(err):
		err = nil
	}
	if err != nil {
		return err
	}
	return errors.Join(r.setPerson(u, p), r.Delete(r.db.keys.version1(session, u)), r.Delete(r.db.keys.version1(person, u)),
		r.adoptLease(u), r.adoptSettings(u), r.adoptJournal(u))
}

// adoptLease moves a person's lease. If it cannot be read, the new one's epoch is the time in milliseconds, which is more than
// any epoch that was counted up.
func (r version1) adoptLease(u crmgate.UserKey) error {
	old := r.db.keys.version1(lease, u)
	var l Lease
	found, err := r.getJSON(lease, old, &l)
	switch {
	case err == nil && !found:
		return nil
	case sealed.Lost(err):
		l = Lease{Epoch: uint64(r.Now.UnixMilli())}
	case err != nil:
		return err
	}
	return errors.Join(r.setLease(u, l), r.Delete(old))
}

// adoptSettings moves a person's settings. If they cannot be read, they stay under the old key, which is not read again.
func (r version1) adoptSettings(u crmgate.UserKey) error {
	old := r.db.keys.version1(userSettings, u)
	settings, err := r.Get(userSettings, old)
	if sealed.Lost(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(r.Set(userSettings, r.db.keys.userSettings(u), settings, 0), r.Delete(old))
}

// adoptJournal moves the entries without a host: the person got their host after the answer came. journalOf finds the others.
func (r version1) adoptJournal(u crmgate.UserKey) error {
	all, err := r.journal(r.journalPrefix(u))
	for _, e := range all {
		if err == nil && !e.Damaged && e.User.Hostname == "" {
			err = r.moveEntry(e, u)
		}
	}
	return err
}

// journalPrefix is the prefix of the entries that version 1 kept for u's platform and id.
func (r version1) journalPrefix(u crmgate.UserKey) []byte {
	return append(r.db.keys.version1(journal, u), '/')
}

func (r version1) moveEntry(e JournalEntry, u crmgate.UserKey) error {
	_, left, err := r.Living(journal, e.key)
	if err != nil {
		return err
	}
	e.User = u
	b, err := encodeJournal(e)
	if err != nil {
		return err
	}
	to, err := entryKey(r.db.keys.journal(u), e.ID)
	if err != nil {
		return err
	}
	return errors.Join(r.Set(journal, to, b, left), r.Delete(e.key))
}

// adoptAll moves the records of several people, each in a transaction of its own: together they may be too large for one.
func (db *DB) adoptAll(ctx context.Context, people []crmgate.UserKey) error {
	var old []crmgate.UserKey
	err := db.view(ctx, func(r records) error {
		old = nil
		for _, u := range people {
			_, err := r.version1().unmoved(u)
			switch {
			case err == nil:
				old = append(old, u)
			case !sealed.Lost(err):
				return err
			}
		}
		return nil
	})
	for _, u := range old {
		if err == nil {
			err = db.update(ctx, func(r records) error { return r.version1().adopt(u) })
		}
	}
	return err
}
