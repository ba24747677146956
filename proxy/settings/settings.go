package settings

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// What is kept of settings, as JSON.
const (
	maxUserSettings = 64 << 10  // of a person
	maxOrgSettings  = 256 << 10 // of an organisation
)

// Config is what New needs.
type Config struct {
	DB *storage.DB
	// Verify verifies the tokens of admins and members.
	Verify identity.Verify
	// HashKey salts UserInfoHash. Settings of organisations are found by that hash, and not with another key.
	HashKey crmgate.Secret
	// Logger gets what clients are not told; default slog.Default().
	Logger *slog.Logger
}

// Settings reads and changes settings. Safe for concurrent use.
type Settings struct{ Config }

// New returns the settings of a store.
func New(c Config) *Settings {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Settings{c}
}

// UserInfoHash names a RingCentral id without telling it: hex(SHA-256(value ":" hash key)).
func (s *Settings) UserInfoHash(value string) string {
	sum := sha256.Sum256([]byte(value + ":" + s.HashKey.Reveal()))
	return hex.EncodeToString(sum[:])
}

func tooLarge(most int) error {
	return crmgate.Refuse("The settings are larger than %d KB.", most>>10)
}

// OrgSettings is an organisation's settings as its admin sees them. What was never set is null.
type OrgSettings struct {
	ID            string          `json:"id"` // the account's UserInfoHash
	UserSettings  json.RawMessage `json:"userSettings"`
	CustomAdapter json.RawMessage `json:"customAdapter"`
	UserMappings  json.RawMessage `json:"userMappings"`
	Created       string          `json:"createdAt"`
	Updated       string          `json:"updatedAt"`
}

// javaScriptTime is how JavaScript writes a time in JSON.
const javaScriptTime = "2006-01-02T15:04:05.000Z"

// OrgSettings returns the settings of the organisation whose admin's RingCentral token it is; crmgate.ErrNotFound if there
// are none. A token that is no admin's is a Refusal.
func (s *Settings) OrgSettings(ctx context.Context, token crmgate.Secret) (OrgSettings, error) {
	who, err := s.Verify.Admin(ctx, token)
	if err != nil {
		return OrgSettings{}, err
	}
	hash := s.UserInfoHash(string(who.Account))
	stored, err := s.DB.OrgSettings(ctx, hash)
	if err != nil {
		return OrgSettings{}, err
	}
	out := OrgSettings{
		ID: hash, UserSettings: stored.UserSettings, CustomAdapter: stored.CustomAdapter, UserMappings: stored.UserMappings,
		Created: stored.Created.Format(javaScriptTime), Updated: stored.Updated.Format(javaScriptTime),
	}
	if out.UserSettings == nil {
		out.UserSettings = json.RawMessage("{}")
	}
	return out, nil
}

// SetOrgSettings sets parts of the settings of the organisation whose admin's RingCentral token it is: each member of
// parts, a JSON object, replaces the part of that name, and null removes it. Members that are no part are ignored. A token
// that is no admin's, and JSON that is not what it should be, is a Refusal.
func (s *Settings) SetOrgSettings(ctx context.Context, token crmgate.Secret, parts json.RawMessage) error {
	who, err := s.Verify.Admin(ctx, token)
	if err != nil {
		return err
	}
	changes, err := readParts(parts)
	if err != nil || len(changes) == 0 {
		return err
	}
	return s.DB.UpdateOrgSettings(ctx, s.UserInfoHash(string(who.Account)), who.Account, func(o *storage.OrgSettings) error {
		size := 0
		for name, part := range map[string]*json.RawMessage{
			"userSettings": &o.UserSettings, "customAdapter": &o.CustomAdapter, "userMappings": &o.UserMappings,
		} {
			if b, ok := changes[name]; ok {
				*part = b
			}
			size += len(*part)
		}
		if size > maxOrgSettings {
			return tooLarge(maxOrgSettings)
		}
		return nil
	}, storage.LogEvent(audit.Event{Kind: audit.EventAdministration, By: audit.ByAdmin, Outcome: audit.OutcomeOK}))
}

// readParts takes the known members of an admin's settings; nil stands for null.
func readParts(b json.RawMessage) (object, error) {
	all, err := readObject("adminSettings", b, maxOrgSettings)
	if err != nil {
		return nil, err
	}
	parts := object{}
	for _, name := range []string{"userSettings", "customAdapter", "userMappings"} {
		b, ok := all[name]
		switch {
		case !ok:
			continue
		case !given(b):
			b = nil
		case name == "userSettings" && objectOf(b) == nil:
			return nil, crmgate.Refuse("The body's adminSettings.userSettings is of the wrong type.")
		}
		parts[name] = b
	}
	return parts, nil
}

// Preload returns what an organisation has set for its people; nil if nothing. It is found by the hash of its account,
// which nobody has to prove, or else by a RingCentral token of anybody in it. A token that is nobody's is a Refusal.
func (s *Settings) Preload(ctx context.Context, token crmgate.Secret, hash string) (json.RawMessage, error) {
	if hash == "" {
		if token.IsZero() {
			return nil, crmgate.RefusePlain("Cannot find rc user login")
		}
		who, err := s.Verify(ctx, token)
		if err != nil {
			return nil, err
		}
		hash = s.UserInfoHash(string(who.Account))
	}
	org, err := s.DB.OrgSettings(ctx, hash)
	if errors.Is(err, crmgate.ErrNotFound) {
		return nil, nil
	}
	return org.UserSettings, err
}

// Settings returns the settings that hold for a person, a JSON object: their own, under those of the organisation that
// Preload finds. If it finds none, or cannot say, the person's own hold.
func (s *Settings) Settings(ctx context.Context, key crmgate.UserKey, token crmgate.Secret, hash string) (json.RawMessage, error) {
	own, err := s.DB.UserSettings(ctx, key)
	if err != nil {
		return nil, err
	}
	org, err := s.Preload(ctx, token, hash)
	var refusal *crmgate.Refusal
	switch {
	case errors.As(err, &refusal):
		s.Logger.DebugContext(ctx, "settings without an organisation's", "platform", key.Platform, "err", err)
	case err != nil:
		return nil, err
	}
	if org == nil {
		if own == nil {
			own = json.RawMessage("{}")
		}
		return own, nil
	}
	all, err := layer(objectOf(org), objectOf(own))
	if err != nil {
		return nil, fmt.Errorf("lay settings over each other: %w", err)
	}
	return crmgate.EncodeJSON(all)
}

// ChangeSettings sets each member of set, a JSON object, in a person's own settings, then removes names, and returns what
// they are now. JSON that is not what it should be is a Refusal. crmgate.ErrNotFound if the person is not signed in any more.
func (s *Settings) ChangeSettings(ctx context.Context, key crmgate.UserKey, set json.RawMessage, remove []string) (json.RawMessage, error) {
	changes, err := readObject("userSettings", set, maxUserSettings)
	if err != nil {
		return nil, err
	}
	return s.DB.UpdateUserSettings(ctx, key, func(old json.RawMessage) (json.RawMessage, error) {
		all := objectOf(old)
		if all == nil {
			all = object{}
		}
		maps.Copy(all, changes)
		for _, name := range remove {
			delete(all, name)
		}
		b, err := crmgate.EncodeJSON(all)
		if err == nil && len(b) > maxUserSettings {
			err = tooLarge(maxUserSettings)
		}
		return b, err
	})
}
