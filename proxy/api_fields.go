package proxy

import (
	"context"
	"encoding/json"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/session"
)

func (s *Server) apiKeyManagedAuthState(ctx context.Context, r *request) (any, error) {
	platform, err := r.param("platform")
	if err != nil {
		return nil, err
	}
	rc, err := r.rcToken("")
	if err != nil {
		return nil, err
	}
	return s.Orgs.FieldsState(ctx, crmgate.Platform(platform), rc)
}

func (s *Server) managedAuth(ctx context.Context, r *request, ses session.Session) (any, error) {
	rc, err := r.rcToken("")
	if err != nil {
		return nil, err
	}
	return s.Orgs.ManagedFields(ctx, org.FieldsAdmin{Session: ses.Key, RCToken: rc})
}

func (s *Server) updateManagedAuth(ctx context.Context, r *request, ses session.Session) (any, error) {
	var b struct {
		Scope     string          `json:"scope"`
		Extension identity.ID     `json:"rcExtensionId"`
		Name      string          `json:"rcUserName"`
		Values    json.RawMessage `json:"values"`
		Remove    []string        `json:"fieldsToRemove"`
		RCToken   string          `json:"rcAccessToken"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	rc, err := r.rcToken(b.RCToken)
	if err != nil {
		return nil, err
	}
	err = s.Orgs.UpdateManagedFields(ctx, org.FieldsAdmin{Session: ses.Key, RCToken: rc}, org.FieldsUpdate{
		Scope: b.Scope, Extension: crmgate.ExtensionID(b.Extension), Name: b.Name, Values: crmgate.NewSecret(string(b.Values)), Remove: b.Remove,
	})
	return text("Shared authentication updated"), err
}

func (s *Server) managedAuthOptions(ctx context.Context, r *request) (any, error) {
	platform, err := r.param("platform")
	if err != nil {
		return nil, err
	}
	var b struct {
		Field         string          `json:"fieldConst"`
		AccountValues json.RawMessage `json:"accountValues"`
		RCToken       string          `json:"rcAccessToken"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	rc, err := r.rcToken(b.RCToken)
	if err != nil {
		return nil, err
	}
	return s.Orgs.FieldOptions(ctx, org.FieldOptionsRequest{
		Platform: crmgate.Platform(platform), Field: b.Field, AccountValues: crmgate.NewSecret(string(b.AccountValues)), RCToken: rc,
	})
}
