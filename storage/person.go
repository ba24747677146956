package storage

import (
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
		p, err = r.person(key)
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
			p, s, err := r.openWithSession(key, stored)
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

// openWithSession opens a person record that a scan found, and reads their session.
func (r records) openWithSession(key, stored []byte) (crmgate.Person, Session, error) {
	p, err := r.openPerson(key, stored)
	if err != nil {
		return p, Session{}, err
	}
	s, err := r.session(p.User.Key)
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
			return fn(p)
		})
	})
	if err != nil {
		return fmt.Errorf("list people: %w", err)
	}
	return nil
}

func (r records) openPerson(key, stored []byte) (crmgate.Person, error) {
	b, err := r.Open(person, key, stored)
	if err != nil {
		return crmgate.Person{}, err
	}
	return decodePerson(b)
}

func (r records) person(key crmgate.UserKey) (crmgate.Person, error) {
	b, err := r.Get(person, r.db.keys.person(key))
	if err != nil {
		return crmgate.Person{}, err
	}
	return decodePerson(b)
}

func (r records) setPerson(key crmgate.UserKey, p crmgate.Person) error {
	p.User.Key = key
	b, err := encodePerson(p)
	if err != nil {
		return err
	}
	return r.Set(person, r.db.keys.person(key), b, 0)
}

// personRecord is the payload of a person record, version 1: JSON with the secrets in clear. It exists only while a
// crmgate.Person is sealed or opened.
type personRecord struct {
	Platform        crmgate.Platform  `json:"platform"`
	ID              crmgate.UserID    `json:"id"`
	Name            string            `json:"name,omitempty"`
	Hostname        string            `json:"hostname,omitempty"`
	Account         crmgate.AccountID `json:"account,omitempty"`
	HashedExtension string            `json:"hashedExtension,omitempty"`
	TimezoneName    string            `json:"timezoneName,omitempty"`
	TimezoneOffset  json.RawMessage   `json:"timezoneOffset,omitempty"`
	AdditionalInfo  json.RawMessage   `json:"additionalInfo,omitempty"`
	Created         time.Time         `json:"created,omitzero"`
	SignedIn        time.Time         `json:"signedIn,omitzero"`
	LoggedOut       time.Time         `json:"loggedOut,omitzero"`
	Grant           grantRecord       `json:"grant,omitzero"`
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
}

// errNotJSON comes without its cause, which may quote the value.
var errNotJSON = errors.New("a person's time zone offset or additional info is not JSON, or a date is out of range")

func encodePerson(p crmgate.Person) ([]byte, error) {
	u, g := p.User, p.Grant
	b, err := encodeVerbatim(personRecord{
		Platform: u.Key.Platform, ID: u.Key.ID,
		Name: u.Name, Hostname: u.Hostname, Account: u.Account, HashedExtension: u.HashedExtension,
		TimezoneName: u.TimezoneName, TimezoneOffset: u.TimezoneOffset, AdditionalInfo: u.AdditionalInfo,
		Created: u.Created, SignedIn: u.SignedIn, LoggedOut: u.LoggedOut,
		Grant: grantRecord{
			AccessToken: g.AccessToken.Reveal(), RefreshToken: g.RefreshToken.Reveal(), APIKey: g.APIKey.Reveal(),
			Issued: g.Issued, Expiry: g.Expiry, Dead: g.Dead, DeadSince: g.DeadSince, App: appRecord(g.App),
		},
	})
	if err != nil {
		return nil, errNotJSON
	}
	return b, nil
}

func decodePerson(b []byte) (crmgate.Person, error) {
	var w personRecord
	if err := decodeJSON(b, &w); err != nil {
		return crmgate.Person{}, err
	}
	g := w.Grant
	return crmgate.Person{
		User: crmgate.User{
			Key:  crmgate.UserKey{Platform: w.Platform, ID: w.ID},
			Name: w.Name, Hostname: w.Hostname, Account: w.Account, HashedExtension: w.HashedExtension,
			TimezoneName: w.TimezoneName, TimezoneOffset: w.TimezoneOffset, AdditionalInfo: w.AdditionalInfo,
			Created: w.Created, SignedIn: w.SignedIn, LoggedOut: w.LoggedOut,
		},
		Grant: crmgate.Grant{
			AccessToken: crmgate.NewSecret(g.AccessToken), RefreshToken: crmgate.NewSecret(g.RefreshToken), APIKey: crmgate.NewSecret(g.APIKey),
			Issued: g.Issued, Expiry: g.Expiry, Dead: g.Dead, DeadSince: g.DeadSince, App: crmgate.ApplicationKey(g.App),
		},
	}, nil
}
