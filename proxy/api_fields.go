package proxy

import (
	"context"
	"encoding/json"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/session"
)

// fieldAPI has the routes of managed fields: credentials that an admin enters for other people.
type fieldAPI struct{ orgs *org.Orgs }

func (a fieldAPI) state(ctx context.Context, r *request) (any, error) {
	var platform, hostname string
	if err := r.params(map[string]*string{"platform": &platform, "hostname": &hostname}); err != nil {
		return nil, err
	}
	rc, err := r.rcToken("")
	if err != nil {
		return nil, err
	}
	return a.orgs.FieldsState(ctx, crmgate.Platform(platform), hostname, rc)
}

func (a fieldAPI) list(ctx context.Context, r *request, ses session.Session) (any, error) {
	rc, err := r.rcToken("")
	if err != nil {
		return nil, err
	}
	return a.orgs.ManagedFields(ctx, org.FieldsAdmin{Session: ses.Key, RCToken: rc})
}

func (a fieldAPI) update(ctx context.Context, r *request, ses session.Session) (any, error) {
	var b struct {
		Scope     crmgate.Text    `json:"scope"`
		Extension crmgate.Text    `json:"rcExtensionId"`
		Name      crmgate.Text    `json:"rcUserName"`
		Values    json.RawMessage `json:"values"`
		Remove    textList        `json:"fieldsToRemove"`
		RCToken   crmgate.Text    `json:"rcAccessToken"`
	}
	rc, err := r.bodyAndToken(&b, &b.RCToken)
	if err != nil {
		return nil, err
	}
	err = a.orgs.UpdateManagedFields(ctx, org.FieldsAdmin{Session: ses.Key, RCToken: rc}, org.FieldsUpdate{
		Scope: string(b.Scope), Extension: crmgate.ExtensionID(b.Extension), Name: string(b.Name), Values: crmgate.NewSecret(string(b.Values)), Remove: b.Remove,
	})
	return text("Shared authentication updated"), err
}

func (a fieldAPI) options(ctx context.Context, r *request) (any, error) {
	var platform, hostname string
	if err := r.params(map[string]*string{"platform": &platform, "hostname": &hostname}); err != nil {
		return nil, err
	}
	var b struct {
		Field         crmgate.Text    `json:"fieldConst"`
		AccountValues json.RawMessage `json:"accountValues"`
		RCToken       crmgate.Text    `json:"rcAccessToken"`
	}
	rc, err := r.bodyAndToken(&b, &b.RCToken)
	if err != nil {
		return nil, err
	}
	return a.orgs.FieldOptions(ctx, org.FieldOptionsRequest{
		Platform: crmgate.Platform(platform), Hostname: hostname, Field: string(b.Field), AccountValues: crmgate.NewSecret(string(b.AccountValues)), RCToken: rc,
	})
}
