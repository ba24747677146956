package authflow

import (
	"context"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Entry is a person as the operator sees them. It says which credentials are held, never what they are.
type Entry struct {
	Platform     crmgate.Platform  `json:"platform"`
	ID           crmgate.UserID    `json:"id"`
	Name         string            `json:"name,omitempty"`
	Hostname     string            `json:"hostname,omitempty"`
	Account      crmgate.AccountID `json:"rcAccountId,omitempty"`
	State        string            `json:"state"` // active, logged out, needs login
	Reason       string            `json:"reason,omitempty"`
	Timezone     string            `json:"timezoneName,omitempty"`
	AccessToken  crmgate.Secret    `json:"accessToken,omitzero"`
	RefreshToken crmgate.Secret    `json:"refreshToken,omitzero"`
	APIKey       crmgate.Secret    `json:"apiKey,omitzero"`
	Expiry       time.Time         `json:"tokenExpiry,omitzero"`
	ClientID     string            `json:"clientId,omitempty"`
	Created      time.Time         `json:"created,omitzero"`
	SignedIn     time.Time         `json:"signedIn,omitzero"`
}

// Directory is who has signed in. It needs no connectors, so that a store at rest can be looked into without them.
type Directory struct{ DB *storage.DB }

// Entries lists everybody, in no order that means anything. What does not open is left out, and the error says so.
func (d Directory) Entries(ctx context.Context) ([]Entry, error) {
	all := []Entry{}
	err := d.DB.People(ctx, func(p crmgate.Person, s storage.Session) error {
		all = append(all, entry(p, s))
		return nil
	})
	return all, err
}

// Entry returns one person; crmgate.ErrNotFound if there is none.
func (d Directory) Entry(ctx context.Context, key crmgate.UserKey) (Entry, error) {
	p, err := d.DB.Person(ctx, key)
	if err != nil {
		return Entry{}, err
	}
	s, err := d.DB.Session(ctx, key)
	return entry(p, s), err
}

func entry(p crmgate.Person, s storage.Session) Entry {
	e := Entry{
		Platform: p.User.Key.Platform, ID: p.User.Key.ID, Name: p.User.Name, Hostname: p.User.Hostname, Account: p.User.Account,
		State: "active", Reason: p.Grant.Dead, Timezone: p.User.TimezoneName,
		AccessToken: p.Grant.AccessToken, RefreshToken: p.Grant.RefreshToken, APIKey: p.Grant.APIKey,
		Expiry: p.Grant.Expiry, ClientID: p.Grant.App.ClientID, Created: p.User.Created, SignedIn: p.User.SignedIn,
	}
	switch {
	case s.Ended:
		e.State = "logged out"
	case p.Grant.Dead != "":
		e.State = "needs login"
	}
	return e
}
