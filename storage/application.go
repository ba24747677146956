package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

// PendingLife is how long a pending application waits for its sign-in (App Connect's 24 hours).
const PendingLife = 24 * time.Hour

// retiredLife is how long a retired application's credentials are kept after its grants were queued: the time that the queue keeps
// grants, and one day more.
const retiredLife = 8 * 24 * time.Hour

// Applications are an organisation's applications of a platform; nil where there is none.
type Applications struct{ Confirmed, Pending *crmgate.OrgApplication }

// Applications returns an organisation's applications of a platform, on one snapshot. If none is pending for the platform,
// it returns one that was entered without a platform.
func (db *DB) Applications(ctx context.Context, account crmgate.AccountID, p crmgate.Platform) (Applications, error) {
	var apps Applications
	err := db.view(ctx, func(r records) (err error) {
		apps, err = r.applications(account, p)
		return err
	})
	if err != nil {
		return Applications{}, fmt.Errorf("read applications: %w", err)
	}
	return apps, nil
}

func (r records) applications(account crmgate.AccountID, p crmgate.Platform) (apps Applications, err error) {
	if apps.Confirmed, err = r.app(managedApp, r.db.keys.managedApp(account, p)); err != nil {
		return apps, err
	}
	if apps.Pending, err = r.app(pendingApp, r.db.keys.pendingApp(account, p)); err == nil && apps.Pending == nil {
		apps.Pending, err = r.app(pendingApp, r.db.keys.pendingApp(account, ""))
	}
	if err == nil && apps.Pending != nil && !r.Now.Before(apps.Pending.Expires) { // kept until it is retired; see use
		apps.Pending = nil
	}
	if err != nil || apps.Pending == nil {
		return apps, err
	}
	if apps.Pending.Generation, err = r.generation(account, p); apps.Confirmed != nil {
		apps.Pending.Generation++
	}
	return apps, err
}

// app reads an application's record; nil if there is none.
func (r records) app(k sealed.Kind, key []byte) (*crmgate.OrgApplication, error) {
	var w applicationRecord
	found, err := r.getJSON(k, key, &w)
	if !found || err != nil {
		return nil, err
	}
	a := w.app(k)
	return &a, nil
}

func (r records) setApp(k sealed.Kind, key []byte, a crmgate.OrgApplication, ttl time.Duration) error {
	return r.setRecord(k, key, recordOf(a, false), ttl)
}

func (r records) setRecord(k sealed.Kind, key []byte, w applicationRecord, ttl time.Duration) error {
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return r.Set(k, key, b, ttl)
}

// IssuingApp returns the application that issued a grant: the confirmed one, the pending one, or one that was retired or
// dropped.
// The error is crmgate.ErrNotFound if its credentials were deleted.
func (db *DB) IssuingApp(ctx context.Context, p crmgate.Platform, app crmgate.ApplicationKey) (crmgate.OrgApplication, error) {
	var issuer *crmgate.OrgApplication
	err := db.view(ctx, func(r records) error {
		apps, err := r.applications(app.Account, p)
		if err != nil {
			return err
		}
		retired, err := r.app(retiredApp, db.keys.retiredApp(app.Account, p, app.Generation))
		if err != nil {
			return err
		}
		candidates := []*crmgate.OrgApplication{apps.Confirmed, retired}
		if app.Entry != "" {
			dropped, err := r.app(retiredApp, db.keys.droppedApp(app.Account, p, app.Entry))
			if err != nil {
				return err
			}
			if dropped != nil {
				dropped.Generation = app.Generation
			}
			candidates = append(candidates, apps.Pending, dropped)
		}
		for _, a := range candidates {
			if a != nil && a.Generation == app.Generation && (app.Entry == "" || app.Entry == a.Entry) {
				issuer = a
				return nil
			}
		}
		return crmgate.ErrNotFound
	})
	if err != nil {
		return crmgate.OrgApplication{}, fmt.Errorf("read the application of a grant: %w", err)
	}
	return *issuer, nil
}

// namedLife is how long PlatformNamed remembers a platform.
const namedLife = 10 * time.Minute

// NamePlatform stores which platform's application an admin has looked at, for ten minutes.
func (db *DB) NamePlatform(ctx context.Context, account crmgate.AccountID, x crmgate.ExtensionID, p crmgate.Platform) error {
	err := db.update(ctx, func(r records) error {
		return r.Set(namedApp, db.keys.namedApp(account, x), []byte(p), namedLife)
	})
	if err != nil {
		return fmt.Errorf("store the platform that an admin named: %w", err)
	}
	return nil
}

