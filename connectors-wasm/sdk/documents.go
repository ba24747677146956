package sdk

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// None is the input of an operation without one.
type None struct{}

// AuthType is getAuthType's answer: "oauth" or "apiKey", as the manifest says.
type AuthType struct {
	Type string `json:"type"`
}

// OAuthInfoRequest is getOauthInfo's input. For a stored grant, Hostname and TokenURL are those stored with it.
type OAuthInfoRequest struct {
	Hostname    string `json:"hostname,omitempty"`
	TokenURL    string `json:"tokenUrl,omitempty"`
	RCAccountID string `json:"rcAccountId,omitempty"`
	UserEmail   string `json:"userEmail,omitempty"`
	Username    string `json:"username,omitempty"`
}

// OAuthInfo is getOauthInfo's answer, and the oauthInfo in the input of other operations. In the answer, the manifest supplies
// empty fields. In an input, an empty field is unknown or not revealed.
type OAuthInfo struct {
	ClientID         string `json:"clientId,omitempty"`
	ClientSecret     string `json:"clientSecret,omitempty"`
	AccessTokenURI   string `json:"accessTokenUri,omitempty"`
	AuthorizationURI string `json:"authorizationUri,omitempty"`
	RedirectURI      string `json:"redirectUri,omitempty"`
	Scopes           Words  `json:"scopes,omitempty"`
	Hostname         string `json:"hostname,omitempty"`
	// RevocationURI is the revocation endpoint, if it is not the manifest's.
	RevocationURI string `json:"revocationUri,omitempty"`
	// TokenAuth is how the client authenticates at the token endpoint: "basic", "basicRaw", "body" or "none".
	TokenAuth string `json:"tokenAuth,omitempty"`
	// TokenEndpointAuthMethod says the same in the words of RFC 7591: "client_secret_basic", "client_secret_post" or "none".
	// TokenAuth takes precedence. Inputs have only TokenAuth.
	TokenEndpointAuthMethod string `json:"tokenEndpointAuthMethod,omitempty"`
	// FailMessage, if not empty, ends the sign-in with this text for the person.
	FailMessage string `json:"failMessage,omitempty"`
}

// Words is a list of words in one string, separated by spaces. In JSON it may also be a list.
type Words string

// UnmarshalJSON reads a string or a list of strings.
func (w *Words) UnmarshalJSON(b []byte) error {
	if b[0] != '[' {
		return json.Unmarshal(b, (*string)(w))
	}
	var list []string
	err := json.Unmarshal(b, &list)
	*w = Words(strings.Join(list, " "))
	return err
}

// OAuthOptionRequest is getOverridingOAuthOption's input.
type OAuthOptionRequest struct {
	Code      string    `json:"code"`
	State     string    `json:"state,omitempty"` // with which the CRM sent the browser back
	OAuthInfo OAuthInfo `json:"oauthInfo"`
}

