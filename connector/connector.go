package connector

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// Connector is the code for one platform. It is safe for concurrent use.
//
// There is one method for each operation of the connector ABI (connectors-wasm/ABI.md), with the ABI's name without "get".
//
// If the connector does not implement an operation, the error matches errors.ErrUnsupported, and the caller uses its
// default. If the platform has only a manifest, every operation returns a *crmgate.Refusal that matches
// crmgate.ErrNotFound. Other errors are a *crmgate.ConnectorError. A call ends at the deadline of its context, or at the
// host's if that is earlier.
type Connector interface {
	// Manifest returns the connector's manifest, which is never nil. Do not modify it.
	Manifest() *manifest.Manifest
	// Implements reports whether the module exports an interface of this name, even if crmgate never calls it.
	Implements(name string) bool

	// AuthType returns the answer that the module gave when it was loaded.
	AuthType() (manifest.AuthType, error)
	// OAuthInfo returns the application to use. Empty fields mean those of the manifest.
	OAuthInfo(context.Context, OAuthInfoRequest) (OAuthInfo, error)
	// OverridingOAuthOption returns additions to the code exchange.
	OverridingOAuthOption(context.Context, OAuthOptionRequest) (OAuthOption, error)
	// BasicAuth turns an API key into an Authorization header: "Basic …", or the connector's own.
	BasicAuth(ctx context.Context, apiKey crmgate.Secret) (crmgate.Secret, error)
	// UserInfo asks the CRM who the person is.
	UserInfo(context.Context, UserInfoRequest) (UserInfo, error)
	// AuthValidation asks the CRM whether the grant is still valid.
	AuthValidation(context.Context, UserRequest) (Outcome, error)
	// RefreshUserInfo reads the person's data again.
	RefreshUserInfo(context.Context, UserRequest) (Outcome, error)
	// UnAuthorize ends the grant at the CRM.
	UnAuthorize(context.Context, UserRequest) (Outcome, error)
	// PostSaveUserInfo is called after a sign-in was stored.
	PostSaveUserInfo(context.Context, UserRequest) (Outcome, error)
	// LicenseStatus returns the connector's own JSON object.
	LicenseStatus(context.Context, UserRequest) (json.RawMessage, error)
	// RefreshAccessToken is used instead of the standard refresh (checkAndRefreshAccessToken).
	RefreshAccessToken(context.Context, RefreshRequest) (RefreshAnswer, error)
	// ManagedAuthOptions lists the choices of a dynamic managed field, which may depend on the account's values.
	ManagedAuthOptions(context.Context, ManagedAuthOptionsRequest) ([]ManagedAuthOption, error)
}

// OAuthInfoRequest is the request of getOauthInfo. For a stored grant, Hostname and TokenURL are the stored ones.
type OAuthInfoRequest struct {
	Hostname  string
	TokenURL  string
	Account   crmgate.AccountID
	UserEmail string
	Username  string // that the person entered, or the client named; empty for a stored grant
}

// OAuthInfo is the answer of getOauthInfo. Empty fields of its Application mean those of the manifest.
type OAuthInfo struct {
	crmgate.Application
	TokenAuth crmgate.TokenAuth // empty: the manifest's
	// RevocationURI is the revocation endpoint; empty for the manifest's.
	RevocationURI string
	// SecretSends says where ClientSecret may be sent; nil if the connector knows it, or if it is an admin's. All must allow it.
	SecretSends []manifest.Send
	// FailMessage, if not empty, ends the sign-in with this text for the person.
	FailMessage string
}

// OAuthOptionRequest is the request of getOverridingOAuthOption.
type OAuthOptionRequest struct {
	Code  crmgate.Secret
	State string    // the callback's state; empty if it had none
	OAuth OAuthInfo // the guest sees ClientSecret only if its manifest reveals it
}

// OAuthOption is added to a token request. A body member replaces the standard parameter of the same name. If
// crmgate.CheckHeaders refuses the headers, the request is not sent. A header with an empty value is not sent.
type OAuthOption struct {
	Headers map[string]string
	Query   map[string]string
	Body    map[string]string
}