// PlatformNamed returns the platform of the last NamePlatform for an admin; empty if there was none within ten minutes.
func (db *DB) PlatformNamed(ctx context.Context, account crmgate.AccountID, x crmgate.ExtensionID) (crmgate.Platform, error) {
	var p []byte
	err := db.view(ctx, func(r records) (err error) {
		p, err = r.Get(namedApp, db.keys.namedApp(account, x))
		return err
	})
	if errors.Is(err, crmgate.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the platform that an admin named: %w", err)
	}
	return crmgate.Platform(p), nil
}

// PutPendingApp stores an application for its first sign-in, and gives it an Entry. It replaces the application that was
// pending for the account and platform.
func (db *DB) PutPendingApp(ctx context.Context, a crmgate.OrgApplication, with ...With) (crmgate.OrgApplication, error) {
	a.Entry, a.Generation = newSessionID(), 0
	err := db.change(ctx, with, func(r records) (audit.Subject, error) {
		a.Entered = r.Now
		if err := r.dropPending(a.Account, a.Platform); err != nil {
			return audit.Subject{}, err
		}
		return audit.Subject{User: crmgate.UserKey{Platform: a.Platform}, Account: a.Account}, r.setApp(pendingApp, db.keys.pendingApp(a.Account, a.Platform), a, PendingLife)
	})
	if err != nil {
		return crmgate.OrgApplication{}, fmt.Errorf("store a pending application: %w", err)
	}
	return a, nil
}

// DropPendingApps removes an organisation's pending applications of some platforms, and the one that was entered without a
// platform.
func (db *DB) DropPendingApps(ctx context.Context, account crmgate.AccountID, platforms []crmgate.Platform, with ...With) error {
	err := db.change(ctx, with, func(r records) (audit.Subject, error) {
		err := r.dropPending(account, "")
		for _, p := range platforms {
			err = errors.Join(err, r.dropPending(account, p))
		}
		return audit.Subject{Account: account}, err
	})
	if err != nil {
		return fmt.Errorf("drop pending applications: %w", err)
	}
	return nil
}

// RemoveApps removes an organisation's confirmed and pending applications of a platform, if there are any. One write in the
// same transaction ends every session whose grant the confirmed one issued. The credentials are kept until the grants are
// revoked.
func (db *DB) RemoveApps(ctx context.Context, account crmgate.AccountID, p crmgate.Platform, with ...With) error {
	err := db.change(ctx, with, func(r records) (audit.Subject, error) {
		apps, err := r.applications(account, p)
		if err != nil {
			return audit.Subject{}, err
		}
		if apps.Confirmed != nil {
			_, err = r.retire(*apps.Confirmed)
		}
		return audit.Subject{User: crmgate.UserKey{Platform: p}, Account: account}, errors.Join(err, r.Delete(db.keys.managedApp(account, p)),
			r.dropPending(account, p), r.dropPending(account, ""))
	})
	if err != nil {
		return fmt.Errorf("remove applications: %w", err)
	}
	return nil
}

// retire retires a confirmed application and returns the new generation.
func (r records) retire(a crmgate.OrgApplication) (uint64, error) {
	g, err := r.raiseGeneration(a.Account, a.Platform)
	if err != nil {
		return g, err
	}
	return g, r.setApp(retiredApp, r.db.keys.retiredApp(a.Account, a.Platform, a.Generation), a, 0)
}

// dropPending removes a pending application if there is one, also after it has expired. If sign-ins have used it, it is
// retired: their sessions end, and their grants are revoked. Otherwise its credentials are kept for a sign-in that is under
// way: it will not be stored, and its grant must be revoked.
func (r records) dropPending(account crmgate.AccountID, p crmgate.Platform) error {
	key := r.db.keys.pendingApp(account, p)
	a, err := r.app(pendingApp, key)
	switch {
	case err != nil || a == nil:
	case a.Used.IsZero():
		err = r.setRecord(retiredApp, r.db.keys.droppedApp(account, p, a.Entry), recordOf(*a, true), retiredLife)
	default:
		if a.Generation, err = r.generation(account, p); err == nil {
			_, err = r.retire(*a)
		}
	}
	if sealed.Lost(err) { // an admin can replace a record that does not open
		err = nil
	}
	return errors.Join(err, r.Delete(key))
}

// ConfirmApp confirms an organisation's application when a proven sign-in has used it. entry is the application's Entry; an
// empty one means the connector's application. A confirmed application stays as it is. If the application is neither pending
// nor confirmed now, the error matches crmgate.ErrConflict and nothing is stored.
func ConfirmApp(account crmgate.AccountID, p crmgate.Platform, entry string) With {
	return With{before: func(r records) error {
		_, err := r.confirm(account, p, entry)
		return err
	}}
}

