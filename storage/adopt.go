package storage

import (
	"bytes"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Version 1 kept a person's records under the platform and the id. The host was only in the person record, so a person of
// another host with the same id took the records over. Such records stay readable, for a person of the same host. The first
// change of anything under the id moves them.

// withoutHost is the key under which version 1 kept a person.
func withoutHost(u crmgate.UserKey) crmgate.UserKey {
	u.Hostname = ""
	return u
}

// home returns the key under which a person's lease, settings and journal are kept now: u, or for records of version 1 the
// key without the host.
func (r records) home(u crmgate.UserKey) (crmgate.UserKey, error) {
	if u.Hostname == "" {
		return u, nil
	}
	p, err := r.unmoved(u)
	switch {
	case errors.Is(err, crmgate.ErrNotFound) || err == nil && p.User.Key != u:
		return u, nil
	case err != nil:
		return u, err
	}
	return withoutHost(u), nil
}

// unmoved returns the person whose records of version 1 are kept under u's platform and id, whatever their host is;
// crmgate.ErrNotFound if there is none that can be read.
func (r records) unmoved(u crmgate.UserKey) (stored, error) {
	key := r.db.keys.person(withoutHost(u))
	b, err := r.Tx.Get(key)
	if err != nil {
		return stored{}, err
	}
	if sealed.Version(b) != 1 {
		return stored{}, crmgate.ErrNotFound
	}
	p, err := r.openPerson(key, b)
	if err != nil {
		return stored{}, crmgate.ErrNotFound
	}
	return p, nil
}

// adopt moves the records of version 1 that are kept under u's platform and id, if there are any, to the keys of their
// person. Every change of a person's records begins with it.
func (r records) adopt(u crmgate.UserKey) error {
	p, err := r.unmoved(u)
	if errors.Is(err, crmgate.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	u = p.User.Key
	s, err := r.sessionOf(p)
	switch {
	case err == nil:
		err = errors.Join(r.setSession(&p, s), r.Delete(r.db.keys.On(session, u.Platform, string(u.ID))))
	case errors.Is(err, crmgate.ErrNotFound):
		err = nil
	}
	if err == nil {
		err = r.setPerson(u, p)
	}
	if err != nil || u.Hostname == "" {
		return err
	}
	return errors.Join(r.Delete(r.db.keys.person(withoutHost(u))), r.adoptRest(u))
}

// adoptRest moves a person's lease, settings and journal.
func (r records) adoptRest(u crmgate.UserKey) error {
	old := withoutHost(u)
	l, err := r.lease(old)
	if err == nil && l != (Lease{}) {
		err = errors.Join(r.setLease(u, l), r.Delete(r.db.keys.lease(old)))
	}
	if err != nil {
		return err
	}
	settings, err := r.userSettings(old)
	if err == nil && settings != nil {
		err = errors.Join(r.Set(userSettings, r.db.keys.userSettings(u), settings, 0), r.Delete(r.db.keys.userSettings(old)))
	}
	if err != nil {
		return err
	}
	var entries [][]byte
	err = r.Scan(r.db.keys.journal(old), func(key, _ []byte) error {
		entries = append(entries, bytes.Clone(key))
		return nil
	})
	for _, key := range entries {
		if err == nil {
			err = r.moveEntry(key, u)
		}
	}
	return err
}

// moveEntry moves an entry to the journal of a user. An entry that does not open stays where it is.
func (r records) moveEntry(from []byte, u crmgate.UserKey) error {
	b, left, err := r.Living(journal, from)
	if err != nil {
		return nil
	}
	to, err := entryKey(r.db.keys.journal(u), entryID(from))
	if err != nil {
		return err
	}
	return errors.Join(r.Set(journal, to, b, left), r.Delete(from))
}
