package proxy

import (
	"context"
	"encoding/json"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/org"
)

// appAPI has the routes of organisations' own applications.
type appAPI struct{ orgs *org.Orgs }

// successful is {"successful":true}.
type successful struct {
	Successful bool `json:"successful"`
}

func (a appAPI) state(ctx context.Context, r *request) (any, error) {
	rc, platform, err := r.organisation("")
	if err != nil {
		return nil, err
	}
	state, err := a.orgs.ApplicationView(ctx, rc, platform)
	out := struct {
		Admin      bool              `json:"isAdmin"`
		HasAccount bool              `json:"hasAccountOAuth"`
		HasPending bool              `json:"hasPendingOAuth"`
		Values     map[string]string `json:"oauthValues,omitempty"`
		Pending    map[string]string `json:"pendingValues,omitempty"`
	}{Admin: state.Admin, HasAccount: state.Confirmed != nil, Values: state.Confirmed}
	if !out.HasAccount && state.Pending != nil { // clients compose their URL with the confirmed application
		out.HasPending, out.Pending = true, state.Pending
	}
	return out, err
}

func (a appAPI) enter(ctx context.Context, r *request) (any, error) {
	var b struct {
		Values   applicationValues `json:"values"`
		Platform crmgate.Text      `json:"platform"`
		RCToken  crmgate.Text      `json:"rcAccessToken"`
	}
	if err := r.body(&b); err != nil {
		return nil, err
	}
	admin, platform, err := a.admin(ctx, r, b.RCToken)
	if err != nil {
		return nil, err
	}
	if platform == "" {
		platform = crmgate.Platform(b.Platform)
	}
	_, err = admin.Enter(ctx, platform, b.Values, crmgate.Pending)
	return successful{true}, err
}

// applicationValues are the values of an application, by name. scopes may be a list. Names that an application does not have
// are ignored.
type applicationValues map[string]string

// UnmarshalJSON reads an object.
func (v *applicationValues) UnmarshalJSON(b []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*v = applicationValues{}
	for _, name := range crmgate.ApplicationFields() {
		var text crmgate.Text
		var into json.Unmarshaler = &text
		if name == "scopes" {
			into = (*crmgate.Words)(&text)
		}
		if raw[name] == nil {
			continue
		}
		if err := into.UnmarshalJSON(raw[name]); err != nil {
			return &json.UnmarshalTypeError{Value: "value", Field: name}
		}
		(*v)[name] = string(text)
	}
	return nil
}

func (a appAPI) dropPending(ctx context.Context, r *request) (any, error) {
	admin, platform, err := a.admin(ctx, r, "")
	if err != nil {
		return nil, err
	}
	return successful{true}, admin.DropPending(ctx, platform)
}

func (a appAPI) remove(ctx context.Context, r *request) (any, error) {
	admin, platform, err := a.admin(ctx, r, "")
	if err != nil {
		return nil, err
	}
	return successful{true}, admin.RemoveApp(ctx, platform)
}

// admin verifies the RingCentral token of an organisation's admin, and reads the platform.
func (a appAPI) admin(ctx context.Context, r *request, body crmgate.Text) (*org.Admin, crmgate.Platform, error) {
	rc, platform, err := r.organisation(body)
	if err != nil {
		return nil, "", err
	}
	admin, err := a.orgs.VerifyAdmin(ctx, rc)
	return admin, platform, err
}

// organisation reads the RingCentral token, which names the organisation, and the platform.
func (r *request) organisation(body crmgate.Text) (crmgate.Secret, crmgate.Platform, error) {
	platform, err := r.param("platform")
	if err != nil {
		return crmgate.Secret{}, "", err
	}
	rc, err := r.rcToken(body)
	return rc, crmgate.Platform(platform), err
}
