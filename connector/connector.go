package connector

import (
	"context"
	"encoding/json"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// Connector knows one platform. It is safe for concurrent use.
//
// There is one method for each operation of the connector ABI (connectors-wasm/ABI.md), under the ABI's name without
// "get". Methods, and not operation values over one Call, because the compiler then checks every call and the
// operation's documentation stands where it is used; the one implementation pays with a line each.
//
// Every method fails with an error matching errors.ErrUnsupported if the connector has no such operation; the caller
// then does the standard thing. Any other failure is a *ConnectorError. A deadline is always in force, the caller's
// or the host's, whichever ends first.
type Connector interface {
	// Manifest is the connector's manifest; never nil, not to be modified.
	Manifest() *manifest.Manifest
	// Implements reports whether the module exports an interface of this name; names that crmgate never calls count.
	Implements(name string) bool

	// AuthType was asked when the module was loaded. A platform without a module answers a Refusal.
	AuthType() (manifest.AuthType, error)
	// OAuthInfo says which application to use. What is left empty is the manifest's.
	OAuthInfo(context.Context, OAuthInfoRequest) (crmgate.OAuthInfo, error)
	// OverridingOAuthOption says what to add to the code exchange.
	OverridingOAuthOption(context.Context, OAuthOptionRequest) (OAuthOption, error)
	// BasicAuth turns an API key into what follows "Basic ".
	BasicAuth(ctx context.Context, apiKey crmgate.Secret) (crmgate.Secret, error)
	// UserInfo asks the CRM who the person is.
	UserInfo(context.Context, UserInfoRequest) (UserInfo, error)
	// AuthValidation asks the CRM whether the sign-in still stands.
	AuthValidation(context.Context, UserRequest) (Outcome, error)
	// RefreshUserInfo reads the person's particulars anew.
	RefreshUserInfo(context.Context, UserRequest) (Outcome, error)
	// UnAuthorize ends the grant at the CRM.
	UnAuthorize(context.Context, UserRequest) (Outcome, error)
	// PostSaveUserInfo runs after a sign-in was stored.
	PostSaveUserInfo(context.Context, UserRequest) (Outcome, error)
	// LicenseStatus returns the connector's own JSON object.
	LicenseStatus(context.Context, UserRequest) (json.RawMessage, error)
	// RefreshAccessToken replaces the standard refresh (checkAndRefreshAccessToken).
	RefreshAccessToken(context.Context, RefreshRequest) (RefreshAnswer, error)
	// ManagedAuthOptions lists the choices of a dynamic managed field, which may depend on the account's values.
	ManagedAuthOptions(context.Context, ManagedAuthOptionsRequest) ([]ManagedAuthOption, error)
}

// OAuthInfoRequest is what getOauthInfo gets. For a stored grant, Hostname and TokenURL are those stored with it.
type OAuthInfoRequest struct {
	Hostname  string
	TokenURL  string
	Account   crmgate.AccountID
	UserEmail string
}

// OAuthOptionRequest is what getOverridingOAuthOption gets.
type OAuthOptionRequest struct {
	Code  crmgate.Secret
	OAuth crmgate.OAuthInfo // the guest sees ClientSecret only if its manifest reveals it
}

// OAuthOption is added to a token request. A body member replaces the standard one of the same name. Headers that
// CheckHeaders refuses are the connector's error, and nothing is sent.
type OAuthOption struct {
	Headers map[string]string
	Query   map[string]string
	Body    map[string]string
}

// UserInfoRequest is what getUserInfo gets. After a code exchange APIKey is empty; from a form, Data and Query are.
type UserInfoRequest struct {
	AuthHeader  crmgate.Secret // "Bearer …" or "Basic …"
	Hostname    string
	Query       map[string]string // the callback's parameters, code and state excepted
	CallbackURI string            // without the code
	TokenURL    string
	APIURL      string
	Username    string
	// Data is the token answer as a JSON object, the tokens excepted; nil if there was none.
	Data json.RawMessage
	// APIKey and AdditionalInfo (a JSON object) are what the form held; both may hold credentials.
	APIKey         crmgate.Secret
	AdditionalInfo crmgate.Secret
}

// UserInfo is what getUserInfo answers.
type UserInfo struct {
	Successful bool
	// Message is for the person; nil if there is none. A failed sign-in should have one.
	Message            *crmgate.ReturnMessage
	ID                 crmgate.UserID // not empty if Successful
	Name               string
	TimezoneName       string
	TimezoneOffset     json.RawMessage // JSON number or string, or nil
	AdditionalInfo     json.RawMessage // JSON object, or nil
	OverridingHostname string
	OverridingAPIKey   crmgate.Secret
}

// UserRequest is what operations on a signed-in person get.
type UserRequest struct {
	User        crmgate.User
	TokenExpiry json.RawMessage // RFC 3339 string, or nil
	AuthHeader  crmgate.Secret
	// Rejected, if not nil, is called when the CRM has answered 401 to a request that carried the credential of
	// AuthHeader, before the operation returns, each time that it has. The guest knows nothing of it.
	Rejected func()
}

// Outcome is what operations on a signed-in person answer.
type Outcome struct {
	Successful bool
	Message    *crmgate.ReturnMessage
	// AdditionalInfo, if not nil, is a JSON object to be merged over the user's.
	AdditionalInfo json.RawMessage
}

// RefreshRequest is what checkAndRefreshAccessToken gets.
type RefreshRequest struct {
	UserRequest
	OAuth        crmgate.OAuthInfo
	RefreshToken crmgate.Secret // the guest sees it only if its manifest reveals it
	// Answered, if not nil, is told the answer as the guest gave it, before anybody reads it: a JSON document, the tokens in it.
	Answered func(document crmgate.Secret)
}

// RefreshAnswer is what checkAndRefreshAccessToken answers.
type RefreshAnswer struct {
	AccessToken    crmgate.Secret // not empty
	RefreshToken   crmgate.Secret // empty: keep the old one
	ExpiresIn      int64          // seconds; 0: unknown
	AdditionalInfo json.RawMessage
}

// ManagedAuthOptionsRequest is what getManagedAuthOptions gets.
type ManagedAuthOptionsRequest struct {
	FieldConst    string
	AccountValues map[string]crmgate.Secret // of the organisation's fields, by const
}

// ManagedAuthOption is one choice of a dynamic managed field. Neither member is empty.
type ManagedAuthOption struct {
	Value string `json:"value"`
	Label string `json:"label"`
}
