package storage

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Session is the record that a session token is checked against.
type Session struct {
	// ID is the sid in the person's tokens: 128 random bits, base64url.
	ID string
	// Hostname is the person's. It is here so that a check need not open the person record.
	Hostname string
	// Ended says that no token is valid any more: the person logged out, or their organisation's app was replaced.
	Ended bool
	// App is the account that owns the app which issued the grant; empty for the connector's app.
	App crmgate.AccountID
	// Generation is the generation of that app.
	Generation uint64
}

// Session returns a person's session; crmgate.ErrNotFound if they never signed in. It reads the session record, and for an
// organisation's application its generation.
func (db *DB) Session(ctx context.Context, key crmgate.UserKey) (Session, error) {
	var s Session
	err := db.view(ctx, func(r records) (err error) {
		s, err = r.session(key)
		return err
	})
	if err != nil {
		return Session{}, fmt.Errorf("read session: %w", err)
	}
	return s, nil
}

// session reads a session. Its Ended is set if the app has a newer generation.
func (r records) session(key crmgate.UserKey) (Session, error) {
	b, err := r.Get(session, r.db.keys.session(key))
	if err != nil {
		return Session{}, err
	}
	s, err := decodeSession(b)
	if err != nil || s.App == "" || s.Ended {
		return s, err
	}
	g, err := r.generation(s.App, key.Platform)
	s.Ended = g != s.Generation
	return s, err
}

func (r records) setSession(key crmgate.UserKey, s Session) error {
	b, err := s.encode()
	if err != nil {
		return err
	}
	return r.Set(session, r.db.keys.session(key), b, 0)
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
	flagEnded  = 1
	sidLen     = 16
	sessionLen = 1 + sidLen + 8 + 2
)

func (s Session) encode() ([]byte, error) {
	sid, err := base64.RawURLEncoding.DecodeString(s.ID)
	if err != nil || len(sid) != sidLen || len(s.App) > 0xffff {
		return nil, sealed.ErrMalformed
	}
	b := make([]byte, 1, sessionLen+len(s.App)+len(s.Hostname))
	if s.Ended {
		b[0] = flagEnded
	}
	b = append(b, sid...)
	b = binary.BigEndian.AppendUint64(b, s.Generation)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.App)))
	b = append(b, s.App...)
	return append(b, s.Hostname...), nil
}

func decodeSession(b []byte) (Session, error) {
	// An unknown flag is refused: a later version may use it to end a session.
	if len(b) < sessionLen || b[0]&^flagEnded != 0 {
		return Session{}, sealed.ErrMalformed
	}
	app := int(binary.BigEndian.Uint16(b[sessionLen-2:]))
	rest := b[sessionLen:]
	if app > len(rest) {
		return Session{}, sealed.ErrMalformed
	}
	return Session{
		Ended:      b[0]&flagEnded != 0,
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
