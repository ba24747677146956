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

// ManagedApp is an application that an organisation has registered at a CRM, as an admin entered it. It is pending until a
// sign-in shows that it works. Then it is confirmed; an organisation has one confirmed app for each platform. It is retired
// when it is replaced or removed.
type ManagedApp struct {
	Account crmgate.AccountID
	// Platform is empty for a pending app that was entered without one.
	Platform crmgate.Platform
	// Entry is a random id, made when the app was stored. A sign-in confirms the entry that it tried.
	Entry string
	// Staged says of a pending app that it will replace the confirmed one.
	Staged bool
	// Generation is what grants of the app name (crmgate.App). For a pending app it is computed: the generation that the app
	// will have if it is confirmed now.
	Generation uint64
	// Values override the connector's. Only the seven that an admin may enter are stored.
	Values  crmgate.OAuthInfo
	Entered time.Time
	By      crmgate.ExtensionID
}

// PendingLife is how long a pending app waits for its sign-in (App Connect's 24 hours).
const PendingLife = 24 * time.Hour

// retiredLife is how long a retired app's credentials are kept after its grants were queued: the time that the queue keeps
// grants, and one day more.
const retiredLife = 8 * 24 * time.Hour

// ManagedApps are an organisation's apps of a platform; nil where there is none.
type ManagedApps struct{ Confirmed, Pending *ManagedApp }

// ManagedApps returns an organisation's apps of a platform, on one snapshot. If no app is pending for the platform, it
// returns one that was entered without a platform.
func (db *DB) ManagedApps(ctx context.Context, account crmgate.AccountID, p crmgate.Platform) (ManagedApps, error) {
	var apps ManagedApps
	err := db.view(ctx, func(r records) (err error) {
		apps, err = r.managedApps(account, p)
		return err
	})
	if err != nil {
		return ManagedApps{}, fmt.Errorf("read managed apps: %w", err)
	}
	return apps, nil
}

func (r records) managedApps(account crmgate.AccountID, p crmgate.Platform) (apps ManagedApps, err error) {
	if apps.Confirmed, err = r.app(managedApp, r.db.keys.managedApp(account, p)); err != nil {
		return apps, err
	}
	if apps.Pending, err = r.app(pendingApp, r.db.keys.pendingApp(account, p)); err == nil && apps.Pending == nil {
		apps.Pending, err = r.app(pendingApp, r.db.keys.pendingApp(account, ""))
	}
	if err != nil || apps.Pending == nil {
		return apps, err
	}
	if apps.Pending.Generation, err = r.generation(account, p); apps.Confirmed != nil {
		apps.Pending.Generation++
	}
	return apps, err
}

// app reads an app's record; nil if there is none.
func (r records) app(k sealed.Kind, key []byte) (*ManagedApp, error) {
	var w managedRecord
	found, err := r.getJSON(k, key, &w)
	if !found || err != nil {
		return nil, err
	}
	a := w.app()
	return &a, nil
}

func (r records) setApp(k sealed.Kind, key []byte, a ManagedApp, ttl time.Duration) error {
	b, err := json.Marshal(recordOf(a, false))
	if err != nil {
		return err
	}
	return r.Set(k, key, b, ttl)
}

// IssuingApp returns the app that issued a grant: the confirmed app, or one that was retired later. crmgate.ErrNotFound if
// its credentials are no longer kept.
func (db *DB) IssuingApp(ctx context.Context, p crmgate.Platform, app crmgate.App) (ManagedApp, error) {
	var a *ManagedApp
	err := db.view(ctx, func(r records) (err error) {
		if a, err = r.app(managedApp, db.keys.managedApp(app.Account, p)); err != nil || a != nil && a.Generation == app.Generation {
			return err
		}
		if a, err = r.app(retiredApp, db.keys.retiredApp(app.Account, p, app.Generation)); err == nil && a == nil {
			err = crmgate.ErrNotFound
		}
		return err
	})
	if err != nil {
		return ManagedApp{}, fmt.Errorf("read the app of a grant: %w", err)
	}
	return *a, nil
}

// PutPendingApp stores an app that is to be tried, and gives it an Entry. It replaces the app that was pending for the
// account and platform.
func (db *DB) PutPendingApp(ctx context.Context, a ManagedApp, with ...With) (ManagedApp, error) {
	a.Entry, a.Generation = newSessionID(), 0
	err := db.change(ctx, with, func(r records) (audit.Subject, error) {
		a.Entered = r.Now
		return audit.Subject{User: crmgate.UserKey{Platform: a.Platform}, Account: a.Account}, r.setApp(pendingApp, db.keys.pendingApp(a.Account, a.Platform), a, PendingLife)
	})
	if err != nil {
		return ManagedApp{}, fmt.Errorf("store a pending app: %w", err)
	}
	return a, nil
}

// DropPendingApps removes an organisation's pending apps of some platforms, and the one that was entered without a platform.
func (db *DB) DropPendingApps(ctx context.Context, account crmgate.AccountID, platforms []crmgate.Platform, with ...With) error {
	err := db.change(ctx, with, func(r records) (audit.Subject, error) {
		err := r.Delete(db.keys.pendingApp(account, ""))
		for _, p := range platforms {
			err = errors.Join(err, r.Delete(db.keys.pendingApp(account, p)))
		}
		return audit.Subject{Account: account}, err
	})
	if err != nil {
		return fmt.Errorf("drop pending apps: %w", err)
	}
	return nil
}

