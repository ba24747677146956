package authflow

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/storage/audit"
)

// APIKeyRequest is an API-key form as a client posts it.
type APIKeyRequest struct {
	Platform        crmgate.Platform
	APIKey          crmgate.Secret
	Hostname        string
	AdditionalInfo  crmgate.Secret // a JSON object of the form's fields, or empty
	RCToken         crmgate.Secret
	HashedExtension string

	visitor *pendingSignIn // of a page of ours; else nil
}

// APIKey signs a person in with what they typed into the platform's form. If the CRM or the connector turns them away,
// or fields are missing, SignedIn has a Message and no Token; every other failure is an error. Nothing was stored then.
func (f *Flows) APIKey(ctx context.Context, r APIKeyRequest) (SignedIn, error) {
	if r.Platform == "" {
		return SignedIn{}, crmgate.RefusePlain("Missing platform name")
	}
	in, err := f.apiKey(ctx, r)
	f.ended(ctx, "apiKey", r.Platform, outcome(in, err))
	f.recordFailure(ctx, audit.ByAPIKey, r.Platform, in, err)
	return in, err
}

func (f *Flows) apiKey(ctx context.Context, r APIKeyRequest) (SignedIn, error) {
	var who identity.Identity
	var err error
	switch {
	case r.visitor != nil:
		who = r.visitor.Who
	case !r.RCToken.IsZero():
		if who, err = f.Verify(ctx, r.RCToken); err != nil {
			return SignedIn{}, err
		}
	}
	conn, err := f.Connectors.Find(r.Platform)
	if err != nil {
		return SignedIn{}, err
	}
	m := conn.Manifest()
	if m.AuthType != manifest.APIKey {
		return SignedIn{}, crmgate.Refuse("%s signs people in by OAuth, not with an API key", m.Platform)
	}
	hostname, err := m.CheckHostname(r.Hostname)
	if err != nil {
		return SignedIn{}, err
	}
	form, err := org.ReadForm(r.AdditionalInfo, r.APIKey)
	if err != nil {
		return SignedIn{}, err
	}
	var managed org.Filling
	known := !r.RCToken.IsZero() || who.Account != ""
	if known { // upstream fills in and checks fields only for whom RingCentral knows
		if managed, err = f.Orgs.Fill(ctx, m, who, form); err != nil {
			return SignedIn{}, err
		}
		if missing := form.Missing(m.Fields); len(missing) > 0 {
			return SignedIn{Message: missingFields(missing)}, nil
		}
		if r.APIKey.Reveal() == crmgate.Placeholder {
			r.APIKey = crmgate.Secret{} // the form has it
		}
	}
	info, key, err := f.identifyByKey(ctx, conn, hostname, r.APIKey, known, form)
	if err != nil {
		return SignedIn{}, err
	}
	if !info.Successful {
		f.Orgs.Failed(ctx, managed)
		return turnedAway(info), nil
	}
	crmgate.TraceOf(ctx).Step("identified")
	if !info.OverridingAPIKey.IsZero() {
		key = info.OverridingAPIKey
	}
	return f.signIn(ctx, conn, info, signIn{
		by: audit.ByAPIKey, hostname: hostname, account: who.Account, hashedExtension: r.HashedExtension,
		grant: func(crmgate.Grant) crmgate.Grant { return crmgate.Grant{APIKey: key, Issued: f.Now()} },
		with:  managed.Accepted(who.Admin),
	})
}

func (f *Flows) identifyByKey(ctx context.Context, conn connector.Connector, hostname string, given crmgate.Secret, known bool, form org.Form) (connector.UserInfo, crmgate.Secret, error) {
	key := crmgate.NewSecret(form.Text("apiKey"))
	// Upstream asks the form's own field only of whom RingCentral knows.
	if !known && !given.IsZero() || key.IsZero() {
		key = given
	}
	basic, err := conn.BasicAuth(ctx, key)
	if err != nil {
		return connector.UserInfo{}, key, err
	}
	info, err := conn.UserInfo(ctx, connector.UserInfoRequest{
		AuthHeader: crmgate.NewSecret("Basic " + basic.Reveal()),
		Hostname:   hostname, AdditionalInfo: form.Secret(), APIKey: key,
	})
	return info, key, err
}

// missingFields is upstream's answer, with a key that only it has.
func missingFields(consts []string) *crmgate.ReturnMessage {
	return message(struct {
		MessageType string   `json:"messageType"`
		Message     string   `json:"message"`
		TTL         int      `json:"ttl"`
		Consts      []string `json:"missingRequiredFieldConsts"`
	}{"warning", "Missing required authentication fields.", 3000, consts})
}
