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

// Pause is an application that the CRM rejects: no grant that it issued is refreshed meanwhile.
type Pause struct {
	Code    string    `json:"code,omitempty"` // the CRM's
	Message string    `json:"message"`        // fit for an administrator
	Since   time.Time `json:"since"`
	// Tried is when the CRM was asked last.
	Tried time.Time `json:"tried,omitzero"`
	// Secret is a keyed hash of the credentials that were rejected: with others, the pause is over.
	Secret []byte `json:"secret,omitempty"`
}

// hashSecret is a keyed hash by which a secret is known again.
func (db *DB) hashSecret(s crmgate.Secret) []byte {
	return db.keys.Append(nil, pause, "", s.Reveal())
}

// SetPause notes that the CRM rejects an application with these credentials.
func (db *DB) SetPause(ctx context.Context, p crmgate.Platform, app crmgate.App, credentials crmgate.Secret, why Pause) error {
	why.Secret = db.hashSecret(credentials)
	if err := db.update(ctx, func(r records) error { return r.setPause(p, app, why) }); err != nil {
		return fmt.Errorf("pause an application: %w", err)
	}
	return nil
}

func (r records) setPause(p crmgate.Platform, app crmgate.App, why Pause) error {
	b, err := json.Marshal(why)
	if err != nil {
		return err
	}
	return r.Set(pause, r.db.keys.pause(p, app), b, 0)
}

// pause returns why an application is paused; ok is false if it is not.
func (r records) pause(p crmgate.Platform, app crmgate.App) (why Pause, ok bool, err error) {
	b, err := r.Get(pause, r.db.keys.pause(p, app))
	if errors.Is(err, crmgate.ErrNotFound) {
		return why, false, nil
	}
	if err == nil && json.Unmarshal(b, &why) != nil {
		err = sealed.ErrMalformed
	}
	return why, err == nil, err
}

// Paused returns why an application is paused, whatever its credentials are now; ok is false if it is not.
func (db *DB) Paused(ctx context.Context, p crmgate.Platform, app crmgate.App) (why Pause, ok bool, err error) {
	err = db.view(ctx, func(r records) error {
		why, ok, err = r.pause(p, app)
		return err
	})
	if err != nil {
		return Pause{}, false, fmt.Errorf("read pause: %w", err)
	}
	return why, ok, nil
}

// PausedWith is Paused for an application that has these credentials now: with others than the CRM rejected it is not paused.
func (db *DB) PausedWith(ctx context.Context, p crmgate.Platform, app crmgate.App, credentials crmgate.Secret) (why Pause, ok bool, err error) {
	why, ok, err = db.Paused(ctx, p, app)
	return why, ok && bytes.Equal(why.Secret, db.hashSecret(credentials)), err
}

// TryPaused makes the caller the one who asks the CRM whether it still rejects an application, whose pause they found as
// found. ErrConflict if somebody else does, or has.
func (db *DB) TryPaused(ctx context.Context, p crmgate.Platform, app crmgate.App, found Pause) error {
	err := db.update(ctx, func(r records) error {
		why, ok, err := r.pause(p, app)
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

// EndPause forgets a pause: the CRM has taken the application.
func (db *DB) EndPause(ctx context.Context, p crmgate.Platform, app crmgate.App) error {
	if err := db.update(ctx, func(r records) error { return r.Delete(db.keys.pause(p, app)) }); err != nil {
		return fmt.Errorf("end pause: %w", err)
	}
	return nil
}
