package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// Entry is a person as the operator sees them. A credential in it is only shown as present.
type Entry struct {
	Platform crmgate.Platform  `json:"platform"`
	ID       crmgate.UserID    `json:"id"`
	Name     string            `json:"name,omitempty"`
	Hostname string            `json:"hostname,omitempty"`
	Account  crmgate.AccountID `json:"rcAccountId,omitempty"`
	Unproven bool              `json:"unproven,omitempty"` // nothing has proved the account
	// State is "active"; "refreshing" while a refresh runs; "needs_login" once the CRM has ended the grant, or the organisation
	// has replaced or removed its application;
	// "paused" while the CRM rejects the application that issued it; or "logged_out".
	State string `json:"state"`
	// Reason and Since explain a state that the person did not cause.
	Reason       string         `json:"reason,omitempty"`
	Since        time.Time      `json:"since,omitzero"`
	Timezone     string         `json:"timezoneName,omitempty"`
	AccessToken  crmgate.Secret `json:"accessToken,omitzero"`
	RefreshToken crmgate.Secret `json:"refreshToken,omitzero"`
	APIKey       crmgate.Secret `json:"apiKey,omitzero"`
	Expiry       time.Time      `json:"tokenExpiry,omitzero"`
	// Unrenewable says that there is no refresh token. Then only a connector that refreshes by itself can renew the grant.
	Unrenewable bool      `json:"unrenewable,omitempty"`
	ClientID    string    `json:"clientId,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	SignedIn    time.Time `json:"signedIn,omitzero"`

	app    crmgate.ApplicationKey
	issued time.Time
}

// Key identifies the person.
func (e Entry) Key() crmgate.UserKey {
	return crmgate.UserKey{Platform: e.Platform, Hostname: e.Hostname, ID: e.ID}
}

// Directory reads the people, the journal and the audit log of a store. It needs no connectors.
type Directory struct{ DB *storage.DB }

// Entries lists all people in no particular order. Records that do not open are left out, and the error names them.
func (d Directory) Entries(ctx context.Context) ([]Entry, error) {
	all := []Entry{}
	err := d.DB.People(ctx, func(p crmgate.Person, s storage.Session) error {
		all = append(all, entry(p, s))
		return nil
	})
	for i := range all { // after People, which is one transaction and allows no other inside
		err = errors.Join(err, d.state(ctx, &all[i]))
	}
	return all, err
}

// Count counts people by platform and Entry.State. People who are "refreshing" count as "active". Count reads every person's
// record and lease.
func (d Directory) Count(ctx context.Context) (map[crmgate.Platform]map[string]int, error) {
	type issuer struct {
		crmgate.Platform
		crmgate.ApplicationKey
	}
	type grant struct {
		key    crmgate.UserKey
		issued time.Time
	}
	counts, refreshable := map[crmgate.Platform]map[string]int{}, map[issuer][]grant{}
	err := d.DB.People(ctx, func(p crmgate.Person, s storage.Session) error {
		e := entry(p, s)
		if counts[e.Platform] == nil {
			counts[e.Platform] = map[string]int{"active": 0, "needs_login": 0, "paused": 0, "logged_out": 0}
		}
		counts[e.Platform][e.State]++
		if e.refreshable() {
			app := issuer{e.Platform, e.app}
			refreshable[app] = append(refreshable[app], grant{e.Key(), e.issued})
		}
		return nil
	})
	for app, grants := range refreshable { // after People, which is one transaction and allows no other inside
		of := counts[app.Platform]
		_, paused, unread := d.DB.Paused(ctx, storage.Usage{Platform: app.Platform, App: app.ApplicationKey})
		if paused {
			of["active"] -= len(grants)
			of["paused"] += len(grants)
			continue
		}
		for _, g := range grants {
			lease, missed := d.DB.Lease(ctx, g.key)
			if missed == nil && lease.Refusals.Final(g.issued) {
				of["active"]--
				of["needs_login"]++
			}
			unread = cmp.Or(unread, missed)
		}
		err = errors.Join(err, unread)
	}
	return counts, err
}

// refreshable reports whether a person is active and has a refresh token.
func (e *Entry) refreshable() bool { return e.State == "active" && !e.RefreshToken.IsZero() }

// Find returns the key of the person of a platform with an id. hostname is their host; nil finds the only person with the id.
// It returns crmgate.ErrNotFound if there is none, and a Refusal that names the hosts if there are several.
func (d Directory) Find(ctx context.Context, p crmgate.Platform, id crmgate.UserID, hostname *string) (crmgate.UserKey, error) {
	if hostname != nil {
		return crmgate.UserKey{Platform: p, Hostname: *hostname, ID: id}, nil
	}
	keys, err := d.DB.Namesakes(ctx, p, id)
	switch {
	case err != nil:
		return crmgate.UserKey{}, err
	case len(keys) == 0:
		return crmgate.UserKey{}, crmgate.ErrNotFound
	case len(keys) == 1:
		return keys[0], nil
	}
	hosts := make([]string, len(keys))
	for i, k := range keys {
		hosts[i] = cmp.Or(k.Hostname, `"" (no host)`)
	}
	slices.Sort(hosts)
	return crmgate.UserKey{}, crmgate.Refuse("%d people of %s have the id %s. Add --host and one of: %s", len(keys), p, id, strings.Join(hosts, ", "))
}

// Entry returns one person. It returns crmgate.ErrNotFound if there is none.
func (d Directory) Entry(ctx context.Context, key crmgate.UserKey) (Entry, error) {
	p, err := d.DB.Person(ctx, key)
	if err != nil {
		return Entry{}, err
	}
	s, err := d.DB.Session(ctx, key)
	e := entry(p, s)
	return e, errors.Join(err, d.state(ctx, &e))
}

// state updates the state of an active person from the lease and the pause of their application.
func (d Directory) state(ctx context.Context, e *Entry) error {
	if !e.refreshable() {
		return nil
	}
	lease, err := d.DB.Lease(ctx, e.Key())
	if err != nil {
		return err
	}
	why, paused, err := d.DB.Paused(ctx, storage.Usage{Platform: e.Platform, App: e.app})
	switch {
	case err != nil:
		return err
	case paused:
		e.State, e.Reason, e.Since = "paused", why.Reason(), why.Since
	case lease.Until.After(time.Now()):
		e.State = "refreshing"
	case lease.Refusals.Final(e.issued):
		e.State, e.Since = "needs_login", lease.Refusals.Last
		e.Reason = fmt.Sprintf("the CRM has refused %d refreshes with the unknown word %q", lease.Refusals.Times, lease.Refusals.Word)
	case lease.Failures > 0:
		e.Reason = fmt.Sprintf("refreshes that failed in a row: %d; the next may be at %s", lease.Failures, lease.NotBefore.Format(time.RFC3339))
	}
	return nil
}

func entry(p crmgate.Person, s storage.Session) Entry {
	e := Entry{
		Platform: p.User.Key.Platform, ID: p.User.Key.ID, Name: p.User.Name, Hostname: p.User.Key.Hostname,
		Account: p.User.Account, Unproven: p.User.Unproven,
		State: "active", Reason: p.Grant.Dead, Timezone: p.User.TimezoneName,
		AccessToken: p.Grant.AccessToken, RefreshToken: p.Grant.RefreshToken, APIKey: p.Grant.APIKey,
		Expiry: p.Grant.Expiry, ClientID: p.Grant.App.ClientID, Created: p.User.Created, SignedIn: p.User.SignedIn, app: p.Grant.App, issued: p.Grant.Issued,
	}
	e.Unrenewable = !e.AccessToken.IsZero() && e.RefreshToken.IsZero()
	switch {
	case p.Grant.Dead != "":
		e.State, e.Since = "needs_login", p.Grant.DeadSince
	case s.Ended && !p.Grant.Empty(): // a logout removes the grant
		e.State, e.Reason = "needs_login", storage.AppRetired
	case s.Ended:
		e.State = "logged_out"
	}
	return e
}
