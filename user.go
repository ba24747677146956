package crmgate

import (
	"encoding/json"
	"time"
)

type (
	// Platform is a CRM's key in the manifest, such as "clio": [A-Za-z][A-Za-z0-9]*, at most 64 characters.
	Platform string
	// AccountID is the RingCentral account id of an organisation.
	AccountID string
	// ExtensionID is the RingCentral extension id of a user in an account.
	ExtensionID string
	// UserID is the id that a connector chose for a person, usually "<CRM id>-<platform>".
	UserID string
)

// Valid reports whether p has the form of a platform name.
func (p Platform) Valid() bool {
	for i := 0; i < len(p); i++ {
		c := p[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || p[i] < '0' || p[i] > '9') {
			return false
		}
	}
	return len(p) > 0 && len(p) <= 64
}

// UserKey identifies one person's connection to one CRM. A connector chooses only the ID, so it cannot name a person of
// another platform. Two hosts of one CRM may give the same ID to two people, and the owner of a host can choose any ID.
type UserKey struct {
	Platform Platform
	// Hostname is the person's CRM host, checked against the manifest; empty if the sign-in had none.
	Hostname string
	ID       UserID
}

func (k UserKey) String() string {
	if k.Hostname == "" {
		return string(k.Platform) + "/" + string(k.ID)
	}
	return string(k.Platform) + "/" + string(k.ID) + " at " + k.Hostname
}

// User is a person without the secrets.
type User struct {
	Key  UserKey
	Name string
	// Account is the organisation of the sign-in; empty if it had none.
	Account AccountID
	// Unproven says that nothing has proved the Account: the client of the sign-in named it.
	Unproven bool
	// HashedExtension is the rc-extension-id header of the sign-in. Clients send it hashed.
	HashedExtension string
	TimezoneName    string
	// TimezoneOffset is the connector's JSON number or string, unchanged.
	TimezoneOffset json.RawMessage
	// AdditionalInfo is the connector's own JSON object (platformAdditionalInfo).
	AdditionalInfo json.RawMessage
	Created        time.Time
	SignedIn       time.Time // the latest sign-in
	LoggedOut      time.Time // the latest logout
}

// Grant holds the credentials that a CRM issued: tokens, or an API key. The zero Grant holds none.
type Grant struct {
	AccessToken  Secret
	RefreshToken Secret
	APIKey       Secret
	// Issued and Expiry are the access token's start and end. A zero Expiry means that the end is unknown.
	Issued, Expiry time.Time
	App            ApplicationKey
	// Dead is the reason why the CRM no longer accepts the grant, and DeadSince is when that became known. Both are empty
	// for a grant in use. No request is made with a dead grant.
	Dead      string
	DeadSince time.Time
}

// Empty reports whether the grant holds no credentials.
func (g Grant) Empty() bool {
	return g.AccessToken.IsZero() && g.RefreshToken.IsZero() && g.APIKey.IsZero()
}

// Person is a user with their grant.
type Person struct {
	User  User
	Grant Grant
}
