package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// Use is what an application is used for. A CRM may accept an application for one use and reject it for another.
type Use string

// The uses of an application. A pause of earlier versions is of Refresh.
const (
	Refresh Use = ""
	SignIn  Use = "sign-in"
	Revoke  Use = "revocation"
)

// Usage is an application, and what it is used for.
type Usage struct {
	Platform crmgate.Platform
	// App is the application. For Revoke its TokenURL is the revocation endpoint, and for SignIn it is empty.
	App crmgate.ApplicationKey
	Use Use
}

// Pause says that the CRM rejects an application. Grants that the application issued are not refreshed, or not revoked,
// meanwhile. A Pause of the use SignIn only records the rejection: it stops no request.
type Pause struct {
	Code    string    `json:"code,omitempty"` // the CRM's
	Message string    `json:"message"`        // fit for an administrator
	Said    string    `json:"said,omitempty"` // the CRM's own words; earlier versions stored none
	Since   time.Time `json:"since"`
	// Tried is when the CRM was last asked whether it still rejects the application. It is zero if the next request may try
	// the application.
	Tried time.Time `json:"tried,omitzero"`
	// Secret is a keyed hash of the credentials that were rejected. New credentials end the pause.
	Secret []byte `json:"secret,omitempty"`
	Use    Use    `json:"use,omitempty"`
	// Platform, Account and ClientID name the application. Earlier versions stored none of them.
	Platform crmgate.Platform  `json:"platform,omitempty"`
	Account  crmgate.AccountID `json:"account,omitempty"` // the organisation; empty for the connector's application
	ClientID string            `json:"clientId,omitempty"`
}

// Reason is why the CRM rejects the application: in its own words, if it said something.
func (p Pause) Reason() string { return cmp.Or(p.Said, p.Message) }

// pauseLife is how long a pause is kept without an attempt. An application that is not used any more is forgotten then.
const pauseLife = 30 * 24 * time.Hour

// hashCredentials returns a keyed hash of an application's credentials.
func (db *DB) hashCredentials(s crmgate.Secret) []byte {
	return db.keys.Append(nil, pause, "", s.Reveal())
}

// SetPause records that the CRM rejects an application with these credentials.
func (db *DB) SetPause(ctx context.Context, u Usage, credentials crmgate.Secret, why Pause) error {
	why.Secret = db.hashCredentials(credentials)
	if err := db.update(ctx, func(r records) error { return r.setPause(u, why) }); err != nil {
		return fmt.Errorf("pause an application: %w", err)
	}
	return nil
}

func (r records) setPause(u Usage, why Pause) error {
	why.Use, why.Platform, why.Account, why.ClientID = u.Use, u.Platform, u.App.Account, u.App.ClientID
	return r.putPause(r.db.keys.pause(u), why)
}

func (r records) putPause(key []byte, why Pause) error {
	b, err := json.Marshal(why)
	if err != nil {
		return err
	}
	return r.Set(pause, key, b, pauseLife)
}

// Paused returns why an application is paused, with any credentials; ok is false if it is not paused.
func (db *DB) Paused(ctx context.Context, u Usage) (why Pause, ok bool, err error) {
	err = db.view(ctx, func(r records) error {
		ok, err = r.getJSON(pause, db.keys.pause(u), &why)
		return err
	})
	if err != nil {
		return Pause{}, false, fmt.Errorf("read pause: %w", err)
	}
	return why, ok, nil
}

// PausedWith is Paused for an application with these credentials: it is not paused if the CRM rejected others.
func (db *DB) PausedWith(ctx context.Context, u Usage, credentials crmgate.Secret) (why Pause, ok bool, err error) {
	why, ok, err = db.Paused(ctx, u)
	return why, ok && bytes.Equal(why.Secret, db.hashCredentials(credentials)), err
}

// TryPaused claims the right to ask the CRM whether it still rejects an application. found is the pause as the caller read
// it. The error matches crmgate.ErrConflict if another caller was first.
func (db *DB) TryPaused(ctx context.Context, u Usage, found Pause) error {
	err := db.update(ctx, func(r records) error {
		var why Pause
		ok, err := r.getJSON(pause, db.keys.pause(u), &why)
		if err != nil {
			return err
		}
		if !ok || !why.Tried.Equal(found.Tried) {
			return crmgate.ErrConflict
		}
		why.Tried = r.Now
		return r.setPause(u, why)
	})
	if err != nil {
		return fmt.Errorf("try a paused application: %w", err)
	}
	return nil
}

// EndPause removes a pause: the CRM has accepted the application. The next request may try its other pauses, and its waiting
// revocations are due now.
func (db *DB) EndPause(ctx context.Context, u Usage) error {
	err := db.update(ctx, func(r records) error {
		_, err := r.retry(u.Platform, func(a crmgate.AccountID, clientID string) bool {
			return a == u.App.Account && clientID == u.App.ClientID
		})
		return errors.Join(err, r.Delete(db.keys.pause(u)))
	})
	if err != nil {
		return fmt.Errorf("end pause: %w", err)
	}
	return nil
}

// Pauses lists all pauses, in no particular order. Records that do not open are left out.
func (db *DB) Pauses(ctx context.Context) ([]Pause, error) {
	var all []Pause
	err := db.view(ctx, func(r records) error {
		all = nil
		found, err := r.pauses(sealed.Prefix(pause))
		for _, f := range found {
			all = append(all, f.Pause)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list pauses: %w", err)
	}
	return all, nil
}

// RetryPaused lets the next request try the paused applications of a platform: those of an organisation, or all if account is
// nil. It returns how many pauses there are. They end when a request succeeds. Waiting revocations are due now.
func (db *DB) RetryPaused(ctx context.Context, p crmgate.Platform, account *crmgate.AccountID) (n int, err error) {
	err = db.update(ctx, func(r records) error {
		n, err = r.retry(p, func(a crmgate.AccountID, _ string) bool { return account == nil || a == *account })
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("retry paused applications: %w", err)
	}
	return n, nil
}

// retry lets the next request try the paused applications of a platform that match, and makes their revocations due. It
// returns how many pauses there are.
func (r records) retry(p crmgate.Platform, match func(crmgate.AccountID, string) bool) (n int, err error) {
	found, err := r.pauses(onPlatform(pause, p))
	for _, f := range found {
		if f.Use == SignIn || !match(f.Account, f.ClientID) {
			continue
		}
		n++
		f.Tried = time.Time{}
		err = errors.Join(err, r.putPause(f.key, f.Pause))
	}
	return n, errors.Join(err, r.queue().hasten(p, match))
}

// keptPause is a pause with the key of its record.
type keptPause struct {
	Pause
	key []byte
}

// pauses returns the pauses whose keys begin with a prefix. It leaves out those that do not open.
func (r records) pauses(prefix []byte) (all []keptPause, err error) {
	err = r.Scan(prefix, func(key, stored []byte) error {
		var f keptPause
		if b, err := r.Open(pause, key, stored); err != nil || decodeJSON(b, &f.Pause) != nil {
			return nil
		}
		f.Platform, f.key = platformOf(pause, key), bytes.Clone(key)
		all = append(all, f)
		return nil
	})
	return all, err
}