// UserInfoRequest is the request of getUserInfo. APIKey and AdditionalInfo are empty after a code exchange; Data and Query are
// empty for a form.
type UserInfoRequest struct {
	AuthHeader  crmgate.Secret // "Bearer …", or the result of BasicAuth
	Hostname    string
	Query       map[string]string // the callback's parameters without code and state
	CallbackURI string            // without the code
	TokenURL    string
	APIURL      string
	Username    string
	// Data is the token answer as a JSON object without the tokens; nil if there was none.
	Data json.RawMessage
	// APIKey and AdditionalInfo (a JSON object) are the values of the form. Both may contain credentials.
	APIKey         crmgate.Secret
	AdditionalInfo crmgate.Secret
}

// UserInfo is the answer of getUserInfo.
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

// UserRequest is the request of the operations for a signed-in person.
type UserRequest struct {
	User        crmgate.User
	TokenExpiry json.RawMessage // RFC 3339 string, or nil
	AuthHeader  crmgate.Secret
	APIKey      crmgate.Secret // hidden in logs and answers, and not passed to the guest; empty for OAuth
	// RefreshToken is for UnAuthorize: the guest sees it if its manifest reveals it.
	RefreshToken crmgate.Secret
	// Rejected, if not nil, is called each time that the CRM answers 401 to a request with the credentials of AuthHeader,
	// before the operation returns. It is not passed to the guest.
	Rejected func()
}

// ErrInterrupted is the cause of a *crmgate.ConnectorError if a call was interrupted through no fault of its own, after it had sent a
// request to the CRM, or if the connector could not be started because of this system. It may succeed the next time.
var ErrInterrupted = errors.New("the call was interrupted")

// Outcome is the answer of the operations for a signed-in person.
type Outcome struct {
	Successful bool
	Message    *crmgate.ReturnMessage
	// AdditionalInfo, if not nil, is a JSON object. Its members replace those of the user's.
	AdditionalInfo json.RawMessage
	// Told says of UnAuthorize that the CRM has answered a request. A connector may have nothing to tell a CRM that ends no grants.
	Told bool
}

// RefreshRequest is the request of checkAndRefreshAccessToken.
type RefreshRequest struct {
	UserRequest
	OAuth OAuthInfo // the guest sees the RefreshToken only if its manifest reveals it
	// Answered, if not nil, is called with the guest's JSON document before it is decoded. It contains the tokens.
	Answered func(document crmgate.Secret)
	// Fetches, if not nil, keeps what the CRM answers to the guest: the connector may be interrupted before it has passed on the
	// new tokens, and the CRM may refuse to give them a second time.
	Fetches Fetches
}

// Fetches keeps the CRM's answers to the requests of one refresh. The requests are numbered from 0, and described by their method and
// URL without the query. An answer is a document of the ABI.
type Fetches interface {
	// Earlier returns the answer that an earlier run of the same refresh got to the request. The request is not sent then.
	Earlier(n int, request string) (answer crmgate.Secret, ok bool)
	// Keep keeps an answer, and reports whether it did. The answer is durable when Keep returns, before the guest sees it.
	Keep(ctx context.Context, n int, request string, answer crmgate.Secret) bool
}

// RefreshAnswer is the answer of checkAndRefreshAccessToken.
type RefreshAnswer struct {
	AccessToken    crmgate.Secret // not empty
	RefreshToken   crmgate.Secret // empty if the old one remains valid
	ExpiresIn      int64          // seconds; 0 if unknown
	AdditionalInfo json.RawMessage
}

// ManagedAuthOptionsRequest is the request of getManagedAuthOptions.
type ManagedAuthOptionsRequest struct {
	FieldConst    string
	AccountValues map[string]crmgate.Secret // the organisation's values, by the field's const
}

// ManagedAuthOption is one choice of a dynamic managed field. Neither member is empty.
type ManagedAuthOption struct {
	Value string `json:"value"`
	Label string `json:"label"`
}