// RemoveManagedApp removes an organisation's confirmed and pending apps of a platform; having none is not an error. Every
// session whose grant came from the app ends in the same transaction, by one write. The credentials are kept until the
// grants are revoked.
func (db *DB) RemoveManagedApp(ctx context.Context, account crmgate.AccountID, p crmgate.Platform, with ...With) error {
	err := db.change(ctx, with, func(r records) (audit.Subject, error) {
		apps, err := r.managedApps(account, p)
		if err != nil {
			return audit.Subject{}, err
		}
		if apps.Confirmed != nil {
			_, err = r.retire(*apps.Confirmed)
		}
		return audit.Subject{User: crmgate.UserKey{Platform: p}, Account: account}, errors.Join(err, r.Delete(db.keys.managedApp(account, p)),
			r.Delete(db.keys.pendingApp(account, p)), r.Delete(db.keys.pendingApp(account, "")))
	})
	if err != nil {
		return fmt.Errorf("remove a managed app: %w", err)
	}
	return nil
}

// retire retires a confirmed app and returns the new generation.
func (r records) retire(a ManagedApp) (uint64, error) {
	g, err := r.raiseGeneration(a.Account, a.Platform)
	if err != nil {
		return g, err
	}
	return g, r.setApp(retiredApp, r.db.keys.retiredApp(a.Account, a.Platform, a.Generation), a, 0)
}

// ConfirmApp confirms an organisation's app with a sign-in that has shown that it works. The app is named by its Entry; an
// empty entry means the connector's app. A confirmed app stays as it is. If the app is neither pending nor confirmed any
// more, the error matches crmgate.ErrConflict and nothing is stored.
func ConfirmApp(account crmgate.AccountID, p crmgate.Platform, entry string) With {
	return With{before: func(r records) error {
		if entry == "" {
			return nil
		}
		apps, err := r.managedApps(account, p)
		switch {
		case err != nil:
			return err
		case apps.Confirmed != nil && apps.Confirmed.Entry == entry:
			return nil
		case apps.Pending == nil || apps.Pending.Entry != entry, apps.Confirmed != nil && !apps.Pending.Staged:
			return fmt.Errorf("the organisation's app: %w", crmgate.ErrConflict)
		}
		now := *apps.Pending
		if apps.Confirmed != nil {
			if now.Generation, err = r.retire(*apps.Confirmed); err != nil {
				return err
			}
		}
		from := r.db.keys.pendingApp(now.Account, now.Platform)
		now.Platform, now.Staged = p, false
		return errors.Join(r.Delete(from), r.setApp(managedApp, r.db.keys.managedApp(now.Account, p), now, 0))
	}}
}

// managedRecord is the payload of a managed app's record, version 1: JSON with the secret in clear. It exists only while a
// ManagedApp is sealed or opened.
type managedRecord struct {
	Account          crmgate.AccountID   `json:"account"`
	Platform         crmgate.Platform    `json:"platform,omitempty"`
	Entry            string              `json:"entry"`
	Staged           bool                `json:"staged,omitempty"`
	Generation       uint64              `json:"revision,omitempty"`
	Entered          time.Time           `json:"entered"`
	By               crmgate.ExtensionID `json:"by,omitempty"`
	ClientID         string              `json:"clientId,omitempty"`
	ClientSecret     string              `json:"clientSecret,omitempty"`
	AccessTokenURI   string              `json:"accessTokenUri,omitempty"`
	AuthorizationURI string              `json:"authorizationUri,omitempty"`
	RedirectURI      string              `json:"redirectUri,omitempty"`
	Scopes           string              `json:"scopes,omitempty"`
	Hostname         string              `json:"hostname,omitempty"`
	// Swept says of a retired app that all its grants were queued.
	Swept bool `json:"swept,omitempty"`
}

func recordOf(a ManagedApp, swept bool) managedRecord {
	v := a.Values
	return managedRecord{
		Account: a.Account, Platform: a.Platform, Entry: a.Entry, Staged: a.Staged, Generation: a.Generation, Entered: a.Entered, By: a.By,
		ClientID: v.ClientID, ClientSecret: v.ClientSecret.Reveal(), AccessTokenURI: v.AccessTokenURI, AuthorizationURI: v.AuthorizationURI,
		RedirectURI: v.RedirectURI, Scopes: v.Scopes, Hostname: v.Hostname, Swept: swept,
	}
}

func (w managedRecord) app() ManagedApp {
	return ManagedApp{
		Account: w.Account, Platform: w.Platform, Entry: w.Entry, Staged: w.Staged, Generation: w.Generation, Entered: w.Entered, By: w.By,
		Values: crmgate.OAuthInfo{
			ClientID: w.ClientID, ClientSecret: crmgate.NewSecret(w.ClientSecret), AccessTokenURI: w.AccessTokenURI, AuthorizationURI: w.AuthorizationURI,
			RedirectURI: w.RedirectURI, Scopes: w.Scopes, Hostname: w.Hostname,
		},
	}
}
