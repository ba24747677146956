package storage

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

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

// personRecord is the payload of a person record, version 1: JSON with the secrets in clear. It lives only between a
// crmgate.Person and the sealed record.
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

// errNotJSON is said without its cause, which may quote the value.
var errNotJSON = errors.New("a person's time zone offset or additional info is not JSON, or a date is out of range")

func encodePerson(p crmgate.Person) ([]byte, error) {
	u, g := p.User, p.Grant
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // what connectors gave stays as it is
	err := e.Encode(personRecord{
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
	return b.Bytes(), nil
}

func decodePerson(b []byte) (crmgate.Person, error) {
	var w personRecord
	if json.Unmarshal(b, &w) != nil {
		return crmgate.Person{}, sealed.ErrMalformed // without the cause, which may quote the record
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
			Issued: g.Issued, Expiry: g.Expiry, Dead: g.Dead, DeadSince: g.DeadSince, App: crmgate.App(g.App),
		},
	}, nil
}
