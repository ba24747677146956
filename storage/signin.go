package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Person returns a person with their grant; crmgate.ErrNotFound if there is none.
func (db *DB) Person(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	var p crmgate.Person
	err := db.view(ctx, func(r records) (err error) {
		p, err = r.person(key)
		return err
	})
	if err != nil {
		return crmgate.Person{}, fmt.Errorf("read person: %w", err)
	}
	return p, nil
}

// People calls fn for everybody, in no meaningful order, on one snapshot, until fn returns an error. Somebody without
// a session record has the zero Session. Records that do not open are left out, and counted in an error at the end,
// which matches that of the first.
func (db *DB) People(ctx context.Context, fn func(crmgate.Person, Session) error) error {
	var unreadable int
	var first error
	err := db.view(ctx, func(r records) error {
		unreadable, first = 0, nil
		return r.Scan(sealed.Prefix(person), func(key, stored []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			p, s, err := r.entry(key, stored)
			switch {
			case errors.Is(err, crmgate.ErrNotFound):
				return nil // expired
			case err != nil:
				if unreadable++; first == nil {
					first = err
				}
				return nil
			}
			return fn(p, s)
		})
	})
	if err != nil {
		return fmt.Errorf("list people: %w", err)
	}
	if unreadable > 0 {
		return fmt.Errorf("list people: %d records cannot be read, the first because: %w", unreadable, first)
	}
	return nil
}

// PeopleOn calls fn for everybody of a platform, in no meaningful order, on one snapshot, until fn returns an error. Records
// that do not open are left out.
func (db *DB) PeopleOn(ctx context.Context, p crmgate.Platform, fn func(crmgate.Person) error) error {
	err := db.view(ctx, func(r records) error {
		return r.Scan(onPlatform(person, p), func(key, stored []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			b, err := r.Open(person, key, stored)
			if err != nil {
				return nil // crmgate users list tells of them
			}
			who, err := decodePerson(b)
			if err != nil {
				return nil
			}
			return fn(who)
		})
	})
	if err != nil {
		return fmt.Errorf("list people: %w", err)
	}
	return nil
}

// entry opens a person record that a scan found, and the session that goes with it.
func (r records) entry(key, stored []byte) (crmgate.Person, Session, error) {
	b, err := r.Open(person, key, stored)
	if err != nil {
		return crmgate.Person{}, Session{}, err
	}
	p, err := decodePerson(b)
	if err != nil {
		return p, Session{}, err
	}
	s, err := r.session(p.User.Key)
	if errors.Is(err, crmgate.ErrNotFound) {
		err = nil
	}
	return p, s, err
}

// SignIn stores a person, their grant and their session in one transaction, and returns the session. update gets the
// person as stored, or the zero Person, and changes it; it may run again. A session that lives keeps its ID, so that
// a second browser does not end the first; one that has ended, or never was, or was of another host, gets a new one: a
// CRM that has several may give one id to two people.
//
// A grant of a managed app (Grant.App.Account) must be of the app's current generation (Grant.App.Generation): if the
// app was replaced while the person signed in, the error matches crmgate.ErrConflict and nothing is stored.
//
// Here as in the functions below, what comes with the change happens in the same transaction.
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

// renew makes the session of somebody who has just signed in. old is the zero Session if they had none.
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

// UpdatePerson changes a stored person and returns what was stored; crmgate.ErrNotFound if there is none. update may
// run again. A new hostname goes to the session as well. A grant of another app ends the session: its generation is
// no longer the one to ask, so the person must sign in.
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

// changeSession changes a session record if there is one. What generations have ended is stored as ended.
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

// EndSession logs a person out: their session ends, their grant is forgotten, and what is known about them stays. In the
// same transaction the grant is queued to be revoked, and so are answers that lie in the journal. It returns the person as they were, with the grant, whose revocation
// is the caller's until RevocationLease is over; from then on it is anybody's. crmgate.ErrNotFound if there is none.
func (db *DB) EndSession(ctx context.Context, key crmgate.UserKey, with ...With) (Revocation, error) {
	var was Revocation
	err := db.change(ctx, with, func(r records) (about audit.Subject, err error) {
		p, err := r.person(key)
		if err != nil {
			return about, err
		}
		if was, err = r.queue(p, 1, r.Now.Add(RevocationLease)); err != nil {
			return about, err
		}
		p.Grant, p.User.LoggedOut = crmgate.Grant{}, r.Now
		return audit.Subject{User: key, Account: p.User.Account}, errors.Join(
			r.changeSession(key, func(s *Session) { s.Ended = true }),
			r.revokeJournal(p.User),
			r.setPerson(key, p))
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("end session: %w", err)
	}
	return was, nil
}

// DeletePerson removes everything about a person, queues what they were granted as EndSession does, and returns them as they were;
// crmgate.ErrNotFound if there is none. No token of theirs ever counts again: should they come back, their session has
// another ID. A record that cannot be read is removed as well; the person returned then has nothing but the key.
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
		if was, err = r.queue(p, 1, r.Now.Add(RevocationLease)); err != nil {
			return about, err
		}
		return audit.Subject{User: key, Account: p.User.Account}, errors.Join(r.revokeJournal(p.User), r.Delete(db.keys.userSettings(key)),
			r.Delete(db.keys.session(key)), r.Delete(db.keys.person(key)))
	})
	if err != nil {
		return Revocation{}, fmt.Errorf("delete user: %w", err)
	}
	return was, nil
}
