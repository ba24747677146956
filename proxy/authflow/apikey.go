package authflow

import (
	"context"
	"encoding/json"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
)

// APIKeyRequest is an API-key form as a client posts it.
type APIKeyRequest struct {
	Platform        crmgate.Platform
	APIKey          crmgate.Secret
	Hostname        string
	AdditionalInfo  crmgate.Secret // a JSON object of the form's fields, or empty
	RCToken         crmgate.Secret
	HashedExtension string

	visitor *authSession // of a page of ours; else nil
}

// APIKey signs a person in with what they typed into the platform's form. If the CRM or the connector turns them away,
// or fields are missing, SignedIn has a Message and no Token; every other failure is an error. Nothing was stored then.
func (f *Flows) APIKey(ctx context.Context, r APIKeyRequest) (SignedIn, error) {
	if r.Platform == "" {
		return SignedIn{}, crmgate.RefusePlain("Missing platform name")
	}
	in, err := f.apiKey(ctx, r)
	f.ended(ctx, "apiKey", r.Platform, outcome(in, err))
	f.recordFailure(ctx, storage.ByAPIKey, r.Platform, in, err)
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
	form, err := readForm(r)
	if err != nil {
		return SignedIn{}, err
	}
	var managed filling
	known := !r.RCToken.IsZero() || who.Account != ""
	if known { // upstream fills in and checks fields only for whom RingCentral knows
		if managed, err = f.fill(ctx, m, who, form); err != nil {
			return SignedIn{}, err
		}
		if missing := form.missing(m.Fields); len(missing) > 0 {
			return SignedIn{Message: missingFields(missing)}, nil
		}
		if r.APIKey.Reveal() == Placeholder {
			r.APIKey = crmgate.Secret{} // the form has it
		}
	}
	info, key, err := f.identifyByKey(ctx, conn, hostname, r.APIKey, known, form)
	if err != nil {
		return SignedIn{}, err
	}
	if !info.Successful {
		managed.failed(ctx, f)
		return turnedAway(info), nil
	}
	crmgate.TraceOf(ctx).Step("identified")
	if !info.OverridingAPIKey.IsZero() {
		key = info.OverridingAPIKey
	}
	return f.signIn(ctx, conn, info, signIn{
		by: storage.ByAPIKey, hostname: hostname, account: who.Account, hashedExtension: r.HashedExtension,
		grant: func(crmgate.Grant) crmgate.Grant { return crmgate.Grant{APIKey: key, Issued: f.Now()} },
		with:  managed.accepted(who.Admin),
	})
}

func (f *Flows) identifyByKey(ctx context.Context, conn connector.Connector, hostname string, given crmgate.Secret, known bool, form form) (connector.UserInfo, crmgate.Secret, error) {
	key := crmgate.NewSecret(form.text("apiKey"))
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
		Hostname:   hostname, AdditionalInfo: form.secret(), APIKey: key,
	})
	return info, key, err
}

// form is what the person typed, by the fields' consts.
type form map[string]json.RawMessage

func readForm(r APIKeyRequest) (form, error) {
	f := form{}
	if !r.AdditionalInfo.IsZero() {
		if err := json.Unmarshal([]byte(r.AdditionalInfo.Reveal()), &f); err != nil {
			return nil, crmgate.Refuse("additionalInfo must be an object") // the cause could quote a credential
		}
	}
	if f == nil { // null
		f = form{}
	}
	if f.empty("apiKey") && !r.APIKey.IsZero() {
		f["apiKey"], _ = json.Marshal(r.APIKey.Reveal())
	}
	return f, nil
}

func (f form) text(name string) string {
	var s string
	if json.Unmarshal(f[name], &s) != nil {
		return "" // not there, or no text
	}
	return s
}

func (f form) empty(name string) bool {
	v := string(f[name])
	return v == "" || v == `""` || v == "null"
}

// secret returns the form as a JSON object.
func (f form) secret() crmgate.Secret {
	b, _ := json.Marshal(f)
	return crmgate.NewSecret(string(b))
}

// missing lists the required fields that are empty, in the form's order.
func (f form) missing(fields []manifest.FormField) []string {
	var consts []string
	for _, field := range fields {
		if field.Required && f.empty(field.Const) {
			consts = append(consts, field.Const)
		}
	}
	return consts
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
