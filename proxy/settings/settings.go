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

// Limits of stored settings, in bytes of JSON.
const (
	maxUserSettings = 64 << 10  // of a person
	maxOrgSettings  = 256 << 10 // of an organisation
)

// Config is what New needs. DB, Verify and HashKey are required.
type Config struct {
	DB *storage.DB
	// Verify verifies the tokens of admins and members.
	Verify identity.Verify
	// HashKey salts UserInfoHash. Settings of organisations are stored under that hash, so another key does not find them.
	HashKey crmgate.Secret
	// Logger gets the details that clients do not see; default slog.Default().
	Logger *slog.Logger
}

// Settings reads and changes settings. Safe for concurrent use.
type Settings struct{ Config }

// New returns Settings on a store.
func New(c Config) *Settings {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Settings{c}
}

// UserInfoHash is a pseudonym for a RingCentral id: hex(SHA-256(value ":" hash key)).
func (s *Settings) UserInfoHash(value string) string {
	sum := sha256.Sum256([]byte(value + ":" + s.HashKey.Reveal()))
	return hex.EncodeToString(sum[:])
}

func tooLarge(most int) error {
	return crmgate.Refuse("The settings are larger than %d KB.", most>>10)
}

// OrgSettings is an organisation's settings as its admin sees them. A part that was never set is null.
type OrgSettings struct {
	ID            string          `json:"id"` // the account's UserInfoHash
	UserSettings  json.RawMessage `json:"userSettings"`
	CustomAdapter json.RawMessage `json:"customAdapter"`
	UserMappings  json.RawMessage `json:"userMappings"`
	Created       string          `json:"createdAt"`
	Updated       string          `json:"updatedAt"`
}

// javaScriptTime is the format of a time in JavaScript's JSON.
const javaScriptTime = "2006-01-02T15:04:05.000Z"

// OrgSettings returns the settings of the organisation of an admin's RingCentral token; crmgate.ErrNotFound if there are none.
// A token that is not an admin's is a Refusal.
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

// SetOrgSettings changes the settings of the organisation of an admin's RingCentral token. Each member of parts, a JSON object,
// replaces the part of that name; null removes it; unknown members are ignored. A token that is not an admin's is a Refusal,
// and so is JSON of the wrong type.
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
	}, storage.LogEvent(audit.Event{Kind: audit.EventAdministration, By: audit.ByAdmin, Admin: who.Extension, Outcome: audit.OutcomeOK}))
}

// readParts returns the known members of an admin's settings; null becomes nil.
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

// Preload returns the settings that an organisation has set for its members; nil if there are none. It is found by the hash of
// its account, which needs no proof, else by a member's RingCentral token. An invalid token is a Refusal.
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

// Settings returns the merged settings of a person, a JSON object: their own and those of the organisation that Preload finds.
// If Preload finds none or refuses, they are the person's own.
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
		return nil, fmt.Errorf("merge settings: %w", err)
	}
	return crmgate.EncodeJSON(all)
}

// ChangeSettings sets each member of set, a JSON object, in a person's own settings, then removes the names in remove, and
// returns the result. JSON of the wrong type is a Refusal. crmgate.ErrNotFound means that the person is no longer signed in.
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
