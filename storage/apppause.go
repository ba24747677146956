package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
)

// Pause says that the CRM rejects an application. Grants that the application issued are not refreshed meanwhile.
type Pause struct {
	Code    string    `json:"code,omitempty"` // the CRM's
	Message string    `json:"message"`        // fit for an administrator
	Since   time.Time `json:"since"`
	// Tried is when the CRM was last asked whether it still rejects the application.
	Tried time.Time `json:"tried,omitzero"`
	// Secret is a keyed hash of the credentials that were rejected. New credentials end the pause.
	Secret []byte `json:"secret,omitempty"`
}

// hashCredentials returns a keyed hash of an application's credentials.
func (db *DB) hashCredentials(s crmgate.Secret) []byte {
	return db.keys.Append(nil, pause, "", s.Reveal())
}

// SetPause records that the CRM rejects an application with these credentials.
func (db *DB) SetPause(ctx context.Context, p crmgate.Platform, app crmgate.ApplicationKey, credentials crmgate.Secret, why Pause) error {
	why.Secret = db.hashCredentials(credentials)
	if err := db.update(ctx, func(r records) error { return r.setPause(p, app, why) }); err != nil {
		return fmt.Errorf("pause an application: %w", err)
	}
	return nil
}

func (r records) setPause(p crmgate.Platform, app crmgate.ApplicationKey, why Pause) error {
	b, err := json.Marshal(why)
	if err != nil {
		return err
	}
	return r.Set(pause, r.db.keys.pause(p, app), b, 0)
}

// Paused returns why an application is paused, with any credentials; ok is false if it is not paused.
func (db *DB) Paused(ctx context.Context, p crmgate.Platform, app crmgate.ApplicationKey) (why Pause, ok bool, err error) {
	err = db.view(ctx, func(r records) error {
		ok, err = r.getJSON(pause, db.keys.pause(p, app), &why)
		return err
	})
	if err != nil {
		return Pause{}, false, fmt.Errorf("read pause: %w", err)
	}
	return why, ok, nil
}

// PausedWith is Paused for an application with these credentials: it is not paused if the CRM rejected others.
func (db *DB) PausedWith(ctx context.Context, p crmgate.Platform, app crmgate.ApplicationKey, credentials crmgate.Secret) (why Pause, ok bool, err error) {
	why, ok, err = db.Paused(ctx, p, app)
	return why, ok && bytes.Equal(why.Secret, db.hashCredentials(credentials)), err
}

// TryPaused claims the right to ask the CRM whether it still rejects an application. found is the pause as the caller read
// it. The error matches crmgate.ErrConflict if another caller was first.
func (db *DB) TryPaused(ctx context.Context, p crmgate.Platform, app crmgate.ApplicationKey, found Pause) error {
	err := db.update(ctx, func(r records) error {
		var why Pause
		ok, err := r.getJSON(pause, db.keys.pause(p, app), &why)
		if err != nil {
			return err
		}
		if !ok || !why.Tried.Equal(found.Tried) {
			return crmgate.ErrConflict
		}
		why.Tried = r.Now
		return r.setPause(p, app, why)
	})
	if err != nil {
		return fmt.Errorf("try a paused application: %w", err)
	}
	return nil
}

// EndPause removes a pause: the CRM has accepted the application.
func (db *DB) EndPause(ctx context.Context, p crmgate.Platform, app crmgate.ApplicationKey) error {
	if err := db.update(ctx, func(r records) error { return r.Delete(db.keys.pause(p, app)) }); err != nil {
		return fmt.Errorf("end pause: %w", err)
	}
	return nil
}
