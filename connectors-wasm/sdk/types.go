package sdk

import "encoding/json"

// AuthType is getAuthType's answer.
type AuthType struct {
	Type string `json:"type"` // "oauth" or "apiKey"
}

// OAuthInfoRequest is what getOauthInfo gets.
type OAuthInfoRequest struct {
	Hostname    string `json:"hostname"`
	TokenURL    string `json:"tokenUrl"`
	RCAccountID string `json:"rcAccountId"`
	UserEmail   string `json:"userEmail"`
}

// OAuthInfo is an OAuth application. What is left empty is the manifest's.
type OAuthInfo struct {
	ClientID         string `json:"clientId,omitempty"`
	ClientSecret     string `json:"clientSecret,omitempty"`
	AccessTokenURI   string `json:"accessTokenUri,omitempty"`
	AuthorizationURI string `json:"authorizationUri,omitempty"`
	RedirectURI      string `json:"redirectUri,omitempty"`
	Scopes           string `json:"scopes,omitempty"`
	Hostname         string `json:"hostname,omitempty"`
	TokenAuth        string `json:"tokenAuth,omitempty"`   // basic, basicRaw, body or none
	FailMessage      string `json:"failMessage,omitempty"` // ends the sign-in with this text
}

// OAuthOptionRequest is what getOverridingOAuthOption gets.
type OAuthOptionRequest struct {
	Code      string    `json:"code"`
	OAuthInfo OAuthInfo `json:"oauthInfo"`
}

// OAuthOption is added to the code exchange.
type OAuthOption struct {
	Headers map[string]string `json:"headers,omitempty"`
	Query   map[string]string `json:"query,omitempty"`
	Body    map[string]string `json:"body,omitempty"`
}

// BasicAuthRequest is what getBasicAuth gets.
type BasicAuthRequest struct {
	APIKey string `json:"apiKey"`
}

// BasicAuth is what follows "Basic " in the Authorization header.
type BasicAuth struct {
	Basic string `json:"basic"`
}

// UserInfoRequest is what getUserInfo gets.
type UserInfoRequest struct {
	AuthHeader     string            `json:"authHeader"`
	Hostname       string            `json:"hostname"`
	Platform       string            `json:"platform"`
	Query          map[string]string `json:"query"`
	CallbackURI    string            `json:"callbackUri"`
	TokenURL       string            `json:"tokenUrl"`
	APIURL         string            `json:"apiUrl"`
	Username       string            `json:"username"`
	Data           json.RawMessage   `json:"data"`
	APIKey         string            `json:"apiKey"`
	AdditionalInfo map[string]any    `json:"additionalInfo"`
}

// UserInfo is getUserInfo's answer. If Successful, User.ID is needed; if not, Message tells the person why.
type UserInfo struct {
	Successful bool           `json:"successful"`
	User       *PlatformUser  `json:"platformUserInfo,omitempty"`
	Message    *ReturnMessage `json:"returnMessage,omitempty"`
}

// PlatformUser is the person as the CRM knows them. ID is by custom "<CRM id>-<platform>", and must never change.
type PlatformUser struct {
	ID                 string         `json:"id"`
	Name               string         `json:"name"`
	TimezoneName       string         `json:"timezoneName,omitempty"`
	TimezoneOffset     any            `json:"timezoneOffset,omitempty"` // number or string
	AdditionalInfo     map[string]any `json:"platformAdditionalInfo,omitempty"`
	OverridingHostname string         `json:"overridingHostname,omitempty"`
	OverridingAPIKey   string         `json:"overridingApiKey,omitempty"`
}

// ReturnMessage is the toast that the extension shows.
type ReturnMessage struct {
	Message     string   `json:"message"`
	MessageType string   `json:"messageType"`   // success, warning, danger or error
	TTL         int      `json:"ttl,omitempty"` // milliseconds
	Details     []Detail `json:"details,omitempty"`
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

// UserRequest is what operations on a signed-in person get: authValidation, refreshUserInfo, unAuthorize,
// postSaveUserInfo, getLicenseStatus.
type UserRequest struct {
	User       User   `json:"user"`
	AuthHeader string `json:"authHeader"`
}

// User is a signed-in person.
type User struct {
	ID             string         `json:"id"`
	Platform       string         `json:"platform"`
	Hostname       string         `json:"hostname"`
	RCAccountID    string         `json:"rcAccountId"`
	TimezoneName   string         `json:"timezoneName"`
	TimezoneOffset any            `json:"timezoneOffset"`
	TokenExpiry    string         `json:"tokenExpiry"` // RFC 3339; empty if unknown
	AdditionalInfo map[string]any `json:"platformAdditionalInfo"`
}

// Outcome is what authValidation, refreshUserInfo, unAuthorize and postSaveUserInfo answer.
type Outcome struct {
	Successful bool           `json:"successful"`
	Message    *ReturnMessage `json:"returnMessage,omitempty"`
	User       *UserChange    `json:"user,omitempty"`
}

// UserChange changes a signed-in person: its members are laid over those that are there.
type UserChange struct {
	AdditionalInfo map[string]any `json:"platformAdditionalInfo"`
}

// LicenseStatus is getLicenseStatus's answer.
type LicenseStatus struct {
	Valid       bool   `json:"isLicenseValid"`
	Status      string `json:"licenseStatus"`
	Description string `json:"licenseStatusDescription"`
}

// RefreshRequest is what checkAndRefreshAccessToken gets. RefreshToken and OAuthInfo.ClientSecret are there only if the
// manifest's crmgate.reveal names them.
type RefreshRequest struct {
	UserRequest
	OAuthInfo    OAuthInfo `json:"oauthInfo"`
	RefreshToken string    `json:"refreshToken"`
}

// Tokens is checkAndRefreshAccessToken's answer.
type Tokens struct {
	AccessToken  string      `json:"accessToken"`
	RefreshToken string      `json:"refreshToken,omitempty"` // empty: keep the old one
	ExpiresIn    int64       `json:"expiresIn,omitempty"`    // seconds
	User         *UserChange `json:"user,omitempty"`
}
