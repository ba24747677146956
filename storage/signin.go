package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

// SignIn stores a person, their grant and their session in one transaction, and returns the session. update gets the
// person as stored, or the zero Person, and changes it; it may run again.
//
// A live session keeps its ID, so a second browser does not end the first. A new or ended session gets a new ID.
//
// A grant of an organisation's application must be of its current generation. If the application was replaced while the
// person signed in, the error matches crmgate.ErrConflict and nothing is stored.
func (db *DB) SignIn(ctx context.Context, key crmgate.UserKey, update func(*crmgate.Person) error, with ...With) (Session, error) {
	var s Session
	err := db.change(ctx, with, func(r records) (about audit.Subject, err error) {
		if err := r.version1().adopt(key); err != nil {
			return about, err
		}
		p, err := r.person(key)
		if err != nil && !errors.Is(err, crmgate.ErrNotFound) {
			return about, err
		}
		if err == nil {
			if s, err = r.sessions().of(p); sealed.Lost(err) { // they get a new one
				s, err = Session{}, nil
			}
		}
		if err != nil && !errors.Is(err, crmgate.ErrNotFound) {
			return about, err
		}
		old := p.Person
		if err := update(&p.Person); err != nil {
			return about, err
		}
		p.User.Key = key
		if err := r.replaced(with, old, p.Person); err != nil {
			return about, err
		}
		if s, err = r.sessions().renew(s, p.Person); err != nil {
			return about, err
		}
		err = errors.Join(r.sessions().set(&p, s), r.setPerson(key, p))
		for _, w := range with {
			if err == nil && w.signedIn != nil {
				err = w.signedIn(r, s)
			}
		}
		return p.subject(key), err
	})
	if err != nil {
		return Session{}, fmt.Errorf("store sign-in: %w", err)
	}
	return s, nil
}

// replaced runs what goes with the replacement of a person's grant by a sign-in.
func (r records) replaced(with []With, old, now crmgate.Person) (err error) {
	for _, w := range with {
		if w.replaced != nil {
			err = errors.Join(err, w.replaced(r, old, now))
		}
	}
	return err
}

// RevokeReplaced queues the grant that a sign-in replaces for revocation, unless the new one has a credential of it.
func RevokeReplaced() With {
	return With{replaced: func(r records, old, now crmgate.Person) error { return r.queue().addReplaced(old, now) }}
}

// subject is the subject of a change of a person, for the audit log.
func (p stored) subject(key crmgate.UserKey) audit.Subject {
	return audit.Subject{User: key, Account: p.User.Account, Unproven: p.User.Unproven}
}

// renew returns the session of a person who has just signed in. old is the zero Session if they had none.
func (r sessions) renew(old Session, p crmgate.Person) (Session, error) {
	app := p.Grant.App
	s := Session{ID: old.ID, Hostname: p.User.Key.Hostname, Unproven: p.User.Unproven}
	if old.Ended || old.ID == "" {
		s.ID = newSessionID()
	}
	if app.Account == "" {
		return s, nil
	}
	g, err := r.generation(app.Account, p.User.Key.Platform)
	if err == nil && g != app.Generation {
		err = fmt.Errorf("the organisation's app: %w", crmgate.ErrConflict)
	}
	s.App, s.Generation = app.Account, app.Generation
	return s, err
}

// UpdatePerson changes a stored person and returns what was stored; crmgate.ErrNotFound if there is none. update may run
// again; it cannot change the key. A grant of another app ends the session, because it has the generation of the old app; the
// person must sign in again.
func (db *DB) UpdatePerson(ctx context.Context, key crmgate.UserKey, update func(*crmgate.Person) error, with ...With) (crmgate.Person, error) {
	var p stored
	err := db.change(ctx, with, func(r records) (about audit.Subject, err error) {
		if p, err = r.personToChange(key); err != nil {
			return about, err
		}
		old := p.Grant.App
		if err := update(&p.Person); err != nil {
			return about, err
		}
		p.User.Key = key
		if app := p.Grant.App; app.Account != old.Account || app.Generation != old.Generation {
			err = r.sessions().end(&p)
		}
		return p.subject(key), errors.Join(err, r.setPerson(key, p))
	})
	if err != nil {
		return crmgate.Person{}, fmt.Errorf("update person: %w", err)
	}
	return p.Person, nil
}