// UseApp records that an unproven sign-in used an organisation's application. A pending one stays pending. The error matches
// crmgate.ErrConflict as for ConfirmApp, and also if the application would replace a confirmed one.
func UseApp(account crmgate.AccountID, p crmgate.Platform, entry string) With {
	return With{before: func(r records) error { return r.use(account, p, entry) }}
}

// confirm confirms the application with an entry. promoted says that it was pending.
func (r records) confirm(account crmgate.AccountID, p crmgate.Platform, entry string) (promoted bool, err error) {
	apps, err := r.entered(account, p, entry)
	if err != nil || apps.Pending == nil {
		return false, err
	}
	now := *apps.Pending
	if apps.Confirmed != nil {
		if now.Generation, err = r.retire(*apps.Confirmed); err != nil {
			return false, err
		}
	}
	from := r.db.keys.pendingApp(now.Account, now.Platform)
	now.Platform, now.State, now.Used = p, crmgate.Confirmed, time.Time{}
	return true, errors.Join(r.Delete(from), r.setApp(managedApp, r.db.keys.managedApp(now.Account, p), now, 0))
}

// use sets a pending application's Used, and binds the application to the platform. After it has expired, the record is kept
// until an admin enters or removes an application: then it is retired.
func (r records) use(account crmgate.AccountID, p crmgate.Platform, entry string) error {
	apps, err := r.entered(account, p, entry)
	switch {
	case err != nil || apps.Pending == nil:
		return err
	case apps.Confirmed != nil:
		return errAppChanged
	}
	now := *apps.Pending
	from := r.db.keys.pendingApp(now.Account, now.Platform)
	now.Platform, now.Used = p, r.Now
	return errors.Join(r.Delete(from), r.setApp(pendingApp, r.db.keys.pendingApp(now.Account, p), now, now.Expires.Add(retiredLife).Sub(r.Now)))
}

var errAppChanged = fmt.Errorf("the organisation's application: %w", crmgate.ErrConflict)

// entered returns an organisation's applications if one of them has an entry. If the confirmed one has it, or entry is empty,
// there is no Pending.
func (r records) entered(account crmgate.AccountID, p crmgate.Platform, entry string) (Applications, error) {
	if entry == "" {
		return Applications{}, nil
	}
	apps, err := r.applications(account, p)
	switch {
	case err != nil:
	case apps.Confirmed != nil && apps.Confirmed.Entry == entry:
		apps.Pending = nil
	case apps.Pending == nil || apps.Pending.Entry != entry, apps.Confirmed != nil && apps.Pending.State != crmgate.Staged:
		err = errAppChanged
	}
	return apps, err
}

// applicationRecord is the payload of an application's record, version 1: JSON with the secret in clear. It exists only
// while a crmgate.OrgApplication is sealed or opened. The kind of the record tells the other states from Pending and Staged.
type applicationRecord struct {
	Account    crmgate.AccountID   `json:"account"`
	Platform   crmgate.Platform    `json:"platform,omitempty"`
	Entry      string              `json:"entry"`
	Staged     bool                `json:"staged,omitempty"`
	Generation uint64              `json:"revision,omitempty"`
	Entered    time.Time           `json:"entered"`
	By         crmgate.ExtensionID `json:"by,omitempty"`
	// ClientSecret replaces the Application's, which does not reveal itself; ClientID comes before it.
	ClientID     string `json:"clientId,omitempty"`
	ClientSecret string `json:"clientSecret,omitempty"`
	crmgate.Application
	Used time.Time `json:"used,omitzero"` // of a pending application
	// Swept says of a retired application that all its grants were queued.
	Swept bool `json:"swept,omitempty"`
}

func recordOf(a crmgate.OrgApplication, swept bool) applicationRecord {
	return applicationRecord{
		Account: a.Account, Platform: a.Platform, Entry: a.Entry, Staged: a.State == crmgate.Staged, Generation: a.Generation,
		Entered: a.Entered, By: a.By, ClientID: a.ClientID, ClientSecret: a.ClientSecret.Reveal(), Application: a.Application,
		Used: a.Used, Swept: swept,
	}
}

func (w applicationRecord) app(k sealed.Kind) crmgate.OrgApplication {
	a := crmgate.OrgApplication{
		Application: w.Application, Account: w.Account, Platform: w.Platform, Entry: w.Entry, Generation: w.Generation, Entered: w.Entered, By: w.By,
		Used: w.Used,
	}
	a.ClientID, a.ClientSecret = w.ClientID, crmgate.NewSecret(w.ClientSecret)
	switch {
	case k == managedApp:
		a.State = crmgate.Confirmed
	case k == retiredApp:
		a.State = crmgate.Retired
	case w.Staged:
		a.State = crmgate.Staged
	}
	if k == pendingApp {
		a.Expires = a.Entered.Add(PendingLife)
	}
	return a
}