// OAuthOption is getOverridingOAuthOption's answer. Its values are added to the token request, or replace those of the same
// name. A header with an empty value is removed.
type OAuthOption struct {
	Headers map[string]string `json:"headers,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	Body    map[string]string `json:"body,omitempty"`
}

// BasicAuthRequest is getBasicAuth's input.
type BasicAuthRequest struct {
	APIKey string `json:"apiKey"`
}

// BasicAuth is getBasicAuth's answer: the credentials after "Basic ", or the whole header.
type BasicAuth struct {
	Basic string `json:"basic,omitempty"`
	// Header is the value of the Authorization header, if that is not Basic: "Token abc".
	Header string `json:"header,omitempty"`
}

// UserInfoRequest is getUserInfo's input.
type UserInfoRequest struct {
	AuthHeader  string            `json:"authHeader"`
	Hostname    string            `json:"hostname"`
	Platform    string            `json:"platform"`
	Query       map[string]string `json:"query,omitempty"` // the callback's parameters without code and state
	CallbackURI string            `json:"callbackUri,omitempty"`
	TokenURL    string            `json:"tokenUrl,omitempty"`
	APIURL      string            `json:"apiUrl,omitempty"`
	Username    string            `json:"username,omitempty"`
	// Data is the token answer as a JSON object, without the tokens.
	Data json.RawMessage `json:"data,omitempty"`
	// APIKey and AdditionalInfo are the values of the form.
	APIKey         string         `json:"apiKey,omitempty"`
	AdditionalInfo map[string]any `json:"additionalInfo,omitempty"`
}

// UserInfo is getUserInfo's answer. If it is not successful, it should have a message.
type UserInfo struct {
	Successful       bool              `json:"successful"`
	PlatformUserInfo *PlatformUserInfo `json:"platformUserInfo,omitempty"` // required if successful
	ReturnMessage    *ReturnMessage    `json:"returnMessage,omitempty"`
}

// PlatformUserInfo says who the person is.
type PlatformUserInfo struct {
	ID                     string          `json:"id"` // unique in the platform, by custom with its name as suffix: "123-clio"
	Name                   string          `json:"name"`
	TimezoneName           string          `json:"timezoneName,omitempty"`
	TimezoneOffset         json.RawMessage `json:"timezoneOffset,omitempty"` // a number or a string, kept as it is
	PlatformAdditionalInfo map[string]any  `json:"platformAdditionalInfo,omitempty"`
	OverridingHostname     string          `json:"overridingHostname,omitempty"`
	OverridingAPIKey       string          `json:"overridingApiKey,omitempty"`
}

// ReturnMessage is a message that the client shows as a toast.
type ReturnMessage struct {
	Message     string   `json:"message"`
	MessageType string   `json:"messageType,omitempty"` // "success", "warning", "danger" or "error"
	TTL         int      `json:"ttl,omitempty"`         // milliseconds
	Details     []Detail `json:"details,omitempty"`
}

// Success returns a message of success.
func Success(message string, shown time.Duration) *ReturnMessage {
	return &ReturnMessage{MessageType: "success", Message: message, TTL: int(shown.Milliseconds())}
}

// Warning returns a message of failure. Each of details is a line below it.
func Warning(message string, shown time.Duration, details ...string) *ReturnMessage {
	m := &ReturnMessage{MessageType: "warning", Message: message, TTL: int(shown.Milliseconds())}
	var items []DetailItem
	for i, text := range details {
		items = append(items, DetailItem{ID: strconv.Itoa(i + 1), Type: "text", Text: text})
	}
	if len(items) > 0 {
		m.Details = []Detail{{Title: "Details", Items: items}}
	}
	return m
}

// Detail is a section under a message.
type Detail struct {
	Title string       `json:"title"`
	Items []DetailItem `json:"items"`
}

// DetailItem is a line of a Detail.
type DetailItem struct {
	ID   string `json:"id"`
	Type string `json:"type"` // "text"
	Text string `json:"text"`
}

// UserRequest is the input of the operations on a signed-in person: authValidation, refreshUserInfo, unAuthorize,
// postSaveUserInfo and getLicenseStatus.
type UserRequest struct {
	User       User   `json:"user"`
	AuthHeader string `json:"authHeader"`
	// RefreshToken is only in unAuthorize's input. It needs "refreshToken" in the manifest's reveal.
	RefreshToken string `json:"refreshToken,omitempty"`
}

// User is a signed-in person.
type User struct {
	ID                     string          `json:"id"`
	Platform               string          `json:"platform"`
	Hostname               string          `json:"hostname"`
	RCAccountID            string          `json:"rcAccountId,omitempty"`
	TimezoneName           string          `json:"timezoneName,omitempty"`
	TimezoneOffset         json.RawMessage `json:"timezoneOffset,omitempty"`
	TokenExpiry            string          `json:"tokenExpiry,omitempty"` // RFC 3339
	PlatformAdditionalInfo map[string]any  `json:"platformAdditionalInfo,omitempty"`
}

// Outcome is the answer of authValidation, refreshUserInfo, unAuthorize and postSaveUserInfo.
type Outcome struct {
	Successful    bool           `json:"successful"`
	ReturnMessage *ReturnMessage `json:"returnMessage,omitempty"`
	User          *UserChange    `json:"user,omitempty"`
}

// UserChange is a change of the stored user. The members of the object are merged over the stored ones.
type UserChange struct {
	PlatformAdditionalInfo map[string]any `json:"platformAdditionalInfo"`
}

// LicenseStatus is getLicenseStatus's usual answer. A connector may answer with any other JSON object, which the client gets
// as it is.
type LicenseStatus struct {
	IsLicenseValid           bool   `json:"isLicenseValid"`
	LicenseStatus            string `json:"licenseStatus"`
	LicenseStatusDescription string `json:"licenseStatusDescription"`
}

// RefreshRequest is checkAndRefreshAccessToken's input. RefreshToken needs "refreshToken" in the manifest's reveal.
type RefreshRequest struct {
	User         User      `json:"user"`
	AuthHeader   string    `json:"authHeader"`
	OAuthInfo    OAuthInfo `json:"oauthInfo"`
	RefreshToken string    `json:"refreshToken,omitempty"`
}

// Refreshed is checkAndRefreshAccessToken's answer. Without a refresh token the old one is kept. ExpiresIn is in seconds.
// Without it the lifetime is unknown.
type Refreshed struct {
	AccessToken  string      `json:"accessToken"`
	RefreshToken string      `json:"refreshToken,omitempty"`
	ExpiresIn    int64       `json:"expiresIn,omitempty"`
	User         *UserChange `json:"user,omitempty"`
}

// ManagedAuthRequest is getManagedAuthOptions' input: a field of the form, and the account's current values.
type ManagedAuthRequest struct {
	FieldConst    string         `json:"fieldConst"`
	AccountValues map[string]any `json:"accountValues"`
}

// ManagedAuthOptions is getManagedAuthOptions' answer.
type ManagedAuthOptions struct {
	Options []ManagedAuthOption `json:"options"`
}

// ManagedAuthOption is one choice.
type ManagedAuthOption struct {
	Value string `json:"value"`
	Label string `json:"label"`
}
