package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Person returns a person with their grant; crmgate.ErrNotFound if there is none.
func (db *DB) Person(ctx context.Context, key crmgate.UserKey) (crmgate.Person, error) {
	var p crmgate.Person
	err := db.view(ctx, func(r records) (err error) {
		found, err := r.person(key)
		p = found.Person
		return err
	})
	if err != nil {
		return crmgate.Person{}, fmt.Errorf("read person: %w", err)
	}
	return p, nil
}

// People calls fn for all people, in no particular order, on one snapshot, until fn returns an error. A person without a
// session record has the zero Session. Records that do not open are left out. At the end an error says how many they are,
// and matches the error of the first.
func (db *DB) People(ctx context.Context, fn func(crmgate.Person, Session) error) error {
	var unreadable int
	var first error
	err := db.view(ctx, func(r records) error {
		unreadable, first = 0, nil
		return r.Scan(sealed.Prefix(person), func(key, stored []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			p, s, err := r.sessions().openWithSession(key, stored)
			switch {
			case errors.Is(err, crmgate.ErrNotFound):
				return nil // expired
			case err != nil:
				if unreadable++; first == nil {
					first = err
				}
				return nil
			}
			return fn(p.Person, s)
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

// openWithSession opens a person record that a scan found, and reads their session.
func (r sessions) openWithSession(key, b []byte) (stored, Session, error) {
	p, err := r.openPerson(key, b)
	if err != nil {
		return p, Session{}, err
	}
	s, err := r.of(p)
	if errors.Is(err, crmgate.ErrNotFound) {
		err = nil
	}
	return p, s, err
}

// PeopleOn calls fn for all people of a platform, in no particular order, on one snapshot, until fn returns an error.
// Records that do not open are left out.
func (db *DB) PeopleOn(ctx context.Context, platform crmgate.Platform, fn func(crmgate.Person) error) error {
	err := db.view(ctx, func(r records) error {
		return r.Scan(onPlatform(person, platform), func(key, stored []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			p, err := r.openPerson(key, stored)
			if err != nil {
				return nil // People reports it
			}
			return fn(p.Person)
		})
	})
	if err != nil {
		return fmt.Errorf("list people: %w", err)
	}
	return nil
}

// Namesakes returns the keys of all people of a platform who have an id, one for each host.
func (db *DB) Namesakes(ctx context.Context, p crmgate.Platform, id crmgate.UserID) ([]crmgate.UserKey, error) {
	var all []crmgate.UserKey
	err := db.view(ctx, func(r records) (err error) {
		all, err = r.namesakes(db.keys.On(person, p, string(id)), crmgate.UserKey{Platform: p, ID: id})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list people of an id: %w", err)
	}
	return all, nil
}

// namesakes returns the keys of the people whose records are kept under a prefix. For a record of version 1 that does not open,
// the result has the key unreadable. Others that do not open are left out.
func (r records) namesakes(prefix []byte, unreadable crmgate.UserKey) (all []crmgate.UserKey, err error) {
	err = r.Scan(prefix, func(key, b []byte) error {
		p, err := r.openPerson(key, b)
		switch {
		case err == nil:
			all = append(all, p.User.Key)
		case bytes.Equal(key, prefix) && !errors.Is(err, crmgate.ErrNotFound):
			all = append(all, unreadable)
		}
		return nil
	})
	return all, err
}

// stored is a person as the store keeps them.
type stored struct {
	crmgate.Person
	// session is the ID of the person's session; empty if they have none, and in version 1.
	session string
	// moved says that version 1 stored the person.
	moved bool
}

func (r records) openPerson(key, b []byte) (stored, error) {
	b, err := r.Open(person, key, b)
	if err != nil {
		return stored{}, err
	}
	return decodePerson(b)
}

func (r records) person(key crmgate.UserKey) (stored, error) {
	b, err := r.Get(person, r.db.keys.person(key))
	var p stored
	switch {
	case err == nil:
		p, err = decodePerson(b)
	case errors.Is(err, crmgate.ErrNotFound):
		p, err = r.version1().unmoved(key) // if it cannot be read, the error keeps the caller from replacing the record
		if err == nil && p.User.Key != key {
			return stored{}, crmgate.ErrNotFound
		}
	}
	return p, err
}

func (r records) setPerson(key crmgate.UserKey, p stored) error {
	p.User.Key = key
	b, err := encodePerson(p)
	if err != nil {
		return err
	}
	return r.Set(person, r.db.keys.person(key), b, 0)
}

// personRecord is the payload of a person record: JSON with the secrets in clear. It exists only while a crmgate.Person is
// sealed or opened. Version 1 has no session, and is not moved.
type personRecord struct {
	Platform        crmgate.Platform  `json:"platform"`
	ID              crmgate.UserID    `json:"id"`
	Name            string            `json:"name,omitempty"`
	Hostname        string            `json:"hostname,omitempty"`
	Account         crmgate.AccountID `json:"account,omitempty"`
	Unproven        bool              `json:"unproven,omitempty"`
	HashedExtension string            `json:"hashedExtension,omitempty"`
	TimezoneName    string            `json:"timezoneName,omitempty"`
	TimezoneOffset  json.RawMessage   `json:"timezoneOffset,omitempty"`
	AdditionalInfo  json.RawMessage   `json:"additionalInfo,omitempty"`
	Created         time.Time         `json:"created,omitzero"`
	SignedIn        time.Time         `json:"signedIn,omitzero"`
	LoggedOut       time.Time         `json:"loggedOut,omitzero"`
	Grant           grantRecord       `json:"grant,omitzero"`
	Session         string            `json:"session,omitempty"`
	Moved           bool              `json:"moved,omitempty"`
}

type grantRecord struct {
	AccessToken  string    `json:"accessToken,omitempty"`
	RefreshToken string    `json:"refreshToken,omitempty"`
	APIKey       string    `json:"apiKey,omitempty"`
	Issued       time.Time `json:"issued,omitzero"`
	Expiry       time.Time `json:"expiry,omitzero"`
	Dead         string    `json:"dead,omitempty"`
	DeadSince    time.Time `json:"deadSince,omitzero"`
	App          appRecord `json:"app,omitzero"`
}

type appRecord struct {
	ClientID   string            `json:"clientId,omitempty"`
	TokenURL   string            `json:"tokenUrl,omitempty"`
	Account    crmgate.AccountID `json:"account,omitempty"`
	Generation uint64            `json:"revision,omitempty"`
	Entry      string            `json:"entry,omitempty"`
}

// errNotJSON comes without its cause, which may quote the value.
var errNotJSON = errors.New("a person's time zone offset or additional info is not JSON, or a date is out of range")

func encodePerson(p stored) ([]byte, error) {
	u, g := p.User, p.Grant
	b, err := encodeVerbatim(personRecord{
		Platform: u.Key.Platform, ID: u.Key.ID,
		Name: u.Name, Hostname: u.Key.Hostname, Account: u.Account, Unproven: u.Unproven, HashedExtension: u.HashedExtension,
		TimezoneName: u.TimezoneName, TimezoneOffset: u.TimezoneOffset, AdditionalInfo: u.AdditionalInfo,
		Created: u.Created, SignedIn: u.SignedIn, LoggedOut: u.LoggedOut,
		Grant: grantRecord{
			AccessToken: g.AccessToken.Reveal(), RefreshToken: g.RefreshToken.Reveal(), APIKey: g.APIKey.Reveal(),
			Issued: g.Issued, Expiry: g.Expiry, Dead: g.Dead, DeadSince: g.DeadSince, App: appRecord(g.App),
		},
		Session: p.session, Moved: p.moved,
	})
	if err != nil {
		return nil, errNotJSON
	}
	return b, nil
}

func decodePerson(b []byte) (stored, error) {
	var w personRecord
	if err := decodeJSON(b, &w); err != nil {
		return stored{}, err
	}
	g := w.Grant
	return stored{session: w.Session, moved: w.Moved, Person: crmgate.Person{
		User: crmgate.User{
			Key:  crmgate.UserKey{Platform: w.Platform, Hostname: w.Hostname, ID: w.ID},
			Name: w.Name, Account: w.Account, Unproven: w.Unproven, HashedExtension: w.HashedExtension,
			TimezoneName: w.TimezoneName, TimezoneOffset: w.TimezoneOffset, AdditionalInfo: w.AdditionalInfo,
			Created: w.Created, SignedIn: w.SignedIn, LoggedOut: w.LoggedOut,
		},
		Grant: crmgate.Grant{
			AccessToken: crmgate.NewSecret(g.AccessToken), RefreshToken: crmgate.NewSecret(g.RefreshToken), APIKey: crmgate.NewSecret(g.APIKey),
			Issued: g.Issued, Expiry: g.Expiry, Dead: g.Dead, DeadSince: g.DeadSince, App: crmgate.ApplicationKey(g.App),
		},
	}}, nil
}
