package authflow

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/limit"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/storage/audit"
)

// APIKeyRequest holds the values of an API-key form.
type APIKeyRequest struct {
	Platform        crmgate.Platform
	APIKey          crmgate.Secret
	Hostname        string
	AdditionalInfo  crmgate.Secret // a JSON object of the form's fields, or empty
	RCToken         crmgate.Secret
	HashedExtension string

	session *authSession // of the connect page; nil for a client
}

// APIKey signs a person in with the values of the platform's form. If the CRM or the connector refuses the person, or fields
// are missing, SignedIn has a Message and no Token. Every other failure is an error. Nothing is stored in either case.
func (f *Flows) APIKey(ctx context.Context, r APIKeyRequest) (SignedIn, error) {
	if r.Platform == "" {
		return SignedIn{}, crmgate.RefusePlain("Missing platform name")
	}
	signedIn, err := f.apiKey(ctx, r)
	f.report(ctx, audit.ByAPIKey, r.Platform, OutcomeOf(signedIn, err))
	return signedIn, err
}

func (f *Flows) apiKey(ctx context.Context, r APIKeyRequest) (SignedIn, error) {
	if !f.clients.Allow(limit.ClientOf(ctx, "")) {
		return SignedIn{}, tooOften("from your address")
	}
	var who identity.Identity
	var err error
	switch {
	case r.session != nil:
		who = r.session.Who
	case !r.RCToken.IsZero():
		if who, err = f.Verify(ctx, r.RCToken); err != nil {
			return SignedIn{}, err
		}
	}
	conn, err := f.Connectors.Find(ctx, r.Platform)
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
	if known { // upstream fills in and checks fields only for a verified RingCentral user
		if managed, err = f.Orgs.Fill(ctx, m, who, hostname, form); err != nil {
			return SignedIn{}, err
		}
		if missing := form.Missing(m.Fields); len(missing) > 0 {
			f.Orgs.Incomplete(ctx, managed)
			return fieldsMissing(missing), nil
		}
		if r.APIKey.Reveal() == crmgate.Placeholder {
			r.APIKey = crmgate.Secret{} // the form has the key
		}
	}
	key := crmgate.NewSecret(form.Text("apiKey"))
	if !known && !r.APIKey.IsZero() || key.IsZero() { // upstream reads the form's own field only for a verified user
		key = r.APIKey
	}
	info, err := userByKey(ctx, conn, hostname, key, form)
	if err != nil {
		return SignedIn{}, err
	}
	if !info.Successful {
		f.Orgs.Failed(ctx, managed)
		return notAccepted(info), nil
	}
	crmgate.TraceOf(ctx).Step("identified")
	if !info.OverridingAPIKey.IsZero() {
		key = info.OverridingAPIKey
	}
	return f.complete(ctx, conn, info, completion{
		by: audit.ByAPIKey, hostname: hostname, account: who.Account, hashedExtension: r.HashedExtension,
		grant: func(crmgate.Grant) crmgate.Grant { return crmgate.Grant{APIKey: key, Issued: f.Now()} },
		with:  managed.Accepted(who.Admin),
	})
}

// userByKey asks the connector for the person behind an API key.
func userByKey(ctx context.Context, conn connector.Connector, hostname string, key crmgate.Secret, form org.Form) (connector.UserInfo, error) {
	header, err := conn.BasicAuth(ctx, key)
	if err != nil {
		return connector.UserInfo{}, err
	}
	return conn.UserInfo(ctx, connector.UserInfoRequest{
		AuthHeader: header, Hostname: hostname, AdditionalInfo: form.Secret(), APIKey: key,
	})
}
