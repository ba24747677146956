package proxy

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/org"
)

// successful is {"successful":true}.
type successful struct {
	Successful bool `json:"successful"`
}

func (s *Server) managedState(ctx context.Context, r *request) (any, error) {
	rc, platform, err := r.organisation("")
	if err != nil {
		return nil, err
	}
	state, err := s.Orgs.ManagedState(ctx, rc, platform)
	out := struct {
		Admin      bool              `json:"isAdmin"`
		HasAccount bool              `json:"hasAccountOAuth"`
		HasPending bool              `json:"hasPendingOAuth"`
		Values     org.ManagedValues `json:"oauthValues,omitempty"`
		Pending    org.ManagedValues `json:"pendingValues,omitempty"`
	}{Admin: state.Admin, HasAccount: state.Confirmed != nil, Values: state.Confirmed}
	if !out.HasAccount && state.Pending != nil { // clients compose their URL with what is confirmed
		out.HasPending, out.Pending = true, state.Pending
	}
	return out, err
}

func (s *Server) enterApp(ctx context.Context, r *request) (any, error) {
	var b struct {
		Values   org.ManagedValues `json:"values"`
		Platform crmgate.Platform  `json:"platform"`
		RCToken  string            `json:"rcAccessToken"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	rc, platform, err := r.organisation(b.RCToken)
	if err != nil {
		return nil, err
	}
	if platform != "" {
		b.Platform = platform
	}
	return successful{true}, s.Orgs.EnterApp(ctx, rc, org.ManagedEntry{Platform: b.Platform, Values: b.Values})
}

func (s *Server) dropPendingApp(ctx context.Context, r *request) (any, error) {
	rc, platform, err := r.organisation("")
	if err != nil {
		return nil, err
	}
	return successful{true}, s.Orgs.DropPending(ctx, rc, platform)
}

func (s *Server) removeApp(ctx context.Context, r *request) (any, error) {
	rc, platform, err := r.organisation("")
	if err != nil {
		return nil, err
	}
	return successful{true}, s.Orgs.RemoveApp(ctx, rc, platform)
}

// organisation reads whose request it is, and of which platform.
func (r *request) organisation(body string) (crmgate.Secret, crmgate.Platform, error) {
	platform, err := r.param("platform")
	if err != nil {
		return crmgate.Secret{}, "", err
	}
	rc, err := r.rcToken(body)
	return rc, crmgate.Platform(platform), err
}
