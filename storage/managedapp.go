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

// ManagedApp is an application that an organisation has registered at a CRM itself, as an admin entered it. It is pending
// until a sign-in has shown that it works, then confirmed, of which there is one for each organisation and platform, and
// retired once it is replaced or removed.
type ManagedApp struct {
	Account crmgate.AccountID
	// Platform is empty for a pending app that was entered without one.
	Platform crmgate.Platform
	// Entry is this entry's own, chosen when it was stored: what was tried is what is confirmed, and nothing else.
	Entry string
	// Staged says of a pending app that it is to take the place of the confirmed one.
	Staged bool
	// Generation is what grants of the app name (crmgate.App). Of a pending app it is what that will be, as things stand.
	Generation uint64
	// Values are laid over what the connector answers. Only the seven that an admin may enter are stored.
	Values  crmgate.OAuthInfo
	Entered time.Time
	By      crmgate.ExtensionID
}

// PendingLife is how long a pending app waits for its sign-in (App Connect's 24 hours).
const PendingLife = 24 * time.Hour

// retiredLife is how long a retired app's credentials are kept after its grants were queued: as long as the queue keeps
// them, and a day.
const retiredLife = 8 * 24 * time.Hour

// ManagedApps are an organisation's apps of a platform; nil where there is none.
type ManagedApps struct{ Confirmed, Pending *ManagedApp }

// ManagedApps returns an organisation's apps of a platform, on one snapshot. A pending app that was entered without a
// platform is returned if there is none for this one.
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
	b, err := r.Get(k, key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var w managedRecord
	if json.Unmarshal(b, &w) != nil {
		return nil, sealed.ErrMalformed // without the cause, which may quote the record
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

// IssuingApp returns the app that issued a grant: the confirmed one, or one that was retired since.
// crmgate.ErrNotFound if its credentials are no longer kept.
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

// PutPendingApp stores an app to be tried, in the place of the one that was pending for its account and platform. Its
// Entry is made here.
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

// DropPendingApps forgets an organisation's pending apps of some platforms, and those that were entered without one.
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

// RemoveManagedApp removes an organisation's app of a platform, and what is pending for it. Every session whose grant came
// from the app ends with the transaction, at the cost of one write however many they are; the credentials are kept until
// the grants are revoked. It is no error if there is none.
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

// retire ends the time of a confirmed app, and returns the generation that begins.
func (r records) retire(a ManagedApp) (uint64, error) {
	g, err := r.raiseGeneration(a.Account, a.Platform)
	if err != nil {
		return g, err
	}
	return g, r.setApp(retiredApp, r.db.keys.retiredApp(a.Account, a.Platform, a.Generation), a, 0)
}

// ConfirmApp goes with a sign-in by an organisation's app, named by its Entry: it has just worked. If it was pending, it is
// confirmed. The error matches crmgate.ErrConflict if it is neither pending nor confirmed any more, and nothing is stored
// then. No entry is an app of the connector's.
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

// RetiredApps lists the apps whose grants are not all queued for revocation yet.
func (db *DB) RetiredApps(ctx context.Context) ([]ManagedApp, error) {
	var all []ManagedApp
	err := db.view(ctx, func(r records) error {
		all = nil
		return r.Scan(sealed.Prefix(retiredApp), func(key, stored []byte) error {
			b, err := r.Open(retiredApp, key, stored)
			if errors.Is(err, crmgate.ErrNotFound) {
				return nil
			}
			var a managedRecord
			if err == nil && json.Unmarshal(b, &a) != nil {
				err = sealed.ErrMalformed
			}
			if err == nil && !a.Swept {
				all = append(all, a.app())
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list retired apps: %w", err)
	}
	return all, nil
}

// sweepBatch is how many people are looked at, or lose their grants, at once. Between batches the sweep rests for three times
// as long as it worked: nobody waits for it, and everybody else for the processor.
const (
	sweepBatch = 100
	sweepRest  = 3
)

// rest waits in proportion to the work since a time, and returns when it ended.
func rest(ctx context.Context, since time.Time) (time.Time, error) {
	select {
	case <-ctx.Done():
		return since, ctx.Err()
	case <-time.After(sweepRest * min(time.Since(since), time.Second)):
		return time.Now(), nil
	}
}

// SweepRetired takes their grants from people whose retired app issued them, most of them at once at most, and queues the
// grants for revocation. n is how many it were; at 0 the sweep is over, and the app's credentials end with the queue.
func (db *DB) SweepRetired(ctx context.Context, a ManagedApp, most int) (n int, err error) {
	keys, err := db.peopleOf(ctx, a, most)
	for since := time.Now(); len(keys) > 0 && err == nil; {
		batch := keys[:min(sweepBatch, len(keys))]
		keys = keys[len(batch):]
		n += len(batch)
		err = db.update(ctx, func(r records) error {
			for _, key := range batch {
				if err := r.sweep(key, a); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			since, err = rest(ctx, since)
		}
	}
	if err == nil && n == 0 {
		err = db.update(ctx, func(r records) error {
			b, err := json.Marshal(recordOf(a, true))
			if err != nil {
				return err
			}
			return r.Set(retiredApp, db.keys.retiredApp(a.Account, a.Platform, a.Generation), b, retiredLife)
		})
	}
	if err != nil {
		return n, fmt.Errorf("sweep a retired app: %w", err)
	}
	return n, nil
}

// peopleOf lists people who hold a grant of an app.
func (db *DB) peopleOf(ctx context.Context, a ManagedApp, most int) (keys []crmgate.UserKey, err error) {
	enough := errors.New("enough")
	err = db.view(ctx, func(r records) error {
		keys = nil
		seen, since := 0, time.Now()
		return r.Scan(onPlatform(person, a.Platform), func(key, stored []byte) (err error) {
			if seen++; seen%sweepBatch == 0 {
				if since, err = rest(ctx, since); err != nil {
					return err
				}
			}
			b, err := r.Open(person, key, stored)
			if err != nil { // what does not open has no grant to be revoked
				return nil
			}
			if p, err := decodePerson(b); err == nil && a.issued(p.Grant) {
				keys = append(keys, p.User.Key)
			}
			if len(keys) >= most {
				return enough
			}
			return nil
		})
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return keys, err
}

// issued reports whether there is a grant, and the app issued it.
func (a ManagedApp) issued(g crmgate.Grant) bool {
	return !g.Empty() && g.App.Account == a.Account && g.App.Generation == a.Generation
}

func (r records) sweep(key crmgate.UserKey, a ManagedApp) error {
	p, err := r.person(key)
	if errors.Is(err, crmgate.ErrNotFound) || err == nil && !a.issued(p.Grant) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := r.queue().add(p, 0, r.Now); err != nil {
		return err
	}
	p.Grant = crmgate.Grant{}
	return errors.Join(r.changeSession(key, func(s *Session) { s.Ended = true }), r.queue().addJournal(p.User), r.setPerson(key, p))
}

// managedRecord is the payload of a managed app's record, version 1: JSON with the secret in clear. It lives only between a
// ManagedApp and the sealed record.
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
	// Swept says of a retired app that all of its grants were queued.
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
