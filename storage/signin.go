package storage

import (
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
// A live session keeps its ID, so a second browser does not end the first. A new or ended session gets a new ID. So does a
// session of another host: two hosts of a CRM may give the same id to two people.
//
// A grant of an organisation's application must be of its current generation. If the application was replaced while the
// person signed in, the error matches crmgate.ErrConflict and nothing is stored.
func (db *DB) SignIn(ctx context.Context, key crmgate.UserKey, update func(*crmgate.Person) error, with ...With) (Session, error) {
	var s Session
	err := db.change(ctx, with, func(r records) (about audit.Subject, err error) {
		p, err := r.person(key)
		if err != nil && !errors.Is(err, crmgate.ErrNotFound) {
			return about, err
		}
		if s, err = r.session(key); err != nil && !errors.Is(err, crmgate.ErrNotFound) {
			return about, err
		}
		if err := update(&p); err != nil {
			return about, err
		}
		if s, err = r.renew(s, key, p); err != nil {
			return about, err
		}
		return audit.Subject{User: key, Account: p.User.Account}, errors.Join(r.setPerson(key, p), r.setSession(key, s))
	})
	if err != nil {
		return Session{}, fmt.Errorf("store sign-in: %w", err)
	}
	return s, nil
}

// renew returns the session of a person who has just signed in. old is the zero Session if they had none.
func (r records) renew(old Session, key crmgate.UserKey, p crmgate.Person) (Session, error) {
	app := p.Grant.App
	s := Session{ID: old.ID, Hostname: p.User.Hostname}
	moved := old.Hostname != "" && s.Hostname != "" && old.Hostname != s.Hostname
	if old.Ended || old.ID == "" || moved {
		s.ID = newSessionID()
	}
	if app.Account == "" {
		return s, nil
	}
	g, err := r.generation(app.Account, key.Platform)
	if err == nil && g != app.Generation {
		err = fmt.Errorf("the organisation's app: %w", crmgate.ErrConflict)
	}
	s.App, s.Generation = app.Account, app.Generation
	return s, err
}

// UpdatePerson changes a stored person and returns what was stored; crmgate.ErrNotFound if there is none. update may run
// again. The session gets a new hostname too. A grant of another app ends the session, because it has the generation of the
// old app; the person must sign in again.
func (db *DB) UpdatePerson(ctx context.Context, key crmgate.UserKey, update func(*crmgate.Person) error, with ...With) (crmgate.Person, error) {
	var p crmgate.Person
	err := db.change(ctx, with, func(r records) (about audit.Subject, err error) {
		if p, err = r.person(key); err != nil {
			return about, err
		}
		old := p
		if err := update(&p); err != nil {
			return about, err
		}
		p.User.Key = key
		moved := old.Grant.App.Account != p.Grant.App.Account || old.Grant.App.Generation != p.Grant.App.Generation
		if moved || old.User.Hostname != p.User.Hostname {
			err = r.changeSession(key, func(s *Session) {
				s.Hostname = p.User.Hostname
				s.Ended = s.Ended || moved
			})
		}
		return audit.Subject{User: key, Account: p.User.Account}, errors.Join(err, r.setPerson(key, p))
	})
	if err != nil {
		return crmgate.Person{}, fmt.Errorf("update person: %w", err)
	}
	return p, nil
}

// changeSession changes a session record if there is one. A session that ended with its generation is stored as ended.
func (r records) changeSession(key crmgate.UserKey, change func(*Session)) error {
	s, err := r.session(key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	change(&s)
	return r.setSession(key, s)
}

// EndSession logs a person out and returns them as they were, with the grant; crmgate.ErrNotFound if there is none. Their
// session ends, and their grant is forgotten; the user stays. The grant and the answers in the journal are queued for
// revocation in the same transaction. The caller has RevocationLease to revoke the grant; then any process may.
func (db *DB) EndSession(ctx context.Context, key crmgate.UserKey, with ...With) (Revocation, error) {
	var was Revocation
	err := db.change(ctx, with, func(r records) (about audit.Subject, err error) {
		p, err := r.person(key)
		if err != nil {
			return about, err
		}
		if was, err = r.queue().add(p, 1, r.Now.Add(RevocationLease)); err != nil {
			return about, err
		}
		p.Grant, p.User.LoggedOut = crmgate.Grant{}, r.Now
		return audit.Subject{User: key, Account: p.User.Account}, errors.Join(
			r.changeSession(key, func(s *Session) { s.Ended = true }),
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
		p, err := r.person(key)
		if errors.Is(err, crmgate.ErrSealed) || errors.Is(err, sealed.ErrMalformed) {
			p, err = crmgate.Person{User: crmgate.User{Key: key}}, nil
		}
		if err != nil {
			return about, err
		}
		if was, err = r.queue().add(p, 1, r.Now.Add(RevocationLease)); err != nil {
			return about, err
		}
		return audit.Subject{User: key, Account: p.User.Account}, errors.Join(r.queue().addJournal(p.User), r.Delete(db.keys.userSettings(key)),
			r.Delete(db.keys.session(key)), r.Delete(db.keys.person(key)))
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("delete user: %w", err)
	}
	return was, nil
}
