package crmgate

import (
	"strings"
	"time"
)

// Application is an OAuth client registration at a CRM.
//
// The JSON names are those of App Connect's routes and manifests. A record or document that carries the secret reveals it
// in a member of its own.
type Application struct {
	ClientID         string `json:"clientId,omitempty"`
	ClientSecret     Secret `json:"clientSecret,omitzero"`
	AccessTokenURI   string `json:"accessTokenUri,omitempty"`
	AuthorizationURI string `json:"authorizationUri,omitempty"`
	RedirectURI      string `json:"redirectUri,omitempty"`
	Scopes           string `json:"scopes,omitempty"`
	Hostname         string `json:"hostname,omitempty"`
}

// applicationField is a field of an Application: a text, or the secret.
type applicationField struct {
	name   string
	text   *string
	secret *Secret
}

// fields lists the fields by their names in App Connect's routes.
func (a *Application) fields() []applicationField {
	return []applicationField{
		{name: "clientId", text: &a.ClientID}, {name: "clientSecret", secret: &a.ClientSecret},
		{name: "accessTokenUri", text: &a.AccessTokenURI}, {name: "authorizationUri", text: &a.AuthorizationURI},
		{name: "redirectUri", text: &a.RedirectURI}, {name: "scopes", text: &a.Scopes}, {name: "hostname", text: &a.Hostname},
	}
}

func (f applicationField) value() string {
	if f.secret != nil {
		return f.secret.Reveal()
	}
	return *f.text
}

func (f applicationField) set(value string) {
	if f.secret != nil {
		*f.secret = NewSecret(value)
	} else {
		*f.text = value
	}
}

// ApplicationFields lists the names of an Application's fields.
func ApplicationFields() []string {
	var names []string
	for _, f := range new(Application).fields() {
		names = append(names, f.name)
	}
	return names
}

// Placeholder is shown instead of a secret that is set. A client that sends it back keeps the stored secret.
const Placeholder = "********"

// ReadApplication reads an Application from values by name, without the space around them. It ignores other names. A value
// that is too long or has a control character is a Refusal.
func ReadApplication(values map[string]string) (Application, error) {
	const longest = 4 << 10
	var a Application
	for _, f := range a.fields() {
		v := strings.TrimSpace(values[f.name])
		if len(v) > longest || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return a, Refuse("%s must be a single line of at most %d bytes.", f.name, longest)
		}
		f.set(v)
	}
	return a, nil
}

// Shown returns the fields that are set, by name, with the Placeholder instead of the secret.
func (a Application) Shown() map[string]string {
	shown := map[string]string{}
	for _, f := range a.fields() {
		switch v := f.value(); {
		case v == "":
		case f.secret != nil:
			shown[f.name] = Placeholder
		default:
			shown[f.name] = v
		}
	}
	return shown
}

// IsZero reports whether no field is set.
func (a Application) IsZero() bool { return len(a.Shown()) == 0 }

// Over returns a with its empty fields filled from below. A client ID is never combined with the secret from below: a
// secret belongs to one client.
func (a Application) Over(below Application) Application {
	if a.ClientID != "" {
		below.ClientSecret = Secret{}
	}
	under := below.fields()
	for i, f := range a.fields() {
		if f.value() == "" {
			f.set(under[i].value())
		}
	}
	return a
}

// SameClient reports whether a and b are the same client at the same CRM, which therefore has the same secret.
func (a Application) SameClient(b Application) bool {
	return a.ClientID == b.ClientID && a.AccessTokenURI == b.AccessTokenURI && a.Hostname == b.Hostname
}

// OrgApplication is an organisation's own application, as an admin entered it.
//
// A proven sign-in that works confirms it. An organisation has one confirmed application for each platform. Its empty fields
// are the connector's.
type OrgApplication struct {
	Application
	Account AccountID
	// Platform is empty for a pending application that was entered without one.
	Platform Platform
	State    ApplicationState
	// Entry is a random id, made when the application was stored. A sign-in confirms the entry that it tried.
	Entry string
	// Generation is the one that the application's grants name. For a pending application it is the generation that the
	// application will have if it is confirmed now.
	Generation uint64
	Entered    time.Time
	By         ExtensionID
	// Expires is when a pending application is forgotten; zero for others.
	Expires time.Time
	// Used is when an unproven sign-in last used the pending application; zero if none has.
	Used time.Time
}

// ApplicationState is the state of an organisation's application.
type ApplicationState int

const (
	Pending   ApplicationState = iota // waits for a sign-in
	Staged                            // pending, and will replace the confirmed one
	Confirmed                         // in use
	Retired                           // replaced or removed; kept until its grants are revoked
)

// ApplicationKey names the application that issued a grant. Refresh and revocation use that application, also when it is
// not the current one.
type ApplicationKey struct {
	ClientID string
	TokenURL string
	// Account is the organisation of an organisation's application; empty for the connector's.
	Account    AccountID
	Generation uint64 // of the organisation's application; 0 for the connector's
	// Entry is the application's Entry if it was pending when it issued the grant; otherwise empty.
	Entry string
}

// TokenAuth is how a client authenticates at a token endpoint.
type TokenAuth string

// The four styles. Basic encodes id and secret first, as RFC 6749 section 2.3.1 demands; BasicRaw does not.
const (
	TokenAuthBasic    TokenAuth = "basic"
	TokenAuthBasicRaw TokenAuth = "basicRaw"
	TokenAuthBody     TokenAuth = "body"
	TokenAuthNone     TokenAuth = "none"
)

// Valid reports whether a is one of the four styles.
func (a TokenAuth) Valid() bool {
	return a == TokenAuthBasic || a == TokenAuthBasicRaw || a == TokenAuthBody || a == TokenAuthNone
}
