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

// withoutHost is the key under which version 1 kept a person.
func withoutHost(u crmgate.UserKey) crmgate.UserKey {
	u.Hostname = ""
	return u
}

// home returns the key under which a person's lease and settings are kept now: u, or for records of version 1 the key without
// the host.
func (r records) home(u crmgate.UserKey) (crmgate.UserKey, error) {
	if u.Hostname == "" {
		return u, nil
	}
	p, err := r.unmoved(u)
	switch {
	case lost(err) || err == nil && p.User.Key != u:
		return u, nil
	case err != nil:
		return u, err
	}
	return withoutHost(u), nil
}

// unmoved returns the person whose records of version 1 are kept under u's platform and id, whatever their host is. The error
// matches crmgate.ErrNotFound if there is none, and is lost if the record cannot be read: then the host is not known.
func (r records) unmoved(u crmgate.UserKey) (stored, error) {
	key := r.db.keys.person(withoutHost(u))
	b, err := r.Tx.Get(key)
	if err != nil {
		return stored{}, err
	}
	if sealed.Version(b) != 1 {
		return stored{}, crmgate.ErrNotFound
	}
	return r.openPerson(key, b)
}

// lost reports whether an error says that a record does not exist or cannot be read, and not that the engine failed.
func lost(err error) bool {
	return errors.Is(err, crmgate.ErrNotFound) || errors.Is(err, crmgate.ErrSealed) || errors.Is(err, sealed.ErrMalformed)
}

// adopt moves the records of version 1 that are kept under u's platform and id, if there are any, to the keys of their
// person. Every change of a person's records begins with it. Records that cannot be read do not stop it: the person signs in
// again if the session is one of them.
func (r records) adopt(u crmgate.UserKey) error {
	p, err := r.unmoved(u)
	if lost(err) {
		return nil
	}
	if err != nil {
		return err
	}
	u = p.User.Key
	s, err := r.sessionOf(p)
	switch {
	case err == nil:
		err = r.setSession(&p, s)
	case lost(err):
		err = nil
	}
	if err == nil {
		err = errors.Join(r.Delete(r.db.keys.On(session, u.Platform, string(u.ID))), r.setPerson(u, p))
	}
	if err != nil || u.Hostname == "" {
		return err
	}
	return errors.Join(r.Delete(r.db.keys.person(withoutHost(u))), r.adoptLease(u), r.adoptSettings(u), r.adoptJournal(u))
}

// adoptLease moves a person's lease. If it cannot be read, the new one has an epoch that no holder has.
func (r records) adoptLease(u crmgate.UserKey) error {
	old := withoutHost(u)
	l, err := r.lease(old)
	switch {
	case err == nil && l == (Lease{}):
		return nil
	case lost(err):
		l = Lease{Epoch: uint64(r.Now.UnixMilli())}
	case err != nil:
		return err
	}
	return errors.Join(r.setLease(u, l), r.Delete(r.db.keys.lease(old)))
}

func (r records) adoptSettings(u crmgate.UserKey) error {
	old := withoutHost(u)
	settings, err := r.userSettings(old)
	if lost(err) || err == nil && settings == nil {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(r.Set(userSettings, r.db.keys.userSettings(u), settings, 0), r.Delete(r.db.keys.userSettings(old)))
}

// adoptJournal moves the entries without a host: the person got their host after the answer came. journalOf finds the others.
func (r records) adoptJournal(u crmgate.UserKey) error {
	all, err := r.journal(r.db.keys.journal(withoutHost(u)))
	for _, e := range all {
		if err != nil {
			return err
		}
		if e.Damaged || e.User.Hostname != "" {
			continue
		}
		err = r.moveEntry(e, u)
	}
	return err
}

func (r records) moveEntry(e JournalEntry, u crmgate.UserKey) error {
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
			_, err := r.unmoved(u)
			switch {
			case err == nil:
				old = append(old, u)
			case !lost(err):
				return err
			}
		}
		return nil
	})
	for _, u := range old {
		if err == nil {
			err = db.update(ctx, func(r records) error { return r.adopt(u) })
		}
	}
	return err
}
