package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
)

// OrgSettings is what the admins of an organisation have set for its people. Each part is JSON as the admin's client sent
// it, or nil if it is not set.
type OrgSettings struct {
	UserSettings  json.RawMessage
	CustomAdapter json.RawMessage
	UserMappings  json.RawMessage
	// Created and Updated are filled in by the store.
	Created, Updated time.Time
}

// OrgSettings returns an organisation's settings; crmgate.ErrNotFound if it never had any. Clients name the organisation by
// a hash of its account.
func (db *DB) OrgSettings(ctx context.Context, hash string) (OrgSettings, error) {
	var s OrgSettings
	err := db.view(ctx, func(r records) (err error) {
		s, err = r.orgSettings(hash)
		return err
	})
	if err != nil {
		return OrgSettings{}, fmt.Errorf("read an organisation's settings: %w", err)
	}
	return s, nil
}

// UpdateOrgSettings changes an organisation's settings. update gets the stored settings, or the zero OrgSettings, and
// changes them; it may run again. Events are about account.
func (db *DB) UpdateOrgSettings(ctx context.Context, hash string, account crmgate.AccountID, update func(*OrgSettings) error, with ...With) error {
	err := db.change(ctx, with, func(r records) (audit.Subject, error) {
		s, err := r.orgSettings(hash)
		if errors.Is(err, crmgate.ErrNotFound) {
			s, err = OrgSettings{Created: r.Now.UTC()}, nil
		}
		if err == nil {
			err = update(&s)
		}
		if err != nil {
			return audit.Subject{}, err
		}
		s.Updated = r.Now.UTC()
		return audit.Subject{Account: account}, r.setOrgSettings(hash, s)
	})
	if err != nil {
		return fmt.Errorf("update an organisation's settings: %w", err)
	}
	return nil
}

// UserSettings returns a person's settings, a JSON object; nil if they have none.
func (db *DB) UserSettings(ctx context.Context, key crmgate.UserKey) (json.RawMessage, error) {
	var b json.RawMessage
	err := db.view(ctx, func(r records) (err error) {
		at := db.keys.userSettings(key)
		unmoved, err := r.version1().isUnmoved(key)
		if unmoved {
			at = db.keys.version1(userSettings, key)
		}
		if err == nil {
			b, err = r.userSettings(at)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read a person's settings: %w", err)
	}
	return b, nil
}

// UpdateUserSettings changes a person's settings and returns what was stored. update gets what UserSettings returns, and may
// run again. crmgate.ErrNotFound if the person is not signed in, so that nothing is stored of a person who is deleted.
func (db *DB) UpdateUserSettings(ctx context.Context, key crmgate.UserKey, update func(json.RawMessage) (json.RawMessage, error)) (json.RawMessage, error) {
	var b json.RawMessage
	err := db.update(ctx, func(r records) error {
		p, err := r.personToChange(key)
		if err != nil {
			return err
		}
		s, err := r.sessions().of(p)
		if err == nil && s.Ended {
			err = crmgate.ErrNotFound
		}
		if err != nil {
			return err
		}
		if b, err = r.userSettings(db.keys.userSettings(key)); err != nil {
			return err
		}
		if b, err = update(b); err != nil {
			return err
		}
		return r.Set(userSettings, db.keys.userSettings(key), b, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("update a person's settings: %w", err)
	}
	return b, nil
}

func (r records) userSettings(key []byte) (json.RawMessage, error) {
	b, err := r.Get(userSettings, key)
	if errors.Is(err, crmgate.ErrNotFound) {
		return nil, nil
	}
	return b, err
}

func (r records) orgSettings(hash string) (OrgSettings, error) {
	b, err := r.Get(orgSettings, r.db.keys.orgSettings(hash))
	if err != nil {
		return OrgSettings{}, err
	}
	var w orgSettingsRecord
	if err := decodeJSON(b, &w); err != nil {
		return OrgSettings{}, err
	}
	return OrgSettings(w), nil
}

func (r records) setOrgSettings(hash string, s OrgSettings) error {
	b, err := encodeVerbatim(orgSettingsRecord(s))
	if err != nil {
		return errors.New("an organisation's settings are not JSON") // without the cause, which may quote them
	}
	return r.Set(orgSettings, r.db.keys.orgSettings(hash), b, 0)
}

// orgSettingsRecord is the payload of an organisation's settings, version 1.
type orgSettingsRecord struct {
	UserSettings  json.RawMessage `json:"userSettings,omitempty"`
	CustomAdapter json.RawMessage `json:"customAdapter,omitempty"`
	UserMappings  json.RawMessage `json:"userMappings,omitempty"`
	Created       time.Time       `json:"created"`
	Updated       time.Time       `json:"updated"`
}
