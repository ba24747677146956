package proxy

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/session"
)

func (s *Server) adminSettings(ctx context.Context, r *request, _ session.Session) (any, error) {
	rc, err := r.rcToken("")
	if err != nil {
		return nil, err
	}
	out, err := s.Settings.OrgSettings(ctx, rc)
	if errors.Is(err, crmgate.ErrNotFound) {
		return struct {
			CustomConnector any      `json:"customConnector"`
			UserSettings    struct{} `json:"userSettings"`
		}{}, nil
	}
	return out, err
}

func (s *Server) setAdminSettings(ctx context.Context, r *request) (any, error) {
	var b struct {
		AdminSettings json.RawMessage `json:"adminSettings"`
		RCToken       string          `json:"rcAccessToken"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	rc, err := r.rcToken(b.RCToken)
	if err != nil {
		return nil, err
	}
	return text("Admin settings updated"), s.Settings.SetOrgSettings(ctx, rc, b.AdminSettings)
}

// userSettings is how settings are answered with a name: absent if there are none.
type userSettings struct {
	UserSettings json.RawMessage `json:"userSettings,omitempty"`
}

func (s *Server) preloadSettings(ctx context.Context, r *request) (any, error) {
	rc, hash, err := r.whoseSettings()
	if err != nil {
		return nil, err
	}
	out, err := s.Settings.Preload(ctx, rc, hash)
	return userSettings{out}, err
}

func (s *Server) settings(ctx context.Context, r *request, ses session.Session) (any, error) {
	rc, hash, err := r.whoseSettings()
	if err != nil {
		return nil, err
	}
	return s.Settings.Settings(ctx, ses.Key, rc, hash)
}

// whoseSettings reads what says whose admin's settings are meant: a RingCentral token, or the hash of an account.
func (r *request) whoseSettings() (rc crmgate.Secret, hash string, err error) {
	if hash, err = r.param("rcAccountId"); err != nil {
		return rc, hash, err
	}
	rc, err = r.rcToken("")
	return rc, hash, err
}

func (s *Server) changeSettings(ctx context.Context, r *request, ses session.Session) (any, error) {
	var b struct {
		UserSettings json.RawMessage `json:"userSettings"`
		Remove       []string        `json:"settingKeysToRemove"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	out, err := s.Settings.ChangeSettings(ctx, ses.Key, b.UserSettings, b.Remove)
	if errors.Is(err, crmgate.ErrNotFound) {
		err = errUserNotFound // they logged out meanwhile
	}
	return userSettings{out}, err
}
