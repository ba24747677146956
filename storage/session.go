package storage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Session is the record that a session token is checked against.
type Session struct {
	// ID is the sid in the person's tokens: 128 random bits, base64url.
	ID string
	// Hostname is the person's. A session token does not name it.
	Hostname string
	// Ended says that no token is valid any more: the person logged out, or their organisation's app was replaced.
	Ended bool
	// Unproven says that no token has proved the person's account.
	Unproven bool
	// App is the account that owns the app which issued the grant; empty for the connector's app.
	App crmgate.AccountID
	// Generation is the generation of that app.
	Generation uint64
}

// SessionByID returns the session with an id, of the person with the platform and the id user: a session token names these
// three. The session says which host the person is of. crmgate.ErrNotFound if there is none. SessionByID reads the session
// record, and for an organisation's application its generation.
func (db *DB) SessionByID(ctx context.Context, p crmgate.Platform, user crmgate.UserID, id string) (Session, error) {
	return db.readSession(ctx, func(r records) (Session, error) { return r.sessions().byID(p, user, id) })
}

// Session returns a person's session; crmgate.ErrNotFound if they never signed in.
func (db *DB) Session(ctx context.Context, key crmgate.UserKey) (Session, error) {
	return db.readSession(ctx, func(r records) (Session, error) {
		p, err := r.person(key)
		if err != nil {
			return Session{}, err
		}
		return r.sessions().of(p)
	})
}

func (db *DB) readSession(ctx context.Context, read func(records) (Session, error)) (Session, error) {
	var s Session
	err := db.view(ctx, func(r records) (err error) {
		s, err = read(r)
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("read session: %w", err)
	}
	return s, nil
}

// sessions are the sessions of people.
type sessions struct{ records }

func (r records) sessions() sessions { return sessions{r} }

// byID returns the session with an id.
func (r sessions) byID(p crmgate.Platform, user crmgate.UserID, id string) (Session, error) {
	s, err := r.read(p, r.db.keys.session(p, user, id))
	if errors.Is(err, crmgate.ErrNotFound) { // version 1 kept a person's session without its id
		s, err = r.read(p, r.db.keys.version1(session, crmgate.UserKey{Platform: p, ID: user}))
	}
	if err == nil && s.ID != id {
		err = crmgate.ErrNotFound
	}
	return s, err
}

// of returns a person's session. Version 1 kept it under the platform and the id of the person.
func (r sessions) of(p stored) (Session, error) {
	u := p.User.Key
	if p.session != "" {
		return r.read(u.Platform, r.db.keys.session(u.Platform, u.ID, p.session))
	}
	return r.read(u.Platform, r.db.keys.version1(session, u))
}

// read reads a session. Its Ended is set if the app has a newer generation.
func (r sessions) read(p crmgate.Platform, key []byte) (Session, error) {
	b, err := r.Get(session, key)
	if err != nil {
		return Session{}, err
	}
	s, err := decodeSession(b)
	if err != nil || s.App == "" || s.Ended {
		return s, err
	}
	g, err := r.generation(s.App, p)
	s.Ended = g != s.Generation
	return s, err
}

// set makes s the session of a person, who is to be stored afterwards. It removes the session that they had.
func (r sessions) set(p *stored, s Session) error {
	u := p.User.Key
	if p.session != "" && p.session != s.ID {
		if err := r.Delete(r.db.keys.session(u.Platform, u.ID, p.session)); err != nil {
			return err
		}
	}
	b, err := s.encode()
	if err != nil {
		return err
	}
	p.session = s.ID
	return r.Set(session, r.db.keys.session(u.Platform, u.ID, s.ID), b, 0)
}

// end ends a person's session if they have one. One that cannot be read is removed.
func (r sessions) end(p *stored) error {
	s, err := r.of(*p)
	if sealed.Lost(err) {
		gone := p.session
		p.session = ""
		return r.Delete(r.db.keys.session(p.User.Key.Platform, p.User.Key.ID, gone))
	}
	if err != nil {
		return err
	}
	s.Ended = true
	return r.set(p, s)
}

// Generation returns the current generation of an account's app of a platform; 0 if the app was never replaced.
func (db *DB) Generation(ctx context.Context, account crmgate.AccountID, p crmgate.Platform) (uint64, error) {
	var g uint64
	err := db.view(ctx, func(r records) (err error) {
		g, err = r.generation(account, p)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read generation: %w", err)
	}
	return g, nil
}

// raiseGeneration ends every session whose grant came from an account's app, and returns the new generation.
func (r records) raiseGeneration(account crmgate.AccountID, p crmgate.Platform) (uint64, error) {
	g, err := r.generation(account, p)
	if err != nil {
		return g, err
	}
	g++
	return g, r.SetNumber(generation, r.db.keys.generation(account, p), g)
}

func (r records) generation(account crmgate.AccountID, p crmgate.Platform) (uint64, error) {
	return r.Number(generation, r.db.keys.generation(account, p))
}

// A session's payload is
//
//	flags (1) | id (16) | generation (8) | length of App (2) | App | Hostname
const (
	flagEnded    = 1
	flagUnproven = 2
	sidLen       = 16
	sessionLen   = 1 + sidLen + 8 + 2
)

func (s Session) encode() ([]byte, error) {
	sid, err := base64.RawURLEncoding.DecodeString(s.ID)
	if err != nil || len(sid) != sidLen || len(s.App) > 0xffff {
		return nil, sealed.ErrMalformed
	}
	b := make([]byte, 1, sessionLen+len(s.App)+len(s.Hostname))
	if s.Ended {
		b[0] |= flagEnded
	}
	if s.Unproven {
		b[0] |= flagUnproven
	}
	b = append(b, sid...)
	b = binary.BigEndian.AppendUint64(b, s.Generation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.App)))
	b = append(b, s.App...)
	return append(b, s.Hostname...), nil
}

func decodeSession(b []byte) (Session, error) {
	// An unknown flag is refused: a later version may use it to end a session.
	if len(b) < sessionLen || b[0]&^(flagEnded|flagUnproven) != 0 {
		return Session{}, sealed.ErrMalformed
	}
	app := int(binary.BigEndian.Uint16(b[sessionLen-2:]))
	rest := b[sessionLen:]
	if app > len(rest) {
		return Session{}, sealed.ErrMalformed
	}
	return Session{
		Ended:      b[0]&flagEnded != 0,
		Unproven:   b[0]&flagUnproven != 0,
		ID:         base64.RawURLEncoding.EncodeToString(b[1 : 1+sidLen]),
		Generation: binary.BigEndian.Uint64(b[1+sidLen:]),
		App:        crmgate.AccountID(rest[:app]),
		Hostname:   string(rest[app:]),
	}, nil
}

func newSessionID() string {
	b := make([]byte, sidLen)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
