package proxy

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/session"
	"github.com/crmgate/crmgate/proxy/settings"
)

// settingsAPI has the routes of settings.
type settingsAPI struct{ settings *settings.Settings }

func (a settingsAPI) ofOrg(ctx context.Context, r *request, _ session.Session) (any, error) {
	rc, err := r.rcToken("")
	if err != nil {
		return nil, err
	}
	out, err := a.settings.OrgSettings(ctx, rc)
	if errors.Is(err, crmgate.ErrNotFound) {
		return struct {
			CustomConnector any      `json:"customConnector"`
			UserSettings    struct{} `json:"userSettings"`
		}{}, nil
	}
	return out, err
}

func (a settingsAPI) setOrg(ctx context.Context, r *request) (any, error) {
	var b struct {
		AdminSettings json.RawMessage `json:"adminSettings"`
		RCToken       crmgate.Text    `json:"rcAccessToken"`
	}
	rc, err := r.bodyAndToken(&b, &b.RCToken)
	if err != nil {
		return nil, err
	}
	return text("Admin settings updated"), a.settings.SetOrgSettings(ctx, rc, b.AdminSettings)
}

// userSettings is an answer whose only member is left out if there are no settings.
type userSettings struct {
	UserSettings json.RawMessage `json:"userSettings,omitempty"`
}

func (a settingsAPI) preload(ctx context.Context, r *request) (any, error) {
	rc, hash, err := r.settingsOwner()
	if err != nil {
		return nil, err
	}
	out, err := a.settings.Preload(ctx, rc, hash)
	return userSettings{out}, err
}

func (a settingsAPI) get(ctx context.Context, r *request, ses session.Session) (any, error) {
	rc, hash, err := r.settingsOwner()
	if err != nil {
		return nil, err
	}
	return a.settings.Settings(ctx, ses.Key, rc, hash)
}

// settingsOwner reads which organisation's settings are wanted: by a RingCentral token, or by the hash of an account.
func (r *request) settingsOwner() (rc crmgate.Secret, hash string, err error) {
	if hash, err = r.param("rcAccountId"); err != nil {
		return rc, hash, err
	}
	rc, err = r.rcToken("")
	return rc, hash, err
}

func (a settingsAPI) change(ctx context.Context, r *request, ses session.Session) (any, error) {
	var b struct {
		UserSettings json.RawMessage `json:"userSettings"`
		Remove       textList        `json:"settingKeysToRemove"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	out, err := a.settings.ChangeSettings(ctx, ses.Key, b.UserSettings, b.Remove)
	return userSettings{out}, err
}
