package crmgate

import (
	"encoding/json"
	"time"
)

type (
	// Platform is a CRM's key in the manifest, such as "clio": [A-Za-z][A-Za-z0-9]*.
	Platform string
	// AccountID is an organisation: a RingCentral account id.
	AccountID string
	// ExtensionID is a RingCentral user inside an account.
	ExtensionID string
	// UserID is the id that a connector chose for a person, by custom "<CRM id>-<platform>".
	UserID string
)

// Valid reports whether p has the form that a platform name must have.
func (p Platform) Valid() bool {
	for i := 0; i < len(p); i++ {
		c := p[i] | 0x20
		if (c < 'a' || c > 'z') && (i == 0 || p[i] < '0' || p[i] > '9') {
			return false
		}
	}
	return len(p) > 0 && len(p) <= 64
}

// UserKey names one person's connection to one CRM. A connector chooses only the id, so it can name nobody of another platform.
type UserKey struct {
	Platform Platform
	ID       UserID
}

func (k UserKey) String() string { return string(k.Platform) + "/" + string(k.ID) }

// User is what is known about a person, secrets excepted.
type User struct {
	Key      UserKey
	Name     string
	Hostname string // the person's CRM host, checked against the manifest; empty if the CRM has no use for one
	// Account is the organisation the sign-in belonged to; empty if it named none.
	Account AccountID
	// HashedExtension is the rc-extension-id header of the sign-in, as it came: clients send it already hashed.
	HashedExtension string
	TimezoneName    string
	// TimezoneOffset is a JSON number or string, kept as the connector gave it.
	TimezoneOffset json.RawMessage
	// AdditionalInfo is a JSON object of the connector's own (platformAdditionalInfo).
	AdditionalInfo json.RawMessage
	Created        time.Time
	SignedIn       time.Time // the latest sign-in
	LoggedOut      time.Time // the latest logout
}

// App names the OAuth client registration that issued a grant. Refresh and revocation follow it, never the app that is current now.
type App struct {
	ClientID string
	TokenURL string
	// Account owns the app when it is the organisation's own; empty for the connector's.
	Account    AccountID
	Generation uint64 // of the account's app; 0 for the connector's
}

// Grant is what a CRM gave: tokens, or an API key. The zero Grant is none.
type Grant struct {
	AccessToken  Secret
	RefreshToken Secret
	APIKey       Secret
	// Issued and Expiry bound the access token's life; a zero Expiry means that none is known.
	Issued, Expiry time.Time
	App            App
	// Dead says why the CRM no longer honours the grant, and DeadSince since when; empty while it may. A dead grant costs no request.
	Dead      string
	DeadSince time.Time
}

// Empty reports whether the grant holds no credential at all.
func (g Grant) Empty() bool {
	return g.AccessToken.IsZero() && g.RefreshToken.IsZero() && g.APIKey.IsZero()
}

// Person is a user and what was granted to them.
type Person struct {
	User  User
	Grant Grant
}