// personToChange is person for a transaction that changes something of theirs.
func (r records) personToChange(key crmgate.UserKey) (stored, error) {
	if err := r.version1().adopt(key); err != nil {
		return stored{}, err
	}
	return r.person(key)
}

// EndSession logs a person out and returns them as they were, with the grant; crmgate.ErrNotFound if there is none. Their
// session ends, and their grant is forgotten; the user stays. The grant and the answers in the journal are queued for
// revocation in the same transaction. The caller has RevocationLease to revoke the grant; then any process may.
func (db *DB) EndSession(ctx context.Context, key crmgate.UserKey, with ...With) (Revocation, error) {
	var was Revocation
	err := db.change(ctx, with, func(r records) (about audit.Subject, err error) {
		p, err := r.personToChange(key)
		if err != nil {
			return about, err
		}
		if was, err = r.queue().add(p.Person, 1, r.Now.Add(RevocationLease)); err != nil {
			return about, err
		}
		p.Grant, p.User.LoggedOut = crmgate.Grant{}, r.Now
		return p.subject(key), errors.Join(
			r.sessions().end(&p),
			r.queue().addJournal(p.User),
			r.setPerson(key, p))
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("end session: %w", err)
	}
	return was, nil
}

// DeletePerson removes everything about a person and returns them as they were; crmgate.ErrNotFound if there is none. The
// grant is queued as by EndSession. No earlier token becomes valid again: if the person returns, their session gets another
// ID. A record that cannot be read is removed too; the person returned then has only the key.
func (db *DB) DeletePerson(ctx context.Context, key crmgate.UserKey, with ...With) (Revocation, error) {
	var was Revocation
	err := db.change(ctx, with, func(r records) (about audit.Subject, err error) {
		p, err := r.personToChange(key)
		if errors.Is(err, crmgate.ErrSealed) || errors.Is(err, sealed.ErrMalformed) {
			p = stored{Person: crmgate.Person{User: crmgate.User{Key: key}}}
			switch _, own := r.Tx.Get(db.keys.person(key)); {
			case own == nil:
				err = nil
			case key.Hostname == "": // a record of version 1, of an unknown host; Namesakes gives it this key
				err = r.Delete(db.keys.version1(person, key))
			}
		}
		if err != nil {
			return about, err
		}
		if was, err = r.queue().add(p.Person, 1, r.Now.Add(RevocationLease)); err != nil {
			return about, err
		}
		return p.subject(key), errors.Join(r.queue().addJournal(p.User), r.Delete(db.keys.userSettings(key)),
			r.sessions().deleteAll(key), r.Delete(db.keys.person(key)))
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("delete user: %w", err)
	}
	return was, nil
}

// deleteAll removes the sessions of a person, and those of the same id that do not open. Without a host it also removes
// the one of version 1: its person record may be one that does not open.
func (r sessions) deleteAll(u crmgate.UserKey) error {
	var keys [][]byte
	prefix := r.db.keys.version1(session, u)
	err := r.Scan(prefix, func(key, b []byte) error {
		if b, err := r.Open(session, key, b); err == nil && !(u.Hostname == "" && bytes.Equal(key, prefix)) {
			if s, err := decodeSession(b); err == nil && s.Hostname != u.Hostname {
				return nil
			}
		}
		keys = append(keys, bytes.Clone(key))
		return nil
	})
	for _, key := range keys {
		err = errors.Join(err, r.Delete(key))
	}
	return err
}
